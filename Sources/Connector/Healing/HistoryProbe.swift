/// Looks for where history goes on behind a second at which an answer ended before the last second wanted.
///
/// There are gateways whose answers end with the trading day of the time that was asked for, and that repeat their last tick
/// when they are asked from there on: what lies behind is only had from a later time on. A trading day is longer than a step, so
/// none is stepped over; of the step in which history goes on the first second is found by halving. What is passed over then
/// is held to be empty: so the last second of it is asked for twice, since an answer may be empty by mistake. Pure.
struct HistoryProbe {
    static let stepSeconds: Int64 = 6 * 3_600

    enum Finding: Equatable {
        /// Ask from `asking` on.
        case ask
        /// From this second on history has ticks; between the end and it there are none.
        case goesOn(Int64)
        /// There is nothing up to the last second wanted: history is late, or at its end.
        case nothing
    }

    /// The page that ended too early.
    let page: HistoryPager.Page
    /// Where the next question begins.
    private(set) var asking: Int64
    /// Asked from here, history has nothing new.
    private var low: Int64
    /// Asked from here, it has.
    private var high: Int64?
    private let end: Int64
    private let through: Int64
    private var isConfirming = false

    /// - Parameter second: where history ended, before `through`.
    init(behind second: Int64, through: Int64, page: HistoryPager.Page) {
        low = second
        end = second
        self.through = through
        self.page = page
        asking = min(second + HistoryProbe.stepSeconds, through)
    }

    /// Takes what was asked for from `asking` on.
    mutating func take(_ page: HistoryPager.Page) -> Finding {
        let isFound = !page.ticks.isEmpty || !page.rest.isEmpty || page.next == .finished || page.next == .more
        if isConfirming {
            isConfirming = false
            if let high, !isFound { return .goesOn(high) }
            low = end
        }
        if isFound { high = asking } else { low = asking }
        guard let high else {
            guard asking < through else { return .nothing }
            asking = min(asking + HistoryProbe.stepSeconds, through)
            return .ask
        }
        isConfirming = high - low <= 1
        if isConfirming, low == end { return .goesOn(high) }
        asking = isConfirming ? low : low + (high - low) / 2
        return .ask
    }
}
