import Foundation
import Testing
import Ticks

@testable import TickStore

extension SegmentReader {
    /// All records from where the reader stands.
    mutating func rest() throws -> [Tick] {
        var all: [Tick] = []
        while let run = try next() { all += run }
        return all
    }
}

/// Writes a segment in runs of odd sizes and returns its footer.
@discardableResult
func writeSegment(
    _ path: String, _ records: [Tick], of stream: StreamID = quotes, definition: [UInt8] = Array(#"{"con_id":1}"#.utf8),
    runs: Int = 777
) throws -> SegmentFooter {
    var writer = try SegmentWriter(temporary: path, stream: stream, definition: definition)
    for start in stride(from: 0, to: records.count, by: runs) {
        try records[start..<min(start + runs, records.count)].withUnsafeBufferPointer { try writer.append($0) }
    }
    return try writer.finish()
}

/// Records with every kind in them and bytes of all sorts, keys rising with holes.
func wildRecords(_ stream: StreamID, count: Int, seed: UInt64) -> [Tick] {
    var generator = SplitMix64(seed: seed)
    var key = TickKey(epoch: 1, seq: 0)
    return (0..<count).map { index in
        key = TickKey(rawValue: key.rawValue + (generator.next() % 8 == 0 ? 5 : 1))
        if generator.next() % 4096 == 0 { key = TickKey(epoch: key.epoch + 1, seq: 1) }
        var tick = Tick(
            key: key, tsEventNanos: someNanos + Int64(index / 100) * 1_000_000_000,
            tsRecvNanos: someNanos + Int64(index) * 1_000_003, conId: stream.conId, kind: stream.kind,
            source: stream.source,
            body: TickBody(5_000_000_000 + Int64(generator.next() % 9) * 250_000_000, 1_000_000_000))
        switch generator.next() % 64 {
        case 0: tick = Tick(marker: .twsCode, of: stream, key: key, tsRecvNanos: tick.tsRecvNanos, code: 2104)
        case 1:
            tick.kindByte = TickKind.more.rawValue
            tick.body = MoreBody(streamKind: stream.kind, field: .price, text: Array("0.1234567891".utf8)).body
        case 2:  // Nothing in it means anything, and it comes back all the same.
            withUnsafeMutableBytes(of: &tick) {
                for at in 8..<64 { $0[at] = UInt8.random(in: 0...255, using: &generator) }
            }
        case 3: tick.body.word2 = .max
        case 4: tick.tsEventNanos = Tick.noEventTime
        case 5: tick.flags = TickFlags(rawValue: 0xFFFF)
        default: break
        }
        return tick
    }
}

@Suite struct SegmentTests {
    @Test(arguments: TickKind.streamKinds) func everyRecordComesBackBitByBit(kind: TickKind) throws {
        let directory = try TemporaryDirectory()
        let stream = StreamID(conId: -7, kind: kind, source: 3)
        for (seed, count) in [1, 2, 63, 16_000, 16_001, 33_000].enumerated() {
            let records = wildRecords(stream, count: count, seed: UInt64(seed))
            let footer = try writeSegment(directory.file("s"), records, of: stream)
            var reader = try SegmentReader(directory.file("s"))
            #expect(reader.stream == stream && reader.definition == Array(#"{"con_id":1}"#.utf8))
            #expect(try reader.rest() == records, "\(count) records")
            #expect(footer == reader.footer)
            #expect(try SegmentFooter(of: directory.file("s")) == footer)
            #expect(footer.records == UInt64(count) && footer.firstKey == records[0].key)
            #expect(footer.lastKey == records[count - 1].key)
        }
    }

    @Test func extremeNumbersComeBack() throws {
        let directory = try TemporaryDirectory()
        let values: [Int64] = [.min, .max, 0, -1, 1, .min + 1, .max - 1, 250_000_000, .min, .min, .max]
        var records = ticks(quotes, 1...UInt32(values.count * values.count))
        for index in records.indices {
            records[index].tsEventNanos = values[index % values.count]
            records[index].tsRecvNanos = values[index / values.count]
            records[index].body = TickBody(values[index % values.count], values[index / values.count], .max, .min)
        }
        try writeSegment(directory.file("s"), records)
        var reader = try SegmentReader(directory.file("s"))
        #expect(try reader.rest() == records)
    }

    @Test func anEmptySegmentAndOneWithoutDefinitionAreSegments() throws {
        let directory = try TemporaryDirectory()
        let footer = try writeSegment(directory.file("s"), [], definition: [])
        #expect(footer.records == 0 && footer.lastKey == .zero && footer.minRecvNanos == .max)
        var reader = try SegmentReader(directory.file("s"))
        #expect(reader.definition.isEmpty)
        reader.seek(key: TickKey(epoch: 1, seq: 1))
        #expect(try reader.next() == nil)
    }

    @Test func aMoreRecordStaysInItsTicksBlock() throws {
        let directory = try TemporaryDirectory()
        var records = ticks(trades, 1...40_000)
        for at in records.indices where at % 3 != 0 { records[at].kindByte = TickKind.more.rawValue }
        try writeSegment(directory.file("s"), records, of: trades)
        var reader = try SegmentReader(directory.file("s"))
        var seen = 0
        while let run = try reader.next() {
            #expect(run[0].kind == .last)
            seen += run.count
        }
        #expect(seen == 40_000)
    }

    @Test func aReaderFindsKeysAndTimes() throws {
        let directory = try TemporaryDirectory()
        let records = ticks(quotes, 5...50_000).filter { $0.seq % 5 == 0 }
        try writeSegment(directory.file("s"), records)
        var reader = try SegmentReader(directory.file("s"))
        for wanted: UInt32 in [0, 1, 5, 6, 16_000, 49_996, 50_000, 50_001] {
            reader.seek(key: TickKey(epoch: 100, seq: wanted))
            #expect(try reader.next()?.first?.seq == records.first { $0.seq >= wanted }?.seq)
            reader.seek(receivedFromNanos: someNanos + Int64(wanted) * 1000 - 1)
            #expect(try reader.next()?.first?.seq == records.first { $0.seq >= wanted }?.seq)
        }
        reader.seek(key: TickKey(epoch: 100, seq: 31_000))
        #expect(try reader.rest() == records.filter { $0.seq >= 31_000 })
        reader.seek(key: .zero)
        #expect(try reader.rest() == records)
    }

    @Test func theFooterTellsTimesAndHealedTicksApart() throws {
        let directory = try TemporaryDirectory()
        var records = ticks(quotes, 1...100)
        for at in 40..<50 {
            records[at].flags = .healed
            records[at].tsEventNanos = someNanos - Int64(at) * 1_000_000_000
            records[at].tsRecvNanos = someNanos + 3_600_000_000_000
        }
        let footer = try writeSegment(directory.file("s"), records)
        #expect(footer.healed == 10 && footer.ticks == 100 && footer.markerCount == 0)
        #expect(footer.minRecvNanos == someNanos + 1_000 && footer.maxRecvNanos == someNanos + 100_000)
        #expect(footer.minHealedEventNanos == someNanos - 49_000_000_000)
        #expect(footer.maxHealedEventNanos == someNanos - 40_000_000_000)
    }

    @Test func keysThatDoNotRiseAreRefused() throws {
        let directory = try TemporaryDirectory()
        #expect(throws: StoreError.keysDoNotRise(path: directory.file("s"), key: TickKey(epoch: 100, seq: 3))) {
            try writeSegment(directory.file("s"), ticks(quotes, 1...3) + ticks(quotes, 3...4))
        }
    }

    @Test func whatIsNoSegmentIsSaidToBeNone() throws {
        let directory = try TemporaryDirectory()
        for size in [0, 1, 8, 31, 32, 175, 176, 5_000] {
            try write([UInt8](repeating: 0x49, count: size), to: directory.file("s"))
            #expect(throws: StoreError.notASegment(path: directory.file("s"))) {
                _ = try SegmentReader(directory.file("s"))
            }
            #expect(throws: StoreError.notASegment(path: directory.file("s"))) {
                _ = try SegmentFooter(of: directory.file("s"))
            }
        }
    }

    /// A segment cut off anywhere is no segment: it has its name only when it is whole.
    @Test func aCutSegmentIsRefusedAtEveryOffset() throws {
        let directory = try TemporaryDirectory()
        try writeSegment(directory.file("s"), ticks(quotes, 1...50))
        let whole = try bytes(of: directory.file("s"))
        for cut in 0..<whole.count {
            try write(Array(whole[..<cut]), to: directory.file("s"))
            #expect(throws: StoreError.notASegment(path: directory.file("s"))) {
                _ = try SegmentReader(directory.file("s"))
            }
        }
    }

    @Test func realQuotesTakeLessThanSevenBytes() throws {
        // Prices walk in ticks, sizes are small, times are random: as real quotes are.
        var generator = SplitMix64(seed: 7)
        var nanos = someNanos
        var bid: Int64 = 5_528_500_000_000
        let records = (1...20_000).map { seq in
            nanos += Int64(generator.next() % 50_000_000)
            if generator.next() % 16 == 0 { bid += Int64(generator.next() % 3) * 250_000_000 - 250_000_000 }
            let body = QuoteBody(
                bidPrice: bid, askPrice: bid + 250_000_000, bidSize: Int64(generator.next() % 40) * 1_000_000_000,
                askSize: Int64(generator.next() % 40) * 1_000_000_000)
            return Tick(
                key: TickKey(epoch: 100, seq: UInt32(seq)), tsEventNanos: nanos / 1_000_000_000 * 1_000_000_000,
                tsRecvNanos: nanos, conId: quotes.conId, kind: .bidAsk, body: body.body)
        }
        let directory = try TemporaryDirectory()
        try writeSegment(directory.file("s"), records)
        #expect(try bytes(of: directory.file("s")).count < 7 * records.count)
    }
}

