import Testing
import TickStore
import Ticks

@testable import Recorder

private let stream = StreamID(conId: 7, kind: .bidAsk)
private let realNanos: Int64 = 1_795_000_000_000_000_000

private func key(_ epoch: UInt32, _ seq: UInt32) -> TickKey { TickKey(epoch: epoch, seq: seq) }

private func tick(_ key: TickKey, of stream: StreamID = stream) -> Tick {
    Tick(
        key: key, tsRecvNanos: Int64(key.seq), conId: stream.conId, kind: stream.kind,
        body: QuoteBody(bidPrice: Int64(key.seq), askPrice: 0, bidSize: 0, askSize: 0).body)
}

/// Records of one epoch; the first of all of them names the last key before, where one is given.
private func ticks(
    _ epoch: UInt32, _ seqs: ClosedRange<UInt32>, of stream: StreamID = stream, after previous: TickKey? = nil,
    isCertain: Bool = true
) -> [Tick] {
    seqs.map { seq in
        guard seq == 1, let previous else { return tick(key(epoch, seq), of: stream) }
        return Tick(
            marker: .epochBegun, of: stream, key: key(epoch, 1), tsRecvNanos: 1,
            code: isCertain ? 0 : MarkerBody.uncertainEnd, ref: previous, text: "start")
    }
}

private func position(_ key: TickKey) -> [StreamID: StreamPosition] { [stream: StreamPosition(tick(key))] }

/// What was committed, as text: records as ranges of their keys, lost ranges with an `x` in front.
private func told(_ records: [Tick]) -> [String] {
    var told: [String] = []
    var start: TickKey?
    for (index, record) in records.enumerated() {
        if let marker = record.marker, marker.event == .lost {
            told.append("x\(marker.ref)-\(record.key)")
            continue
        }
        start = start ?? record.key
        let goesOn =
            index + 1 < records.count && records[index + 1].key == record.key.next
            && records[index + 1].marker?.event != .lost
        if !goesOn, let first = start {
            told.append("\(first)-\(record.key.seq)")
            start = nil
        }
    }
    return told
}

/// What the connector's replay answers: as `JournalReader` reads a journal.
private struct Replay {
    /// What the journal knows to have been numbered, by its tables, in order.
    var known: [Tick] = []
    /// Keys that it no longer holds.
    var gone: Set<TickKey> = []
    /// All that was numbered from this epoch on went through it.
    var vouchedFrom: UInt32 = 1
    var pageRecords = 100

    func page(_ from: TickKey) -> (gone: TickKey?, records: [Tick]) {
        var want = from
        var records: [Tick] = []
        for record in known where record.key >= from {
            let isNext =
                record.key == want || record.seq == 1 && (want == .zero || want.epoch >= vouchedFrom)
            guard !gone.contains(record.key), isNext, records.count < pageRecords else {
                guard records.isEmpty else { break }
                let first = known.first { $0.key >= record.key && !gone.contains($0.key) }
                return (first?.key ?? known[known.count - 1].key.next, [])
            }
            records.append(record)
            want = record.key.next
        }
        return (nil, records)
    }

    /// Answers one request; false when none was wanted.
    func answer(_ sequencer: inout Sequencer, _ sink: inout MemorySink, at nowNanos: Int64) -> Bool {
        guard let want = sequencer.nextFetch() else { return false }
        let before = sequencer.counters.replayed
        let mine = known.filter { $0.stream == want.stream }
        let journal = Replay(known: mine, gone: gone, vouchedFrom: vouchedFrom, pageRecords: pageRecords)
        var (first, records) = mine.isEmpty ? (nil, []) : journal.page(want.from)
        if let first {
            sequencer.fetchGone(first: first, sink: &sink, nowNanos: realNanos)
            records = journal.page(first).records
        }
        for chunk in stride(from: 0, to: records.count, by: 40) {
            let batch = Array(records.dropFirst(chunk).prefix(40))
            let isSound = sequencer.fetched(batch, &sink)
            #expect(isSound, "\(batch[0].key) behind \(want.from)")
        }
        _ = sequencer.fetchEnded(
            sink: &sink, gave: Int(sequencer.counters.replayed - before), nowNanos: nowNanos, realNanos: realNanos)
        return true
    }

