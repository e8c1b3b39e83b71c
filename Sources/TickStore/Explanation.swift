public import Ticks

/// What happened to a stream around a moment, gathered from its records and its gaps. Pure; bounded.
public struct Explanation: Sendable {
    /// Something that happened.
    public struct Event: Sendable, Equatable {
        /// The kinds of things that happen.
        public enum What: Sendable, Equatable {
            /// A marker as it was recorded.
            case marker(Tick)
            /// The first record of another epoch: a connector started, or began to number anew.
            case epoch(from: UInt32, to: UInt32)
            /// No live tick until then, much longer than usual.
            case silence(toNanos: Int64)
            /// A gap that reaches into the time looked at.
            case gap(Gap)
        }

        /// Host's clock of markers and epochs; of gaps and silences where they begin,
        /// by the gateway's time where it is known.
        public var timeNanos: Int64
        public var key: TickKey
        public var what: What
    }

    /// What came on one side of the moment.
    public struct Side: Sendable, Equatable {
        /// Live ticks.
        public var ticks = 0
        /// Ticks healed later, by the gateway's time.
        public var healed = 0
        /// How much of the side has data, by receipt: between the stream's first and last live tick, without gaps.
        public var coveredNanos: Int64 = 0

        /// Live ticks a second of the time that has data; nil when that is less than a second.
        public var ticksPerSecond: Double? {
            coveredNanos >= 1_000_000_000 ? Double(ticks) * 1e9 / Double(coveredNanos) : nil
        }

        var isEmpty: Bool { ticks == 0 && healed == 0 }
    }

    /// Events kept, at most, and silences among them.
    public static let maxEvents = 10_000
    static let maxSilences = 20
    /// Shorter ones are never named.
    static let leastSilenceNanos: Int64 = 1_000_000_000

    public let stream: StreamID
    public let momentNanos: Int64
    /// To each side.
    public let aroundNanos: Int64
    public private(set) var before = Side()
    public private(set) var after = Side()
    /// The last live record at or before the moment, else the first behind it: where the moment lies in the files.
    public private(set) var nearest: StreamPosition?
    /// Events that there was no room for.
    public private(set) var omitted = 0

    private var happened: [Event] = []
    private var silences: [Event] = []
    private var lastKey: TickKey = .zero
    private var firstLiveNanos: Int64?
    private var lastLive: (key: TickKey, nanos: Int64)?

    public init(stream: StreamID, momentNanos: Int64, aroundNanos: Int64) {
        self.stream = stream
        self.momentNanos = momentNanos
        self.aroundNanos = aroundNanos
    }

    /// The time looked at, within what nanoseconds since the Unix epoch can tell.
    public var fromNanos: Int64 {
        let (from, overflow) = momentNanos.subtractingReportingOverflow(aroundNanos)
        return overflow ? .min : from
    }
    public var toNanos: Int64 {
        let (to, overflow) = momentNanos.addingReportingOverflow(aroundNanos)
        return overflow ? .max : to
    }

    /// True when some tick of this time is recorded.
    public var hasTicks: Bool { !before.isEmpty || !after.isEmpty }

    /// Takes the next records of the stream, those of the time looked at, in the order of keys.
    public mutating func take(_ run: UnsafeBufferPointer<Tick>) {
        for tick in run {
            if tick.key.epoch != lastKey.epoch, lastKey != .zero {
                keep(
                    Event(timeNanos: tick.tsRecvNanos, key: tick.key, what: .epoch(from: lastKey.epoch, to: tick.epoch))
                )
            }
            lastKey = tick.key
            if tick.kindByte == TickKind.marker.rawValue {
                keep(Event(timeNanos: tick.tsRecvNanos, key: tick.key, what: .marker(tick)))
            } else if tick.kindByte < TickKind.more.rawValue {
                count(tick)
            }
        }
    }

    private mutating func count(_ tick: Tick) {
        let now = tick.timeNanos()
        guard !tick.flags.contains(.healed) else {
            if now < momentNanos { before.healed += 1 } else { after.healed += 1 }
            return
        }
        if now <= momentNanos { before.ticks += 1 } else { after.ticks += 1 }
        if nearest == nil || now <= momentNanos { nearest = StreamPosition(tick) }
        if firstLiveNanos == nil { firstLiveNanos = now }
        if let last = lastLive, now > last.nanos, Explanation.length(last.nanos, now) >= Explanation.leastSilenceNanos {
            silences.append(Event(timeNanos: last.nanos, key: last.key, what: .silence(toNanos: now)))
            if silences.count > 4 * Explanation.maxSilences { keepLongestSilences() }
        }
        lastLive = (tick.key, now)
    }

    /// Takes what is known of the whole stream: from when to when it is recorded, and its
    /// gaps; those of another time are passed over.
    public mutating func take(_ ledger: GapLedger) {
        before.coveredNanos = covered(fromNanos, momentNanos, ledger)
        after.coveredNanos = covered(momentNanos, toNanos, ledger)
        for gap in ledger.gaps
        where gap.fromNanos ?? .min < toNanos && gap.toNanos ?? .max >= fromNanos {
            let time = gap.fromNanos ?? gap.toNanos ?? gap.openedRecvNanos
            keep(Event(timeNanos: time, key: gap.key, what: .gap(gap)))
        }
    }

    private func covered(_ from: Int64, _ to: Int64, _ ledger: GapLedger) -> Int64 {
        guard let first = ledger.firstLive?.believedNanos, let last = ledger.lastLive?.believedNanos
        else {
            return 0
        }
        let (from, to) = (max(from, first), min(to, last))
        var covered = Explanation.length(from, to)
        for gap in ledger.gaps {
            let began = gap.before?.believedNanos ?? gap.openedRecvNanos
            let ended = gap.after?.believedNanos ?? gap.endedRecvNanos ?? .max
            covered = max(0, covered - Explanation.length(max(from, began), min(to, ended)))
        }
        return covered
    }

    /// 0 when it ends before it begins.
    fileprivate static func length(_ from: Int64, _ to: Int64) -> Int64 {
        guard from < to else { return 0 }
        let (length, overflow) = to.subtractingReportingOverflow(from)
        return overflow ? .max : length
    }

    private mutating func keep(_ event: Event) {
        if happened.count < Explanation.maxEvents { happened.append(event) } else { omitted += 1 }
    }

    /// Everything that happened, in order.
    public var events: [Event] {
        var copy = self
        copy.keepLongestSilences()
        let usual = usualNanos
        let long = copy.silences.filter { $0.lengthNanos >= 10 * usual }
        return (happened + long).sorted { ($0.timeNanos, $0.key) < ($1.timeNanos, $1.key) }
    }

    /// The mean time from one live tick to the next.
    private var usualNanos: Int64 {
        guard let firstLiveNanos, let lastLive, before.ticks + after.ticks > 1 else { return 0 }
        return Explanation.length(firstLiveNanos, lastLive.nanos) / Int64(before.ticks + after.ticks - 1)
    }

    private mutating func keepLongestSilences() {
        silences.sort { $0.lengthNanos > $1.lengthNanos }
        silences.removeLast(max(0, silences.count - Explanation.maxSilences))
    }
}

extension Explanation.Event {
    fileprivate var lengthNanos: Int64 {
        if case .silence(let to) = what { Explanation.length(timeNanos, to) } else { 0 }
    }
}
