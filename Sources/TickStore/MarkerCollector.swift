public import Ticks

/// A marker of which the gap ledger is made, with the nearest live ticks around it in the order of keys.
public struct MarkerEntry: Sendable, Equatable {
    public var marker: Tick
    /// Nil: it stands before the first live tick of what was collected.
    public var before: StreamPosition?
    /// Nil: no live tick behind it (yet) in what was collected.
    public var after: StreamPosition?

    public init(marker: Tick, before: StreamPosition? = nil, after: StreamPosition? = nil) {
        self.marker = marker
        self.before = before
        self.after = after
    }
}

/// Picks out of one stream's records what the gap ledger needs: the markers that begin, end and heal gaps, each with
/// the live ticks around it. A tick is live when it is market data, neither healed nor frozen.
///
/// Fed with a file (a part of the log, a sealed segment, a block), it stands for the file from then on: `GapLedger` is
/// a fold of collectors in the order of keys. Memory: 112 bytes a marker. One thread.
public struct MarkerCollector: Sendable, Equatable {
    /// In the order of keys.
    public internal(set) var entries: [MarkerEntry] = []
    public internal(set) var firstLive: StreamPosition?
    public internal(set) var lastLive: StreamPosition?
    /// Of all records taken, whatever they are; nil: none was.
    public internal(set) var firstKey: TickKey?
    public internal(set) var lastKey: TickKey?
    /// The entries from here on have no live tick behind them yet.
    private var waiting = 0

    public init() {}

    /// The collector as read back from its binary form.
    init(
        entries: [MarkerEntry], firstLive: StreamPosition?, lastLive: StreamPosition?, firstKey: TickKey?,
        lastKey: TickKey?
    ) {
        self.entries = entries
        self.firstLive = firstLive
        self.lastLive = lastLive
        self.firstKey = firstKey
        self.lastKey = lastKey
        waiting = entries.firstIndex { $0.after == nil } ?? entries.count
    }

    /// The events that the ledger reads; others (`gap_closed`, `tws_code`, `suspicious_price` …) are passed over.
    public static func isCollected(_ event: MarkerEvent?) -> Bool {
        switch event {
        case .subscribed, .unsubscribed, .gapOpened, .heal, .healEnd, .lost: true
        case .gapClosed, .twsCode, .halted, .clockStep, .suspiciousPrice, .undecodable, .rerouted, .definitionChanged,
            .epochBegun, nil:
            false
        }
    }

    /// Takes the next records of the stream. Keys rise; a record whose key is not above the last one taken is passed
    /// over (an earlier part of the log may end with records that were written again).
    public mutating func take(_ run: UnsafeBufferPointer<Tick>) {
        var start = 0
        if let lastKey { while start < run.count, run[start].key <= lastKey { start += 1 } }
        guard start < run.count else { return }
        if firstKey == nil { firstKey = run[start].key }
        var newestLive = -1
        for index in start..<run.count {
            let kind = run[index].kindByte
            if kind < 128 {
                guard run[index].flags.isDisjoint(with: .notLive) else { continue }
                if waiting < entries.count || firstLive == nil { noteFirst(StreamPosition(run[index])) }
                newestLive = index
            } else if kind == TickKind.marker.rawValue, MarkerCollector.isCollected(run[index].marker?.event) {
                if newestLive >= 0 { lastLive = StreamPosition(run[newestLive]) }
                entries.append(MarkerEntry(marker: run[index], before: lastLive))
            }
        }
        if newestLive >= 0 { lastLive = StreamPosition(run[newestLive]) }
        lastKey = run[run.count - 1].key
    }

    /// The first live tick of all, or the first behind a marker.
    private mutating func noteFirst(_ edge: StreamPosition) {
        if firstLive == nil { firstLive = edge }
        while waiting < entries.count {
            entries[waiting].after = edge
            waiting += 1
        }
    }

    public static func == (a: MarkerCollector, b: MarkerCollector) -> Bool {
        a.entries == b.entries && a.firstLive == b.firstLive && a.lastLive == b.lastLive && a.firstKey == b.firstKey
            && a.lastKey == b.lastKey
    }
}
