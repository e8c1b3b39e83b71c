public import Ticks

/// What a recording has of each stream: ticks by hour, gaps, keys that are missing and when they were. Gathered by
/// `Verify`, in one pass. Pure; memory grows with markers and hours, not with ticks.
public struct RecordingAccount: Sendable {
    /// Ticks of one hour.
    public struct Hour: Sendable, Equatable {
        /// Live ones by the time of receipt, or by the gateway's where the host's clock is known to have been wrong.
        public var live: UInt64 = 0
        /// Healed ones by the gateway's time.
        public var healed: UInt64 = 0

        public init() {}
    }

    /// Keys that are neither recorded nor marked as lost.
    public struct Hole: Sendable, Equatable {
        public var keys: KeyRange
        /// When the record before them was received; nil: not known.
        public var fromNanos: Int64?
        /// When the one behind them was.
        public var toNanos: Int64?
    }

    /// What one stream has.
    public struct Stream: Sendable {
        public fileprivate(set) var ledger: GapLedger
        /// By hours since the Unix epoch; those that have ticks and were read.
        public fileprivate(set) var hours: [Int64: Hour] = [:]
        /// All ticks, also those of files that were taken by their footers.
        public fileprivate(set) var ticks: UInt64 = 0
        fileprivate var collector = MarkerCollector()
        fileprivate var lastKey: TickKey = .zero
        fileprivate var lastRecvNanos: Int64?
        /// The hour that ticks are counted for now.
        fileprivate var hour: Int64 = 0
        fileprivate var count = Hour()
    }

    public private(set) var streams: [StreamID: Stream] = [:]
    public private(set) var holes: [Hole] = []
    private static let hourNanos: Int64 = 3_600_000_000_000

    init() {}

    /// Takes records of a stream; what is not above the last key was taken before.
    mutating func take(_ run: UnsafeBufferPointer<Tick>, of stream: StreamID) {
        streams[stream, default: Stream(ledger: GapLedger(stream: stream))].take(run)
    }

    /// Takes a sealed file whose records do not come.
    mutating func take(_ footer: SegmentFooter) {
        streams[footer.stream, default: Stream(ledger: GapLedger(stream: footer.stream))].take(footer)
    }

    /// Takes keys that are missing, before the records behind them.
    mutating func take(missing keys: KeyRange, untilNanos: Int64) {
        guard holes.count < VerifyReport.maxListed else { return }
        let from = streams[keys.stream]?.lastRecvNanos
        let to = untilNanos == 0 ? nil : untilNanos
        // A clock that was set back in between tells neither.
        let isInOrder = from ?? .min <= to ?? .max
        holes.append(Hole(keys: keys, fromNanos: isInOrder ? from : nil, toNanos: isInOrder ? to : nil))
    }

    /// All has been taken.
    mutating func finish() {
        for stream in streams.keys { streams[stream]?.fold() }
    }

    static func hour(of nanos: Int64) -> Int64 { nanos.floorDivided(by: hourNanos) }
}

extension RecordingAccount.Stream {
    fileprivate mutating func take(_ run: UnsafeBufferPointer<Tick>) {
        var first = 0
        while first < run.count, run[first].key <= lastKey { first += 1 }
        guard first < run.count else { return }
        collector.take(UnsafeBufferPointer(rebasing: run[first...]))
        for tick in run[first...] where tick.kindByte < TickKind.more.rawValue {
            let isHealed = tick.flags.contains(.healed) && tick.tsEventNanos != Tick.noEventTime
            let hour = RecordingAccount.hour(of: tick.timeNanos())
            if hour != self.hour { turn(to: hour) }
            if isHealed { count.healed += 1 } else { count.live += 1 }
        }
        lastKey = run[run.count - 1].key
        lastRecvNanos = run[run.count - 1].tsRecvNanos
    }

    fileprivate mutating func take(_ footer: SegmentFooter) {
        fold()
        ledger.fold(footer.markers)
        ticks += footer.ticks
        lastKey = max(lastKey, footer.lastKey)
        lastRecvNanos = footer.lastRecvNanos
    }

    fileprivate mutating func fold() {
        turn(to: hour)
        ledger.fold(collector)
        collector = MarkerCollector()
    }

    private mutating func turn(to next: Int64) {
        ticks += count.live + count.healed
        if count != RecordingAccount.Hour() {
            hours[hour, default: RecordingAccount.Hour()].live += count.live
            hours[hour, default: RecordingAccount.Hour()].healed += count.healed
        }
        (hour, count) = (next, RecordingAccount.Hour())
    }
}
