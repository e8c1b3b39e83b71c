internal import Glibc
internal import Ticks

/// The life of a service, from its command line to its exit status: what the three lines of its `main` call.
///
///     @main enum Main {
///         static func main() {
///             let words = Array(CommandLine.arguments.dropFirst())
///             exit(Service.run(recorderService, arguments: words, start: startRecorder))
///         }
///     }
///
/// `start` is a free function (a closure written inside `@main` belongs to the main actor): it builds what the service
/// consists of, starts its threads with `context.supervise`, says with `context.onStop` in which order they end, and
/// returns. Then `READY=1` is sent, earned beats are relayed once a second, and a stop signal, the end of the lifeline
/// (after the service's grace) or a fault ends the service in that order, behind its drain.
public enum Service {
    /// Runs the service; returns its exit status. `main` thread only.
    public static func run(
        _ description: ServiceDescription, arguments: [String], start: (ServiceContext) throws -> Void
    ) -> Int32 {
        let environment = ProcessEnvironment.variables()
        Log.start(identifier: description.name, environment: environment)
        do throws(ProgramError) {
            try ProcessEnvironment.requireArguments()
            let flags = try description.flags.parse(arguments)
            if flags.has("help") {
                printOut(description.flags.help)
                return ExitStatus.success.rawValue
            }
            if flags.has("version") {
                printOut(Version.lines(of: description.name))
                return ExitStatus.success.rawValue
            }
            return try run(description, flags, environment, start)
        } catch {
            Log.fatal(description.name, error.description)
            return error.status.rawValue
        }
    }

    private static func run(
        _ description: ServiceDescription, _ flags: ParsedFlags, _ environment: [String: String],
        _ start: (ServiceContext) throws -> Void
    ) throws(ProgramError) -> Int32 {
        let signals = try StopSignals()
        umask(0o027)
        let descriptors = Descriptors.takeAll()
        let simulate = flags.has("simulate")
        let loaded: LoadedConfiguration
        do throws(ConfigurationFailure) {
            loaded = try .ofService(flags: flags, environment: environment)
        } catch {
            for problem in error.problems { Log.fatal(description.name, problem.description) }
            return ExitStatus.configuration.rawValue
        }
        let paths = try loaded.startable(
            simulate: simulate, environment: environment, usesJournal: description.usesJournal)
        try Descriptors.check(descriptors, suffices: loaded.configuration)
        try paths.makeDirectories(
            stateIsOptional: description.stateIsOptional,
            journalDirectory: description.usesJournal ? loaded.configuration.connector.journalDir : nil)
        let lock = try ServiceLock(name: description.name, paths: paths, stateIsOptional: description.stateIsOptional)
        let stateNote = lock.stateNote
        for warning in loaded.warnings { log(.warning, warning) }
        let context = ServiceContext(
            name: description.name, loaded: loaded, paths: paths, flags: flags,
            environment: environment, stateLockNote: stateNote, facts: try HeartbeatFacts())
        context.facts.set("CONFIG", loaded.configuration.hash)
        context.facts.set("CONFIG_READ", Timestamp.text(loaded.readAtNanos, digits: 3))
        let premises = Premises(
            lock: lock,
            directories: HeldDirectories(
                paths.held(
                    state: !description.stateIsOptional,
                    journal: description.usesJournal ? paths.journal(loaded.configuration) : nil)),
            looksAtState: !description.stateIsOptional)
        try context.supervise("hold", reportsDiskWait: false) { task in premises.run(task) }
        var sender = try HeartbeatSender(
            notifySocket: description.watcher == .watchdog ? paths.notifySocket : paths.parentSocket,
            environment: environment)
        var failure: ProgramError?
        do {
            try start(context)
        } catch {
            failure = error as? ProgramError ?? ProgramError(.failure, "\(error)")
        }
        if failure == nil {
            // Whoever started it from a kept configuration has said so.
            let warnings = environment[RunningConfiguration.variable] == nil ? paths.warnings : []
            for warning in warnings { log(.warning, warning) }
            log(
                .notice, "started",
                [
                    "version": Version.text, "commit": Version.commit ?? "not known", "pid": "\(getpid())",
                    "state": paths.state, "runtime": paths.runtime,
                ])
            var loop = ServiceLoop(
                context: context, lifeline: Lifeline(environment: environment), grace: description.lifelineGraceSeconds)
            loop.run(signals, &sender)
        }
        sender.send(Notification(["STOPPING": "1", "STATUS": "stopping"]))
        let undone = failure == nil ? context.runDrain(signals, &sender) : nil
        context.stopEverything()
        if let fault = failure ?? context.fault.error ?? undone {
            Log.fatal(description.name, fault.description)
            return fault.status.rawValue
        }
        log(.notice, "stopped")
        // The lock is held until here: nobody starts beside a service that still writes.
        withExtendedLifetime(premises) {}
        return ExitStatus.success.rawValue
    }
}

