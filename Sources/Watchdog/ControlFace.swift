internal import JSON
internal import Messaging
internal import ServiceKit

/// The watchdog's control socket: `ping`, `status`, `streams`.
func runControl(
    _ task: TaskContext, paths: Paths, board: Board, facts: HeartbeatFacts, messaging: Context
) throws {
    var server = try ControlServer(in: messaging)
    try server.bind(Paths.endpoint(paths.watchdogSocket))
    while !task.stop.isStopped {
        task.progress.advance()
        logRestored(server.restoreFiles(nowNanos: bootNanos()))
        _ = try server.serve(timeoutMillis: 500) { request, _ in answer(request, board, facts) }
    }
}

private func answer(_ request: ControlRequest, _ board: Board, _ facts: HeartbeatFacts) -> ControlReply {
    switch request.command {
    case "ping":
        guard let nonce = request["nonce"]?.string else { return .success([:]) }
        facts.answerPing(nonce: nonce)
        return .success(["nonce": .string(String(nonce.prefix(64)))])
    case "status": return .success(Faces.status(board.snapshot, http: board.httpAddress))
    case "streams": return .success(["streams": Faces.streams(board.snapshot)])
    default: return .failure("unknown command '\(request.command)': this is ib-watchdog: use ping, status or streams")
    }
}
