internal import Glibc
internal import Ticks

/// Proves that a recording is sound: every checksum, count, index and hash, and that each key of each stream is one
/// record or covered by exactly one `lost`, across sealed segments and log. Reads what readers may read (never past
/// what is durable), while the recorder may be running. One thread; bounded memory.
public struct Verify: ~Copyable {
    /// How much of sealed files is read.
    public enum Depth: Sendable {
        /// Every byte; of files of another time, where one is selected, the footers.
        case everything
        /// The footers alone: what is damaged before them is not seen.
        case footers
    }

    var report = VerifyReport()
    private var source: RecordSource
    /// What is to be looked at besides: names that no reader knows. The log, then the segments; nil: not looked at.
    var strayPlaces: (log: String?, ticks: String?)
    /// What tells which sealed files there have to be; nil: not a whole recording.
    var chain: SealedChain?
    /// Bytes between two calls of `progress`.
    var progressBytes: UInt64 = 16 << 20
    /// Told all that is read.
    var account: RecordingAccount?
    var last: [StreamID: TickKey] = [:]
    /// The last key of each stream in the part being read.
    var inThisPart: [StreamID: TickKey] = [:]
    var path = ""
    /// The stream of the segment being read; nil in the log.
    var segment: StreamID?
    var hasLogBegun = false
    /// Of the log's oldest part.
    var oldestTable: KeyTable?
    /// The stream's last key in front of the segment that begins, as that tells it.
    var inFront: TickKey?
    /// True for a segment that was listed anew: what it has is known in part.
    var isAgain = false
    /// Streams of which segments went while they were read: what is missing before their next record went with these.
    var removed: Set<StreamID> = []
    /// The part of the log that was begun last.
    private var part: PartName?
    /// The file that was found to repeat keys last.
    private var repeatsTold: String?

    /// Verifies a recording.
    ///
    /// - Parameter stateDirectory: the recorder's; segments are in `ticks`, the open log in `log` beneath.
    public init(stateDirectory: String) {
        source = RecordSource(stateDirectory: stateDirectory, .init(verifies: true))
        strayPlaces = (stateDirectory + "/log", stateDirectory + "/ticks")
        chain = SealedChain(stateDirectory: stateDirectory)
    }

    /// Verifies a recording and keeps account of what is in it.
    ///
    /// - Parameters:
    ///   - fromNanos: with `toNanos`, the time that is looked at: sealed files of another are taken by their footers.
    ///   - toNanos: exclusive.
    public init(accountOf stateDirectory: String, depth: Depth, fromNanos: Int64? = nil, toNanos: Int64? = nil) {
        let window = TimeWindow(fromNanos: fromNanos ?? .min, toNanos: toNanos ?? .max)
        let isWhole = depth == .everything
        source = RecordSource(
            stateDirectory: stateDirectory, .init(window: window, verifies: isWhole, footersOnly: !isWhole))
        strayPlaces = isWhole ? (stateDirectory + "/log", stateDirectory + "/ticks") : (nil, nil)
        account = RecordingAccount()
        chain = SealedChain(stateDirectory: stateDirectory)
    }

    /// Verifies what a search found.
    public init(_ found: RecordingSearch.Found) {
        if found.isRecording {
            source = RecordSource(stateDirectory: found.path, .init(verifies: true))
            strayPlaces = (found.path + "/log", found.path + "/ticks")
            chain = SealedChain(stateDirectory: found.path)
        } else if found.segments.isEmpty {
            source = RecordSource(logDirectory: found.path, .init(verifies: true))
            strayPlaces = (found.path, nil)
        } else {
            source = RecordSource(segments: found.segments, .init(verifies: true))
            strayPlaces = (nil, nil)
        }
    }

    /// Verifies one file: a sealed segment, a part of the log or a segment of the journal.
    public init(file: String) throws(StoreError) {
        source = try RecordSource(file: file, .init(verifies: true))
        strayPlaces = (nil, nil)
    }

    /// Bytes of all files, as they are now.
    public func bytesTotal() throws(StoreError) -> UInt64 { try source.bytesTotal() }

    /// Reads it all.
    ///
    /// - Parameter progress: is told the bytes read, a few times a second at least.
    public consuming func run(progress: (UInt64) -> Void = { _ in }) throws(StoreError) -> VerifyReport {
        try read(progress)
        return report
    }

    /// Reads it all; also returns the account of it, which is empty unless one was asked for.
    public consuming func runWithAccount(
        progress: (UInt64) -> Void = { _ in }
    ) throws(StoreError) -> (VerifyReport, RecordingAccount) {
        try read(progress)
        account?.finish()
        return (report, account ?? RecordingAccount())
    }

