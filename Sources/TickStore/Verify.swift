internal import Glibc
internal import Ticks

/// Proves that a recording is sound: every checksum, count, index and hash, and that each key of each stream is one record
/// or covered by exactly one `lost`, across sealed segments and log. Reads what readers may read (never past what is
/// durable), while the recorder may be running. One thread; bounded memory.
public struct Verify: ~Copyable {
    private var report = VerifyReport()
    private var source: RecordSource
    private var last: [StreamID: TickKey] = [:]
    /// The last key of each stream in the part being read.
    private var inThisPart: [StreamID: TickKey] = [:]
    private var path = ""
    /// The stream of the segment being read; nil in the log.
    private var segment: StreamID?
    /// True for a segment that was listed anew: what it has is known in part.
    private var isAgain = false
    /// The file that was found to repeat keys last.
    private var repeatsTold: String?

    /// Verifies a recording.
    ///
    /// - Parameter stateDirectory: the recorder's; segments are in `ticks`, the open log in `log` beneath.
    public init(stateDirectory: String) {
        source = RecordSource(stateDirectory: stateDirectory, .init(verifies: true))
    }

    /// Verifies the parts of a log in one directory, or the segments at any depth below it.
    public init(directory: String) throws(StoreError) {
        source = try RecordSource(directory: directory, .init(verifies: true))
    }

    /// Verifies one file: a sealed segment, a part of the log or a segment of the journal.
    public init(file: String) throws(StoreError) { source = try RecordSource(file: file, .init(verifies: true)) }

    /// Bytes of all files, as they are now.
    public func bytesTotal() throws(StoreError) -> UInt64 { try source.bytesTotal() }

    /// Reads it all.
    ///
    /// - Parameter progress: is told the bytes read, a few times a second at least.
    public consuming func run(progress: (UInt64) -> Void = { _ in }) throws(StoreError) -> VerifyReport {
        var told: UInt64 = 0
        loop: while true {
            switch try source.next(after: last) {
            case .part(let path, let table):
                begin(path, table)
            case .segment(let path, let stream, let footer, let isAgain):
                begin(segment: path, stream, footer, isAgain: isAgain)
            case .records(let ticks):
                check(ticks)
                if source.bytesRead - told >= 16 << 20 {
                    told = source.bytesRead
                    progress(told)
                }
            case .end: break loop
            }
        }
        report.bytes = source.bytesRead
        report.findings = source.findings
        report.logEnd = source.logEnd.map { VerifyReport.LogEnd(path: $0.path, offset: $0.offset) }
        return report
    }

    private mutating func begin(segment path: String, _ stream: StreamID, _ footer: SegmentFooter?, isAgain: Bool) {
        self.path = path
        self.isAgain = isAgain
        segment = stream
        inThisPart.removeAll(keepingCapacity: true)
        report.files += 1
        if let name = SegmentName(path: path), name.stream != stream {
            problem("\(path): holds \(stream), which is another stream's place")
        }
    }

    private mutating func begin(_ path: String, _ table: KeyTable?) {
        self.path = path
        segment = nil
        inThisPart.removeAll(keepingCapacity: true)
        report.files += 1
        guard let table else { return problem("\(path): the first block is damaged") }
        for (stream, position) in table.positions {
            // Below: an earlier part was given up and its last records stand in this one again.
            if let known = last[stream], known < position.key {
                missing(stream, known.next, position.key)
            }
            if last[stream] ?? .zero < position.key { last[stream] = position.key }
        }
    }

    private mutating func check(_ ticks: UnsafeBufferPointer<Tick>) {
        let runs = TickRuns(ticks: ticks)
        var start = 0
        while start < ticks.count {
            let end = runs.runEnd(from: start)
            if let segment, ticks[start].stream != segment {
                problem("\(path): record \(ticks[start].key) is none of \(segment)")
            } else if let stream = ticks[start].stream {
                check(UnsafeBufferPointer(rebasing: ticks[start..<end]), of: stream)
            } else {
                problem("\(path): record \(ticks[start].key) of contract \(ticks[start].conId) names no stream")
            }
            start = end
        }
    }

