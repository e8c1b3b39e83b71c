import Testing
import Ticks

@testable import TickStore

/// What `--from` and `--to` select, by receive time or by the gateway's, with clocks
/// that were wrong, from log and sealed files.
@Suite struct SelectionByTimeTests {
    private static let second: Int64 = 1_000_000_000
    private static let hour: Int64 = 3_600 * second

    private static func tick(
        _ seq: UInt32, event: Int64?, received: Int64, _ flags: TickFlags = [], _ stream: StreamID = quotes
    ) -> Tick {
        Tick(
            key: TickKey(epoch: 100, seq: seq), tsEventNanos: event ?? Tick.noEventTime, tsRecvNanos: received,
            conId: stream.conId, kind: stream.kind, source: stream.source, flags: flags,
            body: ticks(stream, seq...seq)[0].body)
    }

    private static func marker(_ seq: UInt32, received: Int64, _ flags: TickFlags = []) -> Tick {
        var marker = Tick(
            marker: .gapOpened, of: quotes, key: TickKey(epoch: 100, seq: seq), tsRecvNanos: received, text: "x")
        marker.flags = flags
        return marker
    }

    private static func seqs(_ recording: SealedRecording, _ range: Range<Int64>, _ basis: TimeBasis) throws -> [UInt32]
    {
        let selection = TickReader.Selection(
            fromNanos: range.lowerBound, toNanos: range.upperBound, basis: basis, order: .arrival)
        return try recording.all(selection)[quotes]?.map(\.key.seq) ?? []
    }

    @Test(arguments: [false, true]) func aWrongClocksTicksCountByTheGatewaysTime(isSealed: Bool) throws {
        let recording = try SealedRecording()
        let now = someNanos + 100 * Self.second
        let records = [
            // Right: received 0.4 s behind the gateway's second.
            Self.tick(1, event: now, received: now + 400_000_000),
            // Two hours ahead, and known to be.
            Self.tick(2, event: now + Self.second, received: now + 2 * Self.hour, .clockBad),
            Self.marker(3, received: now + 2 * Self.hour + 1, .clockBad),
            // The same, and not known to be.
            Self.tick(4, event: now + 2 * Self.second, received: now + 2 * Self.hour + 2),
            // Without an event time there is the receive time alone.
            Self.tick(5, event: nil, received: now + 2 * Self.hour + 3, .clockBad),
            Self.tick(6, event: now - 50 * Self.hour, received: now + 2 * Self.hour + 4, [.healed, .clockBad]),
        ]
        if isSealed {
            try SealedRecording.seal(recording.state, quotes, hour: 0, records)
        } else {
            try recording.write(records)
        }
        let (near, late) = (now..<(now + 10 * Self.second), (now + Self.hour)..<(now + 3 * Self.hour))
        #expect(try Self.seqs(recording, near, .receive) == [1, 2])
        #expect(try Self.seqs(recording, late, .receive) == [3, 4, 5])
        #expect(try Self.seqs(recording, near, .event) == [1, 2, 4])
        #expect(try Self.seqs(recording, late, .event) == [3, 5])
        for basis in TimeBasis.allCases {
            #expect(try Self.seqs(recording, (now - 50 * Self.hour)..<(now - 49 * Self.hour), basis) == [6])
        }
        // The account of hours is the same.
        let (_, account) = try Verify(accountOf: recording.state, depth: .everything).runWithAccount()
        let first = someNanos / Self.hour
        #expect(account.streams[quotes]?.hours[first]?.live == 2)
        #expect(account.streams[quotes]?.hours[first + 2]?.live == 2)
    }

    /// Three blocks: only the middle one's clock was wrong, and all receive times
    /// lie around those of the window's ticks.
    @Test func noBlockOfAWrongClockIsPassedOver() throws {
        let recording = try SealedRecording()
        var records: [Tick] = []
        for seq in UInt32(1)...48_000 {
            let now = someNanos + Int64(seq) * 50_000_000
            let isWrong = seq > 20_000 && seq < 30_000
            records.append(
                Self.tick(
                    seq, event: now / Self.second * Self.second, received: isWrong ? now + Self.hour : now,
                    isWrong ? .clockBad : []))
        }
        try SealedRecording.seal(recording.state, quotes, hour: 0, records)
        let middle = someNanos + 25_000 * 50_000_000
        let window = middle..<(middle + 5 * Self.second)
        for basis in TimeBasis.allCases {
            let wanted = records.filter { window.contains($0.timeNanos(by: basis)) }.map(\.key.seq)
            #expect(wanted.count == 100)
            #expect(try Self.seqs(recording, window, basis) == wanted)
        }
    }

