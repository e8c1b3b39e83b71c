import Testing
import Ticks

/// 2025-08-12 20:20:00 UTC, the second of the protocol notes' examples.
private let second: Int64 = 1_755_030_000_000_000_000

private func hex(_ text: String) -> [UInt8] {
    text.split(whereSeparator: \.isWhitespace).map { UInt8($0, radix: 16)! }
}

@Suite struct TickLayout {
    @Test func theStructIsTheRecord() {
        #expect(MemoryLayout<Tick>.size == 64)
        #expect(MemoryLayout<Tick>.stride == 64)
        #expect(MemoryLayout<Tick>.alignment == 8)
    }

    @Test func everyFieldOfATradeStandsAtItsOffset() {
        let trade = TradeBody(
            price: 23_385_250_000_000, size: 3_000_000_000, exchange: Array("CME".utf8), conditions: Array("  T  ".utf8)
        )
        let tick = Tick(
            key: TickKey(epoch: 0x0102_0304, seq: 0x0A0B_0C0D), tsEventNanos: second, tsRecvNanos: second + 5,
            conId: 711_280_073, kind: .last, source: 7, flags: [.unreported, .simulated], body: trade.body)
        #expect(
            tick.bytes
                == hex(
                    """
                    0d 0c 0b 0a  04 03 02 01  00 60 27 88 7c 1e 5b 18  05 60 27 88 7c 1e 5b 18
                    c9 45 65 2a  01  07  02 01
                    80 ec 84 cd 44 15 00 00  00 5e d0 b2 00 00 00 00
                    43 4d 45 00 00 00 00 00 00 00  20 20 54 20 20 00
                    """))
    }

    @Test func everyFieldOfAQuoteStandsAtItsOffset() {
        let quote = QuoteBody(bidPrice: 1, askPrice: -2, bidSize: 3, askSize: FixedPoint.absent)
        let tick = Tick(
            key: TickKey(epoch: 2, seq: 1), tsRecvNanos: 0, conId: 1, kind: .bidAsk, flags: .askPastHigh,
            body: quote.body)
        #expect(
            tick.bytes
                == hex(
                    """
                    01 00 00 00 02 00 00 00  00 00 00 00 00 00 00 80  00 00 00 00 00 00 00 00  01 00 00 00 03 00 02 00
                    01 00 00 00 00 00 00 00  fe ff ff ff ff ff ff ff  03 00 00 00 00 00 00 00  ff ff ff ff ff ff ff 7f
                    """))
    }

    @Test func everyFieldOfAMarkerStandsAtItsOffset() {
        let tick = Tick(
            marker: .gapOpened, of: StreamID(conId: 1, kind: .bidAsk), key: TickKey(epoch: 1, seq: 9), tsRecvNanos: 0,
            code: -1100, ref: TickKey(epoch: 1, seq: 2), text: "disconnect")
        #expect(Array(tick.bytes[28..<32]) == hex("ff 00 00 00"))
        #expect(
            Array(tick.bytes[32...])
                == hex("03 02 00 00 b4 fb ff ff  02 00 00 00 01 00 00 00")
                + Array("disconnect".utf8) + [0, 0, 0, 0, 0, 0])
        #expect(tick.stream == StreamID(conId: 1, kind: .bidAsk))
        #expect(tick.marker?.code == -1100)
    }

    @Test func everyFieldOfAMoreStandsAtItsOffset() {
        let more = MoreBody(streamKind: .last, field: .exchange, text: Array("LONG".utf8))
        let tick = Tick(key: TickKey(epoch: 1, seq: 2), conId: 5, kind: .more, body: more.body)
        #expect(tick.bytes[28] == 254)
        #expect(Array(tick.bytes[32..<40]) == hex("01 01 04 4c 4f 4e 47 00"))
        #expect(tick.stream == StreamID(conId: 5, kind: .last))
        #expect(MoreBody(tick.body) == more)
    }

    @Test func level1AndDepthBodiesRoundTripAtTheirOffsets() {
        let level1 = Level1Body(field: 0x0130, attributes: 0x0203, value: 1.5, size: 7, text: Array("ABCDEFGH".utf8))
        let bytes = Tick(conId: 1, kind: .level1, body: level1.body).bytes
        #expect(
            Array(bytes[32...])
                == hex(
                    "30 01 03 02 00 00 00 00 00 00 00 00 00 00 f8 3f 07 00 00 00 00 00 00 00 41 42 43 44 45 46 47 48"))
        #expect(Level1Body(level1.body) == level1)
        let depth = DepthBody(
            position: 0x0102, operation: 2, side: 1, price: 3, size: 4, marketMaker: Array("NSDQ".utf8))
        #expect(Array(Tick(conId: 1, kind: .depth, body: depth.body).bytes[32..<40]) == hex("02 01 02 01 00 00 00 00"))
        #expect(DepthBody(depth.body) == depth)
    }

    @Test func keysOrderByEpochThenSeqAndReadAsOneNumber() {
        let tick = Tick(key: TickKey(epoch: 3, seq: 4), conId: 1, kind: .last)
        let number = tick.bytes[0..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        #expect(number == tick.key.rawValue)
        #expect(TickKey(epoch: 1, seq: .max) < TickKey(epoch: 2, seq: 1))
        #expect(TickKey(epoch: 1, seq: 5).next == TickKey(epoch: 1, seq: 6))
        #expect(TickKey(epoch: 1, seq: 5).endOfEpoch == TickKey(epoch: 1, seq: .max))
    }

    @Test func aRecordNeeds64Bytes() async {
        await #expect(processExitsWith: .failure) {
            let bytes = [UInt8](repeating: 0, count: 64)
            bytes.withUnsafeBytes { _ = Tick(decoding: $0, at: 1) }
        }
    }
}

@Suite struct StreamNames {
    @Test(arguments: ["711280073.bid_ask", "12087792.mid_point", "1.all_last@3", "265598.rt_volume@255"])
    func writtenFormsRoundTrip(text: String) throws {
        #expect(try #require(StreamID(text)).description == text)
    }

    @Test(arguments: [
        "", ".", "x.last", "1.", "1.more", "1.marker", "1.trades", "1.last@", "1.last@256", "0.last", "-1.last",
        "4294967297.last", "1.last.x",
    ])
    func otherTextsAreNoStream(text: String) {
        #expect(StreamID(text) == nil)
    }

    /// Who subscribes to a contract or a stream by a prefix, as everybody does, never gets another source's ticks.
    @Test func theTopicNamesContractSourceAndKind() {
        let (day, night) = (StreamID(conId: 265_598, kind: .last), StreamID(conId: 265_598, kind: .last, source: 2))
        #expect(day.topic == "tick.265598.last" && night.topic == "tick.265598@2.last")
        #expect(!night.topic.hasPrefix(day.topic) && !night.topic.hasPrefix("tick.265598."))
        #expect(night.topic.hasPrefix("tick."))
    }

    @Test(arguments: ["265598", "1@1", "2147483647@255"]) func contractsRoundTrip(text: String) throws {
        let contract = try #require(ContractID(text))
        #expect(contract.description == text)
        #expect(StreamID(contract, .last).contract == contract)
    }

    /// Each contract has one name: it is a file's and a topic's.
    @Test(arguments: ["", "0", "-1", "+1", "01", "1@", "1@0", "1@01", "1@+1", "1@256", "@1", "1@1@1", "1.last", "1 "])
    func otherTextsAreNoContract(text: String) {
        #expect(ContractID(text) == nil)
    }
}
