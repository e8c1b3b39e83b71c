import Testing
import TickStore
import Ticks

@testable import Recorder

/// Keeps what was committed; `room` limits it as a slow disk does.
struct MemorySink: CommitSink, ~Copyable {
    var records: [Tick] = []
    var room = Int.max
    var freeRecords: Int { room - records.count }
    mutating func commit(_ run: UnsafeBufferPointer<Tick>, slot: Int) {
        // The real one ends the process here.
        if run.count > freeRecords { Issue.record("\(run.count) records into a sink that takes \(freeRecords)") }
        records.append(contentsOf: run)
    }
}

private let someRealNanos: Int64 = 1_795_000_000_000_000_000
private let stream = StreamID(conId: 7, kind: .bidAsk)

private func ticks(_ epoch: UInt32, _ seqs: ClosedRange<UInt32>, of stream: StreamID = stream) -> [Tick] {
    seqs.map {
        Tick(
            key: TickKey(epoch: epoch, seq: $0), tsRecvNanos: Int64($0), conId: stream.conId, kind: stream.kind,
            source: stream.source, body: QuoteBody(bidPrice: Int64($0), askPrice: 0, bidSize: 0, askSize: 0).body)
    }
}

extension Sequencer {
    mutating func live(_ records: [Tick], _ sink: inout MemorySink, at nowNanos: Int64 = 0) {
        records.withUnsafeBufferPointer { live($0, sink: &sink, nowNanos: nowNanos) }
    }
    mutating func fetched(_ records: [Tick], _ sink: inout MemorySink) -> Bool {
        records.withUnsafeBufferPointer { fetched($0, sink: &sink, nowNanos: someRealNanos) }
    }
    /// Answers fetches from `journal` until nothing more is wanted.
    mutating func settle(_ journal: [Tick], _ sink: inout MemorySink, at nowNanos: Int64 = 0) {
        for _ in 0..<1000 {
            guard let want = nextFetch() else { return }
            let before = counters.replayed
            let page = journal.filter { $0.stream == want.stream && $0.key >= want.from }.prefix(100)
            for chunk in stride(from: 0, to: page.count, by: 40) {
                #expect(fetched(Array(page.dropFirst(chunk).prefix(40)), &sink))
            }
            let more = fetchEnded(
                sink: &sink, gave: Int(counters.replayed - before), nowNanos: nowNanos,
                realNanos: someRealNanos)
            if !more { return }
        }
        Issue.record("the sequencer never stops asking")
    }
}

@Suite struct SequencerOrder {
    @Test func aRunThatNeverEndsGivesItsMemoryBack() {
        var run = StreamOrder.Run(records: ticks(1, 1...40_000), consumed: 10_000)
        run.forgetConsumed()
        #expect(run.records.count == 40_000 && run.first.seq == 10_001)
        run.consumed = 30_000
        run.forgetConsumed()
        #expect(run.records.count == 10_000 && run.consumed == 0 && run.first.seq == 30_001 && run.last.seq == 40_000)
    }

