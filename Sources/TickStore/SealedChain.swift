internal import Glibc
internal import Ticks

/// The list of sealed files as `Verify` follows it: beside the segments, in the order in which they come. The recorder may be
/// sealing, and retention removing, meanwhile.
struct SealedChain {
    /// A file that has to be there and is not.
    struct Absence {
        let entry: SealedEntry
        let path: String
    }

    private let stateDirectory: String
    private var list: SealedList?
    /// Hours of each stream that have been passed, and the last of them.
    private var passed: [StreamID: (hours: Set<Int64>, last: Int64)] = [:]
    /// Files that came and are not in the list.
    private var unlisted: [(path: String, name: SegmentName, lastKey: TickKey)] = []
    /// True when a file came that was sealed since there are lists.
    private var knowsAList = false
    private var hasFiles = false

    init(stateDirectory: String) { self.stateDirectory = stateDirectory }

    var logDirectory: String { stateDirectory + "/log" }
    /// Bytes of the list that can't be read.
    var findings: [LogFinding] { list?.findings ?? [] }
    /// False where nothing tells which files have to be there.
    var hasList: Bool { list?.isMissing == false }
    /// True where files came and no list was there to tell of them.
    var isOld: Bool { hasFiles && !hasList && !knowsAList }

    /// Reads the list, before the files are listed.
    mutating func begin() throws(StoreError) { list = try SealedList(stateDirectory: stateDirectory) }

    /// A segment begins: the stream's files that have to stand in front of it and did not come, in order.
    mutating func absences(inFrontOf name: SegmentName, _ footer: SegmentFooter?) throws(StoreError) -> [Absence] {
        hasFiles = true
        if footer?.previousKey != nil { knowsAList = true }
        let before = passed[name.stream]?.last ?? .min
        pass(name.stream, name.hour)
        guard hasList, let list else { return [] }
        // One that has more than the list says was sealed again: its entry comes a moment after its name.
        let listedTo = try list.entry(name.stream, hour: name.hour)?.lastKey
        if listedTo == nil || listedTo ?? .zero < footer?.lastKey ?? .zero {
            unlisted.append((name.path(in: stateDirectory + "/ticks"), name, footer?.lastKey ?? .zero))
        }
        return try absences(of: name.stream) { $0 > before && $0 < name.hour }
    }

    private mutating func pass(_ stream: StreamID, _ hour: Int64) {
        let last = max(passed[stream]?.last ?? .min, hour)
        passed[stream, default: ([], .min)].hours.insert(hour)
        passed[stream]?.last = last
    }

    /// The log begins, or ends: the files that did not come, in the order of streams and hours.
    ///
    /// - Parameter isInLog: true for a file whose records the log still has.
    mutating func remainingAbsences(isInLog: (SealedEntry) -> Bool) throws(StoreError) -> [Absence] {
        guard hasList else { return [] }
        var found: [Absence] = []
        for stream in list?.streams ?? [] {
            found += try absences(of: stream) { _ in true }.filter { !isInLog($0.entry) }
        }
        return found
    }

    private mutating func absences(of stream: StreamID, where isWanted: (Int64) -> Bool) throws(StoreError) -> [Absence]
    {
        guard let list else { return [] }
        let there = passed[stream]?.hours ?? []
        let wanted = list.hours(of: stream).filter { isWanted($0) && !there.contains($0) }
        guard !wanted.isEmpty else { return [] }
        // Sealed, removed or renamed since the list was read?
        let places = try SegmentPlaces(stateDirectory + "/ticks")
        let now = try list.refreshed(stateDirectory: stateDirectory)
        var found: [Absence] = []
        for hour in wanted {
            pass(stream, hour)
            guard try places.existing(stream, hour: hour) == nil, try now.entry(stream, hour: hour) != nil,
                let entry = try list.entry(stream, hour: hour)
            else { continue }
            let name = SegmentName(stream: stream, symbol: places.symbol(of: stream.conId), hour: hour)
            found.append(Absence(entry: entry, path: name.path(in: places.directory)))
        }
        return found
    }

    /// What the log's table says that a stream had, and that is in no file, nor may be gone.
    func missing(
        of stream: StreamID, upTo key: TickKey, known: TickKey?
    ) throws(StoreError) -> ClosedRange<TickKey>? {
        guard known == nil, let list, hasList, list.findings.isEmpty, list.entries > 0 else { return nil }
        return MissingKeys.range(after: try list.lastKey(of: stream), upTo: key)
    }

    /// Definitions that have to be there and are not, in words.
    func goneDefinitions() throws(StoreError) -> [String] {
        guard let list, !list.definitions.isEmpty else { return [] }
        let gone = list.definitions.subtracting(try KeptDefinitions.list(stateDirectory))
        return gone.sorted().map {
            KeptDefinitions.Gone(path: KeptDefinitions.path(stateDirectory, $0), isRestored: false).text
        }
    }

    /// What the list itself lacks, in words. At the end.
    ///
    /// - Parameter isSealedForGood: true when the log does not have the file's records any more: then the list has to.
    func problems(isSealedForGood: (SegmentName, TickKey) -> Bool) throws(StoreError) -> [String] {
        let path = SealedList.path(stateDirectory: stateDirectory)
        guard hasList, let list else { return knowsAList ? ["\(path): the list of sealed files is gone"] : [] }
        let wanted = unlisted.filter { isSealedForGood($0.name, $0.lastKey) }
        guard !wanted.isEmpty else { return [] }
        let now = try list.refreshed(stateDirectory: stateDirectory)
        var problems: [String] = []
        for (path, name, lastKey) in wanted {
            let listedTo = try now.entry(name.stream, hour: name.hour)?.lastKey
            // What retention has announced is about to go.
            guard listedTo ?? .zero < lastKey || listedTo == nil, access(path, F_OK) == 0,
                lastKey > now.removedTo[name.stream] ?? .zero
            else { continue }
            problems.append("\(path): not in the list of sealed files")
        }
        return problems
    }

    /// True when a file is the one that the list tells of, or nothing is told of it.
    func isListed(_ name: SegmentName, _ footer: SegmentFooter) throws(StoreError) -> Bool {
        guard let list, let entry = try list.entry(name.stream, hour: name.hour), entry.sha256 != footer.sha256 else {
            return true
        }
        // Judged as one that is not listed.
        if footer.lastKey > entry.lastKey, footer.firstCoveredKey <= entry.firstKey { return true }
        // It may have been sealed anew since.
        let now = try SealedList(stateDirectory: stateDirectory)
        return try now.entry(name.stream, hour: name.hour).map { $0.sha256 == footer.sha256 } ?? true
    }
}
