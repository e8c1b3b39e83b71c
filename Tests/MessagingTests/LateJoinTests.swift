@testable import Messaging
import Testing
import Ticks

private let stream = StreamID(conId: 7, kind: .bidAsk)
private let other = StreamID(conId: 8, kind: .last)
private let since: Int64 = 1_000

private func key(_ epoch: UInt32, _ seq: UInt32) -> TickKey { TickKey(epoch: epoch, seq: seq) }

/// Records received at 1000 × epoch + seq.
private func ticks(_ epoch: UInt32, _ seqs: ClosedRange<UInt32>, of stream: StreamID = stream) -> [Tick] {
    seqs.map {
        Tick(
            key: key(epoch, $0), tsRecvNanos: Int64(epoch) * 1_000 + Int64($0), conId: stream.conId, kind: stream.kind)
    }
}

private func lost(_ first: TickKey, _ last: TickKey) -> Tick {
    Tick(marker: .lost, of: stream, key: last, tsRecvNanos: Int64(last.epoch) * 1_000, ref: first, text: "test")
}

private struct MemorySink: JoinSink {
    var records: [Tick] = []
    mutating func give(_ run: UnsafeBufferPointer<Tick>, of stream: StreamID) { records.append(contentsOf: run) }
    func keys(of wanted: StreamID = stream) -> [TickKey] { records.filter { $0.stream == wanted }.map(\.key) }
}

/// What a server of pages has; nil: it does not answer.
private struct Shelf {
    var records: [Tick] = []
    /// Keys below this are gone.
    var firstKey = TickKey.zero
}

extension LateJoin {
    fileprivate mutating func live(_ records: [Tick], _ sink: inout MemorySink) {
        records.withUnsafeBufferPointer { live($0, sink: &sink) }
    }

    /// Answers one page as a server does; false when none is wanted at this time.
    fileprivate mutating func page(
        _ shelves: [Source: Shelf], _ sink: inout MemorySink, at nowNanos: Int64 = 0, batch: Int = 3
    ) -> Bool {
        guard let fetch = nextFetch(nowNanos: nowNanos) else { return false }
        guard let shelf = shelves[fetch.source] else {
            failed(sink: &sink, nowNanos: nowNanos)
            return true
        }
        let all = shelf.records.filter { $0.stream == fetch.request.stream && $0.key >= shelf.firstKey }
        let wanted: [Tick]
        switch fetch.request.from {
        case .key(let from):
            if from < shelf.firstKey { gone(first: shelf.firstKey) }
            wanted = all.filter { $0.key >= from }
        case .time(let nanos):
            wanted = all.first { $0.tsRecvNanos >= nanos }.map { f in all.filter { $0.key >= f.key } } ?? []
        }
        var at = 0
        let page = Array(wanted.prefix(min(fetch.request.limit, 10)))
        while at < page.count {
            let end = min(at + batch, page.count)
            guard page[at..<end].withUnsafeBufferPointer({ fetched($0, sink: &sink) }) else { break }
            at = end
        }
        ended(sink: &sink, nowNanos: nowNanos)
        return true
    }

    /// Answers pages until none is wanted; the time goes on by what the join waits for. Returns that time.
    @discardableResult fileprivate mutating func settle(
        _ shelves: [Source: Shelf], _ sink: inout MemorySink, from nowNanos: Int64 = 0
    ) -> Int64 {
        var now = nowNanos
        for _ in 0..<10_000 {
            guard let next = nextFetchNanos else { return now }
            now = max(now, next)
            _ = page(shelves, &sink, at: now)
        }
        Issue.record("it never stops asking")
        return now
    }
}

