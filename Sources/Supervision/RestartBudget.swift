/// How often a process may be restarted without having done its work: a number of restarts within a sliding window.
///
/// Unproductive restarts only: a run that made one durable tick costs nothing. A spent budget is an open circuit with a
/// probe each `windowNanos / limit`. The restart times are plain wall-clock values, so that the owner can keep them on
/// disk over its own restart.
public struct RestartBudget: Sendable, Equatable {
    public let limit: Int
    public let windowNanos: Int64
    /// Wall-clock times of the unproductive restarts within the window, oldest first.
    public private(set) var spentAtNanos: [Int64]

    public init(limit: Int = 10, windowNanos: Int64 = 600_000_000_000, spentAtNanos: [Int64] = []) {
        precondition(limit >= 1 && windowNanos > 0)
        self.limit = limit
        self.windowNanos = windowNanos
        self.spentAtNanos = Array(spentAtNanos.sorted().suffix(limit))
    }

    /// How many restarts are left at `nowNanos`.
    public mutating func remaining(nowNanos: Int64) -> Int {
        // A time in the future comes from a clock that was set back; it must not block for ever.
        spentAtNanos.removeAll { $0 <= nowNanos - windowNanos || $0 > nowNanos }
        return limit - spentAtNanos.count
    }

    /// Takes one restart out of the budget. False: there was none left.
    public mutating func spend(nowNanos: Int64) -> Bool {
        guard remaining(nowNanos: nowNanos) > 0 else { return false }
        spentAtNanos.append(nowNanos)
        return true
    }

    /// When the next restart will be allowed; `nowNanos` if one is allowed already.
    public mutating func nextAllowedNanos(nowNanos: Int64) -> Int64 {
        guard remaining(nowNanos: nowNanos) <= 0, let oldest = spentAtNanos.first else { return nowNanos }
        return oldest + windowNanos + 1
    }
}
