internal import Glibc
internal import Ticks

/// The list of sealed files, `sealed` in the state directory: which files have to be there, of which hours, with which keys and
/// which SHA-256. It tells that a file is gone where the files that are left can't: at the end of an epoch, at the end of
/// a stream.
///
/// Entries are only appended, each with a number and the checksum of the one before, so that none can vanish from the middle.
/// A file's entry is written behind its rename and is durable before the parts of the log that it was made of go; that a
/// file is to be removed is durable before it goes. Who holds the recorder's lock writes it: one thread at a time.
struct SealedList {
    let path: String
    /// True when there is no such file: a recording from before there was a list, or somebody removed it.
    private(set) var isMissing = false
    /// Bytes that are not what was written there. A torn tail is none: its files are not in the list then.
    private(set) var findings: [LogFinding] = []
    /// The files that have to be there, by stream and hour.
    private(set) var files: [StreamID: [Int64: SealedEntry]] = [:]
    /// Up to which key a stream's records may be gone.
    private(set) var removedTo: [StreamID: TickKey] = [:]
    /// Sound entries read.
    private(set) var entries: UInt64 = 0

    static func path(stateDirectory: String) -> String { stateDirectory + "/sealed" }

    /// Entries read at a time.
    private static let chunkEntries = 4096

    /// Reads the list; memory grows with the files that are there.
    init(stateDirectory: String) throws(StoreError) {
        path = SealedList.path(stateDirectory: stateDirectory)
        let file: File
        do throws(StoreError) { file = try File(path, O_RDONLY | O_NOFOLLOW) } catch {
            guard error.code == ENOENT else { throw error }
            isMissing = true
            return
        }
        // What is not a whole entry at the end is being written, or was when the machine died.
        let count = Int(try file.size()) / SealedEntry.size
        var chain: SealedEntry.Stored?
        var bad: Range<UInt64>?
        for first in stride(from: 0, to: count, by: SealedList.chunkEntries) {
            let here = min(SealedList.chunkEntries, count - first)
            let start = UInt64(first * SealedEntry.size)
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: here * SealedEntry.size, alignment: 8)
            defer { buffer.deallocate() }
            let read = try file.readPastBadSectors(into: buffer, at: start)
            for index in 0..<(read / SealedEntry.size) {
                let place = index * SealedEntry.size
                let range = start + UInt64(place)..<start + UInt64(place + SealedEntry.size)
                let raw = UnsafeRawBufferPointer(rebasing: buffer[place..<(place + SealedEntry.size)])
                guard let stored = SealedEntry.Stored(decoding: raw) else {
                    bad = (bad?.lowerBound ?? range.lowerBound)..<range.upperBound
                    continue
                }
                if let bad { findings.append(LogFinding(meaning: .corruption, path: path, range: bad)) }
                // Behind damage the chain begins anew, as far as the numbers tell that nothing else is gone.
                let isNext = stored.number == UInt64(first + index) + 1
                if !isNext || (bad == nil && stored.previous != chain?.checksum ?? 0) {
                    findings.append(LogFinding(meaning: .corruption, path: path, range: range))
                }
                bad = nil
                chain = stored
                take(stored.entry)
            }
        }
        // The first entry was there before anything was sealed.
        if entries == 0 { findings.append(LogFinding(meaning: .corruption, path: path, range: 0..<1)) }
    }

    private mutating func take(_ entry: SealedEntry) {
        entries += 1
        switch entry.what {
        case .begun: break
        case .sealed: files[entry.stream, default: [:]][entry.hour] = entry
        case .removed:
            files[entry.stream]?[entry.hour] = nil
            removedTo[entry.stream] = max(removedTo[entry.stream] ?? .zero, entry.lastKey)
        }
    }

    /// The greatest key that the list knows of a stream: everything up to it is in a file, or may be gone.
    func lastKey(of stream: StreamID) -> TickKey {
        (files[stream] ?? [:]).values.reduce(removedTo[stream] ?? .zero) { max($0, $1.lastKey) }
    }

    // MARK: - Writing

    /// Appends entries behind the last sound one. Durable when this returns.
    ///
    /// Throws ENOENT where there is no list, or none with a sound entry: only `replace` begins one, and knows of all files.
    static func append(_ entries: [SealedEntry], stateDirectory: String) throws(StoreError) {
        guard !entries.isEmpty else { return }
        let path = path(stateDirectory: stateDirectory)
        let file = try File(path, O_RDWR | O_NOFOLLOW)
        guard let end = try lastSound(of: file) else { throw .system(call: "read the list", path: path, code: ENOENT) }
        var (number, checksum) = (end.number, end.checksum)
        var bytes: [UInt8] = []
        for entry in entries {
            number += 1
            let encoded = entry.encoded(number: number, previous: checksum)
            checksum = encoded.checksum
            bytes += encoded.bytes
        }
        let offset = end.number * UInt64(SealedEntry.size)
        // A torn tail goes: only entries may stand behind entries.
        if try file.size() > offset { try file.truncate(to: offset) }
        try file.write(bytes, at: offset)
        try file.syncData()
    }

    /// The last sound entry that stands where its number says; nil when there is none.
    private static func lastSound(of file: File) throws(StoreError) -> SealedEntry.Stored? {
        var count = try file.size() / UInt64(SealedEntry.size)
        var bytes = [UInt8](repeating: 0, count: SealedEntry.size)
        while count > 0 {
            if try file.read(into: &bytes, at: (count - 1) * UInt64(SealedEntry.size)),
                let stored = bytes.withUnsafeBytes({ SealedEntry.Stored(decoding: $0) }), stored.number == count
            {
                return stored
            }
            count -= 1
        }
        return nil
    }

    /// Writes a new list of what there is: the files, and what may be gone. It takes the old one's place in one step.
    static func replace(
        files: [SealedEntry], removedTo: [StreamID: TickKey], stateDirectory: String
    ) throws(StoreError) {
        let path = path(stateDirectory: stateDirectory)
        let temporary = path + ".new"
        try Directory.remove(temporary)
        let file = try File(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
        var bytes: [UInt8] = []
        var (number, checksum) = (UInt64(0), UInt32(0))
        let gone = removedTo.sorted { $0.key < $1.key }.map { SealedEntry(removed: $0.key, upTo: $0.value) }
        for entry in [SealedEntry(.begun)] + gone + files {
            number += 1
            let encoded = entry.encoded(number: number, previous: checksum)
            checksum = encoded.checksum
            bytes += encoded.bytes
        }
        try file.write(bytes, at: 0)
        try file.syncData()
        guard rename(temporary, path) == 0 else { throw .system(call: "rename", path: path, code: errno) }
        try Directory.sync(stateDirectory)
    }
}
