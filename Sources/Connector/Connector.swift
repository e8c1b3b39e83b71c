internal import Glibc
internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// What `ib-connector` is at its start.
let connectorService = ServiceDescription(
    name: "ib-connector",
    summary: "Speaks the TWS protocol, numbers and journals ticks, and publishes them over ZeroMQ.",
    lifelineGraceSeconds: 5, stateIsOptional: true, usesJournal: true,
    examples: [
        ("ib-connector --config /etc/ib-stream/ib-stream.yaml", "as the systemd unit starts it"),
        ("ib-connector --config try.yaml --root ~/try", "by hand, files and sockets under ~/try"),
    ])

/// More streams than configured: room for those that the `subscribe` command adds, and for those that left.
private let spareStreams = 256 + AbandonedStreams.limit

/// Builds the connector: the session thread with everything it owns, and the threads that answer others.
func startConnector(_ service: ServiceContext) throws {
    let configuration = service.configuration
    let paths = service.paths
    let context = try Context()
    let mailbox = try SessionMailbox()
    let healMail = try HealMailbox(configuration.heal)
    let status = ConnectorStatus()
    let fault = service.fault
    let facts = service.facts
    let journalDirectory = paths.journal(configuration)
    let keeper = try StateKeeper(
        paths: paths, contracts: configuration.contracts.map(configuration.id), lockNote: service.stateLockNote)
    let resolver = try NameResolver()
    let note = DurableNote(journalDirectory: journalDirectory)
    let durableBoard = DurableBoard(note.read())
    let state = try service.supervise("state", reportsDiskWait: false) { task in keeper.run(task) }
    let resolve = try service.supervise("resolve", reportsDiskWait: false) { task in resolver.run(task) }
    let session = try service.supervise("session") { task in
        do {
            var session = try makeSession(
                task, context: context, configuration: configuration, paths: paths, mailbox: mailbox,
                healMail: healMail, status: status, facts: facts, keeper: keeper, resolver: resolver,
                durable: durableBoard)
            try session.run()
        } catch let error as ProgramError where error.status == .configuration {
            // No restart can help: the process ends, and says why.
            fault.report("session", error)
            while !task.stop.wait(millis: 250) { task.progress.advance() }
        }
    }
    let replay = try service.supervise("replay") { task in
        try runReplay(task, context: context, paths: paths, journalDirectory: journalDirectory)
    }
    let durable = try service.supervise("durable") { task in
        try runDurable(task, context: context, paths: paths, board: durableBoard, note: note)
    }
    let control = try service.supervise("control") { task in
        try runControl(task, context: context, paths: paths, mailbox: mailbox, status: status, facts: facts)
    }
    let heal =
        configuration.heal.enabled
        ? try service.supervise("heal") { task in
            try runHeal(
                task, context: context, paths: paths, mailbox: healMail, status: status, durable: durableBoard)
        } : nil
    // The session thread stages what the heal thread has finished: so that ends first.
    service.onStop("heal") { heal?.stop() }
    service.onStop("session") { session.stop() }
    service.onStop("sockets") {
        replay.stop()
        durable.stop()
        control.stop()
        context.shutdown()
        state.stop()
        resolve.stop()
    }
}

/// Opens the journal, begins an epoch, binds the feed: all that must be there before the first tick.
private func makeSession(
    _ task: TaskContext, context: Context, configuration: Configuration, paths: Paths, mailbox: SessionMailbox,
    healMail: HealMailbox, status: ConnectorStatus, facts: HeartbeatFacts, keeper: StateKeeper, resolver: NameResolver,
    durable: DurableBoard
) throws -> GatewaySession {
    var journal = try Journal(
        directory: paths.journal(configuration), sizeBytes: UInt64(configuration.connector.journalSizeBytes),
        bootID: bootID(), afterEach: { task.progress.advance() })
    // Before the new epoch takes a segment: it must not be one that the recorder still needs.
    if let keys = durable.keys { journal.noteDurable(keys) }
    for finding in journal.findings { log(.error, "journal: \(finding)") }
    let vouched = journal.positions.values.map(\.tsEventNanos).filter { $0 != Tick.noEventTime }.max()
    let start = try chooseEpoch(
        task, journal: journal.greatestEpoch, vouchedSeconds: vouched.map { $0 / 1_000_000_000 }, paths: paths,
        keeper: keeper)
    let epoch = start.epoch
    let wasRecorded = recordedBefore(
        journal: try wantedStreams(
            journal.positions, configured: configuration.streams, journalDirectory: paths.journal(configuration)),
        configured: configuration.streams, ranBefore: start.ranBefore)
    var publisher = try Publisher(in: context)
    try publisher.bind(Paths.endpoint(paths.ticksSocket))
    var endpoints = FeedEndpoints(configuration.publish.tcp.map(\.endpoint))
    logEndpoints(
        endpoints.bind(nowNanos: bootNanos()) { endpoint throws(MessagingError) in try publisher.bind(endpoint) })
    log(.notice, "new epoch", ["epoch": "\(epoch)", "journal": paths.journal(configuration)])
    let path = TickPath(
        capacity: configuration.streams.count + spareStreams, epoch: epoch, journal: journal, publisher: publisher,
        endpoints: endpoints)
    return try GatewaySession(
        task, configuration: configuration, paths: paths, mailbox: mailbox, healMail: healMail, status: status,
        facts: facts, path: path, keeper: keeper, resolver: resolver, durable: durable, wasRecorded: wasRecorded,
        clockDoubt: start.doubt)
}

