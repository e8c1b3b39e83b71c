internal import TWS
internal import Ticks

/// One tick as healing compares it: what a stored record and one of the gateway's history have in common.
///
/// Two are equal when second, kind, mask, numbers and texts are; key, receive time and what a recording adds
/// (`healed`, `simulated` …) do not count.
struct HealTick: Equatable {
    /// Without key, receive time, contract and source; flags are the wire's and those of its own text.
    var tick: Tick
    /// The bodies of its `more` records, in order.
    var more: [TickBody] = []

    /// What a history tick and a live one both say of themselves.
    private static let comparedFlags: TickFlags = [.pastLimit, .unreported, .inexact]

    /// A tick of the gateway's history, as a tick of a stream of this kind.
    init(_ item: HistoricalTick, kind: TickKind) {
        tick = item.tick
        tick.kindByte = kind.rawValue
        tick.key = .zero
        more = item.more.isEmpty ? [] : item.more.records(after: tick).map(\.body)
    }

    /// A stored record; its `more` records are added as they come.
    init(stored tick: Tick) { self.tick = tick }

    /// Unix seconds; the protocol's ticks have no finer time.
    var second: Int64 { tick.tsEventNanos.floorDivided(by: 1_000_000_000) }

    /// True for trades that the gateway's history does not have: those that `all_last` alone reports.
    var isUnreported: Bool { tick.flags.contains(.unreported) }

    static func == (a: HealTick, b: HealTick) -> Bool {
        a.tick.tsEventNanos == b.tick.tsEventNanos && a.tick.body == b.tick.body
            && a.tick.flags.intersection(comparedFlags) == b.tick.flags.intersection(comparedFlags) && a.more == b.more
    }
}