    private mutating func read(_ progress: (UInt64) -> Void) throws(StoreError) {
        var told: UInt64 = 0
        try chain?.begin()
        loop: while true {
            switch try source.next(after: last) {
            case .part(let path, let table):
                try takeMissing(inFrontOf: table)
                try begin(path, table)
            case .segment(let path, let stream, let footer, let hasRecords, let isAgain):
                begin(segment: path, stream, isAgain: isAgain)
                if let name = SegmentName(path: path) { try takeMissing(inFrontOf: name, footer) }
                if let footer, !hasRecords { take(footer) }
                inFront = hasRecords ? footer?.previousKey : nil
            case .removed(let stream): removed.insert(stream)
            case .records(let ticks):
                check(ticks)
                if source.bytesRead - told >= progressBytes {
                    told = source.bytesRead
                    progress(told)
                }
            case .end: break loop
            }
        }
        try endChain()
        report.bytes = source.bytesRead
        report.findings = source.findings + (chain?.findings ?? [])
        report.logEnd = source.logEnd.map { VerifyReport.LogEnd(path: $0.path, offset: $0.offset) }
        let strays =
            (try strayPlaces.log.map { path throws(StoreError) in try PartName.strays(path) } ?? [])
            + (try strayPlaces.ticks.map { path throws(StoreError) in try SegmentName.strays(ticksDirectory: path) }
                ?? [])
        for path in strays { problem("\(path): no reader looks for a file of this name here: it was not read") }
    }

    private mutating func begin(segment path: String, _ stream: StreamID, isAgain: Bool) {
        self.path = path
        self.isAgain = isAgain
        segment = stream
        inThisPart.removeAll(keepingCapacity: true)
        report.files += 1
        if let name = SegmentName(path: path), name.stream != stream {
            problem("\(path): holds \(stream), which is another stream's place")
        }
    }

    private mutating func begin(_ path: String, _ table: KeyTable?) throws(StoreError) {
        self.path = path
        segment = nil
        inFront = nil
        inThisPart.removeAll(keepingCapacity: true)
        report.files += 1
        let went = partsWent(before: path)
        guard let table else { return problem("\(path): the first block is damaged") }
        for (stream, position) in table.positions {
            if let keys = try chain?.missing(of: stream, upTo: position.key, known: last[stream]), !went {
                missing(stream, keys, until: position.tsRecvNanos)
                last[stream] = position.key
            }
            // Nothing of what the log says was there before it: older hours are gone, all of them.
            if strayPlaces.ticks != nil || account != nil, last[stream] == nil, position.key != .zero {
                report.streams[stream, default: VerifyReport.Stream()].beginsAt = position.key.next
            }
            // Below: an earlier part was given up and its last records stand in this one again.
            if let known = last[stream], let keys = MissingKeys.range(after: known, upTo: position.key), !went,
                removed.remove(stream) == nil
            {
                missing(stream, keys, until: position.tsRecvNanos)
            }
            if last[stream] ?? .zero < position.key { last[stream] = position.key }
        }
    }

    /// True when a log is read without its segments, and parts before this one may
    /// have been sealed and removed meanwhile.
    private mutating func partsWent(before path: String) -> Bool {
        let before = part
        part = PartName(path: path)
        guard let before, let part, source.hasLogAlone, source.lists > 1 else { return false }
        return part.number > before.number + 1
    }

    /// Takes a sealed file by its footer: none of its records come.
    private mutating func take(_ footer: SegmentFooter) {
        let stream = footer.stream
        guard footer.records > 0 else { return }
        report.footersOnly += 1
        var state = report.streams[stream] ?? VerifyReport.Stream()
        let first = footer.firstCoveredKey
        if let previous = last[stream], previous != .zero, removed.remove(stream) == nil {
            if let keys = footer.missing(after: previous) {
                state.missingRanges += 1
                list(KeyRange(stream: stream, keys), until: footer.firstRecvNanos)
            }
        } else {
            state.beginsAt = first.seq > 1 ? first : nil
        }
        state.add(footer, first: first)
        report.streams[stream] = state
        last[stream] = max(footer.lastKey, last[stream] ?? .zero)
        account?.take(footer)
    }

    /// A key that two segments have: said once a file.
    mutating func twice(_ key: TickKey, _ stream: StreamID, _ state: inout VerifyReport.Stream) {
        state.repeated += 1
        if let told = repeatsTold, told == path { return }
        repeatsTold = path
        problem("\(path): \(stream): record \(key) stands in an earlier segment too")
    }

    mutating func missing(_ stream: StreamID, _ keys: ClosedRange<TickKey>, until nanos: Int64) {
        report.streams[stream, default: VerifyReport.Stream()].missingRanges += 1
        list(KeyRange(stream: stream, keys), until: nanos)
    }

    /// - Parameter nanos: when what stands behind the range was received; 0: not known.
    mutating func list(_ range: KeyRange, until nanos: Int64) {
        account?.take(missing: range, untilNanos: nanos)
        if report.missing.count < VerifyReport.maxListed { report.missing.append(range) }
    }

    mutating func problem(_ text: String) {
        if report.problems.count < VerifyReport.maxListed {
            report.problems.append(text)
        } else {
            report.moreProblems += 1
        }
    }
}