/// What makes a service different from another at its start.
public struct ServiceDescription: Sendable {
    /// Such as `ib-recorder`: of locks, log lines and messages.
    public let name: String
    public let flags: FlagSet
    /// How long it goes on after the lifeline's end, so that the watchdog can stop all in order.
    public let lifelineGraceSeconds: Int
    /// Who watches over it: the watchdog, or for the watchdog itself `ib-stream up`.
    public let watcher: Watcher
    /// True for a service that works without the state directory: it starts also when that can't be used.
    public let stateIsOptional: Bool
    /// True for the service that writes the journal.
    public let usesJournal: Bool

    /// Who hears the heartbeats of the service.
    public enum Watcher: Sendable {
        case watchdog
        case parent
    }

    public init(
        name: String, summary: String, lifelineGraceSeconds: Int, watcher: Watcher = .watchdog,
        stateIsOptional: Bool = false, usesJournal: Bool = false, moreFlags: [FlagSet.Flag] = [],
        examples: [(line: String, meaning: String)]
    ) {
        self.stateIsOptional = stateIsOptional
        self.usesJournal = usesJournal
        self.watcher = watcher
        self.name = name
        self.lifelineGraceSeconds = lifelineGraceSeconds
        flags = FlagSet(
            program: name, summary: summary, flags: FlagSet.common + [FlagSet.simulate] + moreFlags, examples: examples)
    }
}

/// What `main` does between start and stop: signals, lifeline, heartbeats.
private struct ServiceLoop {
    let context: ServiceContext
    let lifeline: Lifeline
    let grace: Int
    /// When to end without the parent; nil while it lives.
    var endAtNanos: Int64?
    var beats: UInt64 = 0
    var missing: [String] = []

    static let beatIntervalNanos: Int64 = 1_000_000_000
    static let lookMillis = 250

    init(context: ServiceContext, lifeline: Lifeline, grace: Int) {
        self.context = context
        self.lifeline = lifeline
        self.grace = grace
    }

    mutating func run(_ signals: borrowing StopSignals, _ sender: inout HeartbeatSender) {
        sender.send(Notification(["READY": "1", "STATUS": "running"]))
        while true {
            let watched = endAtNanos == nil ? lifeline.descriptor : -1
            if let number = signals.wait(millis: Self.lookMillis, also: watched, context.facts.urgency.descriptor) {
                // FirstFault sends the same signal; its own line says more.
                if context.fault.error == nil { log(.notice, "stopping", ["signal": StopSignals.name(number)]) }
                return
            }
            let now = bootNanos()
            if endAtNanos == nil, lifeline.hasEnded() {
                context.parentIsGone = true
                if lifeline.state == .ending {
                    log(.info, "the whole system stops", ["at_latest_in_seconds": "\(grace)"])
                } else {
                    log(.warning, "the parent of all services is gone, stopping soon", ["seconds": "\(grace)"])
                }
                endAtNanos = now + Int64(grace) * 1_000_000_000
            }
            if let end = endAtNanos, now >= end { return }
            if let news = context.urgentNews() { sender.send(news) }
            beat(now, &sender)
        }
    }

    private mutating func beat(_ now: Int64, _ sender: inout HeartbeatSender) {
        switch context.beat.look(nowNanos: now, intervalNanos: Self.beatIntervalNanos) {
        case .notYetDue: return
        case .missing(let parts):
            guard parts != missing else { return }
            // The first look after a beat comes early; a part that is still missing at the second one stands still.
            if !missing.isEmpty { log(.warning, "no progress", ["parts": parts.joined(separator: ",")]) }
            missing = parts
        case .earned(let diskWait):
            missing = []
            beats += 1
            sender.send(context.notification(beat: beats, diskWaitNanos: diskWait))
        }
    }
}
