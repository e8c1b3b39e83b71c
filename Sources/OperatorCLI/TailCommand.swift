internal import Glibc
internal import JSON
internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

let tailCommand = Command(
    "tail", usage: "[STREAM-PREFIX] [FLAGS]",
    "Shows live ticks as they come, until Ctrl-C; with --since first what was recorded.",
    flags: [
        FlagSet.Flag(
            "since", value: "TIME",
            "first all that was received since then (2h before now, or RFC 3339), then what comes, no tick missing or "
                + "twice; each stream in the order of arrival"),
        FlagSet.Flag("format", value: "FORMAT", "text (default), csv or json, a line a tick; raw (64-byte records)"),
        FlagSet.Flag("count", value: "N", "end after N lines (with raw: records)"),
    ],
    words: 0...1,
    examples: [
        ("ib-stream tail", "every tick of every stream"),
        ("ib-stream tail 711280073.", "all kinds of one contract"),
        ("ib-stream tail 265598@1", "all kinds of one contract at the venue whose source is 1"),
        ("ib-stream tail 711280073.bid_ask --since 2h", "the quotes of two hours and all that follow"),
        ("ib-stream tail 711280073.bid_ask --format csv --count 1000", "the next thousand quotes as CSV"),
    ]
) { context throws(ProgramError) in
    let filter = StreamPrefix(context.flags.words.first ?? "")
    var output = try TailOutput(context.flags)
    // Nothing has been received since a time to come: that is from now on.
    let since = try CatSelection.time("tail", "since", context.flags).map { min($0, realNanos()) }
    let (configuration, paths) = try context.locateServices("tail")
    let hasConnector = ServiceLock.isHeld(name: "ib-connector", paths: paths)
    let hasRecorder = ServiceLock.isHeld(name: "ib-recorder", paths: paths)
    guard hasConnector || (since != nil && hasRecorder) else {
        throw ProgramError(
            .unavailable, "tail: the connector is not running in \(paths.runtime): start it with 'ib-stream up'")
    }
    let status = ConnectorHeals.answer("status", paths)
    // A connector that does not answer may want any stream.
    if status != nil || !hasConnector { try refuseUnknown(filter, configuration, paths) }
    if hasConnector { sayWithoutSession(status) }
    do throws(MessagingError) {
        guard let since else {
            var tail = try LiveTail(paths, filter)
            try tail.run(&output)
            return ExitStatus.success.rawValue
        }
        var tail = try JoinedTail(
            paths, filter: filter, sinceNanos: since, hasConnector: hasConnector, hasRecorder: hasRecorder)
        try tail.run(&output)
        return ExitStatus.success.rawValue
    } catch {
        throw ProgramError(.unavailable, "tail: \(error)")
    }
}

/// Throws 66 for a prefix with which no stream begins that is configured, wanted by the connector, or recorded: nothing
/// would ever come.
private func refuseUnknown(
    _ filter: StreamPrefix, _ configuration: Configuration, _ paths: Paths
) throws(ProgramError) {
    guard !filter.text.isEmpty else { return }
    var known = Set(configuration.streams)
    func isKnown() -> Bool { known.contains(where: filter.takes) }
    if isKnown() { return }
    if ServiceLock.isHeld(name: "ib-connector", paths: paths) {
        // A stream that a command wants is told within a second; the second look
        // is for one that was asked for just now.
        for pause in [0, 1200] {
            sleepMillis(pause)
            guard let streams = ConnectorHeals.answer("streams", paths)?["streams"]?.object else { return }
            known.formUnion(streams.members.compactMap { StreamID($0.name) })
            if isKnown() { return }
            // It has none while it opens its journal.
            if streams.members.isEmpty { return }
        }
    }
    // Last, since the log has to be read for it.
    guard let recorded = recordedStreams(paths) else { return }
    known.formUnion(recorded)
    if isKnown() { return }
    let names = known.sorted().prefix(12).map(\.description).joined(separator: " ") + (known.count > 12 ? " ..." : "")
    throw ProgramError(
        .noInput, "tail: no stream begins with '\(filter.text)': there are \(known.isEmpty ? "none" : names)")
}

/// Nil, and a line on standard error: the recording can't be read, so nobody knows what it has.
private func recordedStreams(_ paths: Paths) -> [StreamID]? {
    do throws(StoreError) {
        var scan = GapScan(stateDirectory: paths.state)
        _ = try scan.advance()
        return try Array(scan.streams())
    } catch {
        if error.code == ENOENT { return [] }
        printError("ib-stream", "tail: what is recorded can't be read, so any stream is waited for: \(error)")
        return nil
    }
}

private func sayWithoutSession(_ status: JSONValue?) {
    guard let status else {
        return printError("ib-stream", "tail: the connector does not answer: live ticks come when it works again")
    }
    guard status["connected"]?.bool != true else { return }
    printError("ib-stream", "tail: the connector has no session with the gateway: live ticks come when it has one")
}

/// Follows the live feed alone: what it drops is said on standard error.
private struct LiveTail: ~Copyable {
    private var feed: Subscriber
    private let filter: StreamPrefix
    private var last: [StreamID: TickKey] = [:]
    private let buffer: UnsafeMutableRawBufferPointer

    init(_ paths: Paths, _ filter: StreamPrefix) throws(MessagingError) {
        self.filter = filter
        var feed = try Subscriber(in: Context())
        for topic in filter.topics { try feed.subscribe(topic) }
        try feed.connect(Paths.endpoint(paths.ticksSocket))
        self.feed = feed
        buffer = .allocate(byteCount: Subscriber.tickPayloadBytes, alignment: 64)
    }

    deinit { buffer.deallocate() }

    mutating func run(_ output: inout TailOutput) throws(MessagingError) {
        output.begin()
        while output.isOpen {
            guard let message = try feed.receive(into: buffer, timeoutMillis: -1) else { continue }
            let records = UnsafeRawBufferPointer(rebasing: buffer[..<message.payloadBytes]).bindMemory(to: Tick.self)
            guard let stream = records.first?.stream, filter.takes(stream) else { continue }
            reportJump(stream, to: records[0].key)
            last[stream] = records[records.count - 1].key
            output.give(records, of: stream)
            output.flush()
        }
    }

    private func reportJump(_ stream: StreamID, to next: TickKey) {
        guard let last = last[stream], next.epoch == last.epoch, next != last.next else { return }
        printError(
            "ib-stream", "tail: \(stream): \(next.seq &- last.seq &- 1) ticks did not come in time (they are recorded)")
    }
}
