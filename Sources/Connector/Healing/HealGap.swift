internal import TickStore
internal import Ticks

/// A gap as the recorder tells it: what healing has to know of it.
///
/// Read from the answer to a `gaps` request on `history.sock`; `docs/feed-protocol.md` has its members.
struct HealGap: Equatable {
    /// A live tick at the gap's edge.
    struct Edge: Equatable {
        var key: TickKey
        /// Unix second of the tick's own time, or of its receipt where it has none.
        var second: Int64
        var receivedNanos: Int64
    }

    /// One run of healed ticks that is recorded.
    struct Run: Equatable {
        var first: TickKey
        var last: TickKey
        var ticks: Int
        /// Unix seconds, the end exclusive; nil where the marker is lost.
        var from: Int64?
        var to: Int64?
        var isWhole: Bool
        /// What the gap is after it, as its marker says; nil: further runs follow.
        var outcome: GapState?
        /// The marker of the gap behind which the ticks stand; nil: the first one.
        var place: TickKey?
    }

    let stream: StreamID
    /// The gap's name: the key of its first marker.
    let key: TickKey
    /// What its runs refer to: see `Gap.healingKey`.
    let healingKey: TickKey
    var before: Edge?
    var after: Edge?
    /// The first and the last second in which ticks can be missing.
    var from: Int64
    /// Nil while the gap is open, and not healed so far (`OpenGaps`).
    var through: Int64?
    var runs: [Run] = []
    var state: GapState
    /// Nothing is missing but ticks that could not be decoded.
    var isUndecodable = false
    /// Keys of it were numbered, and are lost.
    var isLost = false
    /// Of a gap that nothing but an orderly stop and the next start made: the second of the stop.
    var stoppedSecond: Int64?
    /// No tick has ended it yet: what lies behind `through` may be missing too.
    var isOpen = false

    /// - Parameter gap: as `history.sock` reports it.
    init(_ gap: Gap) {
        stream = gap.stream
        key = gap.key
        healingKey = gap.healingKey
        before = gap.before.map(HealGap.edge)
        after = gap.after.map(HealGap.edge)
        let began = gap.beganRecvNanos ?? gap.openedRecvNanos
        var opened = HealGap.marketSecond(began, by: gap.after, isBefore: true)
        // An epoch's second is the host's, of a clock that nothing may have told to be wrong: the earlier of both.
        if gap.lostSinceNanos != nil { opened = min(opened, began.floorDivided(by: 1_000_000_000)) }
        from = before?.second ?? min(opened, after?.second ?? opened)
        // Ticks are wanted up to the end of the subscription, and of that second nobody can say which came before it.
        let ended = gap.endedRecvNanos.map { HealGap.marketSecond($0, by: gap.before, isBefore: false) - 1 }
        through = (after?.second ?? ended).map { [from] in max(from, $0) }
        runs = gap.runs.map {
            Run(
                first: $0.first, last: $0.last, ticks: $0.ticks, from: $0.fromSeconds, to: $0.toSeconds,
                isWhole: $0.isWhole, outcome: $0.outcome, place: $0.place)
        }
        state = gap.state
        isLost = gap.lostKeys != nil
        if gap.cause == GapCause.stopped || gap.cause == "\(GapCause.stopped), \(GapCause.restart)" {
            stoppedSecond = HealGap.marketSecond(gap.openedRecvNanos, by: gap.before, isBefore: false)
        }
        isUndecodable = gap.cause == MarkerEvent.undecodable.name.description
    }

    init(
        stream: StreamID, key: TickKey, before: Edge?, after: Edge?, from: Int64, through: Int64?, runs: [Run] = [],
        state: GapState = .pending
    ) {
        self.stream = stream
        self.key = key
        healingKey = key
        self.before = before
        self.after = after
        self.from = from
        self.through = through
        self.runs = runs
        self.state = state
    }