@Suite struct LateJoinOrder {
    @Test func historyThenReplayThenLiveMeetWithoutHoleOrRepeat() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.live(ticks(1, 50...52), &sink)
        join.live(ticks(1, 53...53), &sink)
        #expect(sink.records.isEmpty && !join.isLive)
        join.settle([.history: Shelf(records: ticks(1, 1...30)), .replay: Shelf(records: ticks(1, 20...51))], &sink)
        #expect(sink.records == ticks(1, 1...53))
        #expect(join.isLive && join.heldBytes == 0)
        join.live(ticks(1, 54...55), &sink)
        #expect(sink.records == ticks(1, 1...55))
        #expect(join.takeNotices().isEmpty)
    }

    @Test func itBeginsWithTheFirstRecordReceivedSinceThen() {
        var join = LateJoin(sinceNanos: 1_010)
        var sink = MemorySink()
        join.announce(stream)
        join.settle([.history: Shelf(records: ticks(1, 1...20)), .replay: Shelf(records: ticks(1, 5...22))], &sink)
        #expect(sink.records == ticks(1, 10...22))
    }

    @Test func pagesCrossEpochs() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        let all = ticks(1, 1...9) + ticks(3, 1...4) + ticks(5, 1...2)
        join.live(ticks(5, 2...2), &sink)
        join.settle([.history: Shelf(records: Array(all.prefix(7))), .replay: Shelf(records: all)], &sink)
        #expect(sink.records == all)
    }

    @Test func aNewEpochComesBehindTheTailOfTheOldOne() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.announce(stream)
        join.settle([.history: Shelf(records: ticks(1, 1...5)), .replay: Shelf(records: ticks(1, 1...5))], &sink)
        #expect(join.isLive)
        // 6 and 7 were dropped on the way; then the connector died.
        join.live(ticks(2, 1...1), &sink)
        #expect(sink.records == ticks(1, 1...5))
        join.settle([.history: Shelf(), .replay: Shelf(records: ticks(1, 1...7) + ticks(2, 1...1))], &sink)
        join.live(ticks(2, 2...2), &sink)
        #expect(sink.records == ticks(1, 1...7) + ticks(2, 1...2))
        // The dead connector's last words are still in the queue.
        join.live(ticks(1, 6...7), &sink)
        #expect(sink.records.count == 9)
    }

    @Test func aStreamThatNeverTicksAgainStillGetsItsTail() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.announce(stream)
        join.settle([.history: Shelf(records: ticks(1, 1...5)), .replay: Shelf(records: ticks(1, 1...5))], &sink)
        join.announce(epoch: 2)
        join.settle([.history: Shelf(), .replay: Shelf(records: ticks(1, 1...7))], &sink)
        #expect(sink.records == ticks(1, 1...7))
    }

    @Test func aWatermarkTellsOfALastTickThatWasDropped() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.watermark(epoch: 1, stream: stream, seq: 3)
        join.settle([.history: Shelf(), .replay: Shelf(records: ticks(1, 1...3))], &sink)
        #expect(join.isLive && join.nextFetchNanos == nil)
        join.watermark(epoch: 1, stream: stream, seq: 3)
        #expect(join.nextFetchNanos == nil)
        join.watermark(epoch: 1, stream: stream, seq: 4)
        join.settle([.history: Shelf(), .replay: Shelf(records: ticks(1, 1...4))], &sink)
        #expect(sink.records == ticks(1, 1...4))
    }

    @Test func aWatermarkDuringAnEmptyPageIsAskedForAgain() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.announce(stream)
        #expect(join.page([.history: Shelf()], &sink))
        // Replay has nothing yet; while its answer travels the first tick is numbered, and its message dropped.
        let fetch = join.nextFetch(nowNanos: 0)
        #expect(fetch?.source == .replay)
        join.watermark(epoch: 1, stream: stream, seq: 1)
        join.ended(sink: &sink, nowNanos: 0)
        join.settle([.history: Shelf(), .replay: Shelf(records: ticks(1, 1...1))], &sink)
        #expect(sink.records == ticks(1, 1...1))
    }

    @Test func aJumpInTheLiveKeysIsFilledBeforeWhatLiesBehindIt() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.live(ticks(1, 1...1), &sink)
        join.settle([.history: Shelf(), .replay: Shelf(records: ticks(1, 1...1))], &sink)
        join.live(ticks(1, 4...5), &sink)
        join.live(ticks(1, 9...9), &sink)
        #expect(sink.records == ticks(1, 1...1))
        join.settle([.history: Shelf(), .replay: Shelf(records: ticks(1, 1...9))], &sink)
        #expect(sink.records == ticks(1, 1...9))
    }

    @Test func streamsThatAppearLaterAreJoinedFromTheSameTime() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.announce(stream)
        join.settle([.history: Shelf(records: ticks(1, 1...3)), .replay: Shelf()], &sink)
        join.live(ticks(1, 8...8, of: other), &sink)
        join.settle(
            [
                .history: Shelf(records: ticks(1, 1...4, of: other)),
                .replay: Shelf(records: ticks(1, 3...8, of: other)),
            ],
            &sink)
        #expect(sink.keys(of: other) == ticks(1, 1...8, of: other).map(\.key))
        #expect(sink.keys() == ticks(1, 1...3).map(\.key))
    }

    @Test func severalStreamsComeRoughlyInTheOrderOfTime() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.announce(stream)
        join.announce(other)
        join.settle(
            [.history: Shelf(records: ticks(1, 1...40) + ticks(1, 1...40, of: other)), .replay: Shelf()], &sink)
        // Pages of ten take turns: none is ever further ahead than a page.
        var ahead = 0
        for tick in sink.records {
            ahead += tick.stream == stream ? 1 : -1
            #expect(abs(ahead) <= 10)
        }
        #expect(sink.records.count == 80)
    }

    @Test func aLostRangeStandsForItsKeys() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        let all =
            ticks(1, 1...3) + [lost(key(1, 4), key(1, .max)), lost(key(2, 1), key(2, 4))] + ticks(2, 5...6)
        join.live(ticks(2, 6...7), &sink)
        join.settle(
            [.history: Shelf(records: all), .replay: Shelf(records: ticks(2, 5...6), firstKey: key(2, 5))], &sink)
        #expect(sink.records == all + ticks(2, 7...7))
        #expect(join.takeNotices().isEmpty)
    }
}

