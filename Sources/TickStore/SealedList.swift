internal import Glibc
internal import Ticks

/// The list of sealed files, `sealed` in the state directory: which files have to be there, of which hours, with which keys and
/// which SHA-256. It tells that a file is gone where the files that are left can't: at the end of an epoch, at the end of
/// a stream.
///
/// Entries are only appended, each with a number and the checksum of the one before, so that none can vanish from the middle;
/// those that are appended together count together (`SealedListScan`). How far it is durable tells `sealed.durable` beside it, which
/// may say less after a power cut, never more. A file's entry is written behind its rename and is durable before the parts of the log
/// that it was made of go; that a file is to be removed is durable before it goes. Who holds the recorder's lock writes it: one
/// thread at a time.
///
/// In memory are 16 bytes an entry: where it stands. The rest is read when it is asked for.
struct SealedList {
    /// A share of the streams, so that a list of any length can be gone through in bounded memory.
    struct Share {
        var index: UInt32
        var count: UInt32

        /// No stream: for who asks for no files.
        static let nothing = Share(index: 1, count: 1)

        func has(_ stream: StreamID) -> Bool {
            ((UInt32(bitPattern: stream.conId) &* 2_654_435_761) >> 16) % max(count, 1) == index
        }
    }

    /// Where an entry about a stream's hour stands.
    private struct Place {
        var stream: StreamID
        var hour: Int32
        /// Among all entries of the list; the top bit is set in one that removes.
        var number: UInt32

        static let removes: UInt32 = 1 << 31
        var isRemoval: Bool { number & Place.removes != 0 }
        var index: UInt32 { number & ~Place.removes }
    }

    let path: String
    /// True when there is no such file: a recording from before there was a list, or somebody removed it.
    private(set) var isMissing = false
    /// Bytes that are not what was written there. A torn tail is none: its files are not in the list then.
    private(set) var findings: [LogFinding] = []
    /// Up to which key a stream's records may be gone.
    private(set) var removedTo: [StreamID: TickKey] = [:]
    /// The contracts whose definitions have to be there.
    private(set) var definitions: Set<ContractID> = []
    /// Sound entries read.
    private(set) var entries: UInt64 = 0
    private var file: File?
    /// How long the list was, and how far of it was sound.
    private var size: UInt64 = 0
    /// The files that have to be there, by stream and hour.
    private var places: [Place] = []

    static func path(stateDirectory: String) -> String { stateDirectory + "/sealed" }

    /// Entries read at a time.
    private static let chunkEntries = 4096
    /// Damaged ranges that are told one by one.
    private static let mostFindings = 1000

    /// Reads the list.
    ///
    /// - Parameter share: of which streams the files are wanted; nil: of all.
    init(stateDirectory: String, share: Share? = nil) throws(StoreError) {
        path = SealedList.path(stateDirectory: stateDirectory)
        let file: File
        do throws(StoreError) { file = try File(path, O_RDONLY | O_NOFOLLOW) } catch {
            // A link is not ours: where it leads others write.
            guard error.code == ENOENT || error.code == ELOOP else { throw error }
            isMissing = true
            if error.code == ELOOP { addFinding(0..<1) }
            return
        }
        self.file = file
        // Before the list's length: it may be growing.
        let durable = try SealedList.durable(of: file)
        size = try file.size()
        var scan = SealedListScan()
        try SealedList.read(file, from: 0, upTo: size / UInt64(SealedEntry.size)) { stored in
            scan.pass(stored) { take($0, at: $1, share) }
        }
        scan.finish(durable: durable) { take($0, at: $1, share) }
        for range in scan.damaged.prefix(SealedList.mostFindings) { addFinding(range) }
        // The first entry was there before anything was sealed.
        if entries == 0, findings.isEmpty { addFinding(0..<1) }
        try settle()
    }

    /// When something was appended last, by the host's clock.
    var changedNanos: Int64 {
        var status = stat()
        guard let file, fstat(file.descriptor, &status) == 0 else { return .min }
        return Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    }

    private mutating func addFinding(_ places: Range<UInt64>) {
        let size = UInt64(SealedEntry.size)
        findings.append(
            LogFinding(meaning: .corruption, path: path, range: places.lowerBound * size..<places.upperBound * size))
    }

    private mutating func take(_ entry: SealedEntry.Stored, at place: UInt64, _ share: Share?) {
        entries += 1
        switch entry.what {
        case .begun: return
        case .defined, .undefined:
            if entry.what == .defined {
                definitions.insert(entry.stream.contract)
            } else {
                definitions.remove(entry.stream.contract)
            }
            return
        case .removed: removedTo[entry.stream] = max(removedTo[entry.stream] ?? .zero, entry.lastKey)
        case .sealed: break
        }
        guard share?.has(entry.stream) ?? true, let hour = Int32(exactly: entry.hour),
            let index = UInt32(exactly: place), index < Place.removes
        else { return }
        places.append(
            Place(stream: entry.stream, hour: hour, number: entry.what == .removed ? index | Place.removes : index))
    }

