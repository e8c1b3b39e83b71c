internal import Glibc
internal import JSON
internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// The write thread's work: appends what the ingest thread hands over, makes it durable, and then says so.
///
/// Owns the open log and the `durable` publisher. One fdatasync per commit interval: what piles up during a slow one is
/// appended before the next, so a slow disk makes larger commits, not more of them. After a failed write or
/// fdatasync the part is given up, a new one is tried with backoff, and the ingest thread fetches
/// everything above the durable records again.
struct CommitWriter: ~Copyable {
    /// All streams are reported this often, changed or not.
    private static let reportAllNanos: Int64 = 1_000_000_000
    /// A write or fdatasync that takes longer is reported as a failing disk.
    static let slowNanos: Int64 = 2_000_000_000
    /// A disk that failed and now has nothing to write counts as sound after this time.
    private static let trialNanos: Int64 = 2_000_000_000

    private let task: TaskContext
    private let queue: CommitQueue
    private let status: RecorderStatus
    private var openLog: OpenLog
    private var clock: LogClock
    private var publisher: Publisher
    private let topic = Topic(DurableReport.topic.description)
    private var changed: [StreamID: StreamPosition] = [:]
    private var pendingRecords = 0
    private var commitIsDue = false
    private var lastSyncNanos: Int64 = 0
    private let commitIntervalNanos: Int64
    private var nextReportNanos: Int64 = 0
    private var nextLookNanos: Int64 = 0
    private var retryNanos: Int64 = 0
    private var failuresInARow = 0
    /// When the first part after a failure was begun and its key table became durable; nil: no such part yet.
    private var trialSinceNanos: Int64?
    private let paths: Paths
    private var definitionFault: String?
    private var newestFault: String?

    init(
        _ task: TaskContext, context: Context, paths: Paths, queue: CommitQueue, status: RecorderStatus,
        openLog: consuming OpenLog, clock: LogClock, commitIntervalNanos: Int64
    ) throws(MessagingError) {
        // A report says how things stand, and the next full one comes within a second: who does not read needs no long
        // queue. With thousands of streams a report has hundreds of kilobytes.
        var publisher = try Publisher(in: context, highWaterMark: 64)
        try publisher.bind(Paths.endpoint(paths.durableSocket))
        self.task = task
        self.queue = queue
        self.status = status
        self.publisher = publisher
        self.openLog = openLog
        self.clock = clock
        self.paths = paths
        self.commitIntervalNanos = commitIntervalNanos
    }

    /// Runs until the stop was requested, the queue is closed and all that came is durable (or the disk fails).
    mutating func run() throws {
        var poller = Poller()
        _ = poller.add(descriptor: queue.forWriter.descriptor)
        let subscribers = poller.add(publisher)
        while true {
            task.progress.advance()
            let closing = queue.isClosed
            let now = bootNanos()
            if now >= retryNanos { commitRound() }
            try publishAllWhenDue()
            if closing, queue.isDrained || queue.isAbandoned || failuresInARow > 0 { return }
            let wait = max(retryNanos, now) - now + 250_000_000
            _ = try poller.wait(timeoutMillis: Int(min(wait, 250_000_000) / 1_000_000))
            queue.forWriter.clear()
            // Nothing depends on who subscribes; but libzmq keeps what nobody takes, without a bound.
            if !poller[subscribers].isEmpty { try publisher.receiveSubscriptions { _, _ in } }
        }
    }

    /// Begins a part where one is due, appends everything queued and makes it durable.
    private mutating func commitRound() {
        do throws(StoreError) {
            try keepPapers()
            try beginPartWhenDue()
            // Under load this goes on for long: parts end where they should, and the progress and the reports go on.
            while let block = queue.takeFilled() {
                try append(block)
                if syncIsDue { try sync() }
                try beginPartWhenDue()
                publishReportWhenDue()
            }
            // Overdue without a word: the ingest thread that would have asked for it has ended.
            if commitIsDue || queue.isClosed || syncIsDue { try sync() }
        } catch {
            noteFailure(error)
            return
        }
        if let since = trialSinceNanos, bootNanos() - since >= CommitWriter.trialNanos { noteRecovered() }
    }

    /// The disk has taken records, or had none to take for a while.
    private mutating func noteRecovered() {
        trialSinceNanos = nil
        failuresInARow = 0
        queue.noteWriting()
        log(.notice, "the disk takes records again")
    }

    /// Writes the origin, without which nothing may be recorded, and the definitions, without which it may.
    private mutating func keepPapers() throws(StoreError) {
        let papers = queue.takePapers()
        guard !papers.isEmpty else { return }
        do throws(FileError) {
            try task.progress.duringDiskCall { () throws(FileError) in try papers.writeOrigin(paths) }
        } catch {
            queue.giveBack(papers)
            throw .system(call: error.call, path: error.path, code: error.code)
        }
        let left = task.progress.duringDiskCall { papers.writeDefinitions(paths) }
        queue.giveBack(left.papers)
        let fault = left.fault.map { "\($0)" }
        if let fault, definitionFault == nil { log(.warning, "a definition can't be kept", ["why": fault]) }
        definitionFault = fault
    }

