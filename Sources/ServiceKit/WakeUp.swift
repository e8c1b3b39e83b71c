internal import CLinux
internal import Glibc

/// A bell between threads: one polls `descriptor` beside its sockets, any other rings. Rings do not add up.
public final class WakeUp: Sendable {
    /// Readable from `ring` until `clear`.
    public let descriptor: Int32

    /// Throws when the process is out of descriptors.
    public init() throws(ProgramError) {
        descriptor = clx_eventfd()
        guard descriptor >= 0 else { throw ProgramError(.ioError, "eventfd: \(errorText(errno))") }
    }

    deinit { close(descriptor) }

    /// Any thread.
    public func ring() {
        var one: UInt64 = 1
        // EAGAIN: it has been rung so often that it is readable anyway.
        _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Waits up to `millis` for a ring, and clears it.
    public func wait(millis: Int) {
        var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        if poll(&poller, 1, Int32(max(0, min(millis, 60_000)))) == 1 { clear() }
    }

    /// To be called before looking at what the ring was for, so that no ring is missed.
    public func clear() {
        var count: UInt64 = 0
        // EAGAIN: nobody rang.
        _ = read(descriptor, &count, MemoryLayout<UInt64>.size)
    }
}
