internal import Glibc
internal import JSON
internal import Messaging
internal import ServiceKit
internal import Ticks

/// `tail --since`: joins the streams late, by `LateJoin`, over the sockets of the system. One thread.
///
/// It learns of streams from the connector's watermarks and the recorder's reports, which both name every stream each
/// second, and from their ticks. Either service may be away, come, go and come again.
struct JoinedTail: ~Copyable {
    /// Messages of one socket per round, so that the others get their turn.
    private static let messagesPerRound = 512
    /// How long an answer may take: finding a time in months of files takes a while.
    private static let historyTimeoutNanos: Int64 = 5_000_000_000
    private static let replayTimeoutNanos: Int64 = 2_000_000_000

    private let filter: StreamPrefix
    private var join: LateJoin
    private var feed: Subscriber
    private var reports: Subscriber
    private var history: ReplayClient
    private var replay: ReplayClient
    private var poller = Poller()
    private let buffer: UnsafeMutableRawBufferPointer
    private var asked: LateJoin.Source?
    private var deadlineNanos: Int64 = 0

    init(
        _ paths: Paths, filter: StreamPrefix, sinceNanos: Int64, hasConnector: Bool, hasRecorder: Bool
    ) throws(MessagingError) {
        let context = try Context()
        var feed = try Subscriber(in: context)
        // Subscribed before anything is asked for: what a page does not reach comes live.
        for topic in filter.topics { try feed.subscribe(topic) }
        try feed.subscribe(Watermark.topic.description)
        try feed.connect(Paths.endpoint(paths.ticksSocket))
        var reports = try Subscriber(in: context)
        try reports.subscribe(DurableReport.topic.description)
        try reports.connect(Paths.endpoint(paths.durableSocket))
        var history = try ReplayClient(in: context)
        try history.connect(Paths.endpoint(paths.historySocket))
        var replay = try ReplayClient(in: context)
        try replay.connect(Paths.endpoint(paths.replaySocket))
        self.filter = filter
        join = LateJoin(sinceNanos: sinceNanos)
        if !hasRecorder {
            join.isAway(.history)
            printError("ib-stream", "tail: the recorder is not running: no more than the connector's journal is there")
        }
        if !hasConnector {
            join.isAway(.replay)
            printError("ib-stream", "tail: the connector is not running: live ticks come when it does")
        }
        for entry in [poller.add(feed), poller.add(reports), poller.add(history), poller.add(replay)] { _ = entry }
        self.feed = feed
        self.reports = reports
        self.history = history
        self.replay = replay
        buffer = .allocate(byteCount: Subscriber.longestPayloadBytes, alignment: 64)
    }

    deinit { buffer.deallocate() }

    /// Prints until the output wants no more.
    mutating func run(_ output: inout TailOutput) throws(MessagingError) {
        output.begin()
        while output.isOpen {
            _ = try poller.wait(timeoutMillis: waitMillis())
            try receiveLive(&output)
            try receiveReports()
            try receivePage(&output)
            try askForPage(&output)
            output.flush()
            for notice in join.takeNotices() { JoinedTail.say(notice) }
        }
    }

    private func waitMillis() -> Int {
        let now = bootNanos()
        let until = asked != nil ? deadlineNanos : join.nextFetchNanos ?? .max
        guard until < .max else { return -1 }
        return until <= now ? 0 : Int(min((until - now) / 1_000_000 + 1, 60_000))
    }

    // MARK: - Feed

    private mutating func receiveLive(_ output: inout TailOutput) throws(MessagingError) {
        for _ in 0..<JoinedTail.messagesPerRound {
            guard let message = try feed.receive(into: buffer, timeoutMillis: 0) else { return }
            let payload = UnsafeRawBufferPointer(rebasing: buffer[..<message.payloadBytes])
            if message.topic.hasPrefix("tick.") {
                guard payload.count % Tick.size == 0 else { continue }
                let records = payload.bindMemory(to: Tick.self)
                guard let stream = records.first?.stream, filter.takes(stream) else { continue }
                join.live(records, sink: &output)
            } else if message.topic == Watermark.topic, let mark = JoinedTail.watermark(payload) {
                join.announce(epoch: mark.epoch)
                for (stream, seq) in mark.streams where filter.takes(stream) {
                    join.watermark(epoch: mark.epoch, stream: stream, seq: seq)
                }
            }
        }
    }

