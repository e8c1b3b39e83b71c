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

    /// True for what a run brought.
    var isHealed: Bool { tick.flags.contains(.healed) }

    /// True for trades that `all_last` reports beyond `last`: the gateway's history may have them or not. (The
    /// same bit of a quote says something else.)
    var isUnreported: Bool { isTrade && tick.flags.contains(.unreported) }

    private var isTrade: Bool { tick.kindByte == TickKind.last.rawValue || tick.kindByte == TickKind.allLast.rawValue }

    static func == (a: HealTick, b: HealTick) -> Bool { a.isEqual(to: b, flags: comparedFlags) }

    /// Equal, or told apart by the mark of unreported trades alone.
    func isEqualButForMark(_ other: HealTick) -> Bool {
        let flags = HealTick.comparedFlags
        return isEqual(to: other, flags: isTrade ? flags.subtracting(.unreported) : flags)
    }

    private func isEqual(to other: HealTick, flags: TickFlags) -> Bool {
        tick.tsEventNanos == other.tick.tsEventNanos && tick.body == other.tick.body
            && tick.flags.intersection(flags) == other.tick.flags.intersection(flags) && more == other.more
    }
}
