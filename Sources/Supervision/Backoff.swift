internal import Ticks

/// How long to wait before the next attempt: doubling from `firstNanos` to `limitNanos`, each with jitter.
///
/// Jitter takes the wait from 75 % to 125 % of its nominal length, so that several parts that failed together do not
/// come back together. Pure: the same seed gives the same waits.
public struct Backoff: Sendable {
    public let firstNanos: Int64
    public let limitNanos: Int64
    /// Attempts that failed since the last `reset()`.
    public private(set) var failures = 0
    private var random: SplitMix64

    /// `firstNanos` must be above 0 and at most `limitNanos`.
    public init(firstNanos: Int64 = 1_000_000_000, limitNanos: Int64 = 60_000_000_000, seed: UInt64) {
        precondition(firstNanos > 0 && firstNanos <= limitNanos)
        self.firstNanos = firstNanos
        self.limitNanos = limitNanos
        random = SplitMix64(seed: seed)
    }

    /// Counts one more failure and returns the wait before the next attempt.
    public mutating func nextDelayNanos() -> Int64 {
        var nominal = firstNanos
        for _ in 0..<min(failures, 62) where nominal < limitNanos {
            nominal = nominal > limitNanos / 2 ? limitNanos : nominal * 2
        }
        failures += 1
        let quarter = nominal / 4
        return quarter > 0 ? nominal - quarter + Int64.random(in: 0...(2 * quarter), using: &random) : nominal
    }

    /// Something worked: the next wait is the first one again.
    public mutating func reset() { failures = 0 }
}