    private mutating func receiveReports() throws(MessagingError) {
        for _ in 0..<JoinedTail.messagesPerRound {
            guard let message = try reports.receive(into: buffer, timeoutMillis: 0) else { return }
            let payload = UnsafeRawBufferPointer(rebasing: buffer[..<message.payloadBytes])
            for entry in JoinedTail.durable(payload)?.entries ?? [] where filter.takes(entry.stream) {
                join.announce(entry.stream)
            }
        }
    }

    /// Nil for what is no watermark: the next one comes within a second.
    private static func watermark(_ payload: UnsafeRawBufferPointer) -> Watermark? {
        do {
            return try Watermark(JSONValue(parsing: payload, maxBytes: Subscriber.longestPayloadBytes))
        } catch {
            printError("ib-stream", "tail: \(error)")
            return nil
        }
    }

    private static func durable(_ payload: UnsafeRawBufferPointer) -> DurableReport? {
        do {
            return try DurableReport(JSONValue(parsing: payload, maxBytes: Subscriber.longestPayloadBytes))
        } catch {
            printError("ib-stream", "tail: \(error)")
            return nil
        }
    }

    // MARK: - Pages

    private mutating func askForPage(_ output: inout TailOutput) throws(MessagingError) {
        let now = bootNanos()
        guard asked == nil, let fetch = join.nextFetch(nowNanos: now) else { return }
        let isSent: Bool
        switch fetch.source {
        case .history: isSent = try history.request(fetch.request)
        case .replay: isSent = try replay.request(fetch.request)
        }
        guard isSent else { return join.failed(sink: &output, nowNanos: now) }
        asked = fetch.source
        deadlineNanos = now + JoinedTail.timeoutNanos(fetch.source)
    }

    private static func timeoutNanos(_ source: LateJoin.Source) -> Int64 {
        source == .history ? historyTimeoutNanos : replayTimeoutNanos
    }

    private mutating func receivePage(_ output: inout TailOutput) throws(MessagingError) {
        for _ in 0..<JoinedTail.messagesPerRound {
            guard let source = asked else { return }
            let answer: ReplayAnswer?
            do throws(MessagingError) {
                switch source {
                case .history: answer = try history.receive(timeoutMillis: 0)
                case .replay: answer = try replay.receive(timeoutMillis: 0)
                }
            } catch {
                if error.code == .contextClosed { throw error }
                printError("ib-stream", "tail: \(error)")
                return giveUpPage(&output)
            }
            guard let answer else {
                if bootNanos() > deadlineNanos { giveUpPage(&output) }
                return
            }
            deadlineNanos = bootNanos() + JoinedTail.timeoutNanos(source)
            take(answer, &output)
        }
    }

    private mutating func take(_ answer: ReplayAnswer, _ output: inout TailOutput) {
        switch answer {
        case .batch(let records):
            guard !join.fetched(records, sink: &output) else { return }
            closePage()
            join.ended(sink: &output, nowNanos: bootNanos())
        case .gone(let first): join.gone(first: first)
        case .end:
            closePage()
            join.ended(sink: &output, nowNanos: bootNanos())
        case .gaps: giveUpPage(&output)  // never asked for
        case .error(let text):
            printError("ib-stream", "tail: a page was refused: \(text)")
            giveUpPage(&output)
        }
    }

    private mutating func giveUpPage(_ output: inout TailOutput) {
        closePage()
        join.failed(sink: &output, nowNanos: bootNanos())
    }

    /// What still comes of the page is dropped by its id.
    private mutating func closePage() {
        history.cancel()
        replay.cancel()
        asked = nil
    }

    private static func say(_ notice: LateJoin.Notice) {
        switch notice {
        case .missing(let stream, let after, let next):
            let place = after.map { "between \($0) and \(next)" } ?? "before \(next)"
            printError(
                "ib-stream", "tail: \(stream): gone: what was \(place) is neither in the files nor in the journal")
        case .away(.history):
            printError("ib-stream", "tail: the recorder does not answer: no more than the connector's journal is there")
        case .away(.replay):
            printError("ib-stream", "tail: the connector does not answer: only what is recorded is there")
        }
    }
}