    @Test func whatTheJournalIsSaidToHoldIsFetchedOutOfTurn() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20)
        var sink = MemorySink()
        let other = StreamID(conId: 8, kind: .last)
        sequencer.live(ticks(1, 1...5), &sink)
        sequencer.settle(ticks(1, 1...5), &sink)
        sequencer.expect([stream: TickKey(epoch: 1, seq: 9), other: TickKey(epoch: 1, seq: 2)])
        #expect(sequencer.highestKeys == [stream: TickKey(epoch: 1, seq: 9), other: TickKey(epoch: 1, seq: 2)])
        #expect(sequencer.hasCommitted(stream, upTo: TickKey(epoch: 1, seq: 5)))
        #expect(!sequencer.hasCommitted(stream, upTo: TickKey(epoch: 1, seq: 6)))
        let want = sequencer.openFetch(of: other)
        #expect(want?.stream == other && want?.from == .zero)
        let second = sequencer.openFetch(of: stream)
        #expect(second == nil, "one at a time")
        #expect(sequencer.fetched(ticks(1, 1...2, of: other), &sink))
        _ = sequencer.fetchEnded(sink: &sink, gave: 2, nowNanos: 0, realNanos: someRealNanos)
        #expect(sequencer.hasCommitted(other, upTo: TickKey(epoch: 1, seq: 2)))
        let next = sequencer.openFetch(of: stream)
        #expect(next?.from == TickKey(epoch: 1, seq: 6))
    }

    @Test func aFirstBatchWaitsForWhatTheJournalHasBeforeIt() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20)
        var sink = MemorySink()
        let all = ticks(1, 1...9) + ticks(2, 1...5)
        sequencer.live(Array(all.suffix(2)), &sink)
        #expect(sink.records.isEmpty)
        sequencer.settle(all, &sink)
        #expect(sink.records == all)
        #expect(!sequencer.isCatchingUp)
    }

    @Test func aContinuingBatchIsCommittedAtOnceAndARepeatNever() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 3...3)[0])])
        var sink = MemorySink()
        sequencer.live(ticks(1, 4...6), &sink)
        sequencer.live(ticks(1, 2...6), &sink)
        sequencer.live(ticks(1, 5...8), &sink)
        #expect(sink.records.map(\.seq) == [4, 5, 6, 7, 8])
        #expect(sequencer.counters.duplicates == 7)
    }

    @Test func aHoleIsFilledBeforeWhatLiesBeyondIt() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 1...1)[0])])
        var sink = MemorySink()
        sequencer.live(ticks(1, 5...6), &sink)
        sequencer.live(ticks(1, 7...7), &sink)
        sequencer.live(ticks(1, 10...11), &sink)
        #expect(sink.records.isEmpty)
        sequencer.settle(ticks(1, 1...11), &sink)
        #expect(sink.records == ticks(1, 2...11))
        #expect(sequencer.heldBytes == 0)
    }

    @Test func aDeadEpochsTailComesBeforeTheNewEpoch() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 3...3)[0])])
        var sink = MemorySink()
        let all = ticks(1, 1...6) + ticks(2, 1...2)
        sequencer.live(ticks(2, 1...2), &sink)
        sequencer.settle(all, &sink)
        #expect(sink.records == Array(all.dropFirst(3)))
        // The dead connector's last words, still queued in the socket, are known by now.
        sequencer.live(ticks(1, 5...6), &sink)
        #expect(sequencer.counters.staleEpoch == 2)
        #expect(sequencer.epochConflict == nil)
    }

    @Test func aNewEpochAsksForTheTailOfStreamsThatNeverTickAgain() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 3...3)[0])])
        var sink = MemorySink()
        sequencer.announce(epoch: 2)
        sequencer.settle(ticks(1, 1...4), &sink)
        #expect(sink.records == ticks(1, 4...4))
    }

    @Test func aWatermarkAboveTheLastTickIsAHole() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 3...3)[0])])
        var sink = MemorySink()
        sequencer.watermark(epoch: 1, stream: stream, seq: 3)
        #expect(sequencer.nextFetch() == nil)
        sequencer.watermark(epoch: 1, stream: stream, seq: 5)
        sequencer.settle(ticks(1, 1...5), &sink)
        #expect(sink.records == ticks(1, 4...5))
    }

    @Test func anEpochBelowOursAsksForRenumbering() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(9, 3...3)[0])])
        sequencer.watermark(epoch: 8, stream: stream, seq: 5)
        #expect(sequencer.epochConflict == 9)
    }
}

