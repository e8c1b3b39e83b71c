internal import Glibc

/// The pipe whose other end the parent of everything holds: its end is the parent's end.
public struct Lifeline: Sendable {
    /// -1: none was inherited.
    public private(set) var descriptor: Int32 = -1

    /// `IB_STREAM_LIFELINE` names the descriptor; anything but a pipe is no lifeline.
    public init(environment: [String: String]) {
        guard let number = environment["IB_STREAM_LIFELINE"].flatMap({ Int32($0) }), number > STDERR_FILENO else {
            return
        }
        var info = stat()
        guard fstat(number, &info) == 0, info.st_mode & S_IFMT == S_IFIFO else { return }
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        descriptor = number
    }

    /// What the parent does.
    public enum State: Sendable, Equatable {
        case alive
        /// It ends, and everything with it: it left a byte in the pipe, which nobody takes out.
        case ending
        /// It is gone without a word.
        case gone
    }

    public var state: State {
        guard descriptor >= 0 else { return .alive }
        var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&poller, 1, 0) == 1, poller.revents & Int16(POLLHUP) != 0 else { return .alive }
        return poller.revents & Int16(POLLIN) != 0 ? .ending : .gone
    }

    /// True once the parent is gone, or ends.
    public func hasEnded() -> Bool { state != .alive }
}
