internal import Glibc
internal import Messaging
internal import ServiceKit
internal import Synchronization
internal import TickStore
internal import Ticks

/// What `ib-recorder` is at its start.
let recorderService = ServiceDescription(
    name: "ib-recorder",
    summary: "Subscribes to the connector's feed and writes durable files; closes holes by replay.",
    lifelineGraceSeconds: 10,
    examples: [
        ("ib-recorder --config /etc/ib-stream/ib-stream.yaml", "as the systemd unit starts it"),
        ("ib-recorder --root /tmp/try --simulate", "beside an ib-connector with the same flags"),
    ])

/// Builds the recorder: recovery first, then the threads. Stops ingest first and the writer last, so that nothing that was
/// taken stays unflushed.
func startRecorder(_ service: ServiceContext) throws {
    let paths = service.paths
    let settings = service.configuration.recorder
    let recovery = try recover(paths.log)
    _ = try Origin(state: paths.state)
    let context = try Context()
    let queue = try CommitQueue()
    queue.begin(at: recovery.positions)
    let atStart = Mutex(Optional(recovery))
    let status = RecorderStatus(facts: service.facts)
    let fault = service.fault
    let facts = service.facts
    let writer = try service.supervise("write") { task in
        let recovery = try atStart.withLock { $0.take() } ?? recoverAgain(paths.log, queue)
        let openLog = OpenLog(directory: paths.log, recovery: recovery)
        var writer = try CommitWriter(
            task, context: context, paths: paths, queue: queue, status: status, openLog: openLog,
            commitIntervalNanos: settings.commitIntervalNanos)
        try writer.run()
    }
    let ingest = try service.supervise("ingest") { task in
        do {
            // Read anew with each start of the thread: the run before this one may have decided.
            let origin = try Origin(state: paths.state)
            var ingest = try Ingest(
                task, context: context, paths: paths, settings: settings, queue: queue, origin: origin, status: status)
            try ingest.run()
        } catch let error as ProgramError where error.status == .configuration {
            // Ticks of the wrong origin: no restart can help.
            fault.report("ingest", error)
            while !task.stop.wait(millis: 250) { task.progress.advance() }
        }
    }
    let history = try service.supervise("history") { task in
        try runHistory(task, context: context, paths: paths)
    }
    let control = try service.supervise("control") { task in
        try runControl(
            task, context: context, paths: paths, queue: queue, status: status, facts: facts)
    }
    service.onStop("ingest") { ingest.stop() }
    service.onStop("write") {
        writer.requestStop()
        queue.close()
        writer.stop()
    }
    service.onStop("sockets") {
        history.stop()
        control.stop()
        context.shutdown()
    }
}

/// Reads what the log holds and reports what recovery found.
private func recover(_ directory: String) throws -> LogRecovery {
    try Files.makeDirectory(directory)
    let recovery = try LogRecovery(directory: directory)
    for finding in recovery.findings { report(finding) }
    for failure in recovery.failures {
        log(.critical, "CRITICAL: recovery: a part can't be made durable, what was durable before counts: \(failure)")
    }
    return recovery
}

/// A restarted writer begins where the files end now, and the ingest thread with it.
private func recoverAgain(_ directory: String, _ queue: CommitQueue) throws -> LogRecovery {
    let recovery = try recover(directory)
    queue.begin(at: recovery.positions)
    queue.noteFailure("the write task was restarted")
    return recovery
}

private func report(_ finding: LogFinding) {
    if finding.isAlarm {
        log(.critical, "CRITICAL: recovery: \(finding)")
    } else {
        log(.notice, "recovery: \(finding)")
    }
}
