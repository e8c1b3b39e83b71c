internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// The history thread: answers page requests from the recorded files, with the protocol of the connector's replay.
func runHistory(_ task: TaskContext, context: Context, paths: Paths, queue: CommitQueue) throws {
    var server = try ReplayServer(in: context)
    try server.bind(Paths.endpoint(paths.historySocket))
    // Recovery may give files other names; until then questions wait in the socket.
    while !queue.isRecovered, !task.stop.wait(millis: 20) { task.progress.advance() }
    var source = FileSource(task, paths, nowNanos: queue.logNanos)
    var poller = Poller()
    let serverEntry = server.withSocket { poller.add($0) }
    _ = poller.add(descriptor: task.stop.fileDescriptor)
    while !task.stop.isStopped {
        task.progress.advance()
        _ = try poller.wait(timeoutMillis: 250)
        logRestored(server.restoreFiles(nowNanos: bootNanos()))
        // Counts as progress: a disk that does not answer is no hang of this thread.
        try task.progress.duringDiskCall {
            if !poller[serverEntry].isEmpty { _ = try server.serve(timeoutMillis: 0, source: &source) }
            source.collectMarkers(nowNanos: bootNanos())
        }
    }
}

/// The recorded files as a history server's source.
private struct FileSource: ReplaySource, ~Copyable {
    /// Settled gaps of a stream beyond so many are forgotten: who wants all of them reads the files.
    private static let keptGaps = GapReport.maxGaps
    /// Markers are collected as they become durable, so that a question for gaps finds little left to read: once a
    /// second, at most so much, far more than a market sends.
    private static let collectNanos: Int64 = 1_000_000_000
    private static let collectBytes: UInt64 = 16 << 20

    /// Older gaps are nothing that the gateway's history could heal any more.
    private static let lookBackHours: Int64 = 31 * 24

    private var history: LogHistory
    private var scan: GapScan
    private var nextCollectNanos: Int64 = 0
    /// Why the last look at the log failed.
    private var fault: String?
    private let progress: ProgressCounter

    init(_ task: TaskContext, _ paths: Paths, nowNanos: Int64) {
        history = LogHistory(stateDirectory: paths.state)
        scan = GapScan(
            stateDirectory: paths.state, keptGaps: FileSource.keptGaps,
            fromHour: nowNanos / 3_600_000_000_000 - FileSource.lookBackHours)
        progress = task.progress
    }

    mutating func collectMarkers(nowNanos now: Int64) {
        guard now >= nextCollectNanos else { return }
        nextCollectNanos = now + FileSource.collectNanos
        do throws(StoreError) {
            _ = try advance()
            fault = nil
        } catch {
            // The next look may go better; whoever asks for gaps meanwhile is told.
            if fault != "\(error)" { log(.error, "the log can't be read for gaps", ["why": "\(error)"]) }
            fault = "\(error)"
        }
    }

    mutating func gaps(of stream: StreamID) throws(ReplayRefusal) -> [UInt8] {
        do throws(StoreError) {
            while try !advance() {}
            let ledger = try progress.duringDiskCall { () throws(StoreError) in try scan.ledger(of: stream) }
            return GapReport(ledger).encoded(maxBytes: ReplayClient.longestGapsBytes)
        } catch {
            throw ReplayRefusal("\(error)")
        }
    }

    private mutating func advance() throws(StoreError) -> Bool {
        try progress.duringDiskCall { () throws(StoreError) in
            try scan.advance(maxBytes: FileSource.collectBytes)
        }
    }

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