    /// Answers until nothing is wanted, long enough for all that never comes to count as lost.
    func settle(_ sequencer: inout Sequencer, _ sink: inout MemorySink) {
        for round in 0..<10_000 {
            guard answer(&sequencer, &sink, at: Int64(round) * Sequencer.dryNanos / 8) else { return }
        }
        Issue.record("the sequencer never stops asking")
    }
}

@Suite struct SequencerEpochEdges {
    /// The recorder was away; meanwhile the journal has lost the old epoch's tail, and may have lost more.
    @Test(
        arguments: [
            // What the journal no longer has, what the first record of epoch 8 says, what is committed.
            (5, 9, true, ["x5:4-5:9", "8:1-20"]),
            (7, 9, true, ["x5:4-5:9", "8:1-20"]),
            // It is not sure: the end of the epoch, and of any that may have been between.
            (5, 9, false, ["x5:4-7:4294967295", "8:1-20"]),
        ])
    func anOldEpochsLostTailEndsWhereTheNextOnesFirstRecordSays(
        goneFrom: Int, previous: Int, isCertain: Bool, expected: [String]
    ) {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: position(key(5, 3)))
        var sink = MemorySink()
        let new = ticks(8, 1...20, after: key(5, UInt32(previous)), isCertain: isCertain)
        var replay = Replay(known: ticks(5, 1...9) + new, gone: Set((4...9).map { key(5, $0) }))
        if !isCertain { replay.vouchedFrom = 8 }
        sequencer.live(Array(new.suffix(5)), &sink)
        replay.settle(&sequencer, &sink)
        #expect(told(sink.records) == expected)
        #expect(!sequencer.isCatchingUp)
    }

    /// Epochs came and went while the recorder was away, and the journal went round.
    @Test func wholeEpochsThatWereLostStandInTheRange() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: position(key(5, 3)))
        var sink = MemorySink()
        let middle = ticks(6, 1...7, after: key(5, 9)) + ticks(7, 1...30, after: key(6, 7))
        let new = ticks(8, 1...20, after: key(7, 30))
        let replay = Replay(known: ticks(5, 1...9) + middle + new, gone: Set((ticks(5, 1...9) + middle).map(\.key)))
        sequencer.live(Array(new.suffix(5)), &sink)
        replay.settle(&sequencer, &sink)
        #expect(told(sink.records) == ["x5:4-7:30", "8:1-20"])
    }

    /// The first record of the new epoch is gone as well: nobody knows how far the old one went.
    @Test func aRangeReachesOverTheEdgeWhereTheNewEpochsFirstRecordIsLostToo() {
        for middle in [[], ticks(7, 1...30)] {
            var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: position(key(5, 3)))
            var sink = MemorySink()
            let new = ticks(8, 1...20, after: key(5, 9))
            let lost = ticks(5, 4...9) + middle + new.prefix(6)
            let replay = Replay(known: ticks(5, 1...9) + middle + new, gone: Set(lost.map(\.key)))
            sequencer.live(Array(new.suffix(5)), &sink)
            replay.settle(&sequencer, &sink)
            #expect(told(sink.records) == ["x5:4-8:6", "8:7-20"])
        }
    }

    /// The machine was restarted: nothing but the new epoch is known.
    @Test func withoutAJournalARunMayHaveGoneOnToItsEnd() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: position(key(5, 3)))
        var sink = MemorySink()
        let new = ticks(8, 1...20, after: .zero)
        sequencer.live(Array(new.suffix(5)), &sink)
        Replay(known: new, vouchedFrom: 8).settle(&sequencer, &sink)
        #expect(told(sink.records) == ["x5:4-7:4294967295", "8:1-20"])
    }

    /// A recording that ended so: nothing is lost twice, and nothing in between goes without a word.
    @Test func anEpochWhoseEndIsLostIsFollowedByTheNextUnlessThatKnowsOfMore() {
        for (last, previous, expected) in [
            (key(7, .max), key(5, 9), ["8:1-20"]), (key(7, .max), .zero, ["8:1-20"]),
            (key(6, .max), key(5, 9), ["8:1-20"]), (key(5, .max), key(6, 4), ["x6:1-6:4", "8:1-20"]),
            // The machine was restarted meanwhile: there may have been epochs of which nobody knows.
            (key(5, .max), .zero, ["x6:1-7:4294967295", "8:1-20"]),
        ] {
            var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: position(last))
            var sink = MemorySink()
            let new = ticks(8, 1...20, after: previous)
            let replay = Replay(known: ticks(6, 1...4) + new, gone: Set(ticks(6, 1...4).map(\.key)), vouchedFrom: 6)
            sequencer.live(new, &sink)
            (previous == .zero ? Replay(known: new, vouchedFrom: 8) : replay).settle(&sequencer, &sink)
            #expect(told(sink.records).suffix(expected.count) == expected[...], "\(last)")
        }
    }

    /// The journal gives the next epoch without a word of what is missing: its first record has one.
    @Test func aPageThatPassesOverAnEpochsEndIsNotBelieved() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: position(key(5, 3)))
        var sink = MemorySink()
        let new = ticks(8, 1...20, after: key(6, 2))
        sequencer.live(Array(new.suffix(5)), &sink)
        Replay(known: new, vouchedFrom: 5).settle(&sequencer, &sink)
        #expect(told(sink.records) == ["x5:4-6:2", "8:1-20"])
    }

    /// Published, and never journaled: the feed has brought the end of an epoch that the journal knows nothing of.
    @Test func whatIsHeldOfAnEpochIsCommittedBeforeTheNextOne() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: position(key(5, 3)))
        var sink = MemorySink()
        let new = ticks(8, 1...20, after: key(5, 3))
        sequencer.live(ticks(5, 6...9), &sink)
        sequencer.live(Array(new.prefix(5)), &sink)
        Replay(known: new, vouchedFrom: 5).settle(&sequencer, &sink)
        #expect(told(sink.records) == ["x5:4-5:5", "5:6-9", "8:1-20"])
    }

    /// No journal at all, and none that ever comes.
    @Test func whatNobodyJournaledIsLostUpToWhatTheNextEpochNames() {
        for (previous, isCertain, expected) in [
            (key(5, 9), true, ["x5:4-5:9", "8:1-5"]), (key(5, 3), true, ["8:1-5"]),
            (key(5, 3), false, ["x5:4-7:4294967295", "8:1-5"]), (.zero, true, ["x5:4-7:4294967295", "8:1-5"]),
        ] {
            var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: position(key(5, 3)))
            var sink = MemorySink()
            sequencer.live(ticks(8, 1...5, after: previous, isCertain: isCertain), &sink)
            Replay().settle(&sequencer, &sink)
            #expect(told(sink.records) == expected)
        }
    }

    /// Of a stream of which nothing is recorded the chain tells that there was something.
    @Test func aRecorderWithoutFilesIsToldOfTheEpochBefore() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20)
        var sink = MemorySink()
        let new = ticks(8, 1...20, after: key(5, 9))
        sequencer.live(Array(new.suffix(5)), &sink)
        Replay(known: ticks(5, 1...9) + new, gone: Set(ticks(5, 1...9).map(\.key))).settle(&sequencer, &sink)
        #expect(told(sink.records) == ["x5:1-5:9", "8:1-20"])
        #expect(sink.records.last == new.last)
    }
}