@Suite struct SequencerLoss {
    @Test func whatReplayNoLongerHasBecomesOneLostRecord() throws {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 3...3)[0])])
        var sink = MemorySink()
        sequencer.live(ticks(1, 10...10), &sink)
        #expect(sequencer.nextFetch()?.from == TickKey(epoch: 1, seq: 4))
        sequencer.fetchGone(first: TickKey(epoch: 1, seq: 8), sink: &sink, nowNanos: 5)
        #expect(sequencer.fetched(ticks(1, 8...9), &sink))
        _ = sequencer.fetchEnded(sink: &sink, gave: 2, nowNanos: 5, realNanos: 0)
        let lost = try #require(sink.records.first?.marker)
        #expect(lost.event == .lost)
        #expect(lost.ref == TickKey(epoch: 1, seq: 4))
        #expect(sink.records[0].key == TickKey(epoch: 1, seq: 7))
        #expect(sink.records.map(\.seq) == [7, 8, 9, 10])
    }

    @Test func aWipedJournalLosesTheOldEpochsEndAndTheNewOnesStartInOneRange() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 3...3)[0])])
        var sink = MemorySink()
        sequencer.live(ticks(2, 7...7), &sink)
        _ = sequencer.nextFetch()
        sequencer.fetchGone(first: TickKey(epoch: 2, seq: 5), sink: &sink, nowNanos: 5)
        #expect(sequencer.fetched(ticks(2, 5...6), &sink))
        _ = sequencer.fetchEnded(sink: &sink, gave: 2, nowNanos: 5, realNanos: 0)
        #expect(
            sink.records.map(\.key.rawValue)
                == [
                    TickKey(epoch: 2, seq: 4), TickKey(epoch: 2, seq: 5), TickKey(epoch: 2, seq: 6),
                    TickKey(epoch: 2, seq: 7),
                ].map(\.rawValue))
        #expect(sink.records.first?.marker?.ref == TickKey(epoch: 1, seq: 4))
    }

    @Test func anEpochWhoseEndIsWrittenDownAsLostIsNotLostAgain() {
        let end = StreamPosition(
            key: TickKey(epoch: 1, seq: .max), tsEventNanos: Tick.noEventTime, tsRecvNanos: 1)
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: end])
        var sink = MemorySink()
        sequencer.live(ticks(2, 7...7), &sink)
        _ = sequencer.nextFetch()
        sequencer.fetchGone(first: TickKey(epoch: 2, seq: 5), sink: &sink, nowNanos: 5)
        #expect(sink.records.map(\.key) == [TickKey(epoch: 2, seq: 4)])
        #expect(sink.records.map { $0.marker?.ref } == [TickKey(epoch: 2, seq: 1)])
    }

    @Test func aTickThatWasPublishedButNeverJournaledIsLostAfterAWhile() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 3...3)[0])])
        var sink = MemorySink()
        sequencer.live(ticks(1, 6...6), &sink)
        sequencer.settle(ticks(1, 1...4), &sink, at: 0)
        #expect(sink.records == ticks(1, 4...4))
        sequencer.settle(ticks(1, 1...4), &sink, at: Sequencer.dryNanos)
        #expect(sink.records.map(\.seq) == [4, 5, 6])
        #expect(sink.records[1].marker?.ref == TickKey(epoch: 1, seq: 5))
        // The waiting is timed by the boot clock, the record by the real one.
        #expect(sink.records[1].tsRecvNanos == someRealNanos)
        sequencer.settle(ticks(1, 1...4), &sink, at: Sequencer.dryNanos)
        #expect(sink.records.count == 3)
        let isCatchingUp = sequencer.isCatchingUp
        #expect(!isCatchingUp)
    }

    /// The journal took nothing for a moment, of many streams: none waits for the others' time to run out, or the
    /// journal would go round before the last of them is written down as lost.
    @Test func manyDryStreamsAreLostTogether() {
        let streams = (1...1000).map { StreamID(conId: $0, kind: .last) }
        var sequencer = Sequencer(
            holdBackBytes: 1 << 20,
            recovered: Dictionary(
                uniqueKeysWithValues: streams.map { ($0, StreamPosition(ticks(1, 3...3, of: $0)[0])) }))
        var sink = MemorySink()
        for stream in streams { sequencer.live(ticks(1, 6...6, of: stream), &sink) }
        // An answer takes 100 microseconds.
        var now: Int64 = 0
        while let due = sequencer.fetchDueNanos, now < 60_000_000_000 {
            now = max(now, due)
            guard sequencer.nextFetch(nowNanos: now) != nil else { continue }
            now += 100_000
            _ = sequencer.fetchEnded(sink: &sink, gave: 0, nowNanos: now, realNanos: someRealNanos)
        }
        #expect(sink.records.count == 2000)
        #expect(sequencer.counters.lostRanges == 1000)
        #expect(now < 2 * Sequencer.dryNanos)
    }

    @Test func aFullHoldBackDropsTheNewestAndReplayBringsItBack() {
        var sequencer = Sequencer(holdBackBytes: 4 * Tick.size, recovered: [stream: StreamPosition(ticks(1, 1...1)[0])])
        var sink = MemorySink()
        sequencer.live(ticks(1, 3...5), &sink)
        sequencer.live(ticks(1, 6...9), &sink)
        #expect(sequencer.heldBytes == 3 * Tick.size)
        #expect(sequencer.counters.heldDropped == 4)
        sequencer.settle(ticks(1, 1...9), &sink)
        #expect(sink.records == ticks(1, 2...9))
    }

    @Test func aFullDiskQueueHoldsAndDrainsInOrder() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 1...1)[0])])
        var sink = MemorySink(room: 2)
        sequencer.live(ticks(1, 2...3), &sink)
        sequencer.live(ticks(1, 4...6), &sink)
        sequencer.live(ticks(1, 7...8), &sink)
        #expect(sink.records.count == 2)
        sink.room = 4
        sequencer.drainAll(sink: &sink)
        sink.room = .max
        sequencer.drainAll(sink: &sink)
        #expect(sink.records == ticks(1, 2...8))
        #expect(sequencer.nextFetch() == nil)
    }

    @Test func aDiskFaultFetchesEverythingAboveTheDurableKeyAgain() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 1...1)[0])])
        var sink = MemorySink()
        sequencer.live(ticks(1, 2...9), &sink)
        sequencer.rewind(to: [stream: StreamPosition(ticks(1, 4...4)[0])])
        var after = MemorySink()
        sequencer.settle(ticks(1, 1...9), &after)
        #expect(after.records == ticks(1, 5...9))
    }
}