    /// Of each hour the last entry counts, and what retention took is not wanted: also where the entry that says so of a file was
    /// destroyed, a later one of the stream tells.
    private mutating func settle() throws(StoreError) {
        places.sort { ($0.stream, $0.hour, $0.index) < ($1.stream, $1.hour, $1.index) }
        var kept = 0
        for index in places.indices {
            let place = places[index]
            if index + 1 < places.count, places[index + 1].stream == place.stream, places[index + 1].hour == place.hour
            {
                continue
            }
            guard !place.isRemoval else { continue }
            let isFirst = kept == 0 || places[kept - 1].stream != place.stream
            if isFirst, let removed = removedTo[place.stream], try entry(at: place).lastKey <= removed { continue }
            places[kept] = place
            kept += 1
        }
        places.removeLast(places.count - kept)
    }

    // MARK: - Looking up

    /// True when files have to be there.
    var hasFiles: Bool { !places.isEmpty }
    /// The files that have to be there.
    var fileCount: Int { places.count }

    /// The streams of which files have to be there, in order.
    var streams: [StreamID] {
        var streams: [StreamID] = []
        for place in places where streams.last != place.stream { streams.append(place.stream) }
        return streams
    }

    /// The hours of which a stream's files have to be there, rising.
    func hours(of stream: StreamID) -> some Sequence<Int64> { places[range(of: stream)].lazy.map { Int64($0.hour) } }

    /// The file of a stream's hour that has to be there.
    func entry(_ stream: StreamID, hour: Int64) throws(StoreError) -> SealedEntry? {
        guard let hour = Int32(exactly: hour) else { return nil }
        let index = firstIndex { ($0.stream, $0.hour) >= (stream, hour) }
        guard index < places.count, places[index].stream == stream, places[index].hour == hour else { return nil }
        return try entry(at: places[index])
    }

    /// The greatest key that the list knows of a stream: everything up to it is in a file, or may be gone.
    func lastKey(of stream: StreamID) throws(StoreError) -> TickKey {
        let removed = removedTo[stream] ?? .zero
        let range = range(of: stream)
        guard !range.isEmpty else { return removed }
        return max(removed, try entry(at: places[range.upperBound - 1]).lastKey)
    }

    private func range(of stream: StreamID) -> Range<Int> {
        firstIndex { $0.stream >= stream }..<firstIndex { $0.stream > stream }
    }

    private func firstIndex(where isBehind: (Place) -> Bool) -> Int {
        var (low, high) = (0, places.count)
        while low < high {
            let middle = (low + high) / 2
            if isBehind(places[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    private func entry(at place: Place) throws(StoreError) -> SealedEntry {
        var bytes = [UInt8](repeating: 0, count: SealedEntry.size)
        guard let file, try file.read(into: &bytes, at: UInt64(place.index) * UInt64(SealedEntry.size)),
            let entry = bytes.withUnsafeBytes({ SealedEntry(decoding: $0) })
        else { throw .system(call: "read", path: path, code: EIO) }
        return entry
    }

    /// The list as it is now: read again where it is another one, or longer.
    func refreshed(stateDirectory: String) throws(StoreError) -> SealedList {
        var (mine, now) = (stat(), stat())
        if let file, fstat(file.descriptor, &mine) == 0, stat(path, &now) == 0, mine.st_ino == now.st_ino,
            mine.st_dev == now.st_dev, UInt64(max(0, now.st_size)) == size
        {
            return self
        }
        return try SealedList(stateDirectory: stateDirectory)
    }

    // MARK: - Reading

    /// Gives the entries of a range of places, nil where none is sound.
    static func read(
        _ file: File, from first: UInt64, upTo end: UInt64, _ body: (SealedEntry.Stored?) -> Void
    ) throws(StoreError) {
        let size = SealedEntry.size
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkEntries * size, alignment: 8)
        defer { buffer.deallocate() }
        var place = first
        while place < end {
            let count = Int(min(UInt64(chunkEntries), end - place))
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(count * size)])
            let read = try file.readPastBadSectors(into: piece, at: place * UInt64(size)) / size
            for index in 0..<read {
                body(.init(decoding: UnsafeRawBufferPointer(rebasing: piece[(index * size)..<((index + 1) * size)])))
            }
            // It was cut meanwhile.
            guard read == count else { return }
            place += UInt64(count)
        }
    }

    /// Entries that are known to have been durable in this list.
    static func durable(of file: File) throws(StoreError) -> UInt64 {
        guard let name = try name(of: file) else { return 0 }
        return try DurableSlots.read(slotsPath(file.path), partID: name).durableTo / UInt64(SealedEntry.size)
    }

    /// What tells the list from others that stood here before: the checksum of its first entry. Nil when that is not sound.
    static func name(of file: File) throws(StoreError) -> UInt32? {
        var bytes = [UInt8](repeating: 0, count: SealedEntry.size)
        guard try file.read(into: &bytes, at: 0) else { return nil }
        return bytes.withUnsafeBytes { SealedEntry.Stored(decoding: $0) }?.checksum
    }

    static func slotsPath(_ path: String) -> String { PartName.durablePath(ofLog: path) }
}
