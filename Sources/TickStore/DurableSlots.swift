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

    /// What a file of slots says.
    struct Reading: Equatable {
        /// 0 when the file is missing or says nothing of the part.
        var durableTo: UInt64 = 0
        /// True when a slot holds something that is not sound: then `durableTo` may be too low.
        var isDamaged = false
    }

    private enum Slot: Equatable {
        case empty
        case sound(partID: UInt32, durableTo: UInt64)
        case damaged([UInt8])
    }

    /// Opens or makes the file of a part. Its first write goes where no greater value of the same part is lost.
    init(_ path: String, partID: UInt32) throws(StoreError) {
        let file = try File(path, O_RDWR | O_CREAT)
        let first = DurableSlots.durableTo(try DurableSlots.slot(0, of: file), partID)
        let second = DurableSlots.durableTo(try DurableSlots.slot(1, of: file), partID)
        self.file = file
        nextSlot = first <= second ? 0 : 1
        self.partID = partID
    }

    mutating func write(_ durableTo: UInt64) throws(StoreError) {
        let bytes = DurableSlots.encode(partID: partID, durableTo: durableTo)
        try file.write(bytes, at: nextSlot * DurableSlots.slotDistance)
        nextSlot = 1 - nextSlot
    }

    /// What the file at `path` says of the part; nil: of whichever part it speaks of.
    static func read(_ path: String, partID: UInt32?) throws(StoreError) -> Reading {
        do throws(StoreError) {
            let file = try File(path, O_RDONLY)
            var reading = Reading()
            for number: UInt64 in 0...1 {
                var slot = try slot(number, of: file)
                // The recorder may have been writing it just then; nobody writes the same half twice.
                if case .damaged = slot, try slot != DurableSlots.slot(number, of: file) {
                    slot = try DurableSlots.slot(number, of: file)
                }
                if case .damaged = slot { reading.isDamaged = true }
                reading.durableTo = max(reading.durableTo, durableTo(slot, partID))
            }
            return reading
        } catch {
            if error.code == ENOENT { return Reading() }
            throw error
        }
    }

    private static func durableTo(_ slot: Slot, _ partID: UInt32?) -> UInt64 {
        guard case .sound(let id, let durableTo) = slot, partID == nil || id == partID else { return 0 }
        return durableTo
    }

    private static func slot(_ number: UInt64, of file: File) throws(StoreError) -> Slot {
        let words = UnsafeMutableRawBufferPointer.allocate(byteCount: slotSize, alignment: 8)
        defer { words.deallocate() }
        let count = try file.read(into: words, at: number * slotDistance)
        if count == 0 || words[..<count].allSatisfy({ $0 == 0 }) { return .empty }
        guard count == slotSize else { return .damaged(Array(words[..<count])) }
        let partID = words.load(fromByteOffset: 8, as: UInt32.self).littleEndian
        let durableTo = words.load(fromByteOffset: 16, as: UInt64.self).littleEndian
        guard encode(partID: partID, durableTo: durableTo).elementsEqual(words) else { return .damaged(Array(words)) }
        return .sound(partID: partID, durableTo: durableTo)
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
