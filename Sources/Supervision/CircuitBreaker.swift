/// Stops hammering at something that keeps failing: closed (attempts go through) → open (none until a time) → half-open
/// (one probe at a time, whose outcome decides).
///
/// It never gives up: an open circuit always has a time at which the next probe is allowed.
public struct CircuitBreaker: Sendable {
    public enum State: Sendable, Equatable {
        case closed
        case open(untilNanos: Int64)
        /// One probe is under way.
        case halfOpen
    }

    public private(set) var state: State = .closed
    /// Failures in a row that open the circuit.
    public let threshold: Int
    /// How long the circuit stays open before a probe is allowed.
    public let openNanos: Int64
    private var failuresInARow = 0

    /// `threshold` at least 1, `openNanos` above 0.
    public init(threshold: Int, openNanos: Int64) {
        precondition(threshold >= 1 && openNanos > 0)
        self.threshold = threshold
        self.openNanos = openNanos
    }

    /// Asks for an attempt. True: go, and report `succeeded` or `failed`. False: not now.
    public mutating func allowsAttempt(nowNanos: Int64) -> Bool {
        switch state {
        case .closed: return true
        case .halfOpen: return false
        case .open(let until):
            guard nowNanos >= until else { return false }
            state = .halfOpen
            return true
        }
    }

    /// The attempt worked: closed, and the count of failures starts again.
    public mutating func succeeded() {
        failuresInARow = 0
        state = .closed
    }

    /// The attempt failed. Returns true when this opened the circuit (from closed or after a probe).
    @discardableResult public mutating func failed(nowNanos: Int64) -> Bool {
        failuresInARow += 1
        switch state {
        case .closed where failuresInARow >= threshold, .halfOpen:
            state = .open(untilNanos: nowNanos + openNanos)
            return true
        case .closed, .open: return false
        }
    }
}
