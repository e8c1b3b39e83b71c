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
            key: TickKey(epoch: 100, seq: $0), tsEventNanos: realNanos(), tsRecvNanos: realNanos(), conId: 7,
            kind: .bidAsk, body: QuoteBody(bidPrice: Int64($0), askPrice: 0, bidSize: 0, askSize: 0).body)
    }
}

/// A write thread and a seal thread with real files.
private final class SealBench: Sendable {
    let directory: TemporaryDirectory
    let paths: Paths
    let queue: CommitQueue
    let board: SealBoard
    let facts: HeartbeatFacts
    let context: Context
    let write: SupervisedThread
    let seal: SupervisedThread

    init(_ directory: TemporaryDirectory, configuration: Configuration = Configuration()) throws {
        let paths = Paths(state: directory.path + "/state", runtime: directory.path)
        let context = try Context()
        let queue = try CommitQueue()
        try Files.makeDirectory(paths.log)
        let facts = try HeartbeatFacts()
        let status = RecorderStatus(facts: facts)
        let board = try SealBoard(facts: facts)
        let fault = FirstFault()
        write = try SupervisedThread("write", fault: fault) { task in
            let recovery = try LogRecovery(directory: paths.log, ticksDirectory: paths.ticks)
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
        seal = try SupervisedThread("seal", fault: fault, reportsDiskWait: false) { task in
            var seal = SealThread(
                task, configuration: configuration, paths: paths, queue: queue, board: board,
                damage: DamageWatch(paths, facts), faultPoint: FaultPoint(environment: [:]))
            seal.run()
        }
        self.facts = facts
        self.directory = directory
        self.paths = paths
        self.context = context
        self.queue = queue
        self.board = board
    }

    /// Commits ticks and waits until they are durable.
    func record(_ seqs: ClosedRange<UInt32>) throws {
        var sink = QueueSink(queue, generation: queue.disk.failures)
        ticks(seqs).withUnsafeBufferPointer { sink.commit($0, slot: 0) }
        sink.handOver(commit: true)
        try wait("the commit") { queue.durable[stream]?.key.seq == seqs.upperBound }
    }

    /// Asks for a sealing and waits for its end.
    func job(_ reach: SealPlan.Reach = .beforeNewestPart) throws -> JSONValue {
        let number = board.ask(reach)
        var answer: JSONValue?
        try wait("the end of the job") {
            answer = board.answer(number)
            return ["done", "failed"].contains(answer?["state"]?.string)
        }
        return try #require(answer)
    }

    /// As heartbeats tell it.
    var damage: String { facts.fields.first { $0.0 == "X_IB_DAMAGE" }?.1 ?? "" }

    func logParts() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: paths.log).filter { $0.hasSuffix(".log") }.count
    }

    /// Keys in the sealed files, oldest first.
    func sealed() throws -> [UInt32] {
        var keys: [UInt32] = []
        for name in try SegmentName.list(ticksDirectory: paths.ticks) {
            var reader = try SegmentReader(name.path(in: paths.ticks))
            while let run = try reader.next() { keys += run.map(\.seq) }
        }
        return keys
    }

    func stop() {
        seal.stop()
        write.requestStop()
        queue.close()
        write.stop()
    }
}

private func wait(_ what: Comment, _ condition: () -> Bool) throws {
    let deadline = Date().addingTimeInterval(120)
    while !condition() {
        try #require(Date() < deadline, what)
        usleep(2_000)
    }
}

@Suite struct SealThreadTests {
    @Test func aWishRollsTheLogAndSealsAllBeforeIt() throws {
        let bench = try SealBench(try TemporaryDirectory())
        try bench.record(1...300)
        let first = try bench.job()
        #expect(first["state"]?.string == "done")
        #expect((first["files"]?.integer, first["records"]?.integer) == (1, 300))
        #expect(try bench.sealed() == Array(1...300))
        #expect(try bench.logParts() == 1)
        try bench.record(301...400)
        #expect(try bench.job()["records"]?.integer == 100)
        #expect(try bench.sealed() == Array(1...400))
        #expect(bench.board.json["state"]?.string == "idle")
        #expect(bench.board.json["stored_files"]?.integer == 1)
        bench.stop()
        let recovered = try LogRecovery(directory: bench.paths.log)
        #expect(recovered.positions[stream]?.key.seq == 400)
    }

    @Test func aLateHourIsSealedWithoutAWish() throws {
        let directory = try TemporaryDirectory()
        let log = directory.path + "/state/log"
        try Files.makeDirectory(log)
        var old = OpenLog(directory: log, recovery: try LogRecovery(directory: log))
        for (day, seqs) in [(3, 1...50), (2, 51...60)] as [(Int64, ClosedRange<UInt32>)] {
            try old.beginPart(nowNanos: realNanos() - day * 86_400_000_000_000)
            let run = ticks(seqs)
            try run.withUnsafeBytes { bytes in
                try withUnsafePointer(to: bytes) { try old.append(UnsafeBufferPointer(start: $0, count: 1)) }
            }
            try old.sync()
        }
        let bench = try SealBench(directory)
        try wait("both late hours") { (try? bench.logParts()) == 1 && (try? bench.sealed()) == Array(1...60) }
        #expect(try SegmentName.list(ticksDirectory: bench.paths.ticks).count == 2)
        bench.stop()
    }

