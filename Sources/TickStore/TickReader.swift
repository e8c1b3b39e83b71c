public import Ticks

/// Reads what is recorded, in bounded memory: of all streams or some, each record once, never past what is durable,
/// while the recorder may be running, sealing and removing. One thread.
///
/// Each stream comes in the order of its keys; by default ticks that were healed later come where their gap is.
public struct TickReader: ~Copyable {
    /// In which order records are given.
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
        /// From this time on, inclusive.
        public var fromNanos: Int64?
        /// Up to here, exclusive.
        public var toNanos: Int64?
        /// By which of their times ticks are selected.
        public var basis: TimeBasis
        public var order: Order

        public init(
            streams: Set<StreamID>? = nil, fromNanos: Int64? = nil, toNanos: Int64? = nil,
            basis: TimeBasis = .receive, order: Order = .time
        ) {
            self.streams = streams
            self.fromNanos = fromNanos
            self.toNanos = toNanos
            self.basis = basis
            self.order = order
        }

        var window: TimeWindow {
            TimeWindow(fromNanos: fromNanos ?? .min, toNanos: toNanos ?? .max, basis: basis)
        }
    }

    /// Records of one stream with rising keys. A tick's `more` records stand in the same run.
    public struct Run {
        public let stream: StreamID
        /// Valid until the reader is asked again.
        public let ticks: UnsafeBufferPointer<Tick>
    }

    private let selection: Selection
    private let window: TimeWindow
    private var source: RecordSource
    private var block = UnsafeBufferPointer<Tick>(start: nil, count: 0)
    private var at = 0
    /// The last key passed of each stream, given or not.
    private var last: [StreamID: TickKey] = [:]
    /// Which runs of healed ticks stand where; nil in the order of arrival.
    private var order: HealOrder?

    /// Reads a recording.
    ///
    /// - Parameter stateDirectory: the recorder's; segments are in `ticks`, the open log in `log` beneath.
    public init(stateDirectory: String, _ selection: Selection = Selection()) throws(StoreError) {
        self.selection = selection
        window = selection.window
        order = selection.order == .time ? try HealOrder(stateDirectory: stateDirectory, selection) : nil
        source = RecordSource(
            stateDirectory: stateDirectory, .init(streams: selection.streams, window: selection.window))
    }

    /// Reads one file: a sealed segment, a part of the log or a segment of the journal. The log and
    /// the journal come in the order of arrival.
    public init(file: String, _ selection: Selection = Selection()) throws(StoreError) {
        self.selection = selection
        window = selection.window
        order = selection.order == .time ? try HealOrder(segment: file, selection) : nil
        source = try RecordSource(file: file, .init(streams: selection.streams, window: selection.window))
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
            if let run = try order?.nextHealed(window) { return run }
            if at < block.count {
                if let run = nextInBlock() { return run }
                continue
            }
            switch try source.next(after: last) {
            case .part, .segment, .removed: continue
            case .records(let ticks):
                block = ticks
                at = 0
            case .end:
                guard order?.beginRest() ?? false else { return nil }
            }
        }
    }

    /// Takes the next run off the block; nil when nothing of it is wanted, or healed ticks come first.
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
        if order != nil {
            switch order!.place(stream, UnsafeBufferPointer(rebasing: block[first..<end])) {
            case .healedFirst:
                at = first
                return nil
            case .passOver(let count):
                at = first + count
                last[stream] = block[at - 1].key
                return nil
            case .give(let count): end = first + count
            }
        }
        if !window.isEverything {
            var skipped = first
            while skipped < end, !window.contains(block[skipped]) { skipped = endOfTick(skipped, end) }
            var stop = skipped
            while stop < end, window.contains(block[stop]) { stop = endOfTick(stop, end) }
            (first, end) = (skipped, stop)
        }
        at = end
        last[stream] = block[end - 1].key
        guard first < end else { return nil }
        return Run(stream: stream, ticks: UnsafeBufferPointer(rebasing: block[first..<end]))
    }

    /// Behind a tick and its `more` records.
    private func endOfTick(_ index: Int, _ end: Int) -> Int {
        var next = index + 1
        while next < end, block[next].kindByte == TickKind.more.rawValue { next += 1 }
        return next
    }
}
