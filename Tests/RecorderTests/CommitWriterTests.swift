import Foundation
import JSON
import Testing
import TickStore
import Ticks

@testable import Messaging
@testable import Recorder
@testable import ServiceKit

private let stream = StreamID(conId: 7, kind: .bidAsk)

private func ticks(_ seqs: ClosedRange<UInt32>) -> [Tick] {
    seqs.map {
        Tick(
            key: TickKey(epoch: 100, seq: $0), tsEventNanos: 5, tsRecvNanos: 1_795_000_000_000_000_000 + Int64($0),
            conId: 7, kind: .bidAsk, body: QuoteBody(bidPrice: Int64($0), askPrice: 0, bidSize: 0, askSize: 0).body)
    }
}

/// A write thread with real files, and a subscriber of its reports.
private final class WriterBench: Sendable {
    let directory: TemporaryDirectory
    let queue: CommitQueue
    let paths: Paths
    let context: Context
    let thread: SupervisedThread

    init() throws {
        let directory = try TemporaryDirectory()
        let paths = Paths(state: directory.path + "/state", runtime: directory.path)
        let context = try Context()
        let queue = try CommitQueue()
        try Files.makeDirectory(paths.log)
        let status = try RecorderStatus(facts: HeartbeatFacts())
        thread = try SupervisedThread("write", fault: FirstFault()) { task in
            let recovery = try LogRecovery(directory: paths.log)
            queue.begin(at: recovery.positions)
            var writer = try CommitWriter(
                task, context: context, paths: paths, queue: queue, status: status,
                openLog: OpenLog(directory: paths.log, recovery: recovery),
                clock: LogClock(
                    lastHour: recovery.lastHour, newestEventNanos: recovery.newestEventNanos, realNanos: realNanos(),
                    bootNanos: bootNanos()),
                commitIntervalNanos: 20_000_000)
            try writer.run()
        }
        self.directory = directory
        self.paths = paths
        self.context = context
        self.queue = queue
    }

    func subscriber() throws -> Subscriber {
        var subscriber = try Subscriber(in: context)
        try subscriber.subscribe("durable")
        try subscriber.connect(Paths.endpoint(paths.durableSocket))
        return subscriber
    }

    /// The recorded ticks, as a new recorder would find them.
    func recorded() throws -> [Tick] {
        var history = LogHistory(directory: paths.log)
        var all: [Tick] = []
        _ = try history.read(stream, from: .zero, limit: .max) { all += $0 }
        return all
    }

    func stop() {
        thread.requestStop()
        queue.close()
        thread.stop()
    }
}

private func wait(_ what: Comment, _ condition: () -> Bool) throws {
    let deadline = Date().addingTimeInterval(60)
    while !condition() {
        try #require(Date() < deadline, what)
        usleep(2_000)
    }
}

private func send(_ seqs: ClosedRange<UInt32>, _ sink: inout QueueSink, commit: Bool) {
    ticks(seqs).withUnsafeBufferPointer { sink.commit($0, slot: 0) }
    sink.handOver(commit: commit)
}

@Suite struct CommitWriterTests {
    @Test func aReportNamesOnlyWhatTheFilesHold() throws {
        let bench = try WriterBench()
        let subscriber = try bench.subscriber()
        var sink = QueueSink(bench.queue, generation: 0)
        send(1...300, &sink, commit: true)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        var reported: DurableReport.Entry?
        while reported == nil {
            let received = try #require(try subscriber.receive(into: buffer, timeoutMillis: 60_000))
            let json = try JSONValue(parsing: UnsafeRawBufferPointer(rebasing: buffer[..<received.payloadBytes]))
            reported = try DurableReport(json).entries.first
        }
        #expect(reported?.key == TickKey(epoch: 100, seq: 300))
        #expect(reported?.tsRecvNanos == ticks(300...300)[0].tsRecvNanos)
        #expect(try bench.recorded() == ticks(1...300))
        bench.stop()
    }

    /// The ingest thread dies behind a block that asked for no commit: nobody else would ask.
    @Test func whatWasAppendedBecomesDurableAlsoWhenNobodyAsks() throws {
        let bench = try WriterBench()
        var sink = QueueSink(bench.queue, generation: 0)
        send(1...5, &sink, commit: true)
        try wait("the first commit") { bench.queue.durable[stream]?.key.seq == 5 }
        send(6...9, &sink, commit: false)
        send(10...12, &sink, commit: false)
        try wait("the overdue commit") { bench.queue.durable[stream]?.key.seq == 12 }
        bench.stop()
        #expect(try bench.recorded() == ticks(1...12))
    }

    @Test func aStopMakesDurableWhatIsQueued() throws {
        let bench = try WriterBench()
        var sink = QueueSink(bench.queue, generation: 0)
        for start in stride(from: UInt32(1), through: 2_000, by: 100) {
            send(start...(start + 99), &sink, commit: false)
        }
        bench.stop()
        #expect(bench.queue.durable[stream]?.key.seq == 2_000)
        #expect(try bench.recorded() == ticks(1...2_000))
    }

    @Test func aFailedDiskTakesBackWhatIsNotDurableAndGoesOnInANewPart() async {
        await #expect(processExitsWith: .success) {
            let bench = try WriterBench()
            var sink = QueueSink(bench.queue, generation: 0)
            send(1...10, &sink, commit: true)
            try wait("the first commit") { bench.queue.durable[stream]?.key.seq == 10 }
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 100, rlim_max: rlim_t.max)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            send(11...20, &sink, commit: true)
            try wait("the failure") { bench.queue.disk.failures > 0 }
            #expect(!bench.queue.disk.isWriting && bench.queue.disk.fault != nil)
            #expect(bench.queue.start.positions[stream]?.key.seq == 10)
            limit.rlim_cur = 1 << 30
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            try wait("the recovery") { bench.queue.disk.isWriting }
            sink.forget(generation: bench.queue.disk.failures)
            send(11...25, &sink, commit: true)
            try wait("the second commit") { bench.queue.durable[stream]?.key.seq == 25 }
            bench.stop()
            #expect(try bench.recorded() == ticks(1...25))
        }
    }
}
