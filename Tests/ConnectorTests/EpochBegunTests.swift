import Foundation
import Messaging
import Testing
import TickStore
import Ticks

@testable import Connector

/// The first record of every stream in every epoch names the stream's last one before.
@Suite struct EpochBegunTests {
    private func key(_ epoch: UInt32, _ seq: UInt32) -> TickKey { TickKey(epoch: epoch, seq: seq) }

    private func begins(_ records: [Tick]) -> [Tick] { records.filter { $0.marker?.event == .epochBegun } }

    @Test func aStreamsFirstRecordOfAllKnowsOfNoneBefore() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        // A marker comes first, and a tick.
        bench.path.mark(slot, .subscribed, code: 1)
        try bench.take(message(1))
        let late = try bench.add(trades)
        bench.path.bind(request: 2, to: late)
        try bench.take(message(2, trades))
        bench.path.flush()
        for (stream, events) in [(quotes, [.epochBegun, .subscribed, nil]), (trades, [.epochBegun, nil])]
            as [(StreamID, [MarkerEvent?])]
        {
            let records = try bench.journaledWithChain(stream)
            #expect(records.map { $0.marker?.event } == events)
            let first = try #require(records.first)
            #expect(first.key == key(100, 1) && first.stream == stream && first.marker?.code == 0)
            #expect(first.chain?.previous == .zero && first.chain?.isCertain == false)
            #expect(first.marker?.text == Array("start".utf8))
        }
    }

    /// Whatever a stream's first record is: a tick, a gap, a healed run, the end of its subscription.
    @Test(arguments: ["tick", "gap", "heal", "end", "silence"])
    func anEpochInTheMiddleOfALifeIsChainedToTheOneBefore(first: String) throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        for _ in 0..<3 { try bench.take(message(1)) }
        bench.path.begin(epoch: 200, cause: "clock set back")
        // Nothing of the stream came in this one.
        bench.path.begin(epoch: 300, cause: "epoch used up")
        switch first {
        case "gap": bench.path.openGap(slot, cause: "disconnect")
        case "heal":
            _ = bench.path.record(
                HealedRun(stream: quotes, gap: key(100, 2), from: 1, to: 2, ticks: [], verdict: .healed), of: slot)
        case "end": bench.path.endStream(slot)
        case "silence": bench.path.noteSilence(slot, untilNanos: 0)
        default: break
        }
        try bench.take(message(1))
        bench.path.flush()
        let begun = begins(try bench.journaledWithChain(quotes))
        #expect(begun.map(\.key) == [key(100, 1), key(300, 1)])
        #expect(begun.last?.chain?.previous == key(100, 4) && begun.last?.chain?.isCertain == true)
        #expect(begun.last?.marker?.text == Array("epoch used up".utf8))
        // And it came first on the feed too.
        let published = try bench.records(atLeast: 4)
        #expect(!published.contains { $0.seq == 1 })
    }

    @Test func aRestartIsChainedByTheJournal() throws {
        let directory = try TemporaryDirectory()
        try ChainBench.live(in: directory, epoch: 100, ticks: 5)
        // A life of which the stream had nothing, and one that finds a stream which is new.
        try ChainBench.live(in: directory, epoch: 200, ticks: 0)
        try ChainBench.live(in: directory, epoch: 300, ticks: 2)
        try ChainBench.live(in: directory, epoch: 400, ticks: 1)
        let begun = begins(try ChainBench.journaled(in: directory))
        #expect(begun.map(\.key) == [key(100, 1), key(300, 1), key(400, 1)])
        #expect(begun.map { $0.chain?.previous } == [.zero, key(100, 6), key(300, 3)])
        #expect(begun.dropFirst().allSatisfy { $0.chain?.isCertain == true })
    }

    /// The machine was restarted: of a journal that outlived it the newest records may be gone.
    @Test func aJournalOfAnotherRunOfTheMachineIsNoCertainWord() throws {
        let directory = try TemporaryDirectory()
        try ChainBench.live(in: directory, epoch: 100, ticks: 5, boot: "one")
        try ChainBench.live(in: directory, epoch: 200, ticks: 5, boot: "two")
        try ChainBench.live(in: directory, epoch: 300, ticks: 5, boot: "two")
        let begun = begins(try ChainBench.journaled(in: directory, from: key(200, 1)))
        #expect(begun.map { $0.chain?.previous } == [key(100, 6), key(200, 6)])
        #expect(begun.map { $0.chain?.isCertain } == [false, true])
        // And where it is gone nothing is known.
        try FileManager.default.removeItem(atPath: directory.path + "/journal")
        try ChainBench.live(in: directory, epoch: 400, ticks: 1, boot: "three")
        #expect(begins(try ChainBench.journaled(in: directory)).map { $0.chain?.previous } == [.zero])
    }

    /// A record that the disk of the journal did not take was published: the next epoch has to name it.
    @Test func whatTheJournalDidNotTakeIsNumberedAllTheSame() async {
        await #expect(processExitsWith: .success) {
            var bench = try Bench()
            let slot = try bench.add(quotes)
            bench.path.bind(request: 1, to: slot)
            bench.path.beginRead(atNanos: someNanos)
            try bench.take(message(1))
            bench.path.flush()
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 16, rlim_max: rlim_t.max)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            try bench.take(message(1))
            bench.path.flush()
            #expect(bench.path.counters.journalFailures > 0)
            limit.rlim_cur = 1 << 30
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            bench.path.begin(epoch: 200, cause: "clock set back")
            try bench.take(message(1))
            bench.path.flush()
            var reader = JournalReader(directory: bench.directory.path + "/journal")
            var first: Tick?
            _ = try reader.read(quotes, from: TickKey(epoch: 200, seq: 1), limit: 1) { first = $0.first }
            #expect(first?.chain?.previous == TickKey(epoch: 100, seq: 3) && first?.chain?.isCertain == true)
        }
    }

    /// The same, and the connector died before its journal took anything again: the next one can't know how far it was.
    @Test func whatADeadConnectorsJournalDidNotTakeMakesTheChainUncertain() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            try ChainBench.live(in: directory, epoch: 100, ticks: 5, unjournaled: 3)
            try ChainBench.live(in: directory, epoch: 200, ticks: 1)
            try ChainBench.live(in: directory, epoch: 300, ticks: 1)
            let all = try ChainBench.journaled(in: directory, from: TickKey(epoch: 200, seq: 1))
            let begun = all.filter { $0.marker?.event == .epochBegun }
            // Nine were numbered.
            #expect(begun.map { $0.chain?.previous } == [TickKey(epoch: 100, seq: 6), TickKey(epoch: 200, seq: 2)])
            #expect(begun.map { $0.chain?.isCertain } == [false, true])
        }
    }

    /// The recorder knows of an epoch that is not ours: somebody else numbered in between.
    @Test func epochsOfSomebodyElseMakeTheChainUncertain() throws {
        var bench = try SessionBench(epoch: 100)
        let request = try #require(try bench.subscribe(quotes))
        try bench.take(message(request))
        let last = bench.session.path.slot(0).seq
        bench.session.renumber(above: 4_000_000_000)
        let first = bench.session.path.slot(0)
        #expect(first.seq == 2)
        bench.session.path.flush()
        var begun: [Tick] = []
        var reader = JournalReader(directory: bench.directory.path + "/journal")
        _ = try reader.read(quotes, from: key(4_000_000_001, 1), limit: 1) { begun += $0 }
        #expect(begun.first?.chain?.previous == key(100, last) && begun.first?.chain?.isCertain == false)
        #expect(begun.first?.marker?.text == Array("renumber".utf8))
    }
}

