import Foundation
import JSON
import Testing
import TickStore
import Ticks

@testable import Messaging
@testable import Recorder
@testable import ServiceKit

/// A directory that goes away with the test; its path is short, since sockets lie in it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = "/tmp/ibrec-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func text(_ name: String) throws -> String { try String(contentsOfFile: path + "/" + name, encoding: .utf8) }

    func write(_ name: String, _ text: String) throws {
        try text.write(toFile: path + "/" + name, atomically: false, encoding: .utf8)
    }
}

private let stream = StreamID(conId: 7, kind: .bidAsk)

private func ticks(_ seqs: ClosedRange<UInt32>) -> [Tick] {
    seqs.map {
        Tick(
            key: TickKey(epoch: 100, seq: $0), tsEventNanos: 5, tsRecvNanos: 1_795_000_000_000_000_000 + Int64($0),
            conId: 7, kind: .bidAsk, body: QuoteBody(bidPrice: Int64($0), askPrice: 0, bidSize: 0, askSize: 0).body)
    }
}

private func position(_ seq: UInt32) -> StreamPosition { StreamPosition(ticks(seq...seq)[0]) }

/// Puts ticks into a sink and hands them over.
private func send(_ seqs: ClosedRange<UInt32>, _ sink: inout QueueSink, commit: Bool = true) {
    ticks(seqs).withUnsafeBufferPointer { sink.commit($0, slot: 0) }
    sink.handOver(commit: commit)
}

/// Empties the queue as a writer does, and says what it got.
private func drain(_ queue: CommitQueue) -> [UInt32] {
    var seqs: [UInt32] = []
    while let block = queue.takeFilled() {
        seqs += block.bytes.bindMemory(to: Tick.self).map(\.seq)
        queue.giveBack(block)
    }
    return seqs
}

@Suite struct CommitQueueTests {
    @Test func recordsGoThroughInOrderAndBlocksComeBack() throws {
        let queue = try CommitQueue()
        var sink = QueueSink(queue, generation: 0)
        for round: UInt32 in 0..<100 {
            send((round * 3 + 1)...(round * 3 + 3), &sink)
            #expect(drain(queue) == [round * 3 + 1, round * 3 + 2, round * 3 + 3])
        }
        #expect(queue.freeBlocks == CommitQueue.blockCount)
        #expect(queue.start.positions[stream] == position(300))
        #expect(queue.durable.isEmpty)
    }

    @Test func aSlowDiskLeavesNoRoomAndNothingIsDropped() throws {
        let queue = try CommitQueue()
        var sink = QueueSink(queue, generation: 0)
        var next: UInt32 = 1
        while sink.freeRecords >= 256 {
            let end = next + 255
            ticks(next...end).withUnsafeBufferPointer { sink.commit($0, slot: 0) }
            next = end + 1
            sink.refresh()
        }
        sink.handOver(commit: true)
        #expect(queue.freeBlocks == 0)
        #expect(drain(queue) == Array(1..<next))
        sink.refresh()
        #expect(sink.freeRecords > 30 * (CommitBlock.capacity - 256))
    }

    @Test func whatWasQueuedBeforeAFailureIsForgottenAndTheStartFallsBack() throws {
        let queue = try CommitQueue()
        queue.begin(at: [stream: position(10)])
        var sink = QueueSink(queue, generation: queue.start.generation)
        send(11...20, &sink)
        ticks(21...25).withUnsafeBufferPointer { sink.commit($0, slot: 0) }
        #expect(queue.start.positions[stream] == position(20))
        queue.noteDurable([stream: position(15)])
        queue.noteFailure("no space")
        #expect(queue.start.positions[stream] == position(15))
        #expect(queue.disk == CommitQueue.DiskState(failures: 1, isWriting: false, fault: "no space"))
        // Handed over before the ingest thread heard of it: of the old generation, never written.
        sink.handOver(commit: true)
        #expect(queue.start.positions[stream] == position(15))
        #expect(drain(queue) == [])
        sink.forget(generation: 1)
        send(16...18, &sink)
        #expect(drain(queue) == [16, 17, 18])
        #expect(queue.freeBlocks == CommitQueue.blockCount)
        queue.noteWriting()
        #expect(queue.disk.isWriting && queue.disk.fault == nil)
    }

    @Test func theBacklogIsWhatIsPublishedAndNotDurable() throws {
        let queue = try CommitQueue()
        let other = StreamID(conId: 8, kind: .last)
        queue.begin(at: [stream: position(10)])
        queue.noteExpected([stream: position(30).key, other: TickKey(epoch: position(1).key.epoch, seq: 5)])
        #expect(queue.backlog == 25)
        let before = queue.progress
        queue.noteDurable([stream: position(28)])
        #expect(queue.backlog == 7 && queue.progress != before)
        // The same word again, as after each failure of a disk, is no progress.
        let after = queue.progress
        queue.noteDurable([stream: position(28)])
        #expect(queue.progress == after)
        #expect(!queue.isDurable([stream: position(30).key]) && queue.isDurable([stream: position(28).key]))
        // Of a new epoch all of its ticks.
        queue.noteExpected([stream: TickKey(epoch: position(1).key.epoch + 1, seq: 4)])
        #expect(queue.backlog == 4)
    }

    @Test func aQueueThatNobodyWaitsForGivesNothingMoreToTheDisk() throws {
        let queue = try CommitQueue()
        queue.begin(at: [:])
        var sink = QueueSink(queue, generation: 0)
        send(1...10, &sink)
        #expect(queue.disk.waitingSinceNanos != nil)
        queue.abandon()
        #expect(drain(queue) == [] && queue.isAbandoned)
    }

