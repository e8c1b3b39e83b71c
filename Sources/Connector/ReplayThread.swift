internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// The replay thread: answers page requests from the journal's files, which it reads by itself.
func runReplay(_ task: TaskContext, context: Context, paths: Paths, journalDirectory: String) throws {
    var server = try ReplayServer(in: context)
    try server.bind(Paths.endpoint(paths.replaySocket))
    let progress = task.progress
    var source = JournalSource(
        reader: JournalReader(directory: journalDirectory, onSegment: { progress.advance() }))
    var poller = Poller()
    let serverEntry = server.withSocket { poller.add($0) }
    _ = poller.add(descriptor: task.stop.fileDescriptor)
    while !task.stop.isStopped {
        task.progress.advance()
        _ = try poller.wait(timeoutMillis: 250)
        logRestored(server.restoreFiles(nowNanos: bootNanos()))
        if !poller[serverEntry].isEmpty { _ = try server.serve(timeoutMillis: 0, source: &source) }
    }
}

/// The journal as a replay server's source.
private struct JournalSource: ReplaySource, ~Copyable {
    var reader: JournalReader

    mutating func read(_ request: ReplayRequest, into sink: inout ReplaySink) throws(ReplayRefusal) -> TickKey {
        try request.answer(
            into: &sink,
            firstKey: { nanos throws(StoreError) in
                try reader.firstKey(of: request.stream, receivedFromNanos: nanos)
            },
            read: { key, emit throws(StoreError) in
                let page = try reader.read(request.stream, from: key, limit: request.limit, emit: emit)
                return ReplayPage(next: page.next, goneFirst: page.goneFirst)
            })
    }
}
