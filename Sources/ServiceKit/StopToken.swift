internal import CLinux
internal import Glibc
internal import Synchronization

/// Says once, to any number of threads, that it is time to end.
///
/// Loops ask `isStopped` each round; loops that wait in `poll` watch `fileDescriptor`, which becomes
/// readable at the stop and stays so. Any thread.
public final class StopToken: Sendable {
    private let stopped = Atomic<Bool>(false)
    private let descriptor: Int32

    /// Ends the program if the system has no descriptor left: a program without a stop can't be stopped in order.
    public init() {
        descriptor = clx_eventfd()
        precondition(descriptor >= 0, "eventfd failed")
    }

    deinit { close(descriptor) }

    public var isStopped: Bool { stopped.load(ordering: .acquiring) }

    /// Readable from the stop on. Owned by the token.
    public var fileDescriptor: Int32 { descriptor }

    public func stop() {
        stopped.store(true, ordering: .releasing)
        var one: UInt64 = 1
        // EAGAIN would mean that it is readable anyway.
        _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Waits up to `millis` for the stop. True if it came.
    public func wait(millis: Int) -> Bool {
        let deadline = bootNanos() + Int64(millis) * 1_000_000
        while !isStopped {
            let rest = deadline - bootNanos()
            guard rest > 0 else { return false }
            var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            _ = poll(&poller, 1, Int32(min(rest / 1_000_000 + 1, 60_000)))
        }
        return true
    }
}