    private mutating func check(_ run: UnsafeBufferPointer<Tick>, of stream: StreamID) {
        var state = report.streams[stream] ?? VerifyReport.Stream()
        var previous = last[stream] ?? .zero
        var inPart = inThisPart[stream] ?? .zero
        var chain = false
        for tick in run {
            if tick.key <= inPart { problem("\(path): \(stream): record \(tick.key) comes after \(inPart)") }
            inPart = max(inPart, tick.key)
            // An earlier part may end with records whose fdatasync failed: they were written again. And what is sealed
            // may stand in the log for a moment longer.
            if tick.key <= previous {
                if segment == nil || isAgain { state.repeated += 1 } else { twice(tick.key, stream, &state) }
                continue
            }
            let first = firstKeyCovered(by: tick)
            // Retention takes a stream's oldest segments: what is left begins anywhere.
            let isBeginning = segment != nil && previous == .zero
            if isBeginning { state.beginsAt = first.seq > 1 ? first : nil }
            if !isBeginning, let hole = Verify.hole(after: previous, before: first) {
                state.missingRanges += 1
                list(KeyRange(stream: stream, first: hole, last: TickKey(rawValue: first.rawValue - 1)))
            } else if first <= previous {
                problem("\(path): \(stream): the lost range \(first) to \(tick.key) covers keys that have records")
            }
            count(tick, first, stream, &state)
            checkMore(tick, &chain, stream)
            previous = tick.key
        }
        if chain { problem("\(path): \(stream): record \(previous) is parted from the record that completes it") }
        last[stream] = max(previous, last[stream] ?? .zero)
        inThisPart[stream] = inPart
        report.streams[stream] = state
    }

    /// The first key that a record stands for: its own, or where the range of a `lost` begins.
    private func firstKeyCovered(by tick: Tick) -> TickKey { SegmentMender.firstKeyCovered(by: tick) }

    /// The first key that is missing between two keys; nil when the second follows the first.
    static func hole(after previous: TickKey, before next: TickKey) -> TickKey? {
        if next <= previous.next || next.seq <= 1 { return nil }
        return next.epoch == previous.epoch ? previous.next : TickKey(epoch: next.epoch, seq: 1)
    }

    private mutating func count(
        _ tick: Tick, _ first: TickKey, _ stream: StreamID, _ state: inout VerifyReport.Stream
    ) {
        if state.records == 0 {
            state.firstKey = first
            state.firstRecvNanos = tick.tsRecvNanos
        }
        state.records += 1
        state.lastKey = tick.key
        state.lastRecvNanos = tick.tsRecvNanos
        if tick.kind?.isMarketData == true { state.ticks += 1 }
        guard tick.kindByte == TickKind.marker.rawValue else { return }
        state.markers += 1
        guard let marker = tick.marker, marker.event == .lost else { return }
        state.lostRanges += 1
        let range = KeyRange(stream: stream, first: first, last: tick.key)
        if report.lost.count < VerifyReport.maxListed { report.lost.append(range) }
        guard marker.text.elementsEqual(Repair.lostText.utf8) else { return }
        if report.lostToDamage.count < VerifyReport.maxListed {
            report.lostToDamage.append(range)
        } else {
            report.moreLostToDamage += 1
        }
    }

    /// A record with `moreFollows` and the `more` record behind it belong together.
    private mutating func checkMore(_ tick: Tick, _ chain: inout Bool, _ stream: StreamID) {
        let isMore = tick.kindByte == TickKind.more.rawValue
        if isMore != chain {
            problem(
                isMore
                    ? "\(path): \(stream): record \(tick.key) completes a record that is not there"
                    : "\(path): \(stream): the record before \(tick.key) is not completed")
        }
        chain = tick.flags.contains(.moreFollows)
    }

    /// A key that two segments have: said once a file.
    private mutating func twice(_ key: TickKey, _ stream: StreamID, _ state: inout VerifyReport.Stream) {
        state.repeated += 1
        if let told = repeatsTold, told == path { return }
        repeatsTold = path
        problem("\(path): \(stream): record \(key) stands in an earlier segment too")
    }

    private mutating func missing(_ stream: StreamID, _ first: TickKey, _ last: TickKey) {
        report.streams[stream, default: VerifyReport.Stream()].missingRanges += 1
        list(KeyRange(stream: stream, first: first, last: last))
    }

    private mutating func list(_ range: KeyRange) {
        if report.missing.count < VerifyReport.maxListed { report.missing.append(range) }
    }

    private mutating func problem(_ text: String) {
        if report.problems.count < VerifyReport.maxListed {
            report.problems.append(text)
        } else {
            report.moreProblems += 1
        }
    }
}
