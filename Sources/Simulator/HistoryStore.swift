internal import Ticks

/// What the market did, for historical requests: each stream's ticks in order, bounded together, the oldest dropped.
///
/// Owner: the event loop. Ticks are kept in chunks, so that dropping and appending never move what is there.
struct HistoryStore {
    /// Ticks of one chunk: the unit in which the oldest are dropped.
    static let chunkTicks = 4_096

    private struct Series {
        var chunks: [[MarketTick]] = []
    }

    private var series: [Series]
    private let limitTicks: Int
    private(set) var count = 0

    /// `limitTicks` in all; what is kept never exceeds it by more than one chunk a stream.
    init(instruments: Int, limitTicks: Int) {
        series = Array(repeating: Series(), count: instruments * StreamSlot.kinds.count)
        self.limitTicks = max(limitTicks, HistoryStore.chunkTicks)
    }

    /// Appends a tick; times within a stream never fall.
    mutating func append(_ tick: MarketTick, instrument: Int) {
        guard let slot = StreamSlot.index(tick.kind) else { return }
        let at = instrument * StreamSlot.kinds.count + slot
        if let last = series[at].chunks.indices.last, series[at].chunks[last].count < HistoryStore.chunkTicks {
            series[at].chunks[last].append(tick)
        } else {
            var chunk: [MarketTick] = []
            chunk.reserveCapacity(series[at].chunks.isEmpty ? 16 : HistoryStore.chunkTicks)
            chunk.append(tick)
            series[at].chunks.append(chunk)
            while count >= limitTicks, dropOldestChunk() {}
        }
        count += 1
    }

    /// The second of the oldest tick kept; nil when there is none.
    func firstSecond(instrument: Int, kind: TickKind) -> UInt32? {
        chunks(instrument, kind).first?.first?.seconds
    }

    /// The first `limit` ticks at or after `second`, and after those the rest of the last one's second; ticks at or
    /// after `openSecond`, which is not over yet, are left out; `reportedOnly`: so are unreported trades.
    func ticks(
        instrument: Int, kind: TickKind, from second: UInt32, openSecond: UInt32, limit: Int, ignoreSize: Bool = false,
        reportedOnly: Bool = false
    ) -> [MarketTick] {
        let chunks = chunks(instrument, kind)
        var result: [MarketTick] = []
        var filter = SizeFilter(active: ignoreSize)
        // The first chunk that can hold a tick of that second: the last one that begins before it.
        let start = max(0, chunks.partitioningIndex { ($0.first?.seconds ?? 0) >= second } - 1)
        for chunk in chunks[min(start, chunks.count)...] {
            for tick in chunk where tick.seconds >= second {
                guard tick.seconds < openSecond else { return result }
                if reportedOnly, tick.mask.contains(.unreported) { continue }
                if result.count >= limit, let last = result.last, tick.seconds != last.seconds { return result }
                if filter.passes(tick) { result.append(tick) }
            }
        }
        return result
    }

    /// The last `limit` ticks at or before `second` (and before `openSecond`), in order of time, with the whole of the
    /// earliest one's second in front.
    func ticks(
        instrument: Int, kind: TickKind, through second: UInt32, openSecond: UInt32, limit: Int,
        ignoreSize: Bool = false, reportedOnly: Bool = false
    ) -> [MarketTick] {
        var reversed: [MarketTick] = []
        for chunk in chunks(instrument, kind).reversed() {
            for tick in chunk.reversed() where tick.seconds <= second && tick.seconds < openSecond {
                if reportedOnly, tick.mask.contains(.unreported) { continue }
                if reversed.count >= limit, let last = reversed.last, tick.seconds != last.seconds {
                    return reversed.reversed()
                }
                if let last = reversed.last, ignoreSize, SizeFilter.samePrices(last, tick) {
                    // Of a run with equal prices only the first counts, and that is the one met last.
                    reversed[reversed.count - 1] = tick
                } else {
                    reversed.append(tick)
                }
            }
        }
        return reversed.reversed()
    }

    private func chunks(_ instrument: Int, _ kind: TickKind) -> [[MarketTick]] {
        guard let slot = StreamSlot.index(kind) else { return [] }
        return series[instrument * StreamSlot.kinds.count + slot].chunks
    }

    /// False when no stream has a chunk that it is not still filling.
    private mutating func dropOldestChunk() -> Bool {
        let full = series.indices.filter { series[$0].chunks.count > 1 }
        guard let oldest = full.min(by: { first($0) < first($1) }) else { return false }
        count -= series[oldest].chunks.removeFirst().count
        return true
    }

    private func first(_ at: Int) -> UInt32 { series[at].chunks[0].first?.seconds ?? .max }
}

/// What `ignoreSize` leaves out: quotes whose prices are those of the one before.
struct SizeFilter {
    let active: Bool
    private var last: MarketTick?

    init(active: Bool) { self.active = active }

    mutating func passes(_ tick: MarketTick) -> Bool {
        guard active else { return true }
        if let last, SizeFilter.samePrices(last, tick) { return false }
        last = tick
        return true
    }

    static func samePrices(_ a: MarketTick, _ b: MarketTick) -> Bool {
        a.kind == b.kind && (a.kind == .bidAsk || a.kind == .midPoint) && a.body.word0 == b.body.word0
            && (a.kind == .midPoint || a.body.word1 == b.body.word1)
    }
}

extension Array {
    /// The first index for which the predicate holds, the array being ordered so that it fails first and then holds.
    func partitioningIndex(where holds: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if holds(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
