internal import Glibc
internal import JSON
internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// The ingest thread's work: takes the live feed, closes holes by replay, and hands records over in order.
///
/// Owns the SUB socket and the replay client. Never waits for the disk: without a free block it stops receiving, and
/// what the socket's queue then drops is fetched by replay.
struct Ingest: ~Copyable {
    /// Live messages per round, so that replay, commits and the stop get their turn.
    private static let messagesPerRound = 512
    /// Room that must be there before something is received: a full batch and a few records of our own.
    static let reserve = 1024
    /// How long a page may take to come.
    private static let replayTimeoutNanos: Int64 = 2_000_000_000
    /// How long to wait before asking again when nobody answered.
    private static let retryNanos: Int64 = 50_000_000
    private static let definitionPrefix: StaticString = "definition."
    private static let longestDefinitionBytes = 1 << 20
    /// While a disk call lasts this long already, the moment at which it lasts too long must not be missed.
    private static let suspiciousNanos: Int64 = 1_000_000_000

    let task: TaskContext
    /// The write thread's: says how long it has been waiting for the disk.
    private let writerProgress: ProgressCounter
    let queue: CommitQueue
    private let status: RecorderStatus
    private let commitIntervalNanos: Int64
    let journalDirectory: String
    private var origin: Origin

    var sequencer: Sequencer
    var sink: QueueSink
    private var subscriber: Subscriber
    var replay: ReplayClient
    private var poller: Poller
    private let liveEntry: Poller.Entry
    private let replayEntry: Poller.Entry
    private let bellEntry: Poller.Entry
    private let buffer: UnsafeMutableRawBufferPointer

    private var commitDueNanos: Int64?
    private var replayDeadlineNanos: Int64 = 0
    private var nextFetchNanos: Int64 = 0
    private var gaveBefore: UInt64 = 0
    private var nextStatusNanos: Int64 = 0
    var messages: UInt64 = 0
    private var malformedMessages: UInt64 = 0
    /// What has to become durable before the end; nil before the stop.
    var drainTarget: [StreamID: TickKey]?
    /// At the stop: why the journal can't be read now.
    var journalFault: String?

    init(
        _ task: TaskContext, context: Context, paths: Paths, journalDirectory: String, settings: RecorderSettings,
        queue: CommitQueue, origin: consuming Origin, status: RecorderStatus, writerProgress: ProgressCounter
    ) throws(MessagingError) {
        // What can fail is done on locals: a value that can't be copied is assigned whole or not at all.
        var subscriber = try Subscriber(in: context)
        try subscriber.subscribe("tick.")
        try subscriber.subscribe(Watermark.topic.description)
        try subscriber.subscribe(Ingest.definitionPrefix.description)
        try subscriber.connect(Paths.endpoint(paths.ticksSocket))
        var replay = try ReplayClient(in: context)
        try replay.connect(Paths.endpoint(paths.replaySocket))
        var poller = Poller()
        liveEntry = poller.add(subscriber)
        replayEntry = replay.withSocket { poller.add($0) }
        bellEntry = poller.add(descriptor: queue.forIngest.descriptor)
        _ = poller.add(descriptor: task.stop.fileDescriptor)
        self.poller = poller
        self.task = task
        self.writerProgress = writerProgress
        self.queue = queue
        self.status = status
        self.origin = origin
        commitIntervalNanos = settings.commitIntervalNanos
        self.journalDirectory = journalDirectory
        let start = queue.start
        sequencer = Sequencer(holdBackBytes: Int(settings.holdBackBytes), recovered: start.positions)
        sink = QueueSink(queue, generation: start.generation)
        self.subscriber = subscriber
        self.replay = replay
        buffer = .allocate(byteCount: Subscriber.longestPayloadBytes, alignment: 64)
    }

    deinit { buffer.deallocate() }

