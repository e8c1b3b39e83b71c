import Foundation
import Messaging
import Synchronization
import TickStore
import Testing
import Ticks

@testable import Connector
@testable import ServiceKit

/// A stream that nobody has stored: what a recorder would answer about it, made up as it is asked for.
private struct MadeUpStream: ReplaySource {
    /// Records of each epoch, in order.
    var epochs: [(epoch: UInt32, count: UInt32)]
    /// The second of a record's own time, and when it was received.
    var second: @Sendable (TickKey) -> Int64
    var received: @Sendable (TickKey) -> Int64
    /// Keys that can't be read.
    var missing: Set<TickKey> = []
    /// Keys that a heal run brought.
    var healed: Set<TickKey> = []
    let served: ServedRecords

    private func tick(_ key: TickKey) -> Tick {
        Tick(
            key: key, tsEventNanos: second(key) * 1_000_000_000, tsRecvNanos: received(key), conId: quotes.conId,
            kind: .bidAsk, flags: healed.contains(key) ? .healed : [], body: TickBody(Int64(key.seq), 1, 1, 1))
    }

    private func page(from key: TickKey, limit: Int) -> [Tick] {
        var page: [Tick] = []
        for (epoch, count) in epochs where epoch >= key.epoch && page.count < limit {
            var seq = epoch == key.epoch ? max(key.seq, 1) : 1
            while seq <= count, page.count < limit {
                let key = TickKey(epoch: epoch, seq: seq)
                if !missing.contains(key) { page.append(tick(key)) }
                seq += 1
            }
        }
        return page
    }

    mutating func read(_ request: ReplayRequest, into sink: inout ReplaySink) throws(ReplayRefusal) -> TickKey {
        var from = TickKey.zero
        switch request.from {
        case .key(let key): from = key
        case .time(let nanos):
            let all = epochs.lazy.flatMap { entry in (1...entry.count).lazy.map { TickKey(epoch: entry.epoch, seq: $0) }
            }
            guard let first = all.first(where: { received($0) >= nanos }) else { return .zero }
            from = first
        }
        let page = page(from: from, limit: request.limit)
        served.count.withLock { $0 += page.count }
        guard page.withUnsafeBytes({ sink.send($0) }) else { return from }
        return page.last?.key.next ?? from
    }
}

private final class ServedRecords: Sendable {
    let count = Mutex(0)
}

@Suite struct StoredTicksReaderTests {
    private static let market: Int64 = 1_795_000_000

    /// What the reader finds around a gap of a made-up stream.
    private func stored(
        around gap: HealGap, _ stream: MadeUpStream, among all: [HealGap]? = nil, limit: Int = 1_048_576
    ) throws -> StoredTicks {
        let directory = try TemporaryDirectory()
        let paths = Paths(state: directory.path + "/state", runtime: directory.path)
        let context = try Context()
        let stop = StopToken()
        let ready = DispatchSemaphore(value: 0)
        let server = try OwnedThread("history") {
            do throws(MessagingError) {
                var server = try ReplayServer(in: context)
                var source = stream
                try server.bind(Paths.endpoint(paths.historySocket))
                ready.signal()
                while !stop.isStopped { _ = try server.serve(timeoutMillis: 50, source: &source) }
            } catch {
                Issue.record(error)
                ready.signal()
            }
        }
        ready.wait()
        defer {
            stop.stop()
            server.join()
        }
        let task = TaskContext(name: "heal", stop: stop, progress: ProgressCounter("heal"))
        var reader = try StoredTicksReader(task, context: context, paths: paths, greatestCount: limit)
        for _ in 0..<100 {
            do { return try reader.stored(around: gap, until: reader.end(of: gap), among: all ?? [gap]) } catch let
                error as StoredTicksReader.NoAnswer
            {
                guard error.why == "not connected" else { throw error }
                usleep(20_000)
            }
        }
        throw StoredTicksReader.NoAnswer(why: "never connected")
    }

    private func edge(_ key: TickKey, _ stream: MadeUpStream) -> HealGap.Edge {
        .init(key: key, second: stream.second(key), receivedNanos: stream.received(key))
    }

    private func gap(_ before: TickKey, _ after: TickKey?, _ stream: MadeUpStream) -> HealGap {
        let (front, back) = (edge(before, stream), after.map { edge($0, stream) })
        return HealGap(
            stream: quotes, key: before.next, before: front, after: back, from: front.second,
            through: back.map { max(front.second, $0.second) })
    }

    private func numbers(_ segments: [[HealTick]]) -> [Int64] {
        segments.joined().map { Int64(bitPattern: $0.tick.body.word0) }
    }

