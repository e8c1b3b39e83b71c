/// How many requests may go to the gateway, and when: a budget per second for all, and a spacing between tick-by-tick
/// requests of one instrument.
///
/// Pure: ask `nextAllowedNanos`, and when the request has gone out say so with `noteSent`. A gateway answers a broken
/// budget with code 100 and, at the third, hangs up. Times are of one monotonic clock. Source: docs/tws.md#limits.
public struct RequestPacer: Sendable {
    /// What of a request decides when it may go out.
    public enum Request: Sendable, Equatable {
        case ordinary
        /// `reqTickByTickData` for a contract (a cancel is ordinary).
        case tickByTick(conId: Int32)
    }

    private let perSecond: Int
    private let tickByTickSpacingNanos: Int64
    /// When the last `perSecond` requests went out, oldest at `next`; so any second has at most that many.
    private var sentAtNanos: [Int64] = []
    private var next = 0
    /// The last tick-by-tick request of each contract, forgotten once its spacing is over.
    private var tickByTickAtNanos: [Int32: Int64] = [:]

    /// - Precondition: at least one request a second.
    public init(requestsPerSecond: Int = 45, tickByTickSpacingNanos: Int64 = 15_000_000_000) {
        precondition(requestsPerSecond > 0)
        perSecond = requestsPerSecond
        self.tickByTickSpacingNanos = tickByTickSpacingNanos
    }

    /// The first moment at which the request may go out: `nowNanos` when that is now.
    public func nextAllowedNanos(_ request: Request, nowNanos: Int64) -> Int64 {
        var allowed = nowNanos
        if sentAtNanos.count == perSecond { allowed = max(allowed, sentAtNanos[next] + 1_000_000_000) }
        if case .tickByTick(let conId) = request, let last = tickByTickAtNanos[conId] {
            allowed = max(allowed, last + tickByTickSpacingNanos)
        }
        return allowed
    }

    public mutating func noteSent(_ request: Request, nowNanos: Int64) {
        if sentAtNanos.count < perSecond {
            sentAtNanos.append(nowNanos)
        } else {
            sentAtNanos[next] = nowNanos
            next = (next + 1) % perSecond
        }
        if case .tickByTick(let conId) = request {
            tickByTickAtNanos = tickByTickAtNanos.filter { nowNanos - $0.value < tickByTickSpacingNanos }
            tickByTickAtNanos[conId] = nowNanos
        }
    }

    /// Code 100: too fast after all. Keeps everything back for a second.
    public mutating func noteRateExceeded(nowNanos: Int64) {
        sentAtNanos = Array(repeating: nowNanos, count: perSecond)
        next = 0
    }
}
