internal import Glibc

/// The host's real-time clock (CLOCK_REALTIME), nanoseconds since the Unix epoch. It can jump.
public func realNanos() -> Int64 { clockNanos(CLOCK_REALTIME) }

/// Nanoseconds since boot, suspend included (CLOCK_BOOTTIME). Never falls; for deadlines and intervals.
public func bootNanos() -> Int64 { clockNanos(CLOCK_BOOTTIME) }

/// Nanoseconds since boot without the time that the host slept (CLOCK_MONOTONIC).
public func monotonicNanos() -> Int64 { clockNanos(CLOCK_MONOTONIC) }

private func clockNanos(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    // Fails only for a clock that does not exist.
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// Sleeps for a while without a way to be woken. For programs' tails and tests, never for a service's loop.
public func sleepMillis(_ millis: Int) {
    var wanted = timespec(tv_sec: millis / 1000, tv_nsec: millis % 1000 * 1_000_000)
    var rest = timespec()
    while nanosleep(&wanted, &rest) != 0 && errno == EINTR { wanted = rest }
}