    /// An ordinary hour is not even opened for another time.
    @Test func anOrdinaryHourIsPassedOverByItsFooter() throws {
        let recording = try SealedRecording()
        let records = (UInt32(1)...100).map {
            Self.tick($0, event: someNanos + Int64($0) * Self.second, received: someNanos + Int64($0) * Self.second + 1)
        }
        let path = try SealedRecording.seal(recording.state, quotes, hour: 0, records)
        let footer = try SegmentFooter(of: path)
        func mayHold(_ hours: Int64, _ basis: TimeBasis = .receive) -> Bool {
            let from = someNanos + hours * Self.hour
            return TimeWindow(fromNanos: from, toNanos: from + Self.hour, basis: basis).mayHold(footer)
        }
        #expect(mayHold(0) && !mayHold(1) && !mayHold(-1))
        // No footer tells of all event times.
        #expect(mayHold(3, .event))
        #expect(try Self.seqs(recording, (someNanos + 3 * Self.hour)..<(someNanos + 4 * Self.hour), .event) == [])
    }

    /// True time goes on; the host's clock is set now and then, and known to be wrong or not; history is fetched.
    private static func records(_ generator: inout SplitMix64, isGatewayOdd: Bool) -> [[Tick]] {
        var (now, offset, seq) = (someNanos, Int64(0), UInt32(0))
        let clocks = [0, 0, 3_600, -3_600, 7_200, -30 * 86_400, 5_000 * 86_400, 900].map { Int64($0) * second }
        return (0..<4).map { _ in
            (0..<Int.random(in: 1...60, using: &generator)).map { _ in
                seq += 1
                now += Int64.random(in: 0...120 * second, using: &generator)
                if Int.random(in: 0..<15, using: &generator) == 0 {
                    offset = clocks.randomElement(using: &generator) ?? 0
                }
                let flags: TickFlags = abs(offset) > 600 * second ? .clockBad : []
                var event = now / second * second
                if isGatewayOdd { event += Int64.random(in: -100_000...100_000, using: &generator) * second }
                switch Int.random(in: 0..<12, using: &generator) {
                case 0: return marker(seq, received: now + offset, flags)
                case 1: return tick(seq, event: nil, received: now + offset, flags)
                case 2: return tick(seq, event: event - 40 * hour, received: now + offset, flags.union(.healed))
                default: return tick(seq, event: event, received: now + offset, flags)
                }
            }
        }
    }

    @Test(arguments: [TimeBasis.receive, .event]) func nothingOfTheTimeIsPassedOver(basis: TimeBasis) throws {
        for seed in UInt64(1)...(isFull ? 1_000 : 40) {
            var generator = SplitMix64(seed: seed)
            // A gateway's times may be anything where they alone are asked for.
            let parts = Self.records(&generator, isGatewayOdd: basis == .event && seed % 2 == 0)
            let recording = try SealedRecording()
            for (hour, part) in parts.dropLast().enumerated() {
                try SealedRecording.seal(recording.state, quotes, hour: Int64(hour), part)
            }
            try recording.write(parts[parts.count - 1])
            let all = parts.flatMap(\.self)
            for _ in 0..<20 {
                guard let some = all.randomElement(using: &generator) else { continue }
                let from = some.timeNanos(by: basis) - Int64.random(in: 0...2 * Self.hour, using: &generator)
                let window = from..<(from + Int64.random(in: 1...3 * Self.hour, using: &generator))
                let wanted = all.filter { window.contains($0.timeNanos(by: basis)) }.map(\.key.seq)
                #expect(try Self.seqs(recording, window, basis) == wanted, "seed \(seed), \(window)")
            }
        }
    }
}