/// How long a start waits for the state directory's disk, twice at most.
private let stateWaitNanos: Int64 = 1_500_000_000

/// The epoch of this start, persisted in memory and, if its disk answers in time, in the state directory.
private func chooseEpoch(
    _ task: TaskContext, journal: UInt32, vouchedSeconds: Int64?, paths: Paths, keeper: StateKeeper
) throws(ProgramError) -> (epoch: UInt32, ranBefore: Bool, doubt: String?) {
    let found = keeper.found(until: bootNanos() + stateWaitNanos)
    task.progress.advance()
    let runtime = EpochStore(directory: paths.runtime)
    let last = runtime.read()
    let known = max(journal, last ?? 0, found?.epoch ?? 0)
    let now = realNanos() / 1_000_000_000
    guard
        let choice = EpochStore.choose(
            known: known, vouchedSeconds: vouchedSeconds, nowSeconds: now, isWitnessed: last != nil)
    else {
        throw ProgramError(.configuration, "no epoch is left above \(known): move state and runtime directory away")
    }
    let epoch = choice.epoch
    if let doubt = choice.doubt {
        log(.error, "the host's clock is not believed", ["why": doubt, "known": "\(known)", "epoch": "\(epoch)"])
    }
    if last == nil, Int64(epoch) == now + 1 { waitForSecond(task, Int64(epoch)) }
    do throws(ProgramError) { try runtime.write(epoch) } catch {
        log(.error, "the epoch is not kept in the runtime directory", ["why": error.description])
    }
    task.progress.advance()
    if !keeper.write(epoch: epoch, until: bootNanos() + stateWaitNanos) {
        log(
            .error, "the state directory did not take the epoch in time, going on without it",
            ["epoch": "\(epoch)", "why": keeper.fault ?? "its disk does not answer"])
    }
    return (epoch, ranBefore: last != nil || found?.epoch != nil, doubt: choice.doubt)
}

/// Waits until the clock shows a second, about one at most.
private func waitForSecond(_ task: TaskContext, _ second: Int64) {
    let deadline = bootNanos() + 1_100_000_000
    while realNanos() / 1_000_000_000 < second, bootNanos() < deadline, !task.stop.wait(millis: 20) {
        task.progress.advance()
    }
}

/// The streams that begin with an open gap: those of the journal; after a restart of the machine, which empties the
/// journal, all that are configured, since an epoch shows that there was a recording.
func recordedBefore(journal: Set<StreamID>, configured: [StreamID], ranBefore: Bool) -> Set<StreamID> {
    journal.isEmpty && ranBefore ? Set(configured) : journal
}

/// The streams of a journal without those that ended by somebody's wish.
func wantedStreams(
    _ positions: [StreamID: StreamPosition], configured: [StreamID], journalDirectory: String
) throws(StoreError) -> Set<StreamID> {
    var wanted = Set(positions.keys)
    let strangers = wanted.subtracting(configured)
    guard !strangers.isEmpty else { return wanted }
    var reader = JournalReader(directory: journalDirectory)
    for stream in strangers {
        guard let last = positions[stream]?.key else { continue }
        var hasEnded = false
        _ = try reader.read(stream, from: last, limit: 1) { hasEnded = $0.last?.marker?.event == .unsubscribed }
        if hasEnded { wanted.remove(stream) }
    }
    return wanted
}

/// What names this run of the machine; nil where the kernel does not tell.
private func bootID() -> String? {
    do throws(FileError) {
        let text = String(decoding: try Files.read("/proc/sys/kernel/random/boot_id", maxBytes: 64), as: UTF8.self)
        return text.split(whereSeparator: \.isWhitespace).first.map(String.init)
    } catch {
        return nil
    }
}
