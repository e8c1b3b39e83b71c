internal import Glibc
internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// What `ib-recorder` is at its start.
let recorderService = ServiceDescription(
    name: "ib-recorder",
    summary: "Subscribes to the connector's feed and writes durable files; closes holes by replay.",
    lifelineGraceSeconds: 10,
    examples: [
        ("ib-recorder --config /etc/ib-stream/ib-stream.yaml", "as the systemd unit starts it"),
        ("ib-recorder --root ~/try --simulate", "beside an ib-connector with the same flags"),
    ])

/// Builds the recorder's threads. Recovery is the write thread's first work, so that a disk that does not answer
/// holds up nobody else. At the stop the ingest thread goes on until all that was published is durable
/// (`Ingest.drain`), then the writer ends.
func startRecorder(_ service: ServiceContext) throws {
    let paths = service.paths
    let settings = service.configuration.recorder
    let journalDirectory = paths.journal(service.configuration)
    let context = try Context()
    let queue = try CommitQueue()
    let status = RecorderStatus(facts: service.facts)
    let fault = service.fault
    let facts = service.facts
    let lockNote = service.stateLockNote
    let damage = DamageWatch(paths, facts)
    let writer = try service.supervise("write") { task in
        let recovery = try task.progress.duringDiskCall {
            lockNote.write()
            return try recover(paths, queue, damage, journalDirectory: journalDirectory)
        }
        let openLog = OpenLog(directory: paths.log, recovery: recovery)
        let clock = LogClock(
            lastHour: recovery.lastHour, newestEventNanos: recovery.newestEventNanos, realNanos: realNanos(),
            bootNanos: bootNanos())
        var writer = try CommitWriter(
            task, context: context, paths: paths, queue: queue, status: status, openLog: openLog, clock: clock,
            commitIntervalNanos: settings.commitIntervalNanos)
        try writer.run()
    }
    let writerProgress = writer.progress
    let ingest = try service.supervise("ingest") { task in
        do {
            waitForRecovery(task, queue, status, writerProgress)
            guard queue.isRecovered else { return }
            // Read anew with each start of the thread: the run before this one may have decided.
            let origin = try task.progress.duringDiskCall { try Origin(state: paths.state) }
            var ingest = try Ingest(
                task, context: context, paths: paths, journalDirectory: journalDirectory, settings: settings,
                queue: queue, origin: origin, status: status, writerProgress: writerProgress)
            try ingest.run()
        } catch let error as ProgramError {
            // Ticks of the wrong origin, or a word that nobody should guess: no restart can help.
            fault.report("ingest", error)
            while !task.stop.wait(millis: 250) { task.progress.advance() }
        }
    }
    let history = try service.supervise("history", reportsDiskWait: false) { task in
        try runHistory(task, context: context, paths: paths, queue: queue)
    }
    let board = try SealBoard(facts: facts)
    let configuration = service.configuration
    let faultPoint = FaultPoint(environment: service.environment)
    let seal = try service.supervise("seal", reportsDiskWait: false) { task in
        // What a crash left is recovery's first.
        while !queue.isRecovered, !task.stop.wait(millis: 100) { task.progress.advance() }
        var seal = SealThread(
            task, configuration: configuration, paths: paths, queue: queue, board: board, damage: damage,
            faultPoint: faultPoint)
        seal.run()
    }
    let control = try service.supervise("control") { task in
        try runControl(
            task, context: context, paths: paths, queue: queue, status: status, board: board, facts: facts)
    }
    service.onStop(
        Drain(
            begin: {
                // What it works on is left to the next start: stopping must not wait for it.
                seal.requestStop()
                ingest.requestStop()
            },
            look: {
                if ingest.hasEnded {
                    writer.requestStop()
                    queue.close()
                } else if writer.hasEnded {
                    queue.abandon()
                }
                return Drain.Look(
                    isOver: ingest.hasEnded && writer.hasEnded, left: queue.backlogAtEnd, progress: queue.progress,
                    fault: queue.endFault)
            }, abandon: { queue.abandon() }))
    service.onStop("ingest") { ingest.stop() }
    service.onStop("write") {
        queue.close()
        writer.stop()
    }
    service.onStop("seal") { seal.stop() }
    service.onStop("sockets") {
        history.stop()
        control.stop()
        context.shutdown()
    }
}

