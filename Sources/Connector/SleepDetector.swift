/// Notices that the host was asleep: then the clock that counts sleep runs ahead of the one that does not.
///
/// Pure. Source: clock_gettime(2), CLOCK_BOOTTIME and CLOCK_MONOTONIC.
struct SleepDetector {
    /// Less than this is no sleep: the two clocks are read one after the other.
    static let leastNanos: Int64 = 500_000_000

    private var difference: Int64?

    /// Takes both clocks as they are now; how long the host slept since the last call, nil when it did not.
    mutating func note(bootNanos: Int64, monotonicNanos: Int64) -> Int64? {
        let now = bootNanos - monotonicNanos
        defer { difference = now }
        guard let difference, now - difference >= SleepDetector.leastNanos else { return nil }
        return now - difference
    }
}
