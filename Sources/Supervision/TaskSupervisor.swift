/// Decides what happens to a supervised task that ended: restart after a wait, give up, or nothing because it was told
/// to end. Pure; `SupervisedThread` of ServiceKit does what it says.
///
/// A task that ran for `steadyNanos` before it failed starts over with the first wait. One that failed `limit` times in
/// a row without ever running that long is given up: then its process must end, and the process's owner decides.
public struct TaskSupervisor: Sendable {
    /// What has happened to the task.
    public enum Event: Sendable, Equatable {
        case started
        /// It threw, or returned although nobody had asked it to.
        case failed
        /// It was asked to end.
        case stopRequested
        /// It ended after it was asked to.
        case ended
    }

    /// What the thread of the task has to do now.
    public enum Action: Sendable, Equatable {
        case none
        case restart(afterNanos: Int64)
        case giveUp
    }

    /// Where the task is in its life; times are of the boot clock.
    public enum State: Sendable, Equatable {
        case idle
        case running(sinceNanos: Int64)
        case waiting(untilNanos: Int64)
        case stopping
        case ended
        case givenUp

        /// One word for heartbeats and status.
        public var name: StaticString {
            switch self {
            case .idle: "idle"
            case .running: "running"
            case .waiting: "restarting"
            case .stopping: "stopping"
            case .ended: "ended"
            case .givenUp: "failed"
            }
        }
    }

    public private(set) var state: State = .idle
    /// How often it was restarted in all.
    public private(set) var restarts = 0
    public let limit: Int
    public let steadyNanos: Int64
    private var backoff: Backoff

    public init(limit: Int = 8, steadyNanos: Int64 = 60_000_000_000, backoff: Backoff) {
        precondition(limit >= 1)
        self.limit = limit
        self.steadyNanos = steadyNanos
        self.backoff = backoff
    }

    public mutating func handle(_ event: Event, nowNanos: Int64) -> Action {
        switch (state, event) {
        case (.idle, .started), (.waiting, .started):
            state = .running(sinceNanos: nowNanos)
            return .none
        case (.running(let since), .failed):
            if nowNanos - since >= steadyNanos { backoff.reset() }
            guard backoff.failures < limit else {
                state = .givenUp
                return .giveUp
            }
            let wait = backoff.nextDelayNanos()
            restarts += 1
            state = .waiting(untilNanos: nowNanos + wait)
            return .restart(afterNanos: wait)
        case (.stopping, .failed), (.stopping, .ended):
            state = .ended
            return .none
        case (.idle, .stopRequested), (.waiting, .stopRequested), (.running, .stopRequested):
            state = .stopping
            return .none
        case (.running, .ended):
            state = .ended
            return .none
        case (.idle, _), (.running, .started), (.waiting, _), (.stopping, _), (.ended, _), (.givenUp, _):
            return .none
        }
    }
}
