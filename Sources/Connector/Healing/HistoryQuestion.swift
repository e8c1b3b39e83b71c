/// What one request for history asks for: up to `HistoryPager.pageTicks` ticks, seconds being Unix seconds.
enum HistoryQuestion: Hashable, Sendable {
    /// The first ones from the start of a second on.
    case from(Int64)
    /// The last ones before a second. There are gateways that count that second in; `HistoryPager` allows for it.
    case before(Int64)

    /// Of exactly one of these the wire tells.
    var start: Int64? { if case .from(let second) = self { second } else { nil } }
    var end: Int64? { if case .before(let second) = self { second } else { nil } }
}