    /// What was destroyed behind the recorder's back, in the log and in what is sealed, is met when the hour is sealed: it is
    /// mended, noted, and told until somebody acknowledges it.
    @Test func destroyedDataThatSealingMeetsIsMendedAndTold() throws {
        let directory = try TemporaryDirectory()
        let log = directory.path + "/state/log"
        try Files.makeDirectory(log)
        var old = OpenLog(directory: log, recovery: try LogRecovery(directory: log))
        let past = realNanos() - 7_200_000_000_000
        for seqs in [1...50, 51...60, 61...70, 71...80] as [ClosedRange<UInt32>] {
            if seqs.lowerBound == 1 || seqs.lowerBound == 71 {
                try old.beginPart(nowNanos: past + (seqs.lowerBound == 1 ? 0 : 3_600_000_000_000))
            }
            let run = ticks(seqs)
            try run.withUnsafeBytes { bytes in
                try withUnsafePointer(to: bytes) { try old.append(UnsafeBufferPointer(start: $0, count: 1)) }
            }
            try old.sync()
        }
        // The key table, then the blocks of 50, 10 and 10 records: the second one is destroyed.
        let part = try #require(try PartName.list(log).first).path(in: log)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: part))
        bytes[32 + 32 + 50 * 64 + 32 + 200] ^= 1
        try bytes.write(to: URL(fileURLWithPath: part))
        let bench = try SealBench(directory)
        try wait("both hours") { (try? bench.sealed().last) == 80 }
        #expect(try bench.sealed() == Array(1...50) + [60] + Array(61...80))
        #expect(FileManager.default.fileExists(atPath: part + ".damaged"))
        try wait("the alarm") { bench.damage.hasPrefix("1: log/") }
        #expect(bench.board.json["fault"] == .null)
        // A sealed file that more has to go into.
        try bench.record(81...90)
        #expect(try bench.job()["state"]?.string == "done")
        let files = try SegmentName.list(ticksDirectory: bench.paths.ticks).count
        let sealed = try #require(try SegmentName.list(ticksDirectory: bench.paths.ticks).last)
        let path = sealed.path(in: bench.paths.ticks)
        var segment = try Data(contentsOf: URL(fileURLWithPath: path))
        segment[segment.count - 30] ^= 1
        try segment.write(to: URL(fileURLWithPath: path))
        try bench.record(91...100)
        #expect(try bench.job()["state"]?.string == "done")
        // Unless an hour has begun just now, and nothing had to go into that one.
        if try SegmentName.list(ticksDirectory: bench.paths.ticks).count == files {
            #expect(try bench.sealed() == Array(1...50) + [60] + Array(61...100))
            #expect(FileManager.default.fileExists(atPath: path + ".damaged"))
        }
        bench.stop()
        #expect(try DamageNotes(state: bench.paths.state).acknowledge().isEmpty == false)
        let again = try SealBench(directory)
        try wait("the all-clear") { again.damage == "none" }
        again.stop()
    }

    /// A finished part of the present hour, and a definition, are removed under the running recorder.
    @Test func whatIsRemovedBesideTheSealedFilesIsToldAndMended() throws {
        let directory = try TemporaryDirectory()
        let bench = try SealBench(directory)
        func listBytes() -> Int { (try? Files.read(bench.paths.state + "/sealed", maxBytes: 1 << 20).count) ?? 0 }
        try wait("the list") { listBytes() > 0 }
        let definition = bench.paths.definition(stream.contract)
        try Files.makeDirectory(bench.paths.definitions)
        try Files.writeAtomically(Array("{}".utf8), to: definition)
        try wait("the definition in the list") { listBytes() > 104 }
        try bench.record(1...50)
        let wish = bench.queue.askForPart()
        try wait("another part") { bench.queue.hasBegunPart(wish) }
        try bench.record(51...60)
        let part = try #require(try PartName.list(bench.paths.log).first).path(in: bench.paths.log)
        // Each is red, whichever goes first; and what is known of it comes back.
        for path in [definition, part] {
            try FileManager.default.removeItem(atPath: path)
            try wait("\(path) anew") { FileManager.default.fileExists(atPath: path) }
            try wait("the alarm") { bench.damage.hasPrefix(path == part ? "2: " : "1: definitions/") }
        }
        let places = try DamageNotes(state: bench.paths.state).places().map(\.text)
        #expect(places.count == 2 && places[0].hasSuffix("the definition of a contract is gone"))
        #expect(places[1].hasPrefix("log/") && places[1].contains("a finished part of the log is gone"))
        let report = try Verify(stateDirectory: bench.paths.state).run()
        #expect(report.isSound && report.lost.map(\.last.seq) == [50] && report.lost.map(\.first.seq) == [1])
        try bench.record(61...70)
        #expect(try bench.job()["state"]?.string == "done")
        #expect(try bench.sealed() == Array(50...70))
        bench.stop()
    }

