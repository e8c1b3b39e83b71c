internal import Glibc
internal import Ticks

/// The sealed files beside their list: what is gone, what is not in the list, and the list made right.
///
/// A recording from before there was a list gets one of what is there when its recorder first runs: from then on it has to be
/// there. Owner: who holds the recorder's lock.
public struct SealedFiles {
    /// A list with fewer entries is not made shorter: a few hundred kilobytes.
    static let leastEntriesToShorten: UInt64 = 4096

    private let stateDirectory: String
    let list: SealedList
    private let names: [SegmentName]
    /// Listed, and not there; a file that only has another name now is none.
    private(set) var gone: [SealedEntry] = []
    /// There, and not listed, or with other contents than the list says.
    private var unlisted: [SealedEntry] = []
    /// Listed under a name that it has no more.
    private var moved: [SealedEntry] = []
    /// The last key of each stream in front of its first file that was opened.
    private var inFront: [StreamID: TickKey] = [:]
    /// True when there are files that were sealed since there are lists.
    private var knewAList = false
    /// False when it was stopped: then nothing is known.
    public private(set) var isWhole = true
    /// Files that have less than the list says: an older version of them.
    private var lessened: [String] = []
    /// True when there are sealed files.
    public var hasAny: Bool { !names.isEmpty }
    /// Damaged files, of which nothing can be listed.
    public private(set) var unreadable: [String] = []

    /// Looks at all files.
    ///
    /// - Parameters:
    ///   - opensAll: also open those that are as long as the list says, and compare what they say of themselves.
    ///   - goesOn: asked for each file; false ends it, and `isWhole` is false then.
    public init(
        stateDirectory: String, opensAll: Bool, goesOn: () -> Bool = { true }
    ) throws(StoreError) {
        self.stateDirectory = stateDirectory
        let list = try SealedList(stateDirectory: stateDirectory)
        let directory = stateDirectory + "/ticks"
        names = try SegmentName.list(ticksDirectory: directory)
        self.list = list
        var there: [StreamID: Set<Int64>] = [:]
        var hashes: Set<[UInt8]> = []
        for name in names {
            guard goesOn() else {
                isWhole = false
                return
            }
            there[name.stream, default: []].insert(name.hour)
            let path = name.path(in: directory)
            let file = try File(path, O_RDONLY)
            let size = try file.size()
            if !opensAll, list.files[name.stream]?[name.hour]?.bytes == size { continue }
            guard let footer = try SegmentFooter(of: file, size: size), footer.stream == name.stream else {
                unreadable.append(path)
                continue
            }
            if footer.previousKey != nil { knewAList = true }
            hashes.insert(footer.sha256)
            let entry = SealedEntry(sealed: footer, hour: name.hour, bytes: size)
            let listed = list.files[name.stream]?[name.hour]
            if let listed, listed.lastKey > entry.lastKey || listed.firstKey < entry.firstKey {
                lessened.append(path)
            } else if listed != entry {
                unlisted.append(entry)
            }
            if inFront[name.stream] == nil {
                // A file of version 1 does not tell: what its number counts from is gone, or never was here.
                let unknown = entry.firstKey.seq > 1 ? entry.firstKey.previous : .zero
                inFront[name.stream] = footer.previousKey ?? unknown
            }
        }
        for (stream, hours) in list.files {
            for (hour, entry) in hours where there[stream]?.contains(hour) != true {
                if hashes.contains(entry.sha256) { moved.append(entry) } else { gone.append(entry) }
            }
        }
        gone.sort { ($0.stream, $0.hour) < ($1.stream, $1.hour) }
    }

    /// What the list tells is destroyed, in words; empty when nothing is.
    public var damage: [String] {
        var found = list.findings.map { "\($0)" }
        if list.isMissing, knewAList { found.append("\(list.path): the list of sealed files is gone") }
        found += unreadable.map { "\($0): the end of a sealed file is destroyed" }
        found += lessened.map { "\($0): has less than was sealed there" }
        found += gone.map { entry in
            let place = SegmentName(stream: entry.stream, symbol: "*", hour: entry.hour)
            return "\(stateDirectory)/ticks/\(place): a sealed file is gone: \(entry.records) records"
        }
        return found
    }

    /// Files that are there and were not in the list.
    public var unlistedCount: Int { unlisted.count }

    /// Makes the list what the files are: with what it lacks, or anew where it is missing, damaged, or full of what is gone since. Files
    /// that are gone stay in it, as far as a damaged one still tells of them. True when something was written.
    @discardableResult
    public func bringList() throws(StoreError) -> Bool {
        let wanted = list.files.values.reduce(0) { $0 + $1.count }
        let isLong = list.entries > max(SealedFiles.leastEntriesToShorten, 3 * UInt64(wanted))
        guard list.isMissing || !list.findings.isEmpty || isLong else {
            let entries = unlisted + moved.map { SealedEntry(removed: $0.stream, upTo: .zero, hour: $0.hour) }
            try SealedList.append(entries, stateDirectory: stateDirectory)
            return !entries.isEmpty
        }
        var there: [StreamID: [Int64: SealedEntry]] = list.files
        for entry in moved { there[entry.stream]?[entry.hour] = nil }
        for entry in unlisted { there[entry.stream, default: [:]][entry.hour] = entry }
        var removedTo = list.removedTo
        if list.isMissing {
            // What went before there was a list is not missed.
            for (stream, key) in try keysInFront() where key > removedTo[stream] ?? .zero { removedTo[stream] = key }
        }
        let files = there.values.flatMap(\.values).sorted { ($0.stream, $0.hour) < ($1.stream, $1.hour) }
        try SealedList.replace(files: files, removedTo: removedTo, stateDirectory: stateDirectory)
        return true
    }

    /// The last key of each stream in front of what is there: in front of its first file, or of the log's oldest part.
    private func keysInFront() throws(StoreError) -> [StreamID: TickKey] {
        var keys = inFront
        let logDirectory = stateDirectory + "/log"
        let parts: [PartName]
        do throws(StoreError) { parts = try PartName.list(logDirectory) } catch {
            guard error.code == ENOENT else { throw error }
            return keys
        }
        guard let oldest = parts.first else { return keys }
        for (stream, position) in try LogPartReader(oldest.path(in: logDirectory)).table?.positions ?? [:]
        where keys[stream] == nil { keys[stream] = position.key }
        return keys
    }
}
