/// IB's limits as the real gateway applies them. Pure: time (ns since boot) is passed in.
///
/// Source: docs/tws.md#limits: 5 tick-by-tick lines and 100 market data lines for all clients together, one
/// tick-by-tick request per instrument per 15 s, 50 messages a second per client, and the pacing rules of history.
struct Limits {
    static let tickByTickLines = 5
    static let marketDataLines = 100
    static let spacingNanos: Int64 = 15_000_000_000
    let historyPer10Minutes: Int

    /// What history pacing looks at in a request.
    struct HistoryRequest: Hashable {
        var conId: Int32
        var exchange: String
        /// `TRADES`, `BID_ASK`, `MIDPOINT`.
        var type: String
        /// Everything else that makes two requests identical.
        var details: String
    }

    private var tickByTickRequests: [Int32: Int64] = [:]
    private var history: [(atNanos: Int64, request: HistoryRequest)] = []

    init(historyPer10Minutes: Int = 60) { self.historyPer10Minutes = historyPer10Minutes }

    /// Whether a tick-by-tick request for an instrument comes late enough after the one before; counts it if so.
    mutating func allowsTickByTick(conId: Int32, nowNanos: Int64) -> Bool {
        if let before = tickByTickRequests[conId], nowNanos - before < Limits.spacingNanos { return false }
        tickByTickRequests[conId] = nowNanos
        return true
    }

    /// Whether a request for history keeps the pace; counts it if so. No identical request within 15 s, fewer than six
    /// for one contract, exchange and type within 2 s, at most 60 in 10 min where BID_ASK counts twice.
    mutating func allowsHistory(_ request: HistoryRequest, nowNanos: Int64) -> Bool {
        history.removeAll { nowNanos - $0.atNanos >= 600_000_000_000 }
        let cost = history.reduce(Limits.cost(request)) { $0 + Limits.cost($1.request) }
        let identical = history.contains { nowNanos - $0.atNanos < 15_000_000_000 && $0.request == request }
        let alike = history.count {
            nowNanos - $0.atNanos < 2_000_000_000 && $0.request.conId == request.conId
                && $0.request.exchange == request.exchange && $0.request.type == request.type
        }
        guard cost <= historyPer10Minutes, !identical, alike < 5 else { return false }
        history.append((nowNanos, request))
        return true
    }

    private static func cost(_ request: HistoryRequest) -> Int { request.type == "BID_ASK" ? 2 : 1 }
}

/// Counts one client's messages: more than 50 within a second is a violation, the third one ends the connection.
struct MessageRate {
    static let perSecond = 50
    static let strikes = 3

    enum Verdict: Equatable {
        case fine
        /// Send error 100.
        case violation
        /// Send error 100 and close.
        case disconnect
    }

    private var windowStartNanos: Int64 = .min
    private var count = 0
    private var violations = 0

    init() {}

    mutating func count(nowNanos: Int64) -> Verdict {
        if windowStartNanos == .min || nowNanos - windowStartNanos >= 1_000_000_000 {
            windowStartNanos = nowNanos
            count = 0
        }
        count += 1
        guard count > MessageRate.perSecond else { return .fine }
        // The next fifty count towards the next violation.
        count = 0
        violations += 1
        return violations >= MessageRate.strikes ? .disconnect : .violation
    }
}