/// Reads what the log holds, reports what recovery found, and tells the ingest thread where the files end. The first
/// start and each start of a write thread that failed: then everything above is asked for again.
private func recover(
    _ paths: Paths, _ queue: CommitQueue, _ damage: DamageWatch, journalDirectory: String
) throws -> LogRecovery {
    try Files.makeDirectory(paths.log)
    // Only before the first recovery does nobody read.
    if !queue.isRecovered { renameFutureFiles(paths) }
    var recovery = try LogRecovery(directory: paths.log, ticksDirectory: paths.ticks)
    for finding in recovery.findings { report(finding) }
    damage.note(recovery.findings)
    damage.look()
    if try mend(recovery.findings, paths, journalDirectory) {
        recovery = try LogRecovery(directory: paths.log, ticksDirectory: paths.ticks)
    }
    for failure in recovery.failures {
        log(.critical, "CRITICAL: recovery: a part can't be made durable, what was durable before counts: \(failure)")
    }
    let isFirst = !queue.isRecovered
    queue.begin(at: recovery.positions)
    if !isFirst { queue.noteFailure("the write task was restarted") }
    return recovery
}

/// Writes damaged parts of the log anew, with what the journal has of them; the rest is lost, and is said to be. True
/// when that was done: the log is to be read again.
private func mend(_ findings: [LogFinding], _ paths: Paths, _ journalDirectory: String) throws -> Bool {
    let damaged = Set(findings.filter(\.isAlarm).compactMap { PartName(path: $0.path) })
    guard !damaged.isEmpty else { return false }
    do throws(StoreError) {
        let report = try Repair(
            stateDirectory: paths.state, nowNanos: realNanos(), journalDirectory: journalDirectory
        ).mendParts(damaged)
        for action in report.actions { log(.notice, "mended: \(action.path): \(action.what)") }
        return true
    } catch {
        // Recording goes on; what is missing stays so until the next start, or until somebody repairs it.
        log(.critical, "CRITICAL: recovery: a damaged file can't be written anew", ["why": "\(error)"])
        return false
    }
}

/// What a clock far ahead had sealed gets hours that have come.
private func renameFutureFiles(_ paths: Paths) {
    let files: (renamed: Int, waiting: Int)
    do throws(StoreError) {
        files = try FutureSegments.rename(stateDirectory: paths.state, nowNanos: realNanos())
    } catch {
        // They stay what they are until the next start, and all can be read.
        return log(.error, "sealed files of hours that have not come can't be renamed", ["why": "\(error)"])
    }
    if files.renamed > 0 {
        log(.notice, "sealed files of hours that had not come were given right ones", ["files": "\(files.renamed)"])
    }
    if files.waiting > 0 {
        log(
            .warning, "sealed files are of hours that have not come: a later start gives them right ones",
            ["files": "\(files.waiting)"])
    }
}

/// The ingest thread begins where the files end.
private func waitForRecovery(
    _ task: TaskContext, _ queue: CommitQueue, _ status: RecorderStatus, _ writer: ProgressCounter
) {
    // Also behind the stop: what the journal holds can only be taken by who knows what the files hold.
    while !queue.isRecovered, !queue.isAbandoned {
        task.progress.advance()
        status.noteDisk(queue.disk, waitNanos: writer.diskWaitNanos(nowNanos: bootNanos()))
        queue.forIngest.wait(millis: 250)
    }
}

private func report(_ finding: LogFinding) {
    if finding.isAlarm {
        log(.critical, "CRITICAL: recovery: \(finding)")
    } else {
        log(.notice, "recovery: \(finding)")
    }
}
