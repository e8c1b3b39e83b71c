internal import Glibc
internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// What `ib-connector` is at its start.
let connectorService = ServiceDescription(
    name: "ib-connector",
    summary: "Speaks the TWS protocol, numbers and journals ticks, and publishes them over ZeroMQ.",
    lifelineGraceSeconds: 5,
    examples: [
        ("ib-connector --config /etc/ib-stream/ib-stream.yaml", "as the systemd unit starts it"),
        ("ib-connector --config try.yaml --root /tmp/try", "by hand, files and sockets under /tmp/try"),
    ])

/// More streams than configured: room for those that the `subscribe` command adds.
private let spareStreams = 256

/// Builds the connector: the session thread with everything it owns, and the threads that answer others.
func startConnector(_ service: ServiceContext) throws {
    let configuration = service.configuration
    let paths = service.paths
    try refuseUnsafeEndpoints(configuration)
    let context = try Context()
    let mailbox = try SessionMailbox()
    let status = ConnectorStatus()
    let fault = service.fault
    let facts = service.facts
    let journalDirectory = paths.journal(configuration)
    let session = try service.supervise("session") { task in
        do {
            var session = try makeSession(
                task, context: context, configuration: configuration, paths: paths, mailbox: mailbox, status: status,
                facts: facts)
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
    let control = try service.supervise("control") { task in
        try runControl(task, context: context, paths: paths, mailbox: mailbox, status: status, facts: facts)
    }
    service.onStop("session") { session.stop() }
    service.onStop("sockets") {
        replay.stop()
        control.stop()
        context.shutdown()
    }
}

/// Opens the journal, begins an epoch, binds the feed: all that must be there before the first tick.
private func makeSession(
    _ task: TaskContext, context: Context, configuration: Configuration, paths: Paths, mailbox: SessionMailbox,
    status: ConnectorStatus, facts: HeartbeatFacts
) throws -> GatewaySession {
    let journal = try Journal(
        directory: paths.journal(configuration), sizeBytes: UInt64(configuration.connector.journalSizeBytes),
        bootID: bootID())
    for finding in journal.findings { log(.error, "journal: \(finding)") }
    let epochs = EpochStore(state: paths.state)
    let wasRecorded = recordedBefore(
        journal: Set(journal.positions.keys), configured: configuration.streams, ranBefore: epochs.ranBefore)
    let epoch = try epochs.begin(known: journal.greatestEpoch, nowSeconds: realNanos() / 1_000_000_000)
    var publisher = try Publisher(in: context)
    try publisher.bind(Paths.endpoint(paths.ticksSocket))
    for endpoint in configuration.publish.tcp { try publisher.bind(endpoint.endpoint) }
    log(.notice, "new epoch", ["epoch": "\(epoch)", "journal": paths.journal(configuration)])
    let path = try TickPath(
        capacity: configuration.streams.count + spareStreams, epoch: epoch, journal: journal, publisher: publisher)
    return try GatewaySession(
        task, configuration: configuration, paths: paths, mailbox: mailbox, status: status, facts: facts, path: path,
        epochs: epochs, wasRecorded: wasRecorded)
}

/// The streams that begin with an open gap: those of the journal; after a restart of the machine, which empties the
/// journal, all that are configured, since an epoch shows that there was a recording.
func recordedBefore(journal: Set<StreamID>, configured: [StreamID], ranBefore: Bool) -> Set<StreamID> {
    journal.isEmpty && ranBefore ? Set(configured) : journal
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

/// A TCP endpoint without keys is only for this machine, or for those who say that they want it so.
private func refuseUnsafeEndpoints(_ configuration: Configuration) throws(ProgramError) {
    for endpoint in configuration.publish.tcp {
        guard endpoint.curve == nil, endpoint.replay == nil, endpoint.history == nil else {
            throw ProgramError(
                .usage, "publish.tcp \(endpoint.endpoint): curve, replay and history over TCP are not built yet")
        }
        let host = endpoint.endpoint.dropFirst("tcp://".count)
        let isLoopback = host.hasPrefix("127.") || host.hasPrefix("localhost:") || host.hasPrefix("[::1]")
        guard isLoopback || endpoint.insecure else {
            throw ProgramError(
                .configuration,
                "publish.tcp \(endpoint.endpoint): not a loopback address: anybody could read it: add insecure: true")
        }
    }
}
