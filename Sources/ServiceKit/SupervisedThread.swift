internal import Glibc
internal import Supervision
internal import Synchronization

/// What a supervised body gets: the token that tells it to end, and the counter that it must advance.
public struct TaskContext: Sendable {
    public let name: String
    public let stop: StopToken
    /// Advance it each round, at least once a second.
    public let progress: ProgressCounter
}

/// A thread whose end is always an event: when its body throws, or returns unasked, that is logged in the words that
/// operators match on and the body is started again after a wait that grows. A body that fails too often in a row is
/// reported to `FirstFault`, which ends the process in order.
public final class SupervisedThread: Sendable {
    public let name: String
    public let progress: ProgressCounter
    private let token = StopToken()
    private let supervisor: Mutex<TaskSupervisor>
    private let thread = Mutex<OwnedThread?>(nil)
    private let ended = Atomic<Bool>(false)

    /// Starts the thread. `body` runs on it, again after each failure; it returns when `stop` is set.
    ///
    /// - name: at most 15 bytes; also the name of the progress counter.
    /// - limit: failures in a row (each run shorter than a minute) after which the process ends.
    /// - reportsDiskWait: false for work in the background.
    public init(
        _ name: String, fault: FirstFault, limit: Int = 8, firstWaitNanos: Int64 = 1_000_000_000,
        reportsDiskWait: Bool = true, body: @escaping @Sendable (TaskContext) throws -> Void
    ) throws(ProgramError) {
        self.name = name
        progress = ProgressCounter(name, reportsDiskWait: reportsDiskWait)
        let seed = UInt64(bitPattern: realNanos()) ^ UInt64(getpid())
        supervisor = Mutex(
            TaskSupervisor(
                limit: limit, backoff: Backoff(firstNanos: firstWaitNanos, limitNanos: 60_000_000_000, seed: seed)))
        let context = TaskContext(name: name, stop: token, progress: progress)
        let started = try OwnedThread(name) { [self] in
            run(context, fault, body)
            ended.store(true, ordering: .releasing)
        }
        thread.withLock { $0 = started }
    }

    /// One word: running, restarting, stopping, ended, failed.
    public var state: String { supervisor.withLock { $0.state.name.description } }
    /// How often the body was started again.
    public var restarts: Int { supervisor.withLock { $0.restarts } }

    /// True once the thread is over: `stop` would not wait.
    public var hasEnded: Bool { ended.load(ordering: .acquiring) }

    /// Tells the body to end without waiting for it.
    public func requestStop() {
        _ = supervisor.withLock { $0.handle(.stopRequested, nowNanos: bootNanos()) }
        token.stop()
    }

    /// Tells the body to end and waits until it has.
    public func stop() {
        requestStop()
        thread.withLock { thread in
            defer { thread = nil }
            return thread
        }?.join()
    }

    private func run(
        _ context: TaskContext, _ fault: FirstFault, _ body: @Sendable (TaskContext) throws -> Void
    ) {
        log(.info, "Started \(name) task with exception monitoring")
        while true {
            _ = supervisor.withLock { $0.handle(.started, nowNanos: bootNanos()) }
            var failure: String
            do {
                try body(context)
                failure = "it returned although nothing had told it to"
            } catch {
                failure = "\(error)"
            }
            if token.isStopped {
                _ = supervisor.withLock { $0.handle(.ended, nowNanos: bootNanos()) }
                log(.info, "Background task was cancelled: \(name)")
                return
            }
            log(.critical, "CRITICAL: Background task failed with exception: \(failure)")
            log(.error, "Task name: \(name)")
            switch supervisor.withLock({ $0.handle(.failed, nowNanos: bootNanos()) }) {
            case .giveUp:
                fault.report(name, ProgramError(.failure, "task \(name) keeps failing: \(failure)"))
                return
            case .none: return
            case .restart(let wait):
                guard !rest(wait, context) else {
                    log(.info, "Background task was cancelled: \(name)")
                    return
                }
                log(.info, "Attempting to restart failed task: \(name)")
            }
        }
    }

    /// Waits before the next start; the waiting itself is progress. True if the stop came.
    private func rest(_ nanos: Int64, _ context: TaskContext) -> Bool {
        let until = bootNanos() + nanos
        while bootNanos() < until {
            context.progress.advance()
            if token.wait(millis: Int(max(1, min(250, (until - bootNanos()) / 1_000_000)))) { return true }
        }
        return token.isStopped
    }
}
