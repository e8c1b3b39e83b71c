import JSON
import Testing
import Ticks

@testable import TickStore

/// What is told of when a gap was, with host's clocks and gateways' that are wrong.
@Suite struct GapIntervalTests {
    private static let second: Int64 = 1_000_000_000

    private static func position(_ seq: UInt32, event: Int64?, received: Int64) -> StreamPosition {
        StreamPosition(
            key: TickKey(epoch: 100, seq: seq), tsEventNanos: event.map { someNanos + $0 * second } ?? Tick.noEventTime,
            tsRecvNanos: someNanos + received * second)
    }

    private static func gap(
        _ before: StreamPosition?, _ after: StreamPosition?, opened: Int64 = 0, subscribed: Int64? = nil,
        ended: Int64? = nil
    ) -> Gap {
        Gap(
            stream: quotes, key: TickKey(epoch: 100, seq: 5), lastMarkerKey: TickKey(epoch: 100, seq: 5),
            before: before, after: after, openedRecvNanos: someNanos + opened * second,
            subscribedRecvNanos: subscribed.map { someNanos + $0 * second },
            endedRecvNanos: ended.map { someNanos + $0 * second }, cause: "disconnect", code: 0)
    }

    /// Seconds since `someNanos`.
    private static func told(_ gap: Gap) -> [Int64?] {
        [gap.fromNanos, gap.toNanos].map { $0.map { ($0 - someNanos) / second } }
    }

    @Test func theGatewaysTimesTellWhateverTheHostsClockShowed() {
        let (before, after) = (
            Self.position(1, event: 10, received: 7_210), Self.position(9, event: 60, received: 60)
        )
        #expect(Self.told(Self.gap(before, after, opened: 7_215)) == [10, 60])
    }

    @Test func aHostsTimeThatContradictsTheGatewaysIsNotTold() {
        // A subscription by a clock that was two hours ahead, and the first tick.
        let after = Self.position(9, event: 60, received: 61)
        #expect(Self.told(Self.gap(nil, after, opened: 7_210, subscribed: 7_200)) == [nil, 60])
        #expect(Self.told(Self.gap(nil, after, opened: 7_210)) == [nil, 60])
        // The end of a subscription by a clock that was behind.
        let before = Self.position(1, event: 10, received: 10)
        #expect(Self.told(Self.gap(before, nil, ended: -7_200)) == [10, nil])
        #expect(Self.gap(before, nil, ended: -7_200).isClosed)
        // Within one second of the gateway nothing contradicts.
        var gap = Self.gap(nil, Self.position(9, event: 60, received: 60), opened: 60)
        gap.openedRecvNanos += 700_000_000
        #expect(Self.told(gap) == [60, 60])
    }

    @Test func theHostsTimesAreToldWhereThereAreNoOthersAndTheyAreInOrder() {
        let after = Self.position(9, event: nil, received: 60)
        #expect(Self.told(Self.gap(Self.position(1, event: nil, received: 10), after)) == [10, 60])
        #expect(Self.told(Self.gap(Self.position(1, event: nil, received: 61), after)) == [nil, nil])
        // Trades that come late.
        let (late, early) = (Self.position(1, event: 12, received: 10), Self.position(9, event: 11, received: 14))
        #expect(Self.told(Self.gap(late, early)) == [10, 14])
    }

    /// Records of one stream, epoch by epoch, with a host's clock and a gateway's
    /// that are set and stand still at random.
    private static func records(_ generator: inout SplitMix64) -> [Tick] {
        var records: [Tick] = []
        let stream = StreamID(conId: 5, kind: Bool.random(using: &generator) ? .bidAsk : .level1)
        let clocks: [Int64] = [0, 0, 0, 7_200, -7_200, 400 * 86_400, -50 * 365 * 86_400, 1]
        var (now, host, gateway) = (someNanos, Int64(0), Int64(0))
        for epoch in UInt32(100)..<UInt32.random(in: 101...104, using: &generator) {
            var seq: UInt32 = 0
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                now += Int64.random(in: 0...90 * second, using: &generator)
                if Int.random(in: 0..<3, using: &generator) == 0 {
                    host = (clocks.randomElement(using: &generator) ?? 0) * second
                }
                if Int.random(in: 0..<8, using: &generator) == 0 {
                    gateway = Int64.random(in: -4_000...10, using: &generator) * second
                }
                seq += 1
                let first = TickKey(epoch: epoch, seq: seq)
                let received = now + host
                switch Int.random(in: 0..<10, using: &generator) {
                case 0..<4:
                    let event = stream.kind == .level1 ? nil : (now + gateway).floorDivided(by: second) * second
                    records.append(
                        Tick(
                            key: first, tsEventNanos: event ?? Tick.noEventTime, tsRecvNanos: received,
                            conId: stream.conId, kind: stream.kind, flags: host == 0 ? [] : .clockBad))
                case 4:
                    seq += UInt32.random(in: 0...20, using: &generator)
                    records.append(
                        Tick(
                            marker: .lost, of: stream, key: TickKey(epoch: epoch, seq: seq), tsRecvNanos: received,
                            ref: first, text: "journal gone"))
                default:
                    let events: [MarkerEvent] = [.gapOpened, .gapOpened, .subscribed, .unsubscribed]
                    records.append(
                        Tick(
                            marker: events.randomElement(using: &generator) ?? .gapOpened, of: stream, key: first,
                            tsRecvNanos: received, text: "cause"))
                }
            }
        }
        return records
    }

    @Test func noGapIsToldToBeginBehindItsEnd() {
        var reversedEdges = 0
        for seed in UInt64(1)...(isFull ? 50_000 : 3_000) {
            var generator = SplitMix64(seed: seed)
            let records = Self.records(&generator)
            guard let stream = records.first?.stream else { continue }
            var collector = MarkerCollector()
            records.withUnsafeBufferPointer { collector.take($0) }
            for gap in GapLedger(stream: stream, [collector]).gaps {
                if let from = gap.edgeFromNanos, let to = gap.edgeToNanos, from > to { reversedEdges += 1 }
                if let from = gap.fromNanos, let to = gap.toNanos { #expect(from <= to, "seed \(seed): \(gap)") }
                if gap.toNanos != nil { #expect(gap.isClosed, "seed \(seed): \(gap)") }
                // Of the gateway's times none is given up for the host's, unless they contradict each other.
                if let before = gap.before, before.hasEventTime, gap.after?.hasEventTime != true {
                    #expect(gap.fromNanos == before.tsEventNanos, "seed \(seed): \(gap)")
                }
                if let after = gap.after, after.hasEventTime, gap.before?.hasEventTime != true {
                    #expect(gap.toNanos == after.tsEventNanos, "seed \(seed): \(gap)")
                }
            }
        }
        #expect(reversedEdges > 100, "the clocks are wrong enough to show anything")
    }

    @Test func aHoleBetweenRecordsOfClocksThatContradictHasNoTimes() throws {
        let recording = try SealedRecording()
        var early = ticks(quotes, 1...2)
        for index in early.indices { early[index].tsRecvNanos += 7_200 * Self.second }
        try recording.write(early)
        try recording.write(ticks(quotes, 5...6))
        let (_, account) = try Verify(accountOf: recording.state, depth: .everything).runWithAccount()
        #expect(account.holes.map(\.keys.first.seq) == [3])
        #expect(account.holes.first?.fromNanos == nil && account.holes.first?.toNanos == nil)
    }
}
