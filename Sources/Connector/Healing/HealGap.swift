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
    }

    let stream: StreamID
    /// The gap's name: the key of its first marker.
    let key: TickKey
    var before: Edge?
    var after: Edge?
    /// The first and the last second in which ticks can be missing.
    var from: Int64
    /// Nil while the gap is open.
    var through: Int64?
    var runs: [Run] = []
    var state: GapState
    /// Nothing is missing but ticks that could not be decoded.
    var isUndecodable = false

    /// - Parameter gap: as `history.sock` reports it.
    init(_ gap: Gap) {
        stream = gap.stream
        key = gap.key
        before = gap.before.map(HealGap.edge)
        after = gap.after.map(HealGap.edge)
        let opened = gap.fromNanos ?? gap.openedRecvNanos
        from = before?.second ?? opened.floorDivided(by: 1_000_000_000)
        // Ticks are wanted up to the end of the subscription, and of that second nobody can say which came before it.
        let ended = gap.endedRecvNanos.map { $0.floorDivided(by: 1_000_000_000) - 1 }
        through = (after?.second ?? ended).map { [from] in max(from, $0) }
        runs = gap.runs.map {
            Run(
                first: $0.first, last: $0.last, ticks: $0.ticks, from: $0.fromSeconds, to: $0.toSeconds,
                isWhole: $0.isWhole)
        }
        state = gap.state
        isUndecodable = gap.cause == MarkerEvent.undecodable.name.description
    }

    init(
        stream: StreamID, key: TickKey, before: Edge?, after: Edge?, from: Int64, through: Int64?, runs: [Run] = [],
        state: GapState = .pending
    ) {
        self.stream = stream
        self.key = key
        self.before = before
        self.after = after
        self.from = from
        self.through = through
        self.runs = runs
        self.state = state
    }

    private static func edge(_ edge: StreamPosition) -> Edge {
        Edge(
            key: edge.key, second: edge.timeNanos.floorDivided(by: 1_000_000_000), receivedNanos: edge.tsRecvNanos)
    }

    /// The second at which healing goes on: behind what whole runs brought, as far as every torn run in front of it has been
    /// healed again by whole ones behind it.
    var resumeSecond: Int64 {
        var reached = Gap.reach(of: runs.compactMap(\.interval), from: from)
        for (index, run) in runs.enumerated() where !run.isWhole {
            let later = runs[(index + 1)...].compactMap(\.interval)
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
