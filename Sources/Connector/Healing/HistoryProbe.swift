/// Looks for where history goes on behind a second at which an answer ended before the last second wanted.
///
/// There are gateways whose answers end with the trading day of the time that was asked for, and that have nothing, or
/// repeat their last tick, when they are asked from there on. So it is asked from behind: what lies before the last
/// second wanted, and, of what is found, what lies before that, by halving. An answer from behind that goes back beyond
/// the end, and has nothing behind it, shows that nothing lies between. Where answers from behind are empty, which may
/// be a gateway's way too, it is asked forward in steps that no trading day fits between. No trading hours have to be
/// known. Pure.
struct HistoryProbe {
    static let stepSeconds: Int64 = 6 * 3_600

    enum Finding: Equatable {
        /// Ask `question`.
        case ask
        /// From this second on history has ticks; between the end and it there are none.
        case goesOn(Int64)
        /// There is nothing up to the last second wanted: history is late, or at its end.
        case nothing
    }

    private enum Stage {
        /// What lies before the last second wanted?
        case farEdge
        /// From behind, by halving.
        case halving
        /// Forward, in steps, up to what has been found or the last second wanted.
        case steps
    }

    /// The page that ended too early.
    let page: HistoryPager.Page
    private(set) var question: HistoryQuestion
    private let end: Int64
    private let through: Int64
    private var stage = Stage.farEdge
    /// Nothing was found before it.
    private var low: Int64
    /// Nothing lies before `low`: an answer went back beyond the end. Else answers were empty.
    private var isProven = false
    /// Here history has ticks.
    private var high: Int64?
    private var step: Int64

    /// - Parameter second: where history ended, before `through`.
    init(behind second: Int64, through: Int64, page: HistoryPager.Page) {
        (low, end, step) = (second, second, second)
        self.through = through
        self.page = page
        question = .before(through + 1)
    }

    /// Takes what was asked for.
    mutating func take(_ page: HistoryPager.Page) -> Finding {
        switch stage {
        case .farEdge, .halving: takePast(page.past)
        case .steps: takeStep(page)
        }
    }

    private mutating func takePast(_ past: [HealTick]) -> Finding {
        if let found = past.first(where: { $0.second >= end })?.second {
            high = found
            // It goes back beyond the end: nothing lies between, if it is no page told again in front of another one.
            // What lies before the tick found shows that.
            if let first = past.first, first.second < end {
                guard low < found else { return .goesOn(found) }
                stage = .halving
                question = .before(found)
                return .ask
            }
        } else if stage == .farEdge {
            // A single tick may be the last one, repeated.
            return past.count > 1 ? .nothing : nextStep()
        } else if case .before(let second) = question {
            (low, isProven) = (second, past.count > 1)
        }
        stage = .halving
        guard let high else { return nextStep() }
        guard low < high else {
            if isProven || low <= end { return .goesOn(high) }
            step = end
            return nextStep()
        }
        question = .before(low + (high - low + 1) / 2)
        return .ask
    }

    private mutating func takeStep(_ page: HistoryPager.Page) -> Finding {
        let found = page.ticks.first?.second ?? page.rest.first?.second
        let isFound = found != nil || page.next == .finished || page.next == .more
        guard isFound, found ?? step < high ?? .max else { return nextStep() }
        high = max(found ?? step, end)
        (stage, low, isProven) = (.halving, end, false)
        return takePast([])
    }

    /// Asks forward from the next step on.
    private mutating func nextStep() -> Finding {
        if let high, step + HistoryProbe.stepSeconds >= high { return .goesOn(high) }
        guard step < through else { return .nothing }
        stage = .steps
        step = min(step + HistoryProbe.stepSeconds, through)
        question = .from(step)
        return .ask
    }
}
