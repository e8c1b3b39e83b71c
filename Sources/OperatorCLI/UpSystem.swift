internal import CLinux
internal import Glibc
internal import ServiceKit
internal import Supervision

/// Everything below `ib-stream up`: the simulator if wanted, the watchdog (which starts the services), the lifeline.
///
/// The lifeline is a pipe whose writing end only this process holds. When it closes, because the system is to end or
/// because this process died, the watchdog stops the services in order and ends. Main thread only.
final class UpSystem {
    private let paths: Paths
    private let flags: [String]
    private let environment: [String: String]
    /// What the system runs with to its end; every watchdog gets it.
    private let running: RunningConfiguration
    private var receiver: NotifyReceiver
    private var lifeline: Pipe
    private var simulator: UpSimulator?
    private var keeper: ProcessKeeper
    private var watchdog: HeldProcess?
    /// The present watchdog sent a heartbeat.
    private var wasReady = false
    /// Some watchdog did: from then on nothing that happens to watchdogs ends what runs.
    private var isUp = false
    private var verdict = UpVerdict()
    /// Why the system can't be started at all.
    private var refusal: ExitStatus?
    private let logDescriptor: Int32
    private var directories: HeldDirectories
    private var nextLookNanos: Int64 = 0
    /// At the end: the recorder, and whether it, or the watchdog, did not end well.
    private var recorderPid: Int32?
    private var endedUncleanly = false

    /// Silence of the watchdog itself that counts as a hang.
    static let watchdogHangNanos: Int64 = 8_000_000_000
    static let roundMillis = 200
    /// The services' graces and their ordered stop end well within this, counted from the recorder's last progress with
    /// what it has to write.
    static let servicesLimitNanos: Int64 = 35_000_000_000
    /// The watchdog ends within this once both services have: it may wait 3 s for
    /// the answer of a connector that is gone.
    static let watchdogLimitNanos: Int64 = 8_000_000_000

