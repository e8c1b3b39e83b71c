public import Ticks

/// The four kinds of tick-by-tick subscription. The raw value is the word in `reqTickByTickData`, case and all.
public enum TickByTickKind: String, Sendable, Hashable, CaseIterable {
    case last = "Last"
    case allLast = "AllLast"
    case bidAsk = "BidAsk"
    case midPoint = "MidPoint"

    /// The kind of the records that it brings.
    public var tickKind: TickKind {
        switch self {
        case .last: .last
        case .allLast: .allLast
        case .bidAsk: .bidAsk
        case .midPoint: .midPoint
        }
    }

    /// Nil for kinds that tick-by-tick does not offer.
    public init?(_ kind: TickKind) {
        switch kind {
        case .last: self = .last
        case .allLast: self = .allLast
        case .bidAsk: self = .bidAsk
        case .midPoint: self = .midPoint
        case .level1, .depth, .rtVolume, .more, .marker: return nil
        }
    }

    /// The history that holds ticks of this kind (that of `allLast` is a subset).
    public var history: HistoricalTicks.Kind {
        switch self {
        case .last, .allLast: .trades
        case .bidAsk: .bidAsk
        case .midPoint: .midPoint
        }
    }
}
