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
    let served: ServedRecords

    private func tick(_ key: TickKey) -> Tick {
        Tick(
            key: key, tsEventNanos: second(key) * 1_000_000_000, tsRecvNanos: received(key), conId: quotes.conId,
            kind: .bidAsk, body: TickBody(Int64(key.seq), 1, 1, 1))
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
    private func stored(around gap: HealGap, _ stream: MadeUpStream) throws -> StoredTicks {
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
        var reader = try StoredTicksReader(task, context: context, paths: paths)
        for _ in 0..<100 {
            do { return try reader.stored(around: gap, among: [gap]) } catch let error as StoredTicksReader.NoAnswer {
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
            stream: quotes, key: before.next, before: front, after: back, from: front.second, through: back?.second)
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
}