@Suite struct SegmentNameTests {
    @Test func namesAreAddresses() throws {
        let name = SegmentName(stream: quotes, symbol: "MNQ", hour: 490_896)
        #expect(name.description == "711280073-MNQ/bid_ask/2026/01/01/00.ticks")
        #expect(SegmentName(path: "/a/ticks/" + name.description) == name)
        let other = SegmentName(stream: StreamID(conId: 5, kind: .last, source: 2), symbol: "EUR/USD -x.y_z", hour: -1)
        #expect(other.description == "5-EUR_USD_-x.y_z/last@2/1969/12/31/23.ticks")
        #expect(SegmentName(path: other.description) == other)
        #expect(SegmentName(stream: quotes, symbol: "", hour: 0).symbol == "_")
    }

    @Test(arguments: [
        "", "x", "5-A/last/2026/01/01/00.tick", "5-A/last/2026/01/01/24.ticks", "5-A/last/2026/02/30/00.ticks",
        "5-A/last@0/2026/01/01/00.ticks", "5-A/last@256/2026/01/01/00.ticks", "05-A/last/2026/01/01/00.ticks",
        "5/last/2026/01/01/00.ticks", "5-/last/2026/01/01/00.ticks", "5-A/more/2026/01/01/00.ticks",
        "5-A/last/2026/1/01/00.ticks", "5-A/last/2026/01/01/0a.ticks", "-5-A/last/2026/01/01/00.ticks",
    ]) func otherPathsAreNone(path: String) { #expect(SegmentName(path: path) == nil) }

    @Test func aListIsInTheOrderOfStreamsAndHours() throws {
        let directory = try TemporaryDirectory()
        let names = [
            SegmentName(stream: trades, symbol: "MNQ", hour: 490_895),
            SegmentName(stream: trades, symbol: "MNQ", hour: 490_896),
            SegmentName(stream: quotes, symbol: "A", hour: 5),
            SegmentName(stream: quotes, symbol: "MNQ", hour: 490_896),
            SegmentName(stream: StreamID(conId: 1, kind: .last, source: 1), symbol: "Z", hour: 0),
        ]
        for name in names.shuffled() {
            let path = name.path(in: directory.path)
            try FileManager.default.createDirectory(
                atPath: PartName.directory(of: path), withIntermediateDirectories: true)
            try write([], to: path)
            try write([], to: path + ".new")
        }
        try write([], to: directory.file("stray"))
        #expect(try SegmentName.list(ticksDirectory: directory.path) == names)
        #expect(try SegmentName.list(ticksDirectory: directory.path, streams: [quotes]) == Array(names[2...3]))
        #expect(
            try SegmentName.list(ticksDirectory: directory.path, fromHour: 490_896)
                == [names[1], names[3]])
        #expect(try SegmentName.list(ticksDirectory: directory.file("none")).isEmpty)
    }
}
