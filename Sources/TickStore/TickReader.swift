public import Ticks

/// Reads what is recorded, in bounded memory: of all streams or some, each record once, each stream in the order of its
/// keys, never past what is durable, while the recorder may be running. One thread.
public struct TickReader: ~Copyable {
    public enum Order: String, Sendable {
        /// By time: ticks healed later stand where their gap is.
        case time
        /// By key, which is the order of arrival.
        case arrival
    }

    /// What to read.
    public struct Selection: Sendable {
        /// Nil: every stream.
        public var streams: Set<StreamID>?
        /// Live ticks are selected by receive time, healed ones by TWS time; from here on, inclusive.
        public var fromNanos: Int64?
        /// Up to here, exclusive.
        public var toNanos: Int64?
        public var order: Order

        public init(
            streams: Set<StreamID>? = nil, fromNanos: Int64? = nil, toNanos: Int64? = nil, order: Order = .time
        ) {
            self.streams = streams
            self.fromNanos = fromNanos
            self.toNanos = toNanos
            self.order = order
        }
    }

    /// Records of one stream with rising keys. A tick's `more` records stand in the same run.
    public struct Run {
        public let stream: StreamID
        /// Valid until the reader is asked again.
        public let ticks: UnsafeBufferPointer<Tick>
    }

    private let selection: Selection
    private var source: LogSource
    private var block = UnsafeBufferPointer<Tick>(start: nil, count: 0)
    private var at = 0
    private var last: [StreamID: TickKey] = [:]

    /// Reads a recording.
    ///
    /// - Parameter stateDirectory: the recorder's; the open log is in `log` beneath.
    public init(stateDirectory: String, _ selection: Selection = Selection()) {
        self.selection = selection
        source = LogSource(directory: stateDirectory + "/log")
    }

    /// Reads one file: a part of the log or a segment of the journal.
    public init(file: String, _ selection: Selection = Selection()) {
        self.selection = selection
        source = LogSource(file: file)
    }

    /// Damaged bytes that were passed over so far.
    public var findings: [LogFinding] { source.findings }
    /// Bytes of files read so far.
    public var bytesRead: UInt64 { source.bytesRead }
    /// Bytes of all files, as they are now.
    public func bytesTotal() throws(StoreError) -> UInt64 { try source.bytesTotal() }

    /// The next run, nil at the end.
    public mutating func next() throws(StoreError) -> Run? {
        while true {
            while at < block.count {
                if let run = nextInBlock() { return run }
            }
            switch try source.next() {
            case .part: continue
            case .records(let ticks):
                block = ticks
                at = 0
            case .end: return nil
            }
        }
    }

    /// Takes the next run off the block; nil when nothing of it is wanted.
    private mutating func nextInBlock() -> Run? {
        let start = at
        var end = TickRuns(ticks: block).runEnd(from: start)
        at = end
        guard let stream = block[start].stream, selection.streams?.contains(stream) ?? true else { return nil }
        // What an earlier part already gave comes again after a failed write; it is the same.
        var first = start
        if let last = last[stream] {
            while first < end, block[first].key <= last { first += 1 }
        }
        guard first < end else { return nil }
        if selection.fromNanos != nil || selection.toNanos != nil {
            while first < end, !isSelected(first) { first = endOfTick(first, end) }
            var stop = first
            while stop < end, isSelected(stop) { stop = endOfTick(stop, end) }
            end = stop
            at = max(end, start + 1)
            guard first < end else {
                at = TickRuns(ticks: block).runEnd(from: start)
                return nil
            }
        }
        last[stream] = block[end - 1].key
        return Run(stream: stream, ticks: UnsafeBufferPointer(rebasing: block[first..<end]))
    }

    private func isSelected(_ index: Int) -> Bool {
        let tick = block[index]
        let healed = tick.flags.contains(.healed) && tick.tsEventNanos != Tick.noEventTime
        let time = healed ? tick.tsEventNanos : tick.tsRecvNanos
        return time >= selection.fromNanos ?? .min && time < selection.toNanos ?? .max
    }

    /// Behind a tick and its `more` records.
    private func endOfTick(_ index: Int, _ end: Int) -> Int {
        var next = index + 1
        while next < end, block[next].kindByte == TickKind.more.rawValue { next += 1 }
        return next
    }
}
