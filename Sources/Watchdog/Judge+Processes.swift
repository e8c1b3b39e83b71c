internal import Glibc
internal import ServiceKit
internal import Supervision

extension Judge {
    /// Takes every heartbeat that has arrived; those of processes that are not ours are dropped.
    mutating func receiveHeartbeats(_ parts: inout JudgeParts) {
        for _ in 0..<Self.messagesPerRound {
            guard let arrival = parts.receiver.next() else { return }
            guard let index = parts.services.firstIndex(where: { $0.process?.pid == arrival.pid }) else { continue }
            let now = bootNanos()
            parts.services[index].notifiedAtNanos = now
            let notification = arrival.notification
            if notification["WATCHDOG"] == "1" || notification["X_IB_BEAT"] != nil {
                parts.services[index].notification = notification
                step(&parts, index, .beat, now)
            } else if notification["READY"] == "1" {
                log(.notice, "service is ready", ["service": parts.services[index].name.rawValue])
                setting.facts.set("REFUSED", "")
                step(&parts, index, .ready, now)
            } else if notification["X_IB_SERVICE"] != nil {
                // News between two beats, such as a disk that fails: what they say counts at once, and is no beat.
                noteProgress(of: notification, &parts, index, now)
                parts.services[index].notification.update(with: notification)
                snapshotAtNanos = 0
            } else if notification["STOPPING"] == "1" {
                step(&parts, index, .announcedStop, now)
            }
        }
    }

    /// A service that ends may take as long as it needs, while it gets on.
    private mutating func noteProgress(
        of notification: Notification, _ parts: inout JudgeParts, _ index: Int, _ now: Int64
    ) {
        let drained = notification["X_IB_DRAINED"]
        guard drained != nil, drained != parts.services[index].notification["X_IB_DRAINED"] else { return }
        board.noteStopProgress(atNanos: now)
        step(&parts, index, .progressed, now)
    }

    /// Looks for exits and lets time pass for every keeper.
    mutating func lookAtProcesses(_ parts: inout JudgeParts) {
        let now = bootNanos()
        let late = lateness(now)
        let stretch = stretchNow(now)
        logRestored(parts.receiver.restoreFile(nowNanos: now))
        doubtOwnSocket(&parts, now)
        for index in parts.services.indices {
            if let exit = parts.services[index].process?.exit() { processEnded(&parts, index, exit, now) }
            if late > 0 { parts.services[index].keeper.forgive(nanos: late) }
            step(&parts, index, .tick, now, stretch)
        }
    }

    /// Before everybody is called dead at once.
    private mutating func doubtOwnSocket(_ parts: inout JudgeParts, _ now: Int64) {
        let running = parts.services.filter { $0.keeper.state == .running }
        guard let limits = running.first?.keeper.limits,
            selfDoubt.isDue(
                silences: running.map { $0.keeper.silenceNanos(nowNanos: now) }, softNanos: limits.softNanos,
                reportAgeNanos: durableHeardNanos.map { now - $0 })
        else { return }
        log(.warning, "no heartbeat of anybody, though ticks become durable: binding the own socket anew")
        logRestored(parts.receiver.bindAnew())
        for index in parts.services.indices { parts.services[index].keeper.forgive(nanos: limits.hardNanos) }
    }

    private mutating func processEnded(
        _ parts: inout JudgeParts, _ index: Int, _ exit: HeldProcess.Exit, _ now: Int64
    ) {
        let service = parts.services[index]
        let pid = service.process?.pid ?? 0
        let expected = board.isStopOrdered || service.keeper.state.name.description == "stopping"
        log(
            expected ? .notice : .error, "service ended",
            [
                "service": service.name.rawValue, "pid": "\(pid)", "how": "\(exit)",
                "productive": "\(service.keeper.isProductive)",
            ])
        parts.services[index].process = nil
        parts.services[index].lastExit = "\(exit)"
        if board.isStopOrdered, exit != .status(0), exit != .unknown {
            board.noteUncleanEnd("\(service.name.rawValue) ended with \(exit)\(service.backlogText)")
        }
        let event: ProcessKeeper.Exit =
            switch exit {
            case .status(let value): .status(value)
            case .signal(let number): .signal(number)
            case .unknown: .unknown
            }
        let spent = service.keeper.budget
        step(&parts, index, .exited(event), now)
        if parts.services[index].keeper.budget != spent {
            parts.services[index].saveBudget(with: setting.budgets)
            if parts.services[index].keeper.isBudgetSpent(wallNanos: realNanos()) {
                log(
                    .critical, "service keeps ending without a durable tick, restarts are rare from now on",
                    ["service": service.name.rawValue])
            }
        }
        if event == .status(ExitStatus.configuration.rawValue), parts.services[index].process == nil {
            adoptInstead(&parts, index, now)
        }
    }

