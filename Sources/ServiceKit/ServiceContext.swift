internal import Synchronization

/// What a service has while it runs. The context itself is `main`'s; its `facts`, `fault`
/// and the threads may be used by any thread.
public final class ServiceContext {
    /// Such as `ib-recorder`.
    public let name: String
    public let configuration: Configuration
    /// When the configuration was read, wall clock.
    public let configurationReadNanos: Int64
    public let paths: Paths
    public let flags: ParsedFlags
    public let environment: [String: String]
    /// Where a part reports that it can't go on: ends the process in order.
    public let fault = FirstFault()
    /// What goes along with each heartbeat.
    public let facts: HeartbeatFacts
    /// Says in the state directory's lock who holds it. A thread that may wait for the disk calls `write` once.
    public let stateLockNote: LockNote

    /// True once the parent of all services has gone: then the whole system ends, not this service alone.
    public internal(set) var parentIsGone = false

    var beat = EarnedBeat()
    private var threads: [SupervisedThread] = []
    private(set) var drain: Drain?
    private var stopSteps: [(label: String, action: () -> Void)] = []

    init(
        name: String, loaded: LoadedConfiguration, paths: Paths, flags: ParsedFlags, environment: [String: String],
        stateLockNote: LockNote, facts: HeartbeatFacts
    ) {
        self.stateLockNote = stateLockNote
        self.facts = facts
        self.name = name
        configuration = loaded.configuration
        configurationReadNanos = loaded.readAtNanos
        self.paths = paths
        self.flags = flags
        self.environment = environment
    }

    /// True with `--simulate`.
    public var simulate: Bool { flags.has("simulate") }

    /// Starts a supervised thread whose progress earns heartbeats. Threads that no stop step ended are
    /// stopped at the end, the last started first.
    ///
    /// - name: at most 15 bytes; the service's other threads have other names.
    /// - reportsDiskWait: false for work in the background, whose long disk calls are no sign of a failing disk.
    @discardableResult public func supervise(
        _ name: String, limit: Int = 8, reportsDiskWait: Bool = true,
        body: @escaping @Sendable (TaskContext) throws -> Void
    ) throws(ProgramError) -> SupervisedThread {
        let thread = try SupervisedThread(
            name, fault: fault, limit: limit, reportsDiskWait: reportsDiskWait, body: body)
        threads.append(thread)
        watch(thread.progress)
        return thread
    }

    /// Makes heartbeats depend on one more loop's progress.
    public func watch(_ counter: ProgressCounter) { beat.add(counter) }

    /// Adds a step of the shutdown; steps run in the order in which they were added, on `main`.
    public func onStop(_ label: String, _ action: @escaping () -> Void) { stopSteps.append((label, action)) }

    /// What comes before the first step of the shutdown, as long as it gets on.
    public func onStop(_ drain: Drain) { self.drain = drain }

    func stopEverything() {
        for step in stopSteps {
            log(.debug, "stop step", ["step": step.label])
            step.action()
        }
        for thread in threads.reversed() { thread.stop() }
    }

    /// What can't wait for the next heartbeat, if there is something: the facts, and no beat.
    func urgentNews() -> Notification? {
        guard facts.takeUrgent() else { return nil }
        var notification = Notification()
        notification.add("STATUS", facts.status)
        notification.add("X_IB_SERVICE", name)
        for (key, value) in facts.fields { notification.add(key, value) }
        return notification
    }

    /// One heartbeat with everything that goes along.
    func notification(beat: UInt64, diskWaitNanos: Int64) -> Notification {
        var notification = Notification()
        notification.add("WATCHDOG", "1")
        notification.add("STATUS", facts.status)
        notification.add("X_IB_SERVICE", name)
        notification.add("X_IB_BEAT", "\(beat)")
        if diskWaitNanos > 0 { notification.add("X_IB_DISK_WAIT_MILLIS", "\(diskWaitNanos / 1_000_000)") }
        let tasks = threads.map { "\($0.name):\($0.state):\($0.restarts)" }
        notification.add("X_IB_TASKS", tasks.joined(separator: ","))
        for (key, value) in facts.fields { notification.add(key, value) }
        return notification
    }
}

/// What goes along with a service's heartbeats: a status line, the watchdog's last nonce, totals. Any thread.
public final class HeartbeatFacts: Sendable {
    private struct State {
        var status = "running"
        var fields: [String: String] = [:]
        var isUrgent = false
    }

    private let state = Mutex(State())
    /// Rings when facts are to be told at once. `main` waits for it.
    let urgency: WakeUp

    /// Throws when the process is out of descriptors.
    public init() throws(ProgramError) { urgency = try WakeUp() }

    /// Tells the facts now, beside the heartbeats: for what turns health red or green.
    public func tellNow() {
        state.withLock { $0.isUrgent = true }
        urgency.ring()
    }

    /// True when `tellNow` was called since the last look.
    func takeUrgent() -> Bool {
        urgency.clear()
        return state.withLock { state in
            defer { state.isUrgent = false }
            return state.isUrgent
        }
    }

    /// The line that `systemctl status` and `ib-stream status` show.
    public var status: String {
        get { state.withLock { $0.status } }
        set { state.withLock { $0.status = newValue } }
    }

    /// Sets a field, such as `set("TICKS", "123")` for `X_IB_TICKS=123`. Upper case letters, digits and `_`.
    public func set(_ key: String, _ value: String) { state.withLock { $0.fields["X_IB_" + key] = value } }

    /// The nonce of the last `ping`: `X_IB_NONCE`. The control thread calls it.
    public func answerPing(nonce: String) { set("NONCE", String(nonce.prefix(64))) }

    /// All fields in the order of their names.
    var fields: [(String, String)] {
        state.withLock { $0.fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }
}
