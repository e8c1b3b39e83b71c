internal import CLinux
internal import Glibc
internal import Ticks

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
/// The second slot stands at offset 512, in a sector of its own; between them are zeros. The first write fills both:
/// one that is empty beside one that is not was destroyed. While the part is written the file is not synced: after a
/// power loss it may be older than the part, never newer. It is synced once the part is finished, and by recovery.
/// Readers take the greater of the sound slots.
struct DurableSlots: ~Copyable {
    static let slotSize = 24
    static let slotDistance: UInt64 = 512
    /// Of the whole file: nothing stands outside the slots.
    static let fileBytes = 536
    /// For a file in which no block says which part it is.
    static let anyPartID: UInt32 = 1
    static let magic: UInt32 = 0x4454_4249
    static let version = FormatVersion.slots

    private let file: File
    private let partID: UInt32
    private var nextSlot: UInt64
    /// True while a slot is empty.
    private var isBlank: Bool

    /// What a file of slots says.
    struct Reading: Equatable {
        /// 0 when the file is missing or says nothing of the part, or when recovery found that nothing in it counts.
        var durableTo: UInt64 = 0
        /// True when a sound slot speaks of the part.
        var isKnown = false
        /// True when the file is there with nothing in it: nothing of the part was durable yet.
        var isBlank = false
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
        let file = try File(path, O_RDWR | O_CREAT | O_NOFOLLOW)
        // All at once, so that no later write needs room on a disk that has none.
        if try file.size() == 0 { try file.write([UInt8](repeating: 0, count: DurableSlots.fileBytes), at: 0) }
        let slots = (try DurableSlots.slot(0, of: file), try DurableSlots.slot(1, of: file))
        self.file = file
        nextSlot = DurableSlots.durableTo(slots.0, partID) <= DurableSlots.durableTo(slots.1, partID) ? 0 : 1
        isBlank = slots.0 == .empty || slots.1 == .empty
        self.partID = partID
    }

    mutating func write(_ durableTo: UInt64) throws(StoreError) {
        let bytes = DurableSlots.encode(partID: partID, durableTo: durableTo)
        if isBlank {
            let between = [UInt8](repeating: 0, count: Int(DurableSlots.slotDistance) - DurableSlots.slotSize)
            try file.write(bytes + between + bytes, at: 0)
            isBlank = false
        } else {
            try file.write(bytes, at: nextSlot * DurableSlots.slotDistance)
        }
        nextSlot = 1 - nextSlot
    }

    /// False when no name leads to the file any more.
    var isLinked: Bool { file.isLinked }

    /// Waits until the slots are on the device.
    func sync() throws(StoreError) { try file.syncData() }

    /// What the file at `path` says of the part; nil: of whichever part it speaks of.
    static func read(_ path: String, partID: UInt32?) throws(StoreError) -> Reading {
        do throws(StoreError) {
            let file = try File(path, O_RDONLY)
            var reading = Reading()
            reading.isBlank = true
            var empty = 0
            for number: UInt64 in 0...1 {
                let slot = try settled(number, of: file)
                if slot == .empty { empty += 1 } else { reading.isBlank = false }
                if case .damaged = slot { reading.isDamaged = true }
                if case .sound(let id, _) = slot, partID == nil || id == partID { reading.isKnown = true }
                reading.durableTo = max(reading.durableTo, durableTo(slot, partID))
            }
            // The first slot was read before the second: the first write may have come between them.
            if empty == 1 {
                let again = (try slot(0, of: file), try slot(1, of: file))
                // Recorders that wrote no `newest` filled the slots one after the other.
                let fillsBoth = access(NewestPart.path(in: PartName.directory(of: path)), F_OK) == 0
                if fillsBoth, again.0 == .empty || again.1 == .empty { reading.isDamaged = true }
            }
            if try hasBytesBesideSlots(file) { reading.isDamaged = true }
            return reading
        } catch {
            if error.code == ENOENT { return Reading() }
            throw error
        }
    }

    /// A slot as two looks agree on it: the recorder may just be writing it.
    private static func settled(_ number: UInt64, of file: File) throws(StoreError) -> Slot {
        var slot = try slot(number, of: file)
        while case .damaged = slot {
            let again = try DurableSlots.slot(number, of: file)
            if again == slot { break }
            slot = again
        }
        return slot
    }

    /// True when something stands where nothing is ever written, or the file is not as long as it is made.
    private static func hasBytesBesideSlots(_ file: File) throws(StoreError) -> Bool {
        let size = try file.size()
        guard size == UInt64(fileBytes) else { return size > 0 }
        var between = [UInt8](repeating: 0, count: Int(slotDistance) - slotSize)
        return try file.read(into: &between, at: UInt64(slotSize)) && between.contains { $0 != 0 }
    }

    private static func durableTo(_ slot: Slot, _ partID: UInt32?) -> UInt64 {
        guard case .sound(let id, let durableTo) = slot, partID == nil || id == partID else { return 0 }
        return durableTo
    }

    private static func slot(_ number: UInt64, of file: File) throws(StoreError) -> Slot {
        let words = UnsafeMutableRawBufferPointer.allocate(byteCount: slotSize, alignment: 8)
        defer { words.deallocate() }
        let count: Int
        do throws(StoreError) { count = try file.read(into: words, at: number * slotDistance) } catch {
            guard error.code == EIO else { throw error }
            return .damaged([])
        }
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