@Suite struct SequencerExactLoss {
    /// 6 to 10 are missing, 11 to 40 are held, and replay begins with 31.
    @Test(arguments: [Int.max, 64, 24]) func whatIsHeldIsNeverLost(room: Int) {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: position(key(1, 5)))
        var sink = MemorySink()
        sequencer.live(ticks(1, 11...40), &sink)
        let replay = Replay(known: ticks(1, 1...60), gone: Set((1...30).map { key(1, $0) }))
        sink.room = room
        for _ in 0..<50 {
            _ = replay.answer(&sequencer, &sink, at: 0)
            if room < .max { sink.room = sink.records.count + room }
            sequencer.drainAll(sink: &sink)
        }
        #expect(told(sink.records) == ["x1:6-1:10", "1:11-60"])
        #expect(sequencer.heldBytes == 0)
    }

    /// What is held of an epoch takes the room that a page of the next one needs: the page is taken as far as
    /// it fits, and the rest of it comes again.
    @Test(arguments: 0...30) func aPageBehindHeldRecordsIsTakenAsFarAsThereIsRoom(room: Int) {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: position(key(5, 3)))
        var sink = MemorySink()
        sequencer.live(ticks(5, 6...9), &sink)
        let replay = Replay(known: ticks(8, 1...20, after: key(5, 9)), vouchedFrom: 5)
        sequencer.announce(epoch: 8)
        sink.room = room
        for _ in 0..<50 {
            _ = replay.answer(&sequencer, &sink, at: 0)
            sequencer.drainAll(sink: &sink)
            #expect(sink.records.count <= sink.room)
            sink.room = sink.records.count + max(2, room)
        }
        #expect(told(sink.records) == ["x5:4-5:5", "5:6-9", "8:1-20"])
        let isCatchingUp = sequencer.isCatchingUp
        #expect(!isCatchingUp)
    }

    @Test func eachHoleBetweenHeldRunsIsARangeOfItsOwn() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: position(key(1, 5)))
        var sink = MemorySink()
        for run in [11...20, 25...26, 40...45] as [ClosedRange<UInt32>] { sequencer.live(ticks(1, run), &sink) }
        Replay(known: ticks(1, 1...60), gone: Set((1...30).map { key(1, $0) })).settle(&sequencer, &sink)
        #expect(told(sink.records) == ["x1:6-1:10", "1:11-20", "x1:21-1:24", "1:25-26", "x1:27-1:30", "1:31-60"])
    }

    /// Epochs begin and end in what is held, and replay begins in the middle of the last one.
    @Test func heldEpochsAreKeptAndTheHolesBetweenThemAreExact() {
        var sequencer = Sequencer(holdBackBytes: 1 << 20, recovered: position(key(1, 5)))
        var sink = MemorySink()
        let second = ticks(3, 1...9, after: key(1, 12))
        let third = ticks(4, 1...50, after: key(3, 9))
        sequencer.live(ticks(1, 8...10), &sink)
        sequencer.live(Array(second.prefix(4)), &sink)
        sequencer.live(Array(third[0..<3]), &sink)
        sequencer.live(Array(third[10..<20]), &sink)
        let all = ticks(1, 1...12) + second + third
        let replay = Replay(known: all, gone: Set(all.map(\.key).filter { $0 < key(4, 31) }))
        replay.settle(&sequencer, &sink)
        #expect(
            told(sink.records) == [
                "x1:6-1:7", "1:8-10", "x1:11-1:12", "3:1-4", "x3:5-3:9", "4:1-3", "x4:4-4:10", "4:11-20",
                "x4:21-4:30", "4:31-50",
            ])
    }
}

