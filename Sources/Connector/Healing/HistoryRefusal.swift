internal import TWS

/// What an error on a history request means for healing. Pure. Source: TWS protocol, codes of requests.
enum HistoryRefusal: Equatable {
    /// "No data": a valid answer without ticks.
    case empty
    /// Too many requests: the pacer rests.
    case pacing
    /// The account may not have this history (or not of the last minutes): tried again seldom.
    case noPermission
    /// The contract has no history of this kind at all.
    case noHistory
    /// Crypto has its trades under AGGTRADES.
    case wantsAggTrades
    /// Something else: tried again with growing waits.
    case failed

    init(_ error: ErrorMessage) {
        let text = error.text.lowercased()
        switch error.code {
        case 10_299 where text.contains("aggtrades"): self = .wantsAggTrades
        case 2_188, 10_187, 10_089, 10_091, 354, 10_168, 10_186: self = .noPermission
        case 162 where text.contains("no historical data query found"), 10_092: self = .noHistory
        default:
            switch ErrorPolicy.rule(for: error).action {
            case .emptyAnswer: self = .empty
            case .slowDown: self = .pacing
            case .retrySlowly: self = .noPermission
            default: self = .failed
            }
        }
    }
}