    /// The clock was an hour ahead while a million ticks came; it was set right within a second.
    @Test func aFrontReachesOverTheEndOfAnEpochWhoseClockWasAhead() throws {
        let market = StoredTicksReaderTests.market
        let stream = MadeUpStream(
            epochs: [(90, 50), (100, 1_100_000), (101, 3)],
            second: { key in
                // The last three of the epoch are of the next one's second.
                key.epoch == 101 || key.epoch == 100 && key.seq > 1_099_997
                    ? market : market - 1 - Int64(key.epoch == 90 ? 99 : 0)
            },
            received: { key in
                key.epoch == 101
                    ? market * 1_000_000_000 + Int64(key.seq) : (market + 3_600) * 1_000_000_000 + Int64(key.seq)
            }, served: ServedRecords())
        let found = try stored(around: gap(TickKey(epoch: 101, seq: 3), nil, stream), stream)
        #expect(numbers(found.front) == [1_099_998, 1_099_999, 1_100_000, 1, 2, 3])
        #expect(stream.served.count.withLock { $0 } < 50_000)
    }

    @Test func aStreamsFirstSecondIsAllThereIs() throws {
        let market = StoredTicksReaderTests.market
        let stream = MadeUpStream(
            epochs: [(100, 2), (107, 3)], second: { _ in market }, received: { Int64($0.seq) }, served: ServedRecords())
        let found = try stored(around: gap(TickKey(epoch: 107, seq: 2), nil, stream), stream)
        #expect(numbers(found.front) == [1, 2, 1, 2])
    }

    /// Nothing is said to be stored in front, although something is: that would be healed a second time.
    @Test func aFrontThatDoesNotReachItsKeyIsAnError() throws {
        let market = StoredTicksReaderTests.market
        var stream = MadeUpStream(
            epochs: [(100, 90)], second: { market + Int64($0.seq / 10) }, received: { Int64($0.seq) },
            served: ServedRecords())
        let whole = gap(TickKey(epoch: 100, seq: 50), nil, stream)
        #expect(numbers(try stored(around: whole, stream).front) == [50])
        stream.missing = [TickKey(epoch: 100, seq: 50)]
        let broken = stream
        #expect(throws: StoredTicksReader.Unreadable.self) { try stored(around: whole, broken) }
        // Files that are older than the gap's end were removed: nothing of its front is stored any more.
        stream.missing = Set((1...60).map { TickKey(epoch: 100, seq: $0) })
        let removed = stream
        #expect(try stored(around: whole, removed).front.isEmpty)
    }

    /// Receive times stand still while a clock that was set back has not caught up.
    @Test func whatIsStoredBehindAGapEndsByTheTicksOwnTimes() throws {
        let market = StoredTicksReaderTests.market
        let stream = MadeUpStream(
            epochs: [(100, 3_000_000)],
            second: { key in
                // One comes late, and one has an odd time.
                key.seq == 130 ? market : key.seq == 15 ? market + 9_999 : market + Int64(key.seq / 100)
            }, received: { Int64($0.seq) }, served: ServedRecords())
        let found = try stored(
            around: gap(TickKey(epoch: 100, seq: 5), TickKey(epoch: 100, seq: 8), stream), stream)
        #expect(numbers(found.back) == Array(8...14) + Array(16...99) + [130])
        #expect(stream.served.count.withLock { $0 } < 400_000)
    }

    // MARK: - Times that can't be

    private func key(_ seq: UInt32) -> TickKey { TickKey(epoch: 100, seq: seq) }

    /// Five ticks a second; some keys have other seconds, counted from the first one's.
    private func stream(_ odd: [UInt32: Int64], count: UInt32 = 5_000) -> MadeUpStream {
        let market = StoredTicksReaderTests.market
        return MadeUpStream(
            epochs: [(100, count)], second: { market + (odd[$0.seq] ?? Int64($0.seq / 5)) },
            received: { (market + Int64($0.seq / 5)) * 1_000_000_000 },
            served: ServedRecords())
    }

    @Test(arguments: [10_800, -10_800, 100, -100] as [Int64])
    func aTickOfAWrongTimeBehindAGapDoesNotTellItsEnd(ahead: Int64) throws {
        let market = StoredTicksReaderTests.market
        let stream = stream([80: 16 + ahead])
        let odd = gap(key(50), key(80), stream)
        let found = try stored(around: odd, stream)
        let end = try #require(found.end)
        // It is no earlier than the tick was there, and not much later: all that is stored up to it is known.
        #expect((market + 16...market + 20).contains(end), "\(end - market)")
        let last = (end - market) * 5 + 4
        #expect(numbers(found.back) == Array(81...last) && numbers(found.front) == [50])
        var task = HealTask(odd, stored: found)
        #expect(task.pager.question == .from(market + 10) && task.pager.through == end)
        let history = (50...last).map { seq in
            HealTick(
                stored: Tick(
                    tsEventNanos: (market + seq / 5) * 1_000_000_000, kind: .bidAsk, body: TickBody(seq, 1, 1, 1)))
        }
        let step = task.take(.init(ticks: history, through: end, next: .finished))
        #expect(step.next == .finished && step.runs.last?.verdict == .healed)
        #expect(step.runs.flatMap(\.ticks).map { Int64(bitPattern: $0.tick.body.word0) } == Array(51...80))
    }