    /// The second of a time of the host's clock, by the market's: the tick next to it tells how far the two are apart.
    ///
    /// - Parameter isBefore: the time lies before the tick.
    private static func marketSecond(_ received: Int64, by tick: StreamPosition?, isBefore: Bool) -> Int64 {
        guard let tick, tick.tsEventNanos != Tick.noEventTime else { return received.floorDivided(by: 1_000_000_000) }
        let behind = tick.tsEventNanos &- tick.tsRecvNanos
        // A tick's time is its second, and it takes a while to come.
        let isRight = behind.magnitude <= UInt64(LastSecond.quietNanos)
        let told = isRight ? received : received &+ behind
        // Where that puts the two in another order than they have, the host's clock was set between them.
        let isOrdered = isBefore ? told <= tick.tsEventNanos : told >= tick.tsEventNanos
        return (isOrdered ? told : received).floorDivided(by: 1_000_000_000)
    }

    private static func edge(_ edge: StreamPosition) -> Edge {
        Edge(
            key: edge.key, second: edge.timeNanos.floorDivided(by: 1_000_000_000), receivedNanos: edge.tsRecvNanos)
    }

    /// True when what is known of the other's healing is true of this one.
    func isSameTask(as other: HealGap) -> Bool {
        key == other.key && healingKey == other.healingKey && from == other.from && through == other.through
            && isOpen == other.isOpen
    }

    /// What the last whole run says of the gap; `state` may say less.
    var outcome: GapState? { runs.last(where: \.isWhole)?.outcome }

    /// Seconds that runs left out since history did not give them whole, and that none has filled since.
    var leftOut: Set<Int64> {
        let filled = runs.compactMap(\.interval).filter { $0.from < $0.to }
        return Set(runs.compactMap(\.interval).filter { $0.from == $0.to }.map(\.from)).filter { second in
            !filled.contains { $0.from <= second && second < $0.to }
        }
    }

    /// How often a second that was left out has been looked at again, and nothing came.
    func vainLooks(at second: Int64) -> Int {
        runs.count { $0.isWhole && $0.ticks == 0 && $0.from == second && $0.to == second }
    }

    /// How long a gap waits that was not healed whole. A gateway that has told a second oddly may do so for a moment:
    /// seconds that were left out are looked at again soon, at first.
    var untilNextLookNanos: Int64 {
        let looks = leftOut.map { vainLooks(at: $0) }.max() ?? .max
        return looks < HealGap.looksNanos.count ? HealGap.looksNanos[looks] : Healer.refusedNanos
    }

    private static let looksNanos: [Int64] = [20 * Healer.second, 300 * Healer.second]

    /// The first second from another one on that no whole run fills; where runs end before the gap does, the last
    /// second that they fill: it may have been cut by a run's length.
    func unfilled(from second: Int64) -> Int64 {
        let filled = runs.compactMap(\.interval).filter { $0.from < $0.to }
        let reached = Gap.reach(of: filled.filter { $0.to > second }, from: second)
        let isLeftOut = leftOut.contains(reached)
        return isLeftOut || reached > through ?? .max ? reached : max(second, reached - 1)
    }

    /// The second at which healing goes on: behind what whole runs brought, as far as every torn run in front of it has
    /// been healed again by whole ones behind it.
    var resumeSecond: Int64 {
        // What was left out is asked for again when the gap is tried again, and not before.
        let intervals = { (runs: ArraySlice<Run>) in
            runs.compactMap(\.interval).map { (from: $0.from, to: state == .partly ? $0.to : max($0.to, $0.from + 1)) }
        }
        var reached = Gap.reach(of: intervals(runs[...]), from: from)
        for (index, run) in runs.enumerated() where !run.isWhole {
            let later = intervals(runs[(index + 1)...])
            let healed = Gap.reach(of: later, from: max(from, run.from ?? from))
            let end = run.to ?? through.map { $0 + 1 } ?? .max
            if later.isEmpty || healed < end { reached = min(reached, healed) }
        }
        // The last second may have been cut by a run's length.
        return max(from, min(reached - 1, through ?? reached))
    }
}

extension HealGap.Run {
    /// What a whole run filled.
    fileprivate var interval: (from: Int64, to: Int64)? {
        guard isWhole, let from, let to else { return nil }
        return (from, to)
    }
}
