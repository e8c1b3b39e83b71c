internal import Glibc
internal import Ticks

extension SealedList {
    /// Entries at the end that are looked at first to find where the list ends.
    private static let firstLook: UInt64 = 64

    /// Appends entries behind the last ones that count. Durable when this returns;
    /// before, all of them count or none does.
    ///
    /// Throws ENOENT where there is no list, or none with a sound entry: only
    /// `SealedListWriter` begins one, and knows of all files.
    static func append(_ entries: [SealedEntry], stateDirectory: String) throws(StoreError) {
        for first in stride(from: 0, to: entries.count, by: SealedListScan.mostTogether) {
            let together = entries[first..<min(first + SealedListScan.mostTogether, entries.count)]
            try append(together, path: path(stateDirectory: stateDirectory))
        }
    }

    private static func append(_ entries: ArraySlice<SealedEntry>, path: String) throws(StoreError) {
        let file = try File(path, O_RDWR | O_NOFOLLOW)
        guard let end = try end(of: file) else { throw .system(call: "read the list", path: path, code: ENOENT) }
        let bytes = encoded(entries, behind: end)
        let offset = end.places * UInt64(SealedEntry.size)
        if try file.size() > offset {
            // A torn tail goes, for certain before anything takes its place: what is left
            // of two appends would mean something else.
            try file.truncate(to: offset)
            try file.syncData()
        }
        try file.write(bytes, at: offset)
        try file.syncData()
        try tell(file, durableTo: offset + UInt64(bytes.count))
    }

    /// The bytes of entries that are appended together.
    static func encoded(_ entries: ArraySlice<SealedEntry>, behind end: SealedListScan.End) -> [UInt8] {
        var (number, checksum) = (end.number, end.checksum)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(entries.count * SealedEntry.size)
        for (place, entry) in entries.enumerated() {
            number += 1
            let encoded = entry.encoded(number: number, previous: checksum, place: place, of: entries.count)
            checksum = encoded.checksum
            bytes += encoded.bytes
        }
        return bytes
    }

    /// Says how far a list is durable. On the disk some time later: it says less until then.
    static func tell(_ file: File, durableTo: UInt64) throws(StoreError) {
        guard let name = try name(of: file) else { return }
        var slots = try DurableSlots(slotsPath(file.path), partID: name)
        try slots.write(durableTo)
    }

    /// Where the list ends; nil when nothing in it counts.
    private static func end(of file: File) throws(StoreError) -> SealedListScan.End? {
        let places = try file.size() / UInt64(SealedEntry.size)
        let durable = try durable(of: file)
        var look = firstLook
        while true {
            let first = places > look ? places - look : 0
            if let end = try end(of: file, from: first, upTo: places, durable: durable) { return end }
            if first == 0 { return nil }
            look *= 16
        }
    }

    /// Nil when no entries that count begin in the range of places.
    private static func end(
        of file: File, from first: UInt64, upTo places: UInt64, durable: UInt64
    ) throws(StoreError) -> SealedListScan.End? {
        var scan: SealedListScan?
        var place = first
        var hasTaken = false
        try read(file, from: first, upTo: places) { stored in
            if scan == nil, let stored, stored.place == 0 {
                scan = SealedListScan(
                    behind: .init(places: place, number: stored.number &- 1, checksum: stored.previous))
            }
            scan?.pass(stored) { _, _ in hasTaken = true }
            place += 1
        }
        scan?.finish(durable: durable) { _, _ in hasTaken = true }
        return hasTaken ? scan?.end : nil
    }
}

/// Writes a new list, entry by entry. It takes the old one's place in one step, at the end.
struct SealedListWriter {
    private static let flushBytes = 4096 * SealedEntry.size

    private let stateDirectory: String
    private let file: File
    private var end = SealedListScan.End()
    private var bytes: [UInt8] = []
    private var written: UInt64 = 0

    init(stateDirectory: String) throws(StoreError) {
        self.stateDirectory = stateDirectory
        let temporary = SealedList.path(stateDirectory: stateDirectory) + ".new"
        try Directory.remove(temporary)
        file = try File(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
        var begun = SealedEntry(.begun)
        // By this it is told from the one before.
        begun.records = .random(in: 1 ... .max)
        try add(begun)
    }

    mutating func add(_ entry: SealedEntry) throws(StoreError) {
        let encoded = entry.encoded(number: end.number + 1, previous: end.checksum)
        end.number += 1
        end.checksum = encoded.checksum
        bytes += encoded.bytes
        if bytes.count >= SealedListWriter.flushBytes { try flush() }
    }

    private mutating func flush() throws(StoreError) {
        try file.write(bytes, at: written)
        written += UInt64(bytes.count)
        bytes.removeAll(keepingCapacity: true)
    }

    mutating func finish() throws(StoreError) {
        try flush()
        try file.syncData()
        let path = SealedList.path(stateDirectory: stateDirectory)
        guard rename(file.path, path) == 0 else { throw .system(call: "rename", path: path, code: errno) }
        try Directory.sync(stateDirectory)
        let list = try File(path, O_RDONLY | O_NOFOLLOW)
        try SealedList.tell(list, durableTo: written)
    }
}