@Suite struct LateJoinServers {
    @Test func withoutARecorderTheJournalAloneIsAsked() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.isAway(.history)
        join.live(ticks(1, 9...9), &sink)
        join.settle([.replay: Shelf(records: ticks(1, 4...9))], &sink)
        #expect(sink.records == ticks(1, 4...9))
        #expect(join.takeNotices().isEmpty)
    }

    @Test func withoutAConnectorHistoryComesAndLaterWhatIsLive() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.isAway(.replay)
        join.announce(stream)
        join.settle([.history: Shelf(records: ticks(1, 1...5))], &sink)
        #expect(sink.records == ticks(1, 1...5) && join.isLive)
        // A connector starts: its journal holds what the one before left.
        join.watermark(epoch: 2, stream: stream, seq: 0)
        join.settle([.history: Shelf(), .replay: Shelf(records: ticks(1, 1...6))], &sink)
        join.live(ticks(2, 1...1), &sink)
        join.settle([.history: Shelf(), .replay: Shelf(records: ticks(1, 1...6) + ticks(2, 1...1))], &sink)
        #expect(sink.records == ticks(1, 1...6) + ticks(2, 1...1))
    }

    @Test func aServerThatFailsIsAskedAgainAndAfterAWhileTheOtherIs() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.announce(stream)
        var now: Int64 = 0
        while join.takeNotices().isEmpty {
            #expect(join.page([.replay: Shelf(records: ticks(1, 1...2))], &sink, at: now))
            now = max(now + 1, join.nextFetchNanos ?? .max)
            guard now < .max else { break }
        }
        #expect(now >= LateJoin.awayNanos && now < 2 * LateJoin.awayNanos)
        join.settle([.replay: Shelf(records: ticks(1, 1...2))], &sink, from: now)
        #expect(sink.records == ticks(1, 1...2))
        // It is back: asked like ever.
        join.live(ticks(1, 7...7), &sink)
        join.settle([.history: Shelf(records: ticks(1, 1...6)), .replay: Shelf(firstKey: key(1, 7))], &sink, from: now)
        #expect(sink.records == ticks(1, 1...7))
    }

    @Test func whatTheJournalNoLongerHasComesFromTheFiles() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.live(ticks(1, 60...60), &sink)
        // History ends, replay begins far behind that; by then history has more.
        #expect(join.page([.history: Shelf(records: ticks(1, 1...9))], &sink))
        #expect(join.page([.history: Shelf(records: ticks(1, 1...9))], &sink))
        let shelves: [LateJoin.Source: Shelf] = [
            .history: Shelf(records: ticks(1, 1...45)),
            .replay: Shelf(records: ticks(1, 40...60), firstKey: key(1, 40)),
        ]
        join.settle(shelves, &sink)
        #expect(sink.records == ticks(1, 1...60))
        #expect(join.takeNotices().isEmpty)
    }

    @Test func whatNobodyHasIsSaidOnceAndPassedOver() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.live(ticks(1, 30...30), &sink)
        let shelves: [LateJoin.Source: Shelf] = [
            .history: Shelf(records: ticks(1, 1...9)), .replay: Shelf(records: ticks(1, 20...30), firstKey: key(1, 20)),
        ]
        let end = join.settle(shelves, &sink)
        #expect(sink.records == ticks(1, 1...9) + ticks(1, 20...30))
        #expect(join.takeNotices() == [.missing(stream, after: key(1, 9), next: key(1, 20))])
        #expect(end >= LateJoin.dryLimitNanos)
    }

    @Test func aHoleInsideAPageIsAskedForAtTheOtherServer() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.announce(stream)
        // A damaged block in the files.
        let shelves: [LateJoin.Source: Shelf] = [
            .history: Shelf(records: ticks(1, 1...3) + ticks(1, 7...9)), .replay: Shelf(records: ticks(1, 2...6)),
        ]
        join.settle(shelves, &sink)
        #expect(sink.records == ticks(1, 1...9))
        #expect(join.takeNotices().isEmpty)
    }

    @Test func aTickThatWasPublishedButNeverJournaledIsPassedOver() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.live(ticks(1, 1...1), &sink)
        join.settle([.history: Shelf(), .replay: Shelf(records: ticks(1, 1...1))], &sink)
        join.watermark(epoch: 1, stream: stream, seq: 3)
        join.settle([.history: Shelf(), .replay: Shelf(records: ticks(1, 1...1))], &sink)
        #expect(join.takeNotices() == [.missing(stream, after: key(1, 1), next: key(1, 4))])
        join.live(ticks(1, 4...4), &sink)
        #expect(sink.records.map(\.seq) == [1, 4] && join.isLive)
    }

    @Test func aFullHoldDropsTheNewestWhichComeByPage() {
        var join = LateJoin(sinceNanos: since, holdBytes: 10 * Tick.size)
        var sink = MemorySink()
        for seq: UInt32 in 20...60 { join.live(ticks(1, seq...seq), &sink) }
        #expect(join.heldBytes == 10 * Tick.size && join.counters.heldDropped == 31)
        join.settle([.history: Shelf(records: ticks(1, 1...58)), .replay: Shelf(records: ticks(1, 15...60))], &sink)
        #expect(sink.records == ticks(1, 1...60))
        #expect(join.heldBytes == 0 && join.isLive)
    }

    @Test func whatBreaksTheRulesIsCountedAndNeverGiven() {
        var join = LateJoin(sinceNanos: since)
        var sink = MemorySink()
        join.live(ticks(1, 1...2) + ticks(1, 2...2), &sink)
        join.live(ticks(1, 1...1) + ticks(1, 2...2, of: other), &sink)
        join.live(ticks(1, 0...0), &sink)
        join.live([], &sink)
        #expect(join.counters.malformed == 4 && join.nextFetchNanos == nil)
        join.announce(stream)
        let fetch = join.nextFetch(nowNanos: 0)
        #expect(fetch?.source == .history)
        #expect(!ticks(1, 1...3, of: other).withUnsafeBufferPointer { join.fetched($0, sink: &sink) })
        #expect(!(ticks(1, 5...5) + ticks(1, 4...4)).withUnsafeBufferPointer { join.fetched($0, sink: &sink) })
        #expect(sink.records.isEmpty && join.counters.malformed == 6)
    }
}

