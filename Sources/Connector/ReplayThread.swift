internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// The replay thread: answers page requests from the journal's files, which it reads by itself.
func runReplay(_ task: TaskContext, context: Context, paths: Paths, journalDirectory: String) throws {
    var server = try ReplayServer(in: context)
    try server.bind(Paths.endpoint(paths.replaySocket))
    var source = JournalSource(reader: JournalReader(directory: journalDirectory))
    var poller = Poller()
    let serverEntry = server.withSocket { poller.add($0) }
    _ = poller.add(descriptor: task.stop.fileDescriptor)
    while !task.stop.isStopped {
        task.progress.advance()
        _ = try poller.wait(timeoutMillis: 250)
        guard !poller[serverEntry].isEmpty else { continue }
        _ = try server.serve(timeoutMillis: 0, source: &source)
    }
}
