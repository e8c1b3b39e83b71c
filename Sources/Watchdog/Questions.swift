internal import JSON
internal import Messaging
internal import ServiceKit
internal import Supervision
internal import Ticks

/// The thread that talks to the services' control sockets, so that a service that does not answer holds up nobody but
/// this thread: pings, the connector's view of its streams, requests to restart streams.
func runQuestions(_ task: TaskContext, paths: Paths, board: Board, messaging: Context) throws {
    var connector = try ControlClient(in: messaging)
    try connector.connect(Paths.endpoint(paths.connectorSocket))
    var recorder = try ControlClient(in: messaging)
    try recorder.connect(Paths.endpoint(paths.recorderSocket))
    var round: UInt64 = 0
    while !pause(task) {
        round += 1
        let nonce = pingNonce(round)
        task.progress.advance()
        try ask(&connector, nonce)
        task.progress.advance()
        try ask(&recorder, nonce)
        task.progress.advance()
        try askStreams(&connector, board)
        for stream in board.takeResubscriptions().sorted() {
            task.progress.advance()
            try resubscribe(stream, &connector)
        }
        task.progress.advance()
    }
}

/// The second between two rounds, in pieces: a loop that shows nothing for a second and a quarter stands still for `main`.
/// True when the service stops.
private func pause(_ task: TaskContext) -> Bool {
    for _ in 0..<4 {
        task.progress.advance()
        if task.stop.wait(millis: 250) { return true }
    }
    return false
}

private let answerMillis: Int32 = 800

/// Calls and returns nil for an answer that did not come or was no success; throws only for the end of the context.
private func call(
    _ client: inout ControlClient, _ command: String, _ members: [JSONObject.Member]
) throws(MessagingError) -> JSONValue? {
    do throws(MessagingError) {
        return try client.call(command, members, timeoutMillis: answerMillis)
    } catch {
        switch error.code {
        case .contextClosed: throw error
        // A service that is down is the judge's business; what matters here is that no answer came.
        default: return nil
        }
    }
}

/// A nonce says when it was sent: it comes back in a heartbeat, which shows that the service's control thread and its main
/// thread both go round.
private func pingNonce(_ round: UInt64) -> String { "\(bootNanos()).\(round)" }

/// When the ping of a nonce was sent (boot clock, never negative); nil for what is no nonce of ours: whoever reaches a
/// service's control socket can make one up.
func pingedAtNanos(_ nonce: String) -> Int64? {
    guard let nanos = nonce.split(separator: ".").first.flatMap({ Int64($0) }), nanos >= 0 else { return nil }
    return nanos
}

private func ask(_ client: inout ControlClient, _ nonce: String) throws(MessagingError) {
    _ = try call(&client, "ping", [JSONObject.Member(name: "nonce", value: .string(nonce))])
}

private func askStreams(_ client: inout ControlClient, _ board: Board) throws(MessagingError) {
    guard let answer = try call(&client, "streams", []), let members = answer["streams"]?.object?.members else {
        return
    }
    var streams: [StreamID: Board.StreamReport] = [:]
    for member in members {
        guard let id = StreamID(member.name) else { continue }
        let state = member.value["state"]?.string ?? "unknown"
        streams[id] = Board.StreamReport(
            problem: streamProblem(state), reason: member.value["reason"]?.string ?? "",
            lacking: member.value["lacking"]?.string)
    }
    let known = streams
    board.update {
        $0.streams = known
        $0.streamsAtNanos = bootNanos()
    }
}

/// The connector's word for a stream as what it means for health; nil: subscribed and well.
func streamProblem(_ state: String) -> StreamState? {
    switch state {
    case "subscribed", "live", "active": nil
    case "pending", "requested", "subscribing", "waiting": .notSubscribed
    default: StreamState(rawValue: state) ?? .unknown
    }
}

private func resubscribe(_ stream: StreamID, _ client: inout ControlClient) throws(MessagingError) {
    let members = [JSONObject.Member(name: "stream", value: .string(stream.description))]
    guard try call(&client, "resubscribe", members) == nil else { return }
    log(.warning, "the connector did not restart the stream", ["stream": "\(stream)"])
}
