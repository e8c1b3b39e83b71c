internal import JSON
internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// The control thread: answers commands, and asks the connector to renumber when that has to be.
func runControl(
    _ task: TaskContext, context: Context, paths: Paths, queue: CommitQueue, status: RecorderStatus,
    board: SealBoard, facts: HeartbeatFacts
) throws {
    var server = try ControlServer(in: context)
    try server.bind(Paths.endpoint(paths.recorderSocket))
    while !task.stop.isStopped {
        task.progress.advance()
        logRestored(server.restoreFiles(nowNanos: bootNanos()))
        _ = try server.serve(timeoutMillis: 250) { request, _ in
            answer(request, queue: queue, status: status, board: board, facts: facts)
        }
        if let wish = status.takeRenumber() { try askToRenumber(wish, context: context, paths: paths) }
    }
}

private func answer(
    _ request: ControlRequest, queue: CommitQueue, status: RecorderStatus, board: SealBoard, facts: HeartbeatFacts
) -> ControlReply {
    switch request.command {
    case "ping":
        if let nonce = request["nonce"]?.string { facts.answerPing(nonce: nonce) }
        return .success(["nonce": request["nonce"] ?? .null])
    case "status": return .success(status.json(sealing: board.json, backlog: queue.backlog))
    case "streams":
        return .success(["streams": durableStreams(queue.durable)])
    case "seal": return seal(request, board)
    default:
        return .failure("unknown command \(request.command): the recorder knows ping, status, streams, seal")
    }
}

/// Without `job` a new wish; with it, how that wish stands.
private func seal(_ request: ControlRequest, _ board: SealBoard) -> ControlReply {
    if let job = request["job"] {
        guard let number = job.integer else { return .failure("`job` is not the number of a seal command") }
        guard let answer = board.answer(number) else { return .failure("job \(number) is not known: ask anew") }
        return .success(answer)
    }
    guard let now = request["now"] ?? .some(.bool(false)), let isNow = now.bool else {
        return .failure("`now` is neither true nor false")
    }
    let number = board.ask(isNow ? .beforeNewestPart : .pastHours)
    return board.answer(number).map { .success($0) } ?? .failure("job \(number) is not known: ask anew")
}

/// As the `durable` topic has them: `{"711280073.bid_ask":[epoch,seq,ts_event,ts_recv]}`.
private func durableStreams(_ positions: [StreamID: StreamPosition]) -> JSONValue {
    let members = positions.sorted { $0.key < $1.key }.map { stream, last in
        JSONObject.Member(
            name: stream.description,
            value: [
                .integer(Int64(last.key.epoch)), .integer(Int64(last.key.seq)),
                last.tsEventNanos == Tick.noEventTime ? .null : .integer(last.tsEventNanos),
                .integer(last.tsRecvNanos),
            ])
    }
    return .object(JSONObject(members))
}

/// Failure is no event of its own: the next watermark brings the wish again.
private func askToRenumber(_ wish: RecorderStatus.Renumber, context: Context, paths: Paths) throws {
    var client = try ControlClient(in: context)
    try client.connect(Paths.endpoint(paths.connectorSocket))
    do throws(MessagingError) {
        _ = try client.call(
            "renumber", [JSONObject.Member(name: "above", value: .integer(Int64(wish.above)))], timeoutMillis: 500)
    } catch {
        if error.code == .contextClosed { throw error }
        log(.warning, "the connector did not renumber", ["why": "\(error)"])
    }
}
