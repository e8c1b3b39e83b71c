internal import TWS

/// What an error on a history request means for healing. Pure. Source: docs/tws.md#codes.
enum HistoryRefusal: Equatable {
    /// "No data": a valid answer without ticks.
    case empty
    /// Too many requests: the pacer rests.
    case pacing
    /// The account may not have this history: tried again seldom.
    case noPermission
    /// Nor that of the last minutes (2188); without an answer the same.
    case behind
    /// The contract has no history of this kind at all.
    case noHistory
    /// Crypto has its trades under AGGTRADES.
    case wantsAggTrades
    /// Something else: tried again with growing waits.
    case failed

    /// So long data may follow a refusal. Gateways were seen to say 2188 and then to send the history that they have;
    /// an entitlement that is missing may be one of several; and of a code that is not known nothing is known.
    private static let secondThoughtsNanos: Int64 = 5_000_000_000

    /// How long data are waited for all the same; only silence until then is a refusal.
    var dataMayFollowNanos: Int64 {
        switch self {
        case .behind: HealDesk.answerNanos
        case .noPermission, .failed: HistoryRefusal.secondThoughtsNanos
        case .empty, .pacing, .noHistory, .wantsAggTrades: 0
        }
    }

    init(_ error: ErrorMessage) {
        let text = error.text.lowercased()
        switch error.code {
        case 10_299 where text.contains("aggtrades"): self = .wantsAggTrades
        case 2_188: self = .behind
        case 10_187, 10_089, 10_091, 354, 10_168, 10_186: self = .noPermission
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
