internal import CLinux
internal import Glibc

/// A process that is held by a pidfd: signals reach this process and never another that got its number. One thread.
public final class HeldProcess {
    public let pid: Int32
    /// Readable once the process has ended. Owned by this object.
    public let pidfd: Int32
    /// Ours to reap.
    public let isChild: Bool

    private init(pid: Int32, pidfd: Int32, isChild: Bool) {
        self.pid = pid
        self.pidfd = pidfd
        self.isChild = isChild
    }

    deinit { close(pidfd) }

    /// How a process ended.
    public enum Exit: Sendable, Equatable, CustomStringConvertible {
        case status(Int32)
        case signal(Int32)
        /// Only its parent knows.
        case unknown

        public var description: String {
            switch self {
            case .status(let value): "exit status \(value)"
            case .signal(let number): StopSignals.name(number)
            case .unknown: "unknown"
            }
        }
    }

    /// Starts a program in a process group of its own, with no signal blocked, all handlers at their
    /// defaults and standard input from `/dev/null`.
    ///
    /// - inherit: descriptors that the program gets under their own numbers, beside standard output and error.
    /// - output: a descriptor that becomes its standard output; -1: ours.
    /// - error: the same for standard error.
    public static func start(
        _ path: String, arguments: [String], environment: [String: String], inherit: [Int32] = [], output: Int32 = -1,
        error: Int32 = -1
    ) throws(ProgramError) -> HeldProcess {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        if output >= 0 { posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) }
        if error >= 0 { posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO) }
        // A descriptor duplicated onto itself loses its close-on-exec mark and nothing else.
        for descriptor in inherit { posix_spawn_file_actions_adddup2(&actions, descriptor, descriptor) }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for copy in words + variables { free(copy) } }
        var pid: pid_t = 0
        let failure = posix_spawn(&pid, path, &actions, &attributes, &words, &variables)
        guard failure == 0 else { throw ProgramError(.ioError, "\(path) can't be started: \(errorText(failure))") }
        let pidfd = clx_pidfd_open(pid)
        guard pidfd >= 0 else {
            // Out of descriptors: a process that can't be held must not go on unwatched.
            let code = errno
            kill(pid, SIGKILL)
            throw ProgramError(.ioError, "\(path) can't be held: \(errorText(code))")
        }
        return HeldProcess(pid: pid, pidfd: pidfd, isChild: true)
    }

    /// Holds the process that a lock names; nil if it has ended.
    public static func adopt(_ holder: LockHolder) -> HeldProcess? {
        let pidfd = clx_pidfd_open(holder.pid)
        guard pidfd >= 0 else { return nil }
        let held = HeldProcess(pid: holder.pid, pidfd: pidfd, isChild: false)
        // Looked at behind the open: now the number can't be given to another process unnoticed.
        guard ProcessEnvironment.startTicks(pid: holder.pid) == holder.startTicks else { return nil }
        return held
    }

    /// Sends a signal; false when the process has ended (or is somebody else's).
    @discardableResult public func send(_ signal: Int32) -> Bool { clx_pidfd_signal(pidfd, signal) == 0 }

    /// How it ended, or nil while it runs. Reaps a child.
    public func exit() -> Exit? {
        if isChild {
            var ended = clx_exit()
            switch clx_reap(pid, &ended) {
            case 1: return ended.signalled != 0 ? .signal(ended.value) : .status(ended.value)
            case 0: return nil
            // Somebody reaped it already.
            default: return .unknown
            }
        }
        var poller = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
        return poll(&poller, 1, 0) == 1 ? .unknown : nil
    }

    /// Waits up to `millis` for its end. Nil if it still runs.
    public func waitForExit(millis: Int) -> Exit? {
        let deadline = bootNanos() + Int64(millis) * 1_000_000
        while true {
            if let exit = exit() { return exit }
            let rest = deadline - bootNanos()
            guard rest > 0 else { return nil }
            var poller = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
            _ = poll(&poller, 1, Int32(min(rest / 1_000_000 + 1, 1000)))
        }
    }
}
