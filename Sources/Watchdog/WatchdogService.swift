internal import Glibc
internal import Messaging
internal import ServiceKit
internal import Synchronization

let watchdogService = ServiceDescription(
    name: "ib-watchdog",
    summary: "Watches over connector and recorder, restarts what hangs or ends, and tells what is durable.",
    lifelineGraceSeconds: 0, watcher: .parent, stateIsOptional: true,
    examples: [
        ("ib-watchdog --config /etc/ib-stream/ib-stream.yaml", "watch over the services of that configuration"),
        ("ib-watchdog --simulate", "watch over the simulated system"),
    ])

/// Wires the watchdog's parts: the judge's thread, the thread that asks the services, control, HTTP.
func startWatchdog(_ context: ServiceContext) throws {
    let messaging = try Context()
    let board = Board()
    let owner = chooseOwner(context)
    log(.info, "processes are owned", ["by": owner.name])
    let receiver = try NotifyReceiver(path: context.paths.notifySocket)
    let pages = HealthPages(context.configuration.watchdog.http, board: board)
    // Tried before `READY=1`: whoever asks for the address then gets it.
    _ = pages.open()
    let http = try context.supervise("http") { task in pages.run(task) }
    let budgets = try BudgetKeeper()
    let lockNote = context.stateLockNote
    let keeper = try context.supervise("budgets", reportsDiskWait: false) { task in
        task.progress.duringDiskCall { lockNote.write() }
        budgets.run(task)
    }
    let setting = JudgeSetting(
        configuration: context.configuration, paths: context.paths, budgets: budgets,
        identity: (context.configuration.hash, context.configurationReadNanos), facts: context.facts,
        restartAdvice: owner.restartAdvice)
    let watch = ConfigurationWatch(
        flags: context.flags, environment: context.environment, running: setting.identity.hash,
        advice: setting.restartAdvice)
    let configuration = try context.supervise("configuration", reportsDiskWait: false) { task in
        watchConfiguration(task, watch, board: board)
    }
    let box = HandOver(JudgeParts(receiver: receiver, owner: owner))
    let judge = try context.supervise("judge") { task in
        try runJudge(task, setting: setting, box: box, board: board, messaging: messaging)
    }
    let questions = try context.supervise("questions") { task in
        try runQuestions(task, paths: setting.paths, board: board, messaging: messaging)
    }
    let facts = context.facts
    let control = try context.supervise("control") { task in
        try runControl(task, paths: setting.paths, board: board, facts: facts, messaging: messaging)
    }
    context.onStop("services") {
        // Only the end of everything ends the services; the watchdog's own end leaves them alone.
        guard context.parentIsGone else { return }
        board.orderStop(waitMillis: 30_000)
        // Whoever started the system has to learn of it.
        if let text = board.uncleanEnd { context.fault.report("services", ProgramError(.failure, text)) }
    }
    context.onStop("threads") {
        configuration.stop()
        http.stop()
        pages.stop()
        control.stop()
        questions.stop()
        judge.stop()
        keeper.stop()
        messaging.shutdown()
    }
}

/// Below `ib-stream up`, or started by hand, the watchdog owns the processes
/// itself; below systemd it only watches them.
private func chooseOwner(_ context: ServiceContext) -> any ProcessOwner {
    let environment = context.environment
    if environment["IB_STREAM_LIFELINE"] == nil, environment["NOTIFY_SOCKET"] != nil,
        environment["INVOCATION_ID"] != nil
    {
        return WatchingOwner(paths: context.paths)
    }
    return StandaloneOwner(
        paths: context.paths, flags: StandaloneOwner.flags(of: context), environment: environment,
        running: RunningConfiguration(context.configuration, paths: context.paths))
}

/// Hands a noncopyable thing to the thread that keeps it, across restarts of that thread.
final class HandOver<Value: ~Copyable>: @unchecked Sendable {
    // Unchecked: `value` is only touched under `lock`, by one thread at a time.
    private let lock = Mutex(())
    private var value: Value

    init(_ value: consuming Value) { self.value = value }

    func withValue<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        try lock.withLock { _ in try body(&value) }
    }
}