    /// It would not start because another instance holds the lock: that one is the service then.
    private mutating func adoptInstead(_ parts: inout JudgeParts, _ index: Int, _ now: Int64) {
        guard let found = parts.owner.adopt(parts.services[index].name) else {
            log(
                .critical, "service refuses its configuration, next try later",
                ["service": parts.services[index].name.rawValue])
            // The very first start of a system that has recorded nothing: whoever started it is to know.
            if parts.services[index].keeper.restarts == 0, !parts.services.contains(where: { $0.keeper.isProductive }) {
                setting.facts.set("REFUSED", parts.services[index].name.rawValue)
                setting.facts.tellNow()
            }
            return
        }
        hold(&parts, index, found, .adopted, now)
    }

    /// Gives the keeper an event and does what it answers.
    mutating func step(
        _ parts: inout JudgeParts, _ index: Int, _ event: ProcessKeeper.Event, _ now: Int64, _ stretch: Double = 1
    ) {
        let action = parts.services[index].keeper.handle(
            event, nowNanos: now, wallNanos: realNanos(), stretch: stretch)
        let name = parts.services[index].name.rawValue
        let process = parts.services[index].process
        switch action {
        case .none: return
        case .start: start(&parts, index, now)
        case .warn(let silent):
            log(
                .warning, "no heartbeat",
                [
                    "service": name, "silent_millis": "\(silent / 1_000_000)",
                    "last_status": parts.services[index].notification["STATUS"] ?? "",
                    "tasks": parts.services[index].notification["X_IB_TASKS"] ?? "",
                ])
        case .abort(let silent):
            log(
                .error, "service hangs, sending SIGABRT",
                ["service": name, "pid": "\(process?.pid ?? 0)", "silent_millis": "\(silent / 1_000_000)"])
            process?.send(SIGABRT)
            // A stopped process dies of the abort only once it runs again.
            process?.send(SIGCONT)
        case .kill:
            log(.error, "sending SIGKILL", ["service": name, "pid": "\(process?.pid ?? 0)"])
            process?.send(SIGKILL)
        case .terminate:
            log(.notice, "stopping service", ["service": name])
            process?.send(SIGTERM)
            process?.send(SIGCONT)
        }
    }

    /// Takes the live holder of the lock, or starts a new process.
    private mutating func start(_ parts: inout JudgeParts, _ index: Int, _ now: Int64) {
        let name = parts.services[index].name
        if let found = parts.owner.adopt(name) {
            hold(&parts, index, found, .adopted, now)
            return
        }
        do throws(ProgramError) {
            if let started = try parts.owner.start(name) {
                hold(&parts, index, started, .spawned, now)
            } else {
                step(&parts, index, .notThereYet, now)
            }
        } catch {
            log(.error, "service can't be started", ["service": name.rawValue, "error": error.description])
            step(&parts, index, .spawnFailed, now)
        }
    }

    private mutating func hold(
        _ parts: inout JudgeParts, _ index: Int, _ process: HeldProcess, _ event: ProcessKeeper.Event, _ now: Int64
    ) {
        let name = parts.services[index].name.rawValue
        log(
            .notice, event == .adopted ? "service adopted" : "service started",
            ["service": name, "pid": "\(process.pid)"])
        parts.services[index].process = process
        parts.services[index].startedAtNanos = realNanos()
        parts.services[index].notification = Notification()
        step(&parts, index, event, now)
    }

    /// The end of everything: the connector first, then the recorder, which still writes what has arrived. True once
    /// both have ended. A recorder that is down by then writes nothing: that is no clean end.
    mutating func stopInOrder(_ parts: inout JudgeParts) -> Bool {
        let now = bootNanos()
        for name in [ManagedName.connector, .recorder] {
            guard let index = parts.services.firstIndex(where: { $0.name == name }) else { continue }
            if name == .recorder, parts.services[index].keeper.isMissedAtStop {
                board.noteUncleanEnd(parts.services[index].missedText)
            }
            if parts.services[index].keeper.state != .stopped { step(&parts, index, .orderStop, now) }
            if parts.services[index].keeper.state != .stopped { return false }
        }
        return true
    }
}