    /// An ingest thread that begins with positions of before a failure must not write behind the hole.
    @Test func startPositionsAndGenerationBelongTogether() throws {
        let queue = try CommitQueue()
        queue.begin(at: [stream: position(10)])
        var first = QueueSink(queue, generation: 0)
        send(11...20, &first)
        let start = queue.start
        queue.noteFailure("no space")
        var second = QueueSink(queue, generation: start.generation)
        #expect(second.generation != queue.disk.failures)
        send(21...25, &second)
        #expect(drain(queue) == [])
    }

    /// A thread that ends in the middle of a block must not take it along: after 32 restarts nothing would be recorded.
    @Test func anIngestThreadThatEndsLeavesItsBlockBehind() throws {
        let queue = try CommitQueue()
        for _ in 0..<100 {
            var sink = QueueSink(queue, generation: 0)
            ticks(1...5).withUnsafeBufferPointer { sink.commit($0, slot: 0) }
        }
        #expect(queue.freeBlocks == CommitQueue.blockCount)
        #expect(queue.isDrained && queue.start.positions.isEmpty)
    }
}

@Suite struct GroupEndTests {
    /// Records with these flags; true: a `more` record follows.
    private func end(_ flags: [Bool], from start: Int = 0, atMost count: Int) -> Int {
        flags.map { Tick(kind: .last, flags: $0 ? .moreFollows : []) }.withUnsafeBufferPointer {
            groupEnd($0, from: start, atMost: count)
        }
    }

    @Test func aPieceNeverEndsBetweenATickAndItsMore() {
        #expect(end([false, false, false], atMost: 2) == 2)
        #expect(end([false, true, true, false, false], atMost: 2) == 1)
        #expect(end([false, true, true, false, false], atMost: 3) == 1)
        #expect(end([false, true, true, false, false], atMost: 4) == 4)
        #expect(end([true, true, true, false], atMost: 3) == 0)
        #expect(end([false, true, false], from: 1, atMost: 1) == 1)
        #expect(end([false, false], atMost: 0) == 0)
        #expect(end([false, true, false], atMost: 99) == 3)
    }
}

@Suite struct OriginTests {
    private let real = Tick(kind: .last)
    private let invented = Tick(kind: .last, flags: .simulated)

    @Test(arguments: [true, false]) func theFirstTickDecidesForEver(simulated: Bool) throws {
        let directory = try TemporaryDirectory()
        var origin = try Origin(state: directory.path)
        #expect(!origin.isKnown)
        #expect(try origin.check(simulated ? invented : real))
        var papers = Papers()
        papers.origin = origin.word
        let paths = Paths(state: directory.path, runtime: directory.path)
        try papers.writeOrigin(paths)
        try papers.writeOrigin(paths)
        #expect(try !origin.check(simulated ? invented : real))
        #expect(try directory.text("origin") == (simulated ? "simulated\n" : "live\n"))
        #expect(origin.flags == (simulated ? .simulated : []))
        var later = try Origin(state: directory.path)
        #expect(try !later.check(simulated ? invented : real))
        #expect(throws: ProgramError.self) { _ = try later.check(simulated ? real : invented) }
        #expect(try directory.text("origin") == (simulated ? "simulated\n" : "live\n"))
    }

    @Test(arguments: ["", "perhaps\n", String(repeating: "x", count: 100)])
    func aDamagedWordIsNotGuessed(text: String) throws {
        let directory = try TemporaryDirectory()
        try directory.write("origin", text)
        #expect(throws: ProgramError.self) { _ = try Origin(state: directory.path) }
    }
}

@Suite struct PapersTests {
    private func paths(_ directory: TemporaryDirectory) -> Paths {
        Paths(state: directory.path + "/state", runtime: directory.path)
    }

    @Test func definitionsAreKeptAndTheNewestWins() throws {
        let directory = try TemporaryDirectory()
        let queue = try CommitQueue()
        queue.keep { $0.add(definition: Array("{}".utf8), of: ContractID(conId: 7)) }
        queue.keep { $0.add(definition: Array(#"{"a":1}"#.utf8), of: ContractID(conId: 7)) }
        let left = queue.takePapers().writeDefinitions(paths(directory))
        #expect(left.papers.isEmpty && left.fault == nil && queue.takePapers().isEmpty)
        #expect(try directory.text("state/definitions/7.json") == "{\"a\":1}\n")
    }

    @Test func whatTheDiskRefusesComesBackUnlessNewerWaits() throws {
        let directory = try TemporaryDirectory()
        try directory.write("state", "in the way")
        let queue = try CommitQueue()
        queue.keep { $0.add(definition: [1], of: ContractID(conId: 7)) }
        queue.keep { $0.add(definition: [1], of: ContractID(conId: 8)) }
        let left = queue.takePapers().writeDefinitions(paths(directory))
        #expect(left.fault != nil)
        queue.keep { $0.add(definition: [2], of: ContractID(conId: 7)) }
        queue.giveBack(left.papers)
        #expect(queue.takePapers().definitions == [ContractID(conId: 7): [2], ContractID(conId: 8): [1]])
        for conId in Int32(1)...2000 { queue.keep { $0.add(definition: [3], of: ContractID(conId: conId)) } }
        #expect(queue.takePapers().definitions.count == Papers.definitionLimit)
    }

    /// The connector's word counts for a recording that has none; never in place of another.
    @Test func anOriginThatCannotBeWrittenIsAFault() throws {
        let directory = try TemporaryDirectory()
        try directory.write("state", "in the way")
        var papers = Papers()
        papers.origin = "live"
        #expect(throws: FileError.self) { try papers.writeOrigin(paths(directory)) }
    }
}