    /// - simulator: more flags for the simulator; nil: no simulator.
    init(
        configuration: Configuration, paths: Paths, flags: ParsedFlags, environment: [String: String],
        simulator: String?
    ) throws(ProgramError) {
        // What can fail comes first, on locals.
        guard clx_become_subreaper() == 0 else {
            throw ProgramError(.ioError, "up: can't become the parent of orphans: \(errorText(errno))")
        }
        let log = UpDisplay.openLog(paths)
        var variables = environment
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] { variables[name] = nil }
        var configuration = configuration
        var started: UpSimulator?
        if let simulator {
            let gateway = try UpSimulator(
                flags: simulator.split(separator: " ").map(String.init), environment: variables, log: log)
            variables["IB_STREAM_TWS_HOST"] = "127.0.0.1"
            variables["IB_STREAM_TWS_PORTS"] = "\(gateway.port)"
            (configuration.tws.host, configuration.tws.ports) = ("127.0.0.1", [gateway.port])
            started = gateway
        }
        running = RunningConfiguration(configuration, paths: paths)
        variables[RunningConfiguration.variable] = running.path
        let lifeline = try Pipe()
        variables["IB_STREAM_LIFELINE"] = "\(lifeline.reading)"
        receiver = try NotifyReceiver(path: paths.parentSocket)
        self.lifeline = lifeline
        directories = HeldDirectories(paths.held(state: false, journal: paths.journal(configuration)))
        self.simulator = started
        self.paths = paths
        self.flags = UpSystem.passedOn(flags, simulate: simulator != nil)
        self.environment = variables
        logDescriptor = log
        var limits = ProcessKeeper.Limits(hangNanos: Self.watchdogHangNanos)
        // What it refuses now (a file, a lock) may be mended any moment, and nobody judges meanwhile.
        limits.configurationNanos = nil
        keeper = ProcessKeeper(
            limits: limits, budget: RestartBudget(limit: 100),
            backoff: Backoff(
                firstNanos: 500_000_000, limitNanos: 10_000_000_000, seed: UInt64(bitPattern: realNanos())),
            nowNanos: bootNanos())
    }

    /// What the watchdog gets of our own flags.
    private static func passedOn(_ flags: ParsedFlags, simulate: Bool) -> [String] {
        var passed: [String] = []
        for name in ["config", "root"] {
            if let value = flags.value(name) { passed += ["--" + name, Files.absolute(value)] }
        }
        if simulate { passed.append("--simulate") }
        return passed
    }

    /// Runs until a stop signal, the time is over, or the watchdog refuses to start; then stops everything in order.
    func run(
        _ signals: borrowing StopSignals, _ display: inout UpDisplay, _ lock: borrowing ServiceLock, forNanos: Int64?
    ) throws(ProgramError) -> ExitStatus {
        let end = forNanos.map { bootNanos() + $0 }
        var complaint: String?
        var lastRound = bootNanos()
        while refusal == nil {
            if let number = signals.wait(millis: Self.roundMillis, also: receiver.fileDescriptor), number != SIGCHLD {
                display.say("stopping: \(StopSignals.name(number))")
                break
            }
            let now = bootNanos()
            // This process may have been stopped or starved: nobody else is blamed for that time.
            keeper.forgive(nanos: max(0, now - lastRound - 1_000_000_000))
            lastRound = now
            if let end, now >= end {
                receiveHeartbeats()
                complaint = verdict.complaint
                display.say("stopping: the time is over")
                break
            }
            look(after: lock, &display, nowNanos: now)
            receiveHeartbeats()
            reap(&display)
            step(.tick, &display)
            simulator?.keepRunning(&display)
            display.show(nowNanos: now)
        }
        let clean = stop(signals, &display)
        if let refusal { return refusal }
        if let complaint {
            printError("ib-stream", "up: the system was \(complaint)")
            return .failure
        }
        return clean ? .success : .failure
    }

    /// What is ours in the runtime directory, and somebody may remove.
    private func look(after lock: borrowing ServiceLock, _ display: inout UpDisplay, nowNanos now: Int64) {
        for (path, fault) in receiver.restoreFile(nowNanos: now) {
            display.say("the socket \(path) was gone: \(fault ?? "bound anew")")
        }
        guard now >= nextLookNanos else { return }
        nextLookNanos = now + 1_000_000_000
        directories.look()
        for (path, fault) in lock.restore(state: false) {
            display.say("the lock \(path) was gone: \(fault ?? "made anew")")
        }
    }

    private func receiveHeartbeats() {
        while let arrival = receiver.next() {
            guard arrival.pid == watchdog?.pid else { continue }
            verdict.hear(arrival.notification)
            if let name = verdict.refusal, refusal == nil {
                printError(
                    "ib-stream", "up: \(name) refuses to start: its own line above says why: nothing is recorded")
                refusal = .configuration
            }
            let isStop = arrival.notification["STOPPING"] == "1"
            // News between two beats are none.
            guard isStop || arrival.notification["WATCHDOG"] == "1" || arrival.notification["READY"] == "1" else {
                continue
            }
            let event: ProcessKeeper.Event = isStop ? .announcedStop : .beat
            if event == .beat {
                if !wasReady { _ = keeper.handle(.productive, nowNanos: bootNanos(), wallNanos: realNanos()) }
                wasReady = true
                isUp = true
            }
            _ = keeper.handle(event, nowNanos: bootNanos(), wallNanos: realNanos())
        }
    }

    /// Reaps everything that ended: the watchdog, the simulator, and services whose watchdog died before them. The
    /// first watchdog that ends because of something that a new try does not change ends the start.
    private func reap(_ display: inout UpDisplay) {
        var ended = clx_exit()
        while clx_reap(-1, &ended) == 1 {
            let exit: HeldProcess.Exit = ended.signalled != 0 ? .signal(ended.value) : .status(ended.value)
            if ended.pid == simulator?.process?.pid { simulator?.ended(exit, &display) }
            guard ended.pid == watchdog?.pid else { continue }
            watchdog = nil
            verdict.watchdogEnded()
            if !isUp, case .status(let value) = exit, let status = ExitStatus(rawValue: value), status != .failure {
                refusal = status == .success ? .failure : status
                return
            }
            display.say(
                wasReady || !isUp
                    ? "ib-watchdog ended (\(exit)), starting another"
                    : "ib-watchdog can't start (\(exit)): what runs goes on unjudged; trying again")
            wasReady = false
            let event: ProcessKeeper.Exit =
                switch exit {
                case .status(let value): .status(value)
                case .signal(let number): .signal(number)
                case .unknown: .unknown
                }
            step(.exited(event), &display)
        }
    }

    private func step(_ event: ProcessKeeper.Event, _ display: inout UpDisplay) {
        switch keeper.handle(event, nowNanos: bootNanos(), wallNanos: realNanos()) {
        case .none: return
        case .start: startWatchdog(&display)
        case .warn(let silent): display.say("no heartbeat of ib-watchdog for \(silent / 1_000_000) ms")
        case .abort(let silent):
            display.say("ib-watchdog hangs (\(silent / 1_000_000) ms without a heartbeat), killing it")
            watchdog?.send(SIGABRT)
            watchdog?.send(SIGCONT)
        case .kill: watchdog?.send(SIGKILL)
        case .terminate:
            watchdog?.send(SIGTERM)
            watchdog?.send(SIGCONT)
        }
    }

    private func startWatchdog(_ display: inout UpDisplay) {
        do throws(ProgramError) {
            guard let path = ProcessEnvironment.sibling("ib-watchdog") else {
                throw ProgramError(.ioError, "the directory of the executables is not known")
            }
            try running.keep()
            watchdog = try HeldProcess.start(
                path, arguments: flags, environment: environment, inherit: [lifeline.reading], error: logDescriptor)
            _ = keeper.handle(.spawned, nowNanos: bootNanos(), wallNanos: realNanos())
        } catch {
            guard isUp else {
                printError("ib-stream", "up: \(error.description)")
                refusal = error.status
                return
            }
            display.say("\(error.description): what runs goes on unjudged; trying again")
            _ = keeper.handle(.spawnFailed, nowNanos: bootNanos(), wallNanos: realNanos())
        }
    }

    // MARK: The end

    /// Ends the lifeline; the watchdog stops connector and recorder in order and ends itself. What is still there after
    /// everybody's grace is killed. A further stop signal waits for nothing more. True when everybody ended well.
    private func stop(_ signals: borrowing StopSignals, _ display: inout UpDisplay) -> Bool {
        recorderPid = ServiceLock.holder(name: "ib-recorder", paths: paths)?.pid
        // Whether a recorder is missing is the watchdog's to say; without one nobody starts it any more.
        if isUp, watchdog == nil, !ServiceLock.isHeld(name: "ib-recorder", paths: paths) {
            display.say("ib-recorder does not run: what it has not written stays in the journal")
            endedUncleanly = true
        }
        lifeline.announceEnd()
        lifeline.closeWriting()
        let started = bootNanos()
        var servicesGoneNanos: Int64?
        var killed: Set<String> = []
        var drain = UpDrain(paths: paths, nowNanos: started)
        while true {
            reapQuietly()
            let now = bootNanos()
            let services = ["ib-connector", "ib-recorder"].filter { ServiceLock.isHeld(name: $0, paths: paths) }
            if services.isEmpty, servicesGoneNanos == nil { servicesGoneNanos = now }
            let watchdogRuns = ServiceLock.isHeld(name: "ib-watchdog", paths: paths)
            // The watchdog gives its lock back a moment before it is gone.
            guard !services.isEmpty || watchdogRuns || watchdog != nil else { break }
            // A watchdog that does not run (or is stopped) can't stop the services; they end by themselves, later.
            drain.look(services: services, &display, nowNanos: now)
            var late = now - drain.movedNanos > Self.servicesLimitNanos ? services : []
            if watchdogRuns, let gone = servicesGoneNanos, now - gone > Self.watchdogLimitNanos {
                late = ["ib-watchdog"]
            }
            for name in late where killed.insert(name).inserted {
                display.say("\(name) does not end, killing it")
                ServiceLock.holder(name: name, paths: paths).flatMap(HeldProcess.adopt)?.send(SIGKILL)
            }
            if now - drain.movedNanos > Self.servicesLimitNanos + 10_000_000_000 { break }
            if let number = signals.wait(millis: 50), number != SIGCHLD { drain.abandon(&display) }
        }
        simulator?.stop()
        reapQuietly()
        let clean = killed.isEmpty && !endedUncleanly
        let left = clean ? 0 : drain.left ?? 0
        let rest = left > 0 ? ": \(grouped(left)) ticks were not durable when the recorder last told" : ""
        display.say(clean ? "stopped" : "stopped, not cleanly" + rest)
        return clean
    }

    private func reapQuietly() {
        var ended = clx_exit()
        while clx_reap(-1, &ended) == 1 {
            // The watchdog's status speaks of the services that it ended; a recorder whose watchdog died comes to us.
            let isOurs = ended.pid == watchdog?.pid || ended.pid == recorderPid
            if isOurs, ended.signalled != 0 || ended.value != 0 { endedUncleanly = true }
            if ended.pid == watchdog?.pid { watchdog = nil }
            if ended.pid == simulator?.process?.pid { simulator?.forget() }
        }
    }
}

/// A pipe, both ends closed at exec.
struct Pipe: ~Copyable {
    let reading: Int32
    private var writing: Int32

    init() throws(ProgramError) {
        var ends: [Int32] = [-1, -1]
        guard clx_pipe(&ends) == 0 else { throw ProgramError(.ioError, "pipe: \(errorText(errno))") }
        reading = ends[0]
        writing = ends[1]
    }

    deinit {
        close(reading)
        if writing >= 0 { close(writing) }
    }

    var writingEnd: Int32 { writing }

    /// Tells the readers that the end which follows is meant.
    func announceEnd() {
        var byte: UInt8 = 1
        // Without it they end all the same, and say that nobody told them.
        if writing >= 0 { _ = write(writing, &byte, 1) }
    }

    mutating func closeWriting() {
        if writing >= 0 { close(writing) }
        writing = -1
    }
}
