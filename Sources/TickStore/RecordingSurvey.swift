public import Ticks

/// Counts what a recording has of each stream: sealed segments by their footers alone, the log by reading it. While the
/// recorder may be running; never past what is durable. One thread.
public struct RecordingSurvey: ~Copyable {
    /// What one stream has.
    public struct Entry: Sendable, Equatable {
        /// Records that are neither `more` nor markers.
        public var ticks: UInt64 = 0
        public var markers: UInt64 = 0
        public var lastKey: TickKey = .zero
        /// Of the first and of the last record.
        public var firstRecvNanos: Int64 = 0
        public var lastRecvNanos: Int64 = 0

        public init() {}

        /// True when there is no record.
        public var isEmpty: Bool { lastKey == .zero }

        mutating func add(_ footer: SegmentFooter) {
            if lastKey == .zero { firstRecvNanos = footer.firstRecvNanos }
            ticks &+= footer.ticks
            markers &+= footer.markerCount
            lastKey = footer.lastKey
            lastRecvNanos = footer.lastRecvNanos
        }

        /// Adds records with rising keys, at least one.
        public mutating func add(_ run: UnsafeBufferPointer<Tick>) {
            if lastKey == .zero { firstRecvNanos = run[0].tsRecvNanos }
            for tick in run {
                if tick.kindByte == TickKind.marker.rawValue { markers &+= 1 }
                if tick.kindByte < TickKind.more.rawValue { ticks &+= 1 }
            }
            lastKey = run[run.count - 1].key
            lastRecvNanos = run[run.count - 1].tsRecvNanos
        }
    }

    public private(set) var streams: [StreamID: Entry] = [:]
    /// Damaged bytes that were passed over.
    public var findings: [LogFinding] { source.findings }
    private var source: RecordSource
    private var last: [StreamID: TickKey] = [:]

    /// - Parameter stateDirectory: the recorder's.
    public init(stateDirectory: String) {
        source = RecordSource(stateDirectory: stateDirectory, .init(footersOnly: true))
    }

    /// Bytes of all files, as they are now.
    public func bytesTotal() throws(StoreError) -> UInt64 { try source.bytesTotal() }

    /// Reads it all.
    ///
    /// - Parameter progress: is told the bytes read or passed over, with every piece.
    public mutating func run(progress: (UInt64) -> Void = { _ in }) throws(StoreError) {
        while true {
            switch try source.next(after: last) {
            case .part, .removed: continue
            case .segment(_, let stream, let footer, let hasRecords, _):
                guard let footer, !hasRecords else { continue }
                streams[stream, default: Entry()].add(footer)
                last[stream] = footer.lastKey
            case .records(let ticks): add(ticks)
            case .end: return
            }
            progress(source.bytesRead)
        }
    }

    private mutating func add(_ ticks: UnsafeBufferPointer<Tick>) {
        let runs = TickRuns(ticks: ticks)
        var start = 0
        while start < ticks.count {
            let end = runs.runEnd(from: start)
            defer { start = end }
            guard let stream = ticks[start].stream else { continue }
            var first = start
            if let last = last[stream] { while first < end, ticks[first].key <= last { first += 1 } }
            guard first < end else { continue }
            streams[stream, default: Entry()].add(UnsafeBufferPointer(rebasing: ticks[first..<end]))
            last[stream] = ticks[end - 1].key
        }
    }
}
