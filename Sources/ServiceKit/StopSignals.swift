internal import CLinux
internal import Glibc

/// SIGTERM, SIGINT and SIGHUP as a descriptor. Made first thing in `main`: the signals are blocked there and so in
/// every thread that starts later. SIGPIPE is ignored from then on. One thread (main) reads.
public struct StopSignals: ~Copyable {
    public static let numbers: [Int32] = [SIGTERM, SIGINT, SIGHUP]
    private let descriptor: Int32

    /// With `more` other signals as well (SIGCHLD, SIGWINCH).
    public init(more: [Int32] = []) throws(ProgramError) {
        signal(SIGPIPE, SIG_IGN)
        let signals = StopSignals.numbers + more
        let made = signals.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { clx_block_and_signalfd($0, buffer.count) } ?? -1
        }
        guard made >= 0 else { throw ProgramError(.ioError, "signals can't be received: \(errorText(errno))") }
        descriptor = made
    }

    deinit { close(descriptor) }

    /// Readable when a signal is pending.
    public var fileDescriptor: Int32 { descriptor }

    /// Waits up to `millis` for a signal; also returns early (with nil) when one
    /// of `others` becomes readable or hangs up.
    public func wait(millis: Int, also others: Int32...) -> Int32? {
        if let pending = next() { return pending }
        var pollers = ([descriptor] + others).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        _ = poll(&pollers, nfds_t(pollers.count), Int32(millis))
        return next()
    }

    /// A pending signal, if there is one.
    public func next() -> Int32? {
        let number = clx_read_signal(descriptor)
        return number > 0 ? number : nil
    }

    /// `SIGTERM` and so on.
    public static func name(_ number: Int32) -> String {
        switch number {
        case SIGTERM: "SIGTERM"
        case SIGINT: "SIGINT"
        case SIGHUP: "SIGHUP"
        case SIGKILL: "SIGKILL"
        case SIGABRT: "SIGABRT"
        case SIGSEGV: "SIGSEGV"
        case SIGILL: "SIGILL"
        case SIGTRAP: "SIGTRAP"
        case SIGBUS: "SIGBUS"
        case SIGCHLD: "SIGCHLD"
        default: "signal \(number)"
        }
    }
}