    /// That nobody knows whether all is there is no green.
    @Test func thatTheSealedFilesCanNotBeLookedAtIsTold() throws {
        let directory = try TemporaryDirectory()
        let list = directory.path + "/state/sealed"
        try Files.makeDirectory(list)
        let bench = try SealBench(directory)
        let text = "the sealed files can't be compared with their list"
        try wait("the fault") { bench.board.json["fault"]?.string?.contains(text) == true }
        try FileManager.default.removeItem(atPath: list)
        try wait("the all-clear") { bench.board.json["fault"] == .null }
        bench.stop()
    }

    @Test func whatCanNotBeSealedStaysInTheLogAndRecordingGoesOn() throws {
        let directory = try TemporaryDirectory()
        let blocked = directory.path + "/state/ticks"
        try Files.makeDirectory(directory.path + "/state")
        try Data([1]).write(to: URL(fileURLWithPath: blocked))
        let bench = try SealBench(directory)
        try bench.record(1...300)
        let failed = try bench.job()
        #expect(failed["state"]?.string == "failed")
        #expect(failed["error"]?.string?.contains("ticks") == true)
        #expect(bench.board.json["state"]?.string == "failing")
        #expect((bench.board.json["failures"]?.integer ?? 0) > 0)
        try bench.record(301...400)
        var history = LogHistory(directory: bench.paths.log)
        var seqs: [UInt32] = []
        _ = try history.read(stream, from: .zero, limit: .max) { seqs += $0.map(\.seq) }
        #expect(seqs == Array(1...400))
        try FileManager.default.removeItem(atPath: blocked)
        #expect(try bench.job()["state"]?.string == "done")
        #expect(try bench.sealed() == Array(1...400))
        #expect(bench.board.json["fault"] == .null)
        bench.stop()
    }

    @Test func retentionRemovesOldHoursAndTellsHowMuch() throws {
        let directory = try TemporaryDirectory()
        var configuration = Configuration()
        configuration.storage.keepDays = 2
        configuration.contracts = [TrackedContract(conId: 7, symbol: "MNQ", bufferHours: 24)]
        let log = directory.path + "/state/log"
        try Files.makeDirectory(log)
        var old = OpenLog(directory: log, recovery: try LogRecovery(directory: log))
        for (day, seqs) in [(5, 1...50), (3, 51...60), (1, 61...70)] as [(Int64, ClosedRange<UInt32>)] {
            try old.beginPart(nowNanos: realNanos() - day * 86_400_000_000_000)
            let run = ticks(seqs)
            try run.withUnsafeBytes { bytes in
                try withUnsafePointer(to: bytes) { try old.append(UnsafeBufferPointer(start: $0, count: 1)) }
            }
            try old.sync()
        }
        let bench = try SealBench(directory, configuration: configuration)
        // The third hour is sealed once the recorder has begun a part of its own.
        try wait("the removal") {
            bench.board.json["removed_files"]?.integer == 2 && bench.board.json["stored_files"]?.integer == 1
        }
        #expect(try bench.sealed() == Array(61...70))
        bench.stop()
    }

    /// After a stop no stream's last record has a time of the gateway; the sealed ticks have.
    @Test func aClockThatIsAheadAtTheStartRemovesNothing() throws {
        let directory = try TemporaryDirectory()
        var configuration = Configuration()
        configuration.storage.keepDays = 2
        let log = directory.path + "/state/log"
        try Files.makeDirectory(log)
        var old = OpenLog(directory: log, recovery: try LogRecovery(directory: log))
        try old.beginPart(nowNanos: realNanos() - 400 * 86_400_000_000_000)
        var run = ticks(1...50)
        for index in run.indices { run[index].tsEventNanos -= 400 * 86_400_000_000_000 }
        run.append(
            Tick(
                marker: .gapOpened, of: stream, key: TickKey(epoch: 100, seq: 51), tsRecvNanos: realNanos(),
                text: "stopped"))
        try run.withUnsafeBytes { bytes in
            try withUnsafePointer(to: bytes) { try old.append(UnsafeBufferPointer(start: $0, count: 1)) }
        }
        try old.sync()
        let bench = try SealBench(directory, configuration: configuration)
        #expect(try bench.job()["state"]?.string == "done")
        #expect(try bench.sealed() == Array(1...51))
        bench.stop()
    }

    @Test func aWishThatWaitsTakesInTheNext() throws {
        let board = try SealBoard(facts: HeartbeatFacts())
        let first = board.ask(.pastHours)
        #expect(board.ask(.beforeNewestPart) == first)
        #expect(board.takeJob()?.reach == .beforeNewestPart)
        let second = board.ask(.pastHours)
        #expect(second != first)
        board.endJob(error: "why")
        #expect(board.answer(first)?["state"]?.string == "failed")
        #expect(board.answer(first)?["error"]?.string == "why")
        #expect(board.answer(second)?["state"]?.string == "waiting")
        #expect(board.answer(99) == nil)
    }
}
