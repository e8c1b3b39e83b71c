/// Decides what happens to one process of the system: when it is started, when its silence is a hang, which signal
/// comes next, how long to wait after an exit. Pure; the watchdog's judge does what it says.
///
/// A run that made a durable tick is productive, and its end is followed by a new start at once. Other runs wait by
/// `Backoff` and take from a `RestartBudget`; a spent budget leaves one probe at a time. Nothing is ever given up.
public struct ProcessKeeper: Sendable {
    /// What has happened to the process, or to its watcher.
    public enum Event: Sendable, Equatable {
        /// The owner started it.
        case spawned
        /// It ran already and was found by its lock.
        case adopted
        case spawnFailed
        /// Somebody else starts it; look again soon.
        case notThereYet
        /// `READY=1`.
        case ready
        /// An earned heartbeat.
        case beat
        /// `STOPPING=1`: it ends by itself.
        case announcedStop
        /// While it ends: it gets on with what it has to write before.
        case progressed
        /// A durable tick since its start.
        case productive
        case exited(Exit)
        /// The whole system ends: terminate it and don't start it again.
        case orderStop
        /// Time has passed.
        case tick
    }

    /// How the process ended.
    public enum Exit: Sendable, Equatable {
        case status(Int32)
        case signal(Int32)
        /// Of an adopted process nobody learns how it ended.
        case unknown
    }

    /// What the owner of the process has to do now.
    public enum Action: Sendable, Equatable {
        case none
        case start
        /// Soft stage: say that it has not been heard of for this long.
        case warn(silentNanos: Int64)
        /// Hard stage: SIGABRT and SIGCONT.
        case abort(silentNanos: Int64)
        /// Hard stage, second half: SIGKILL.
        case kill
        /// SIGTERM.
        case terminate
    }

    /// Where the process is in its life; times are of the boot clock.
    public enum State: Sendable, Equatable {
        case down(startAtNanos: Int64)
        case starting(sinceNanos: Int64)
        case running
        /// It said that it ends, or was told to.
        case stopping(sinceNanos: Int64)
        case aborting(sinceNanos: Int64)
        case killed(sinceNanos: Int64)
        /// Ended on order.
        case stopped

        /// One word for status.
        public var name: StaticString {
            switch self {
            case .down: "down"
            case .starting: "starting"
            case .running: "running"
            case .stopping: "stopping"
            case .aborting, .killed: "killing"
            case .stopped: "stopped"
            }
        }
    }

    /// The deadlines, in nanoseconds.
    public struct Limits: Sendable, Equatable {
        /// Silence after which the soft stage begins.
        public var softNanos: Int64
        /// Silence after which the hard stage begins.
        public var hardNanos: Int64
        /// From the start to `READY=1`.
        public var startNanos: Int64 = 30_000_000_000
        /// From SIGABRT to SIGKILL.
        public var abortNanos: Int64 = 1_000_000_000
        /// From SIGTERM, or the last progress behind it, to SIGKILL.
        public var stopNanos: Int64 = 10_000_000_000
        /// Wait after an exit with 78 (configuration, lock): trying again at once would
        /// change nothing. Nil: as after any other exit.
        public var configurationNanos: Int64? = 60_000_000_000
        /// How often a process that somebody else starts is looked for.
        public var absentNanos: Int64 = 500_000_000

        /// A working loop that stands still `hangNanos` is a hang. The last beat may have come up to one beat interval
        /// (1 s) after the loop stood still, so that silence counts as hang one second earlier.
        public init(hangNanos: Int64) {
            hardNanos = max(1_500_000_000, hangNanos - 1_000_000_000)
            softNanos = hardNanos / 2 + 500_000_000
        }
    }

    public private(set) var state: State
    public let limits: Limits
    /// Unproductive restarts; the owner keeps it on disk.
    public private(set) var budget: RestartBudget
    /// Starts after the first one.
    public private(set) var restarts = 0
    public private(set) var isProductive = false
    private var lastBeatNanos: Int64 = 0
    private var warned = false
    private var stopOrdered = false
    /// It was started, found or tried: only before the very first round it was not.
    private var hasBegun = false
    private var starts = 0
    private var backoff: Backoff

    /// A process that is to be started at once.
    public init(limits: Limits, budget: RestartBudget, backoff: Backoff, nowNanos: Int64) {
        self.limits = limits
        self.budget = budget
        self.backoff = backoff
        state = .down(startAtNanos: nowNanos)
    }