    /// Runs until the stop, then until all that had been published is durable. Throws `ProgramError` for ticks of the
    /// wrong origin.
    mutating func run() throws {
        sequencer.ownFlags = origin.flags
        while !task.stop.isStopped {
            task.progress.advance()
            let now = bootNanos()
            sink.refresh()
            answerDiskFailures()
            let hasRoom = sink.freeRecords >= Ingest.reserve
            poller.setEvents(hasRoom ? .readable : [], at: liveEntry)
            // Late words of a page that was given up wait for the next one.
            poller.setEvents(hasRoom && replay.isOpen ? .readable : [], at: replayEntry)
            _ = try poller.wait(timeoutMillis: waitMillis(nowNanos: now, hasRoom: hasRoom))
            if !poller[bellEntry].isEmpty { queue.forIngest.clear() }
            if hasRoom {
                try receiveLive()
                try receiveReplay()
                sequencer.drainAll(sink: &sink)
                tellLosses()
                try askForHoles()
            }
            commitWhenDue()
            publishStatus()
        }
        try drain()
    }

    // MARK: - Live feed

    mutating func receiveLive() throws {
        for _ in 0..<Ingest.messagesPerRound {
            guard sink.freeRecords >= Ingest.reserve else { return }
            let received: Received?
            do throws(MessagingError) {
                received = try subscriber.receive(into: buffer, timeoutMillis: 0)
            } catch {
                if error.code == .contextClosed { throw error }
                malformedMessages += 1
                continue
            }
            guard let message = received else { return }
            messages += 1
            let payload = UnsafeRawBufferPointer(rebasing: buffer[..<message.payloadBytes])
            if message.topic.hasPrefix("tick.") {
                try takeTicks(payload)
            } else if message.topic == Watermark.topic {
                takeWatermark(payload)
            } else if message.topic.hasPrefix(Ingest.definitionPrefix) {
                takeDefinition(message.topic, payload)
            }
        }
    }

    private mutating func takeTicks(_ payload: UnsafeRawBufferPointer) throws {
        guard payload.count % Tick.size == 0, !payload.isEmpty else {
            malformedMessages += 1
            return
        }
        let records = payload.bindMemory(to: Tick.self)
        try checkOrigin(records)
        sequencer.live(records, sink: &sink, nowNanos: realNanos())
    }

    /// Looks at ticks only: a connector's first markers are older than its session, which tells who the gateway is.
    mutating func checkOrigin(_ records: UnsafeBufferPointer<Tick>) throws {
        guard let tick = records.first(where: { $0.kindByte < 128 }) else { return }
        guard !origin.isKnown || origin.flags != tick.flags.intersection(.simulated) else { return }
        if try origin.check(tick) { queue.keep { $0.origin = origin.word } }
        sequencer.ownFlags = origin.flags
    }

    /// Definitions are kept beside the ticks. The connector leaves the data disk alone.
    private func takeDefinition(_ topic: ReceivedTopic, _ payload: UnsafeRawBufferPointer) {
        let name = topic.description.dropFirst(Ingest.definitionPrefix.utf8CodeUnitCount)
        guard let contract = ContractID(name), payload.count <= Ingest.longestDefinitionBytes else { return }
        queue.keep { $0.add(definition: Array(payload), of: contract) }
    }

    private mutating func takeWatermark(_ payload: UnsafeRawBufferPointer) {
        let watermark: Watermark
        do {
            watermark = try Watermark(JSONValue(parsing: payload, maxBytes: Subscriber.longestPayloadBytes))
        } catch {
            malformedMessages += 1
            return
        }
        sequencer.announce(epoch: watermark.epoch)
        for (stream, seq) in watermark.streams { sequencer.watermark(epoch: watermark.epoch, stream: stream, seq: seq) }
        if let above = sequencer.epochConflict {
            sequencer.epochConflict = nil
            status.askToRenumber(above: above, announced: watermark.epoch)
        }
    }

    // MARK: - Replay

    private mutating func receiveReplay() throws {
        for _ in 0..<Ingest.messagesPerRound {
            guard replay.isOpen, sink.freeRecords >= Ingest.reserve else { break }
            let answer: ReplayAnswer?
            do throws(MessagingError) {
                answer = try replay.receive(timeoutMillis: 0)
            } catch {
                if error.code == .contextClosed { throw error }
                malformedMessages += 1
                giveUpFetch()
                return
            }
            guard let answer else { break }
            try take(answer)
        }
        if replay.isOpen, bootNanos() > replayDeadlineNanos { giveUpFetch() }
    }