/// A connector's life, as far as numbering goes.
private enum ChainBench {
    static func live(
        in directory: TemporaryDirectory, epoch: UInt32, ticks: Int, unjournaled: Int = 0, boot: String = "one"
    ) throws {
        let context = try Context()
        let journal = try Journal(
            directory: directory.path + "/journal", sizeBytes: 512 << 10, segmentBytes: 64 << 10, bootID: boot)
        var publisher = try Publisher(in: context)
        try publisher.bind("ipc://\(directory.path)/\(epoch).sock")
        var path = TickPath(capacity: 2, epoch: epoch, journal: journal, publisher: publisher)
        let added = path.addStream(quotes)
        let slot = try #require(added)
        path.bind(request: 1, to: slot)
        path.beginRead(atNanos: someNanos)
        for _ in 0..<ticks { try message(1).withUnsafeBytes { try path.accept($0) } }
        path.flush()
        guard unjournaled > 0 else { return }
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: 16, rlim_max: rlim_t.max)
        #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
        for _ in 0..<unjournaled { try message(1).withUnsafeBytes { try path.accept($0) } }
        path.flush()
        #expect(path.counters.journalFailures > 0)
        limit.rlim_cur = 1 << 30
        #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
    }

    static func journaled(in directory: TemporaryDirectory, from key: TickKey = .zero) throws -> [Tick] {
        var reader = JournalReader(directory: directory.path + "/journal")
        var all: [Tick] = []
        _ = try reader.read(quotes, from: key, limit: .max) { all += $0 }
        return all
    }
}
