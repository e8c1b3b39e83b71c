internal import Ticks

/// What the gateway calls the data of a level 1 request, in message 58; it may change at any time. A new request
/// has live data until it is told otherwise.
enum MarketDataType: Int32 {
    case live = 1
    /// The values of the last close: nothing of them shows that the market, or our data of it, live.
    case frozen = 2
    /// 15 to 20 minutes late.
    case delayed = 3
    case delayedFrozen = 4

    /// What every record carries meanwhile. Nothing is frozen tick by tick: such a word changes nothing there.
    func flags(isLevel1: Bool) -> TickFlags {
        let flags: TickFlags =
            switch self {
            case .live: []
            case .frozen: .frozen
            case .delayed: .delayed
            case .delayedFrozen: [.delayed, .frozen]
            }
        return isLevel1 ? flags : flags.subtracting(.frozen)
    }

    /// The cause of the gap from the first frozen value to the first live one.
    static let gapCause = "frozen"

    static let frozenReason =
        "the gateway sends frozen values: the market is closed, or the account has no live data for it: "
        + "see its trading hours, and its subscription in Client Portal"
}
