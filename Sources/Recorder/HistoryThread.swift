internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// The history thread: answers page requests from the recorded files, with the protocol of the connector's replay.
func runHistory(_ task: TaskContext, context: Context, paths: Paths) throws {
    var server = try ReplayServer(in: context)
    try server.bind(Paths.endpoint(paths.historySocket))
    var source = FileSource(history: LogHistory(directory: paths.log))
    var poller = Poller()
    let serverEntry = server.withSocket { poller.add($0) }
    _ = poller.add(descriptor: task.stop.fileDescriptor)
    while !task.stop.isStopped {
        task.progress.advance()
        _ = try poller.wait(timeoutMillis: 250)
        if !poller[serverEntry].isEmpty { _ = try server.serve(timeoutMillis: 0, source: &source) }
    }
}

/// The recorded files as a history server's source.
private struct FileSource: ReplaySource, ~Copyable {
    var history: LogHistory

    mutating func read(_ request: ReplayRequest, into sink: inout ReplaySink) throws(ReplayRefusal) -> TickKey {
        try request.answer(
            into: &sink,
            firstKey: { nanos throws(StoreError) in
                try history.firstKey(of: request.stream, receivedFromNanos: nanos)
            },
            read: { key, emit throws(StoreError) in
                let page = try history.read(request.stream, from: key, limit: request.limit, emit: emit)
                return ReplayPage(next: page.next, goneFirst: page.goneFirst)
            })
    }
}
