internal import Glibc
internal import Ticks

/// The sealed files beside their list: what is gone, what is not in the list, and the list made right.
///
/// A recording from before there was a list gets one of what is there when its recorder first runs: from then on it has to be
/// there. Owner: who holds the recorder's lock.
///
/// Memory is bounded whatever the number of files, below 64 MiB: the list is read once for each million of its entries (16 bytes each),
/// files are looked at stream by stream, and what is found wrong is kept up to a bound. `make bench-sealing` fails when a million files
/// take more.
public struct SealedFiles {
    /// A list with fewer entries is not made shorter: a few hundred kilobytes.
    static let leastEntriesToShorten: UInt64 = 4096
    /// Entries of the list in memory at once.
    private static let shareEntries: UInt64 = 1 << 20
    /// Findings of a sort that are kept; the rest is found again when these have been dealt with.
    static let mostKept = 10_000
    /// Damaged files that are named.
    private static let mostNamed = 200

    private let stateDirectory: String
    private let opensAll: Bool
    let path: String
    /// What the list itself lacks.
    private let listFindings: [LogFinding]
    private let listIsMissing: Bool
    private let listEntries: UInt64
    /// Listed, and not there; a file that only has another name now is none. At most `mostKept` of them.
    private(set) var gone: [SealedEntry] = []
    /// Listed, and not there: all of them.
    public private(set) var goneCount = 0
    /// There, and not listed, or with other contents than the list says.
    private var unlisted: [SealedEntry] = []
    /// Files that are there and were not in the list.
    public private(set) var unlistedCount = 0
    /// Listed under names that they have no more.
    private var moved: [SealedEntry] = []
    private var movedCount = 0
    /// Files that have to be there.
    private var wantedCount: UInt64 = 0
    private var fileCount = 0
    /// Definitions that are there and not listed, and those that have to be there.
    private let newDefinitions: [ContractID]
    private let definitions: [ContractID]
    private let goneDefinitions: [ContractID]
    /// The last key of each stream in front of its first file that was opened.
    private var inFront: [StreamID: TickKey] = [:]
    /// True when there are files that were sealed since there are lists.
    private var knewAList = false
    /// False when it was stopped: then nothing is known.
    public private(set) var isWhole = true
    /// Files that have less than the list says, and such that can't be read: in words.
    private var damagedFiles: [String] = []
    /// True when there are sealed files.
    public var hasAny: Bool { fileCount > 0 }
    /// True when more is wrong than is kept: it has to be looked again.
    public var isCut: Bool { goneCount > gone.count }

    /// Looks at all files.
    ///
    /// - Parameters:
    ///   - opensAll: also open those that are as long as the list says, and compare what they say of themselves.
    ///   - changedSinceNanos: open those that changed since then, by the host's clock: names may have been exchanged. Nil: since
    ///     something was appended to the list, as each file's entry is behind its rename.
    ///   - goesOn: asked for each file; false ends it, and `isWhole` is false then.
    public init(
        stateDirectory: String, opensAll: Bool, changedSinceNanos: Int64? = nil, goesOn: () -> Bool = { true }
    ) throws(StoreError) {
        self.stateDirectory = stateDirectory
        self.opensAll = opensAll
        path = SealedList.path(stateDirectory: stateDirectory)
        let shares = try SealedFiles.shares(of: path)
        let first = try SealedList(stateDirectory: stateDirectory, share: shares[0])
        (listFindings, listIsMissing, listEntries) = (first.findings, first.isMissing, first.entries)
        let kept = try KeptDefinitions.list(stateDirectory)
        newDefinitions = kept.subtracting(first.definitions).sorted()
        goneDefinitions = first.definitions.subtracting(kept).sorted()
        definitions = kept.union(first.definitions).sorted()
        wantedCount = UInt64(definitions.count)
        let since = changedSinceNanos ?? first.changedNanos
        isWhole = try SealedFiles.eachStream(stateDirectory, shares, first) { stream, list, places throws(StoreError) in
            var compared = SealedStream(stream, opensAll: opensAll, changedSinceNanos: since)
            let isWhole = try compared.compare(with: list, in: places) { finding throws(StoreError) in
                guard goesOn() else { return false }
                note(finding)
                return true
            }
            if compared.knewAList { knewAList = true }
            if let key = compared.inFront { inFront[stream] = key }
            return isWhole
        }
    }

    private mutating func note(_ finding: SealedStream.Finding) {
        switch finding {
        case .same:
            fileCount += 1
            wantedCount += 1
        case .unlisted(let entry):
            fileCount += 1
            wantedCount += 1
            unlistedCount += 1
            if unlisted.count < SealedFiles.mostKept { unlisted.append(entry) }
        case .lessened(_, let path):
            fileCount += 1
            wantedCount += 1
            name("\(path): has less than was sealed there")
        case .unreadable(let entry, let why):
            fileCount += 1
            wantedCount += entry == nil ? 0 : 1
            name(why)
        case .moved(let entry):
            movedCount += 1
            if moved.count < SealedFiles.mostKept { moved.append(entry) }
        case .gone(let entry):
            wantedCount += 1
            goneCount += 1
            if gone.count < SealedFiles.mostKept { gone.append(entry) }
        }
    }

