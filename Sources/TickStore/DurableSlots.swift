internal import CLinux
internal import Glibc

/// The file beside a part that says how much of it is durable: two slots, written in turn after each fdatasync.
///
///     offset size field
///          0    4 magic      "IBTD"
///          4    2 version    1
///          6    2 zero
///          8    4 part id    of the part that it speaks of
///         12    4 crc32c     over these 24 bytes with this field zero
///         16    8 durable_to file offset
///
/// The second slot stands at offset 512, in a sector of its own. The file is not synced: after a power loss it may be
/// older than the part, never newer. Readers take the greater of the sound slots.
struct DurableSlots: ~Copyable {
    static let slotSize = 24
    static let slotDistance: UInt64 = 512
    static let magic: UInt32 = 0x4454_4249
    static let version: UInt16 = 1

    private let file: File
    private let partID: UInt32
    private var nextSlot: UInt64

    /// Opens or makes the file of a part. Its first write goes where no greater value of the same part is lost.
    init(_ path: String, partID: UInt32) throws(StoreError) {
        let file = try File(path, O_RDWR | O_CREAT)
        let first = try DurableSlots.slot(0, of: file, partID: partID)
        let second = try DurableSlots.slot(1, of: file, partID: partID)
        self.file = file
        nextSlot = (first ?? 0) <= (second ?? 0) ? 0 : 1
        self.partID = partID
    }

    mutating func write(_ durableTo: UInt64) throws(StoreError) {
        let bytes = DurableSlots.encode(partID: partID, durableTo: durableTo)
        try file.write(bytes, at: nextSlot * DurableSlots.slotDistance)
        nextSlot = 1 - nextSlot
    }

    /// What the file at `path` says of the part (nil: of whichever part it speaks of), 0 when it is missing or says
    /// nothing of it.
    static func read(_ path: String, partID: UInt32?) throws(StoreError) -> UInt64 {
        do throws(StoreError) {
            let file = try File(path, O_RDONLY)
            return max(try slot(0, of: file, partID: partID) ?? 0, try slot(1, of: file, partID: partID) ?? 0)
        } catch {
            if error.code == ENOENT { return 0 }
            throw error
        }
    }

    private static func slot(_ number: UInt64, of file: File, partID: UInt32?) throws(StoreError) -> UInt64? {
        guard let slot = try decoded(number, of: file), partID == nil || slot.partID == partID else { return nil }
        return slot.durableTo
    }

    private static func decoded(
        _ number: UInt64, of file: File
    ) throws(StoreError) -> (partID: UInt32, durableTo: UInt64)? {
        let words = UnsafeMutableRawBufferPointer.allocate(byteCount: slotSize, alignment: 8)
        defer { words.deallocate() }
        guard try file.read(into: words, at: number * slotDistance) == slotSize,
            words.load(as: UInt32.self).littleEndian == magic,
            words.load(fromByteOffset: 4, as: UInt16.self).littleEndian == version
        else { return nil }
        let partID = words.load(fromByteOffset: 8, as: UInt32.self).littleEndian
        let durableTo = words.load(fromByteOffset: 16, as: UInt64.self).littleEndian
        return encode(partID: partID, durableTo: durableTo).elementsEqual(words) ? (partID, durableTo) : nil
    }

    private static func encode(partID: UInt32, durableTo: UInt64) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: slotSize)
        bytes.withUnsafeMutableBytes { raw in
            raw.storeBytes(of: magic.littleEndian, as: UInt32.self)
            raw.storeBytes(of: version.littleEndian, toByteOffset: 4, as: UInt16.self)
            raw.storeBytes(of: partID.littleEndian, toByteOffset: 8, as: UInt32.self)
            raw.storeBytes(of: durableTo.littleEndian, toByteOffset: 16, as: UInt64.self)
            raw.storeBytes(of: clx_crc32c(0, raw.baseAddress, slotSize).littleEndian, toByteOffset: 12, as: UInt32.self)
        }
        return bytes
    }
}