@Suite struct SequencerOverEpochs {
    /// Connectors and machines are restarted, the recorder too; batches vanish; the journal loses its oldest records,
    /// whole epochs, the edges of epochs, and what it was not given. In the end each key that was numbered is a record
    /// or in one lost range, what the journal has is there, and so is what the recorder held. The later half has hardly
    /// room for what it holds, and a disk that takes a few records at a time.
    @Test(arguments: 0..<240 as Range<UInt64>) func everyKeyIsARecordOrLost(seed: UInt64) throws {
        var random = SeededGenerator(state: seed &+ 77)
        var tightness = SeededGenerator(state: seed &+ 1)
        var disk = SeededGenerator(state: seed &+ 2)
        let isTight = seed >= 120
        let holdBackBytes = isTight ? Int(tightness.below(200)) * Tick.size : 1 << 20
        let streams = (1...3).map { StreamID(conId: Int32($0), kind: .bidAsk) }
        var numbered: [Tick] = []
        var replay = Replay(pageRecords: 20 + Int(random.below(100)))
        var sequencer = Sequencer(holdBackBytes: holdBackBytes)
        var sink = MemorySink()
        var epoch: UInt32 = 10
        var last: [StreamID: TickKey] = [:]
        var isCertainAfter: UInt32 = 0
        var heard: Set<TickKey> = []
        replay.vouchedFrom = epoch
        let rounds = 400
        for round in 0..<(rounds + streams.count) {
            switch round < rounds ? random.below(40) : .max {
            case 0, 1:
                epoch += UInt32(1 + random.below(3))
                if random.below(2) == 0 { sequencer.announce(epoch: epoch) }
            case 2:
                // The machine is restarted, and the journal gone with it.
                epoch += UInt32(1 + random.below(3))
                replay.known.removeAll()
                replay.vouchedFrom = epoch
                isCertainAfter = epoch
            case 3:
                // The recorder is: what it held is gone. All that it committed had become durable.
                var recovered: [StreamID: StreamPosition] = [:]
                for record in sink.records {
                    if let stream = record.stream { recovered[stream] = StreamPosition(record) }
                }
                sequencer = Sequencer(holdBackBytes: holdBackBytes, recovered: recovered)
                heard.formIntersection(sink.records.filter { $0.stream?.conId == 1 }.map(\.key))
            case 4:
                let oldest = Int(random.below(UInt64(replay.known.count + 1)))
                replay.gone.formUnion(replay.known.prefix(oldest).map(\.key))
            case 5:
                let edges = replay.known.filter { $0.seq <= UInt32(1 + random.below(6)) && random.below(2) == 0 }
                replay.gone.formUnion(edges.map(\.key))
            default: break
            }
            if disk.below(60) == 0 {
                // A write fails: what was not durable is taken back.
                sink.records.removeLast(Int(disk.below(UInt64(min(sink.records.count, 300) + 1))))
                var durable: [StreamID: StreamPosition] = [:]
                for record in sink.records {
                    if let stream = record.stream { durable[stream] = StreamPosition(record) }
                }
                sequencer.rewind(to: durable)
                heard.formIntersection(sink.records.filter { $0.stream?.conId == 1 }.map(\.key))
            }
            // At the end each stream has something: without a later record nobody can know of what a lost journal had.
            let stream = streams[round < rounds ? Int(random.below(UInt64(streams.count))) : round - rounds]
            let before = last[stream] ?? .zero
            let first = before.epoch == epoch ? before.seq + 1 : 1
            let count = UInt32(1 + random.below(9))
            let previous = before.epoch < isCertainAfter && random.below(2) == 0 ? .zero : before
            let batch = ticks(
                epoch, first...(first + count - 1), of: stream, after: previous,
                isCertain: before.epoch >= isCertainAfter)
            last[stream] = batch[batch.count - 1].key
            numbered += batch
            replay.known += batch
            if random.below(12) == 0 { replay.gone.formUnion(batch.map(\.key)) }
            if random.below(3) != 0 {
                let isNew = sequencer.streams.first { $0.stream == stream }.map { $0.last.key < batch[0].key } ?? true
                sequencer.live(batch, &sink)
                if isNew, stream.conId == 1 { heard.formUnion(batch.map(\.key)) }
            }
            sink.room = random.below(5) == 0 ? sink.records.count + Int(random.below(60)) : .max
            if isTight { sink.room = sink.records.count + Int(tightness.below(14)) }
            if random.below(3) == 0 { _ = replay.answer(&sequencer, &sink, at: Int64(random.below(8)) * 1_000_000_000) }
            sequencer.drainAll(sink: &sink)
        }
        sink.room = .max
        for (stream, key) in last {
            sequencer.watermark(epoch: epoch, stream: stream, seq: key.epoch == epoch ? key.seq : 0)
        }
        sequencer.announce(epoch: epoch + 1)
        replay.settle(&sequencer, &sink)
        for stream in streams {
            try check(sink.records.filter { $0.stream == stream }, numbered.filter { $0.stream == stream }, replay)
        }
        let kept = Set(sink.records.filter { $0.stream?.conId == 1 && $0.marker?.event != .lost }.map(\.key))
        let dropped = heard.subtracting(kept).sorted()
        #expect(isTight || dropped.isEmpty, "held, and \(dropped.count) are dropped")
        #expect(sequencer.heldBytes == 0)
        #expect(sequencer.counters.malformed == 0)
    }

    private func check(_ committed: [Tick], _ numbered: [Tick], _ replay: Replay) throws {
        var before = TickKey.zero
        var lost: [ClosedRange<TickKey>] = []
        var records: [TickKey: Tick] = [:]
        for record in committed {
            #expect(record.key > before)
            if let marker = record.marker, marker.event == .lost {
                #expect(marker.ref > before && marker.ref.seq > 0)
                lost.append(marker.ref...record.key)
            } else {
                records[record.key] = record
            }
            before = record.key
        }
        let first = try #require(lost.first?.lowerBound ?? records.keys.min())
        // Of what was before the first record that there is nothing is known to a recorder without files.
        for record in numbered where record.key >= min(first, records.keys.min() ?? first) {
            if let kept = records[record.key] {
                #expect(kept == record)
            } else {
                let isLost = lost.contains { $0.contains(record.key) }
                #expect(isLost, "\(record.key) of \(record.conId) is nowhere: \(told(committed))")
            }
        }
        let known = Set(replay.known.map(\.key)).subtracting(replay.gone)
        for record in numbered where known.contains(record.key) {
            #expect(records[record.key] == record, "\(record.key) is in the journal")
        }
    }
}