    /// - nowNanos: a clock that never falls. wallNanos: the wall clock, for the budget.
    /// - stretch: 1...3, how much longer every deadline is because the machine is under pressure.
    public mutating func handle(
        _ event: Event, nowNanos: Int64, wallNanos: Int64, stretch: Double = 1
    ) -> Action {
        switch event {
        case .spawned, .adopted, .spawnFailed: hasBegun = true
        default: break
        }
        switch event {
        case .spawned:
            starts += 1
            restarts = starts - 1
            begin(.starting(sinceNanos: nowNanos), nowNanos, productive: false)
        case .adopted:
            starts += 1
            begin(.running, nowNanos, productive: true)
        case .spawnFailed:
            state = .down(startAtNanos: nowNanos + backoff.nextDelayNanos())
        case .notThereYet: state = .down(startAtNanos: nowNanos + limits.absentNanos)
        case .ready, .beat:
            lastBeatNanos = nowNanos
            warned = false
            if case .starting = state { state = .running }
        case .announcedStop:
            switch state {
            case .starting, .running: state = .stopping(sinceNanos: nowNanos)
            case .down, .stopping, .aborting, .killed, .stopped: break
            }
        case .progressed:
            if case .stopping = state { state = .stopping(sinceNanos: nowNanos) }
        case .productive:
            isProductive = true
            backoff.reset()
        case .exited(let exit): return exited(exit, nowNanos, wallNanos)
        case .orderStop: return orderStop(nowNanos)
        case .tick: return tick(nowNanos, max(1, min(3, stretch)))
        }
        return .none
    }

    /// How long nothing has been heard of a process that runs; 0 otherwise.
    public func silenceNanos(nowNanos: Int64) -> Int64 { state == .running ? max(0, nowNanos - lastBeatNanos) : 0 }

    /// The judge itself came round late by so much: nobody is blamed for that time.
    public mutating func forgive(nanos: Int64) { lastBeatNanos += max(0, nanos) }

    private mutating func begin(_ next: State, _ nowNanos: Int64, productive: Bool) {
        state = next
        isProductive = productive
        lastBeatNanos = nowNanos
        warned = false
    }

    private mutating func orderStop(_ nowNanos: Int64) -> Action {
        stopOrdered = true
        switch state {
        case .down, .stopped:
            state = .stopped
            return .none
        case .starting, .running:
            state = .stopping(sinceNanos: nowNanos)
            return .terminate
        case .stopping, .aborting, .killed: return .none
        }
    }

    private mutating func exited(_ exit: Exit, _ nowNanos: Int64, _ wallNanos: Int64) -> Action {
        guard !stopOrdered else {
            state = .stopped
            return .none
        }
        // A run that has worked ended for something new; it may well start again.
        if exit == .status(78), !isProductive, let wait = limits.configurationNanos {
            state = .down(startAtNanos: nowNanos + wait)
            return .none
        }
        if isProductive {
            state = .down(startAtNanos: nowNanos)
            return .start
        }
        let wait = backoff.nextDelayNanos()
        if budget.spend(nowNanos: wallNanos) {
            state = .down(startAtNanos: nowNanos + wait)
        } else {
            let probe = budget.nextAllowedNanos(nowNanos: wallNanos) - wallNanos
            state = .down(startAtNanos: nowNanos + max(wait, probe))
        }
        return .none
    }

    private mutating func tick(_ nowNanos: Int64, _ stretch: Double) -> Action {
        func longer(_ nanos: Int64) -> Int64 { Int64(Double(nanos) * stretch) }
        switch state {
        case .down(let startAt): return nowNanos >= startAt ? .start : .none
        case .starting(let since):
            guard nowNanos - since > longer(limits.startNanos) else { return .none }
            state = .aborting(sinceNanos: nowNanos)
            return .abort(silentNanos: nowNanos - since)
        case .running:
            let silent = nowNanos - lastBeatNanos
            if silent > longer(limits.hardNanos) {
                state = .aborting(sinceNanos: nowNanos)
                return .abort(silentNanos: silent)
            }
            guard silent > longer(limits.softNanos), !warned else { return .none }
            warned = true
            return .warn(silentNanos: silent)
        case .aborting(let since):
            guard nowNanos - since >= limits.abortNanos else { return .none }
            state = .killed(sinceNanos: nowNanos)
            return .kill
        case .stopping(let since):
            guard nowNanos - since >= longer(limits.stopNanos) else { return .none }
            state = .killed(sinceNanos: nowNanos)
            return .kill
        case .killed, .stopped: return .none
        }
    }
}

extension ProcessKeeper {
    /// The end of everything finds it down: it has run, or was tried, and nobody told it
    /// to end. What it had left to do is undone.
    public var isMissedAtStop: Bool {
        guard case .down = state else { return false }
        return !stopOrdered && hasBegun
    }

    /// True while the next restart has to wait for the budget.
    public func isBudgetSpent(wallNanos: Int64) -> Bool {
        var copy = budget
        return copy.remaining(nowNanos: wallNanos) <= 0
    }
}
