internal import JSON
internal import Messaging
internal import ServiceKit
internal import Ticks

/// The control thread: answers what it can from the session's last words and passes the rest on to the session thread.
func runControl(
    _ task: TaskContext, context: Context, paths: Paths, mailbox: SessionMailbox, status: ConnectorStatus,
    facts: HeartbeatFacts
) throws {
    var server = try ControlServer(in: context)
    try server.bind(Paths.endpoint(paths.connectorSocket))
    var poller = Poller()
    _ = server.withSocket { poller.add($0) }
    _ = poller.add(descriptor: mailbox.forControl.descriptor)
    _ = poller.add(descriptor: task.stop.fileDescriptor)
    while !task.stop.isStopped {
        task.progress.advance()
        _ = try poller.wait(timeoutMillis: 250)
        logRestored(server.restoreFiles(nowNanos: bootNanos()))
        for (token, reply) in mailbox.takeReplies() { _ = try server.reply(reply, to: token) }
        _ = try server.serve(timeoutMillis: 0) { request, token in
            answer(request, token, mailbox: mailbox, status: status, facts: facts)
        }
    }
}

private func answer(
    _ request: ControlRequest, _ token: ControlToken, mailbox: SessionMailbox, status: ConnectorStatus,
    facts: HeartbeatFacts
) -> ControlReply {
    switch request.command {
    case "ping":
        if let nonce = request["nonce"]?.string { facts.answerPing(nonce: nonce) }
        return .success(["nonce": request["nonce"] ?? .null])
    case "status": return .success(status.status)
    case "streams": return .success(status.streams)
    case "heals": return .success(status.heals)
    default: break
    }
    switch command(request, token) {
    case .success(let command):
        return mailbox.post(command) ? .later : .failure("too many commands wait for the session: try again")
    case .failure(let why): return .failure(why.text)
    }
}

private struct Refusal: Error { let text: String }

/// The commands that the session thread carries out, with their members checked.
private func command(_ request: ControlRequest, _ token: ControlToken) -> Result<SessionCommand, Refusal> {
    func refuse(_ text: String) -> Result<SessionCommand, Refusal> { .failure(Refusal(text: text)) }
    switch request.command {
    case "lookup":
        guard let symbol = request["symbol"]?.string, (1...64).contains(symbol.utf8.count) else {
            return refuse("`symbol` is missing or longer than 64 characters")
        }
        let secType = request["type"]?.string ?? ""
        guard secType.utf8.count <= 16 else { return refuse("`type` is not a security type such as FUT") }
        return .success(.lookup(symbol: symbol, secType: secType, token: token))
    case "resubscribe":
        guard let name = request["stream"] else { return .success(.resubscribe(nil, token: token)) }
        guard let stream = name.string.flatMap({ StreamID($0) }) else { return refuse("`stream` names no stream") }
        return .success(.resubscribe(stream, token: token))
    case "reconnect": return .success(.reconnect(token: token))
    case "subscribe":
        guard let conId = request["con_id"]?.integer.flatMap({ Int32(exactly: $0) }), conId > 0 else {
            return refuse("`con_id` is not a contract id")
        }
        var source: UInt8?
        if let number = request["source"] {
            source = number.integer.flatMap { UInt8(exactly: $0) }
            guard source != nil else { return refuse("`source` is no number from 0 to 255") }
        }
        let names = request["ticks"]?.array ?? ["bid_ask", "last"]
        let kinds = names.compactMap { $0.string.flatMap { TickKind(streamName: $0) } }
        guard kinds.count == names.count, !kinds.isEmpty else { return refuse("`ticks` names an unknown kind") }
        let contract = TrackedContract(
            conId: conId, symbol: request["symbol"]?.string ?? "\(conId)", exchange: request["exchange"]?.string,
            source: source, ticks: kinds)
        return .success(.subscribe(contract, token: token))
    case "unsubscribe":
        guard let stream = request["stream"]?.string.flatMap({ StreamID($0) }) else {
            return refuse("`stream` names no stream")
        }
        return .success(.unsubscribe(stream, token: token))
    case "renumber":
        guard let above = request["above"]?.unsigned.flatMap({ UInt32(exactly: $0) }) else {
            return refuse("`above` is no epoch")
        }
        return .success(.renumber(above: above, token: token))
    default:
        return refuse(
            "unknown command \(request.command): the connector knows ping, status, streams, heals, lookup, resubscribe, "
                + "reconnect, subscribe, unsubscribe, renumber")
    }
}