    private mutating func name(_ text: String) {
        if damagedFiles.count < SealedFiles.mostNamed { damagedFiles.append(text) }
    }

    /// The shares in which a list is gone through.
    private static func shares(of path: String) throws(StoreError) -> [SealedList.Share] {
        var status = stat()
        let entries = lstat(path, &status) == 0 ? UInt64(max(0, status.st_size)) / UInt64(SealedEntry.size) : 0
        let count = UInt32(clamping: entries / shareEntries + 1)
        return (0..<count).map { SealedList.Share(index: $0, count: count) }
    }

    /// Calls `body` for each stream that has files, or should have, until it says false.
    private static func eachStream(
        _ stateDirectory: String, _ shares: [SealedList.Share], _ first: SealedList,
        _ body: (StreamID, SealedList, SegmentPlaces) throws(StoreError) -> Bool
    ) throws(StoreError) -> Bool {
        let directory = stateDirectory + "/ticks"
        let there = try SegmentName.streams(ticksDirectory: directory)
        let places = try SegmentPlaces(directory)
        for share in shares {
            let list = share.index == 0 ? first : try SealedList(stateDirectory: stateDirectory, share: share)
            for stream in Set(there.filter(share.has)).union(list.streams).sorted() {
                if try !body(stream, list, places) { return false }
            }
        }
        return true
    }

    /// What the list tells is destroyed, in words; empty when nothing is.
    public var damage: [String] {
        var found = listFindings.map { "\($0)" }
        if listIsMissing, knewAList { found.append("\(path): the list of sealed files is gone") }
        found += damagedFiles
        found += gone.prefix(SealedFiles.mostNamed).map { entry in
            let place = SegmentName(stream: entry.stream, symbol: "*", hour: entry.hour)
            return "\(stateDirectory)/ticks/\(place): a sealed file is gone: \(entry.records) records"
        }
        found += goneDefinitions.map {
            KeptDefinitions.Gone(path: KeptDefinitions.path(stateDirectory, $0), isRestored: false).text
        }
        return found
    }

    /// True when the list is missing, or damaged: only a new one can be right.
    var needsNewList: Bool { listIsMissing || !listFindings.isEmpty }

    /// Makes the list what the files are: with what it lacks, or anew where it is missing, damaged, or full of what is gone since. Files
    /// that are gone stay in it, as far as a damaged one still tells of them. True when something was written.
    @discardableResult
    public func bringList() throws(StoreError) -> Bool {
        let isLong = listEntries > max(SealedFiles.leastEntriesToShorten, 3 * wantedCount)
        let isMuch = unlistedCount > unlisted.count || movedCount > moved.count
        guard needsNewList || isLong || isMuch else {
            let entries =
                moved.map { SealedEntry(removed: $0.stream, upTo: .zero, hour: $0.hour) } + unlisted
                + newDefinitions.map { SealedEntry(.defined, $0) }
            try SealedList.append(entries, stateDirectory: stateDirectory)
            return !entries.isEmpty
        }
        var writer = try SealedListWriter(stateDirectory: stateDirectory)
        let shares = try SealedFiles.shares(of: path)
        let first = try SealedList(stateDirectory: stateDirectory, share: shares[0])
        var removedTo = first.removedTo
        if listIsMissing {
            // What went before there was a list is not missed.
            for (stream, key) in try keysInFront() where key > removedTo[stream] ?? .zero { removedTo[stream] = key }
        }
        for (stream, key) in removedTo.sorted(by: { $0.key < $1.key }) where key > .zero {
            try writer.add(SealedEntry(removed: stream, upTo: key))
        }
        for contract in definitions { try writer.add(SealedEntry(.defined, contract)) }
        _ = try SealedFiles.eachStream(stateDirectory, shares, first) { stream, list, places throws(StoreError) in
            var compared = SealedStream(stream, opensAll: opensAll)
            return try compared.compare(with: list, in: places) { finding throws(StoreError) in
                switch finding {
                case .same(let entry), .unlisted(let entry), .lessened(let entry, _), .gone(let entry):
                    try writer.add(entry)
                case .unreadable(let entry, _): if let entry { try writer.add(entry) }
                case .moved: break
                }
                return true
            }
        }
        try writer.finish()
        return true
    }

    /// The last key of each stream in front of what is there: in front of its first file, or of the log's oldest part.
    private func keysInFront() throws(StoreError) -> [StreamID: TickKey] {
        var keys = inFront
        let logDirectory = stateDirectory + "/log"
        guard let oldest = try PartName.listIfAny(logDirectory).first else { return keys }
        for (stream, position) in try LogPartReader(oldest.path(in: logDirectory)).table?.positions ?? [:]
        where keys[stream] == nil { keys[stream] = position.key }
        return keys
    }
}
