internal import Ticks

/// One stream of a late join: what was given, what is held back, and whom to ask next. Owned by `LateJoin`.
struct JoinedStream {
    /// Live records that came before what lies in front of them, in key order and without a hole inside.
    struct Run {
        var records: [Tick]

        var first: TickKey { records[0].key }
        var last: TickKey { records[records.count - 1].key }
    }

    enum Request: Equatable {
        case none
        case queued
        case open
    }

    let stream: StreamID
    /// The key given last; nil as long as none was.
    var last: TickKey?
    /// When that record was received: the stream that is furthest behind is asked for first.
    var lastReceivedNanos = Int64.min
    var held: [Run] = []
    /// The greatest key known to exist, from the live feed and its watermarks.
    var highest = TickKey.zero
    var request = Request.none
    /// Something was learnt while a page was wanted or open: its being empty proves nothing.
    var asksAgain = false
    /// Before that no page is asked for.
    var waitUntilNanos = Int64.min
    /// Whom to ask next.
    var source: LateJoin.Source
    /// Servers that had nothing new since the last record was given.
    var exhausted: Set<LateJoin.Source> = []
    /// The first key behind the wanted one that a server has: what lies between is gone there.
    var firstElsewhere: TickKey?
    /// Since when both have nothing to give although a later key is known; nil while one gives.
    var dryNanos: Int64?
    /// What was live has been reached: records that continue the stream are given as they come.
    var isLive = false
    /// Held records were given: what came from there on is complete.
    var hasReachedLive = false

    init(_ stream: StreamID, askingFirst source: LateJoin.Source) {
        self.stream = stream
        self.source = source
    }

    /// True when nothing can be missing between the key and the record, both from a server of pages: it leaves nothing
    /// out, so behind an epoch's last record stands the next one's first. A `lost` record stands for a whole range.
    static func follows(_ tick: Tick, _ last: TickKey) -> Bool {
        var first = tick.key
        if let marker = tick.marker, marker.event == .lost { first = min(first, marker.ref) }
        return first <= last.next || (first.epoch > last.epoch && first.seq == 1)
    }

    /// The held records begin exactly where the given ones end. Behind an epoch whose end was written down
    /// as lost comes the next one's beginning.
    var heldIsNext: Bool {
        guard let last, let first = held.first?.first else { return false }
        return first == last.next || (last.seq == .max && first.epoch > last.epoch && first.seq == 1)
    }

    enum Standing {
        /// All that is known to exist was given.
        case live
        /// A server is still to be asked.
        case behind
        /// Both have nothing, and something is missing.
        case dry
    }

    var standing: Standing {
        let isComplete = !hasHole && firstElsewhere == nil && !asksAgain
        let isAnswered = exhausted.count == LateJoin.Source.allCases.count
        if isComplete, isLive || isAnswered || hasReachedLive { return .live }
        return isAnswered ? .dry : .behind
    }

    /// Something is known to exist that was not given and is not next in the held records.
    var hasHole: Bool {
        if heldIsNext { return false }
        return !held.isEmpty || (last.map { highest > $0 } ?? false)
    }

    /// A record was given: the servers may have more behind it.
    mutating func gave(_ newest: Tick) {
        last = newest.key
        lastReceivedNanos = newest.tsRecvNanos
        highest = max(highest, newest.key)
        exhausted.removeAll()
        firstElsewhere = nil
        dryNanos = nil
    }
}
