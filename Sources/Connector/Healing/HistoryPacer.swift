internal import Ticks

/// When the gateway may be asked for history: so many requests in ten minutes, no two identical ones soon after each
/// other, few for one contract at once; slower still when it complained. Pure; times are of one monotonic clock.
///
/// A request for BID_ASK counts twice. Intervals are kept with a margin, since the gateway counts when requests arrive.
/// Source: docs/tws.md#limits; docs/configuration.md#heal.
struct HistoryPacer: Sendable {
    private static let second: Int64 = 1_000_000_000
    private static let windowNanos = 600 * second
    private static let marginNanos = second / 2
    private static let contractWindowNanos = 2 * second
    /// After a pacing violation: the first wait, which doubles up to the greatest.
    private static let firstBackoffNanos = 15 * second
    private static let greatestBackoffNanos = 600 * second

    struct Request: Hashable, Sendable {
        /// Limits are per contract and exchange.
        var contract: ContractID
        /// As `reqHistoricalTicks` spells it.
        var whatToShow: String
        var question: HistoryQuestion

        /// BID_ASK counts twice.
        var cost: Int { whatToShow == "BID_ASK" ? 2 : 1 }
    }

    private struct Sent {
        var atNanos: Int64
        var request: Request
    }

    private let budget: Int
    private let identicalNanos: Int64
    private let perContract: Int
    /// The last ten minutes, oldest first.
    private var sent: [Sent] = []
    private var used = 0
    private var backoffNanos: Int64 = 0
    private var backoffUntilNanos: Int64 = .min
    /// The gateway's history farm is down (2105): nothing is asked for until it is back.
    private(set) var isHeld = false
    /// How often the gateway complained of the pace.
    private(set) var violations = 0

    /// - Parameter perContractIn2Seconds: so many requests for one contract within 2 s are one too many.
    init(requestsPer10Minutes: Int, identicalNanos: Int64, perContractIn2Seconds: Int) {
        budget = max(1, requestsPer10Minutes)
        self.identicalNanos = identicalNanos
        perContract = max(1, perContractIn2Seconds - 1)
    }

    /// The first moment at which the request may go out: `nowNanos` when that is
    /// now; `Int64.max` while history is held.
    func nextAllowedNanos(_ request: Request, nowNanos now: Int64) -> Int64 {
        guard !isHeld else { return .max }
        var allowed = max(now, backoffUntilNanos, availableNanos(units: min(request.cost, budget), nowNanos: now))
        if let same = sent.last(where: { $0.request == request }) {
            allowed = max(allowed, same.atNanos + identicalNanos + HistoryPacer.marginNanos)
        }
        let alike = sent.suffix(64 + perContract).filter {
            $0.request.contract == request.contract && $0.request.whatToShow == request.whatToShow
        }
        if alike.count >= perContract {
            let oldest = alike[alike.count - perContract].atNanos
            allowed = max(allowed, oldest + HistoryPacer.contractWindowNanos + HistoryPacer.marginNanos)
        }
        return allowed
    }

    /// When so many units of the budget (a request is one, for BID_ASK two) can have been used from now on.
    func availableNanos(units: Int, nowNanos now: Int64) -> Int64 {
        let cycle = HistoryPacer.windowNanos + HistoryPacer.marginNanos
        var units = units
        var later: Int64 = 0
        // What is sent from now on comes free a window later.
        if units > budget {
            let rounds = (units - 1) / budget
            // Beyond 19 years it does not matter any more, and must not overflow.
            later = Int64(min(rounds, 1_000_000)) * cycle
            units -= rounds * budget
        }
        var free = budget - used
        if units <= free { return now + later }
        for past in sent {
            free += past.request.cost
            if units <= free { return max(now, past.atNanos + cycle) + later }
        }
        // A single request that costs more than the whole budget: it goes alone.
        return max(now, (sent.last?.atNanos ?? now - cycle) + cycle) + later
    }

    mutating func noteSent(_ request: Request, nowNanos now: Int64) {
        let cycle = HistoryPacer.windowNanos + HistoryPacer.marginNanos
        while let oldest = sent.first, now - oldest.atNanos >= cycle {
            used -= oldest.request.cost
            sent.removeFirst()
        }
        sent.append(Sent(atNanos: now, request: request))
        used += request.cost
    }

    /// The window has moved on. To be called before asking.
    mutating func expire(nowNanos now: Int64) {
        let cycle = HistoryPacer.windowNanos + HistoryPacer.marginNanos
        let gone = sent.prefix { now - $0.atNanos >= cycle }.count
        guard gone > 0 else { return }
        used -= sent[..<gone].reduce(0) { $0 + $1.request.cost }
        sent.removeFirst(gone)
    }

    /// The gateway said that we ask too often (162 or 420): longer and longer rests.
    mutating func noteViolation(nowNanos now: Int64) {
        violations += 1
        backoffNanos = min(
            max(HistoryPacer.firstBackoffNanos, backoffNanos * 2), HistoryPacer.greatestBackoffNanos)
        backoffUntilNanos = now + backoffNanos
    }

    /// An answer came: the pace is right again.
    mutating func noteAnswered() { backoffNanos = 0 }

    /// 2105, 2106, 2107 and the end of a session.
    mutating func setHeld(_ held: Bool) { isHeld = held }
}