    private mutating func take(_ answer: ReplayAnswer) throws {
        let now = bootNanos()
        replayDeadlineNanos = now + Ingest.replayTimeoutNanos
        switch answer {
        case .batch(let records):
            try checkOrigin(records)
            if !sequencer.fetched(records, sink: &sink, nowNanos: realNanos()) { giveUpFetch() }
        case .gone(let first):
            sequencer.fetchGone(first: first, sink: &sink, nowNanos: realNanos())
        case .end:
            let gave = sequencer.counters.replayed - gaveBefore
            _ = sequencer.fetchEnded(sink: &sink, gave: Int(gave), nowNanos: now, realNanos: realNanos())
        case .gaps: giveUpFetch()  // never asked for
        case .error(let text):
            log(.warning, "replay refused", ["why": text])
            sequencer.fetchFailed()
            nextFetchNanos = now + 20 * Ingest.retryNanos
        }
    }

    /// What can't be had any more is told range by range.
    mutating func tellLosses() {
        for lost in sequencer.takeLosses() {
            let keys = TickKey.rangeText(lost.range.lowerBound, lost.range.upperBound)
            log(.error, "wanted ticks are lost", ["stream": lost.stream.description, "keys": keys, "why": lost.why])
        }
    }

    mutating func giveUpFetch() {
        replay.cancel()
        sequencer.fetchFailed()
        nextFetchNanos = bootNanos() + Ingest.retryNanos
    }

    private mutating func askForHoles() throws(MessagingError) {
        let now = bootNanos()
        guard !replay.isOpen, now >= nextFetchNanos, let want = sequencer.nextFetch(nowNanos: now) else { return }
        gaveBefore = sequencer.counters.replayed
        if try replay.request(ReplayRequest(stream: want.stream, from: .key(want.from))) {
            replayDeadlineNanos = now + Ingest.replayTimeoutNanos
        } else {
            sequencer.fetchFailed()
            nextFetchNanos = now + Ingest.retryNanos
        }
    }

    // MARK: - Commit

    /// A write failed since we looked: everything above the durable records is asked for again. True if so.
    @discardableResult mutating func answerDiskFailures() -> Bool {
        let disk = queue.disk
        guard disk.failures != sink.generation else { return false }
        replay.cancel()
        sink.forget(generation: disk.failures)
        // If the files were removed, their word is gone as well.
        if origin.isKnown { queue.keep { $0.origin = origin.word } }
        sequencer.rewind(to: queue.durable)
        commitDueNanos = nil
        return true
    }

    mutating func commitWhenDue() {
        guard !sink.isEmpty else {
            commitDueNanos = nil
            return
        }
        let now = bootNanos()
        guard let due = commitDueNanos else {
            commitDueNanos = now + commitIntervalNanos
            return
        }
        guard now >= due else { return }
        sink.handOver(commit: true)
        commitDueNanos = nil
    }

    /// Without room the bell rings when there is some; an open page comes by itself.
    private func waitMillis(nowNanos now: Int64, hasRoom: Bool) -> Int {
        var until = now + 250_000_000
        if let due = commitDueNanos { until = min(until, due) }
        if hasRoom, !replay.isOpen, let due = sequencer.fetchDueNanos { until = min(until, max(due, nextFetchNanos)) }
        let wait = writerProgress.diskWaitNanos(nowNanos: now)
        if wait > Ingest.suspiciousNanos, wait <= CommitWriter.slowNanos {
            until = min(until, now + CommitWriter.slowNanos - wait + 1_000_000)
        }
        return Int(max(0, until - now + 999_999) / 1_000_000)
    }

    mutating func publishStatus() {
        let now = bootNanos()
        status.noteDisk(queue.disk, waitNanos: writerProgress.diskWaitNanos(nowNanos: now))
        guard now >= nextStatusNanos else { return }
        nextStatusNanos = now + 500_000_000
        queue.noteExpected(drainTarget ?? sequencer.highestKeys)
        status.update(
            sequencer: sequencer.counters, epoch: sequencer.epoch, heldBytes: sequencer.heldBytes,
            isCatchingUp: sequencer.isCatchingUp, malformed: malformedMessages, backlog: queue.backlog)
    }
}