/// A market, a journal, files and a lossy feed, at random: whatever is dropped, every key comes once and in order.
@Suite struct LateJoinModel {
    @Test(arguments: 0..<200) func everyKeyComesOnceWhateverIsDropped(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        func chance(_ percent: UInt64) -> Bool { random.next() % 100 < percent }
        var join = LateJoin(sinceNanos: since, holdBytes: chance(50) ? 20 * Tick.size : 1 << 20)
        var sink = MemorySink()
        var journal: [Tick] = []
        var durable = 0
        var epoch: UInt32 = 1
        var seqs: [StreamID: UInt32] = [stream: 0, other: 0]
        let names = [stream, other]
        var now: Int64 = 0
        for round in 0..<400 {
            now += 1_000_000
            let name = names[Int(random.next() % 2)]
            let count = UInt32(random.next() % 4 + 1)
            let first = (seqs[name] ?? 0) + 1
            let run = ticks(epoch, first...(first + count - 1), of: name)
            seqs[name] = first + count - 1
            journal += run
            // The subscription stands only after a while, and then loses every tenth message.
            if round > 100, !chance(10) { join.live(run, &sink) }
            if round > 100, chance(5) {
                for name in names { join.watermark(epoch: epoch, stream: name, seq: seqs[name] ?? 0) }
            }
            if chance(1) {
                epoch += 1
                seqs = [stream: 0, other: 0]
            }
            if chance(60) { durable = Int(random.next() % UInt64(journal.count - durable + 1)) + durable }
            let shelves: [LateJoin.Source: Shelf] = [
                .history: Shelf(records: Array(journal[..<durable])),
                .replay: Shelf(records: Array(journal.suffix(300))),
            ]
            if round > 100, chance(70) { _ = join.page(chance(5) ? [:] : shelves, &sink, at: now, batch: 4) }
        }
        for name in names { join.watermark(epoch: epoch, stream: name, seq: seqs[name] ?? 0) }
        join.settle([.history: Shelf(records: journal), .replay: Shelf(records: journal)], &sink, from: now)
        for name in names { #expect(sink.keys(of: name) == journal.filter { $0.stream == name }.map(\.key)) }
        #expect(join.isLive && join.heldBytes == 0)
    }
}