    private var syncIsDue: Bool { bootNanos() - lastSyncNanos >= commitIntervalNanos }

    private mutating func beginPartWhenDue() throws(StoreError) {
        task.progress.advance()
        let wish = queue.partWish
        let now = clock.now(realNanos: realNanos(), bootNanos: bootNanos())
        queue.noteLogClock(offset: clock.minusBootNanos)
        guard wish != nil || openLog.needsPart(nowNanos: now) else { return }
        try task.progress.duringDiskCall { () throws(StoreError) in
            try openLog.beginPart(nowNanos: now) { changed[$0] = $1 }
            // After a failure a new file proves nothing before something in it is on the disk.
            if failuresInARow > 0 { try openLog.sync() }
        }
        if failuresInARow > 0 { trialSinceNanos = bootNanos() } else { queue.noteWriting() }
        if let wish { queue.noteBegunPart(wish) }
        log(.info, "new part", ["file": openLog.part.map { "\($0)" } ?? ""])
    }

    private mutating func append(_ block: consuming CommitBlock) throws(StoreError) {
        let count = block.count
        if let good = block.goodNanos { clock.note(goodNanos: good) }
        commitIsDue = commitIsDue || block.isCommit
        let started = bootNanos()
        let outcome: Result<Void, StoreError>
        do throws(StoreError) {
            try task.progress.duringDiskCall { () throws(StoreError) in
                try openLog.append(block: block.bytes, newest: block.newest)
            }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        queue.giveBack(block)
        noteDuration(bootNanos() - started)
        try outcome.get()
        pendingRecords += count
    }

    private mutating func sync() throws(StoreError) {
        commitIsDue = false
        let started = bootNanos()
        lastSyncNanos = started
        guard pendingRecords > 0 else { return }
        try task.progress.duringDiskCall { () throws(StoreError) in
            try openLog.sync { changed[$0] = $1 }
        }
        noteDuration(bootNanos() - started)
        let fault = openLog.newestFault.map { "\($0)" }
        if let fault, newestFault == nil { log(.warning, "the newest part's name can't be kept", ["why": fault]) }
        newestFault = fault
        queue.noteDurable(changed)
        publish(changed)
        changed.removeAll(keepingCapacity: true)
        status.noteCommit(
            part: openLog.part.map { "\($0)" } ?? "", records: pendingRecords, tookNanos: bootNanos() - started,
            atNanos: realNanos())
        pendingRecords = 0
        if failuresInARow > 0 { noteRecovered() }
    }

    private mutating func noteFailure(_ error: StoreError) {
        failuresInARow += 1
        trialSinceNanos = nil
        pendingRecords = 0
        changed.removeAll(keepingCapacity: true)
        queue.noteDurable(openLog.durablePositions)
        queue.noteFailure("\(error)")
        // 0.1 s, 0.2 s … 5 s: a full disk is tried often enough to go on as soon as there is room. The count falls back
        // only when records were made durable: a disk that takes files and fails to sync them is not hammered.
        let wait = min(Int64(100_000_000) << Int64(min(failuresInARow - 1, 6)), 5_000_000_000)
        retryNanos = bootNanos() + wait
        if failuresInARow == 1 {
            log(.critical, "CRITICAL: the disk does not take records", ["why": "\(error)"])
        }
    }

    private mutating func noteDuration(_ nanos: Int64) {
        guard nanos > CommitWriter.slowNanos else { return }
        log(.error, "a write took long: disk_failing", ["millis": "\(nanos / 1_000_000)"])
    }

    // MARK: - Durable reports

    /// Once a second: the report of all streams, and a look whether the files are still there. Throws when somebody has
    /// removed the part that is being written: all that was recorded is gone, and
    /// a new start takes what the journal has.
    private mutating func publishAllWhenDue() throws(StoreError) {
        publishReportWhenDue()
        let now = bootNanos()
        guard now >= nextLookNanos else { return }
        nextLookNanos = now + CommitWriter.reportAllNanos
        guard openLog.partIsStillThere else {
            throw .system(
                call: "the file being written was removed", path: openLog.part?.description ?? "", code: ENOENT)
        }
    }

    private mutating func publishReportWhenDue() {
        let now = bootNanos()
        guard now >= nextReportNanos else { return }
        nextReportNanos = now + CommitWriter.reportAllNanos
        logRestored(publisher.restoreFiles(nowNanos: now))
        publish(openLog.durablePositions)
    }

    private mutating func publish(_ positions: [StreamID: StreamPosition]) {
        guard !positions.isEmpty else { return }
        let entries = positions.map { stream, position in
            DurableReport.Entry(
                stream: stream, key: position.key, tsEventNanos: position.tsEventNanos,
                tsRecvNanos: position.tsRecvNanos)
        }
        var writer = JSONWriter()
        DurableReport(entries).write(to: &writer)
        do throws(MessagingError) {
            try publisher.publish(topic, writer.bytes)
        } catch {
            log(.error, "the durable report was not published", ["why": "\(error)"])
        }
    }
}