    @Test func aTickOfAWrongTimeInFrontDoesNotTellTheBeginning() throws {
        let market = StoredTicksReaderTests.market
        let stream = stream([50: 10_800])
        let odd = gap(key(50), key(80), stream)
        #expect(odd.from == market + 10_800)
        let found = try stored(around: odd, stream)
        #expect(found.from == market + 9 && found.end == market + 16)
        #expect(numbers(found.front) == [45, 46, 47, 48, 49] && numbers(found.back) == [80, 81, 82, 83, 84])
        let task = HealTask(odd, stored: found)
        #expect(task.pager.question == .from(market + 9) && task.pager.through == market + 16)
    }

    @Test func someTicksThatWereToldLateDoNotTellTheEnd() throws {
        let market = StoredTicksReaderTests.market
        let late = stream([81: 0, 82: -500, 84: 2, 86: -3_000, 88: 1])
        #expect(try stored(around: gap(key(50), key(80), late), late).end == market + 16)
        // With few ticks behind it the end is not known: no part is taken for the whole.
        let short = stream([80: -5_000], count: 84)
        #expect(throws: StoredTicksReader.Unreadable.self) { try stored(around: gap(key(50), key(80), short), short) }
    }

    @Test func aSlowStreamsNextTicksDoNotMoveTheEnd() throws {
        // A tick each ten minutes, received when it was.
        let slow = MadeUpStream(
            epochs: [(100, 200)], second: { StoredTicksReaderTests.market + Int64($0.seq) * 600 },
            received: { (StoredTicksReaderTests.market + Int64($0.seq) * 600) * 1_000_000_000 }, served: ServedRecords()
        )
        let found = try stored(around: gap(key(50), key(80), slow), slow)
        #expect(found.end == StoredTicksReaderTests.market + 48_000 && numbers(found.back) == [80])
    }

    /// The host's clock is set behind the first tick that came after the gap.
    @Test(arguments: [3_600, -7_200, 86_400] as [Int64]) func aHostsClockThatJumpsDoesNotMoveTheEnd(by: Int64) throws {
        let market = StoredTicksReaderTests.market
        let jumping = MadeUpStream(
            epochs: [(100, 5_000)], second: { market + Int64($0.seq / 5) },
            received: { (market + Int64($0.seq / 5) + ($0.seq > 81 ? by : 0)) * 1_000_000_000 }, served: ServedRecords()
        )
        let found = try stored(around: gap(key(50), key(80), jumping), jumping)
        #expect(found.end == market + 16 && numbers(found.back) == [80, 81, 82, 83, 84])
    }

    /// Runs of other gaps that lie inside the gap's time were stored too.
    @Test func whatHealedOtherGapsInsideTheSpanIsKnown() throws {
        let market = StoredTicksReaderTests.market
        // The first tick behind the gap is 50 s ahead: too little to be odd.
        var stream = stream([80: 66])
        stream.healed = Set((120...129).map(key))
        let ahead = gap(key(50), key(80), stream)
        var other = gap(key(119), key(130), stream)
        other.runs = [
            .init(first: key(120), last: key(129), ticks: 10, from: market + 22, to: market + 27, isWhole: true)
        ]
        let found = try stored(around: ahead, stream, among: [ahead, other])
        #expect(found.back.map { numbers([$0]).count } == [40, 10, 205])
        // Segment by segment: live up to the other gap, what healed it, live up to the end of its time.
        #expect(numbers(found.back) == Array(80...334))
    }

    @Test func whatIsNotReadWholeIsAnError() throws {
        let market = StoredTicksReaderTests.market
        var stream = stream([80: 66])
        stream.healed = Set((60...64).map(key))
        var ahead = gap(key(50), key(80), stream)
        _ = try stored(around: ahead, stream, limit: 400)
        #expect(throws: StoredTicksReader.Unreadable.self) { try stored(around: ahead, stream, limit: 100) }
        var without = stream
        without.missing = [key(80)]
        #expect(throws: StoredTicksReader.Unreadable.self) { try stored(around: ahead, without) }
        // A run whose end is not there, and one that is known to be torn.
        ahead.runs = [.init(first: key(60), last: key(64), ticks: 5, from: market + 10, to: market + 13, isWhole: true)]
        #expect(try stored(around: ahead, stream).healed.values.reduce(0) { $0 + $1.count } == 5)
        var cut = stream
        cut.missing = [key(64)]
        #expect(throws: StoredTicksReader.Unreadable.self) { try stored(around: ahead, cut) }
        ahead.runs[0].isWhole = false
        #expect(try stored(around: ahead, cut).healed.values.reduce(0) { $0 + $1.count } == 4)
    }
}