@Suite struct SequencerInput {
    @Test func batchesThatBreakTheRulesAreCountedNotCommitted() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 1...1)[0])])
        var sink = MemorySink()
        sequencer.live([], &sink)
        sequencer.live(ticks(1, 2...2) + ticks(1, 4...4), &sink)
        sequencer.live(ticks(1, 2...2) + ticks(1, 3...3, of: StreamID(conId: 8, kind: .bidAsk)), &sink)
        sequencer.live([Tick(key: TickKey(epoch: 1, seq: 2), conId: 7, kind: .marker)], &sink)
        sequencer.live(ticks(1, 0...1), &sink)
        #expect(sink.records.isEmpty)
        #expect(sequencer.counters.malformed == 5)
    }

    /// A tick without an end: its records are parted, and what comes behind them is not kept waiting for ever.
    @Test func moreRecordsWithoutAnEndAreParted() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 1...1)[0])])
        var sink = MemorySink(room: 0)
        let endless = ticks(1, 2...2000).map { tick in
            var tick = tick
            tick.flags.insert(.moreFollows)
            return tick
        }
        sequencer.live(endless, &sink)
        for _ in 0..<20 {
            sink.room = sink.records.count + 300
            sequencer.drainAll(sink: &sink)
        }
        #expect(sink.records == endless)
        #expect(sequencer.heldBytes == 0)
    }

    @Test func aReplayPageWithAHoleInsideIsRefused() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: [stream: StreamPosition(ticks(1, 1...1)[0])])
        var sink = MemorySink()
        sequencer.watermark(epoch: 1, stream: stream, seq: 9)
        _ = sequencer.nextFetch()
        #expect(!sequencer.fetched(ticks(1, 3...4), &sink))
        #expect(!sequencer.fetched(ticks(2, 2...4), &sink))
        sequencer.fetchFailed()
        #expect(sequencer.nextFetch()?.from == TickKey(epoch: 1, seq: 2))
    }

    /// Connectors come and go, batches vanish, repeat and arrive late, the hold-back is small and the disk slow: in the
    /// end every stream is committed whole, in order, once.
    @Test(arguments: 0..<40 as Range<UInt64>) func whateverTheFeedDoesEachKeyIsCommittedOnce(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        let streams = (1...5).map { StreamID(conId: Int32($0), kind: .last) }
        var journal: [Tick] = []
        var sequencer = Sequencer(holdBackBytes: 40 * Tick.size)
        var sink = MemorySink()
        var epoch: UInt32 = 1
        var seqs = [UInt32](repeating: 0, count: streams.count)
        var late: [[Tick]] = []
        for _ in 0..<600 {
            if random.below(60) == 0 {
                epoch += UInt32(1 + random.below(3))
                seqs = seqs.map { _ in 0 }
                if random.below(2) == 0 { sequencer.announce(epoch: epoch) }
            }
            let index = Int(random.below(UInt64(streams.count)))
            let count = UInt32(1 + random.below(9))
            let batch = ticks(epoch, (seqs[index] + 1)...(seqs[index] + count), of: streams[index])
            seqs[index] += count
            journal += batch
            sink.room = sink.records.count + Int(random.below(30))
            switch random.below(10) {
            case 0...5: sequencer.live(batch, &sink)
            case 6: late.append(batch)
            case 7:
                sequencer.live(batch, &sink)
                sequencer.live(batch, &sink)
            default: break
            }
            if random.below(4) == 0, let batch = late.popLast() { sequencer.live(batch, &sink) }
            if random.below(3) == 0 {
                sink.room = .max
                sequencer.settle(journal, &sink)
            }
            sequencer.drainAll(sink: &sink)
        }
        sink.room = .max
        sequencer.drainAll(sink: &sink)
        for (index, stream) in streams.enumerated() {
            sequencer.watermark(epoch: epoch, stream: stream, seq: seqs[index])
        }
        sequencer.settle(journal, &sink)
        for stream in streams {
            let committed = sink.records.filter { $0.stream == stream }
            let sent = journal.filter { $0.stream == stream }
            let firstDifference = zip(committed, sent).first { $0 != $1 }.map { "\($0.key) \($1.key)" }
            #expect(
                firstDifference == nil && committed.count == sent.count,
                "\(stream): \(committed.count) of \(sent.count)")
        }
        #expect(sequencer.heldBytes == 0)
    }
}

/// SplitMix64: the same numbers in every run.
struct SeededGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    mutating func below(_ bound: UInt64) -> UInt64 { next() % bound }
}
