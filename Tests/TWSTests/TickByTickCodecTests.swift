import TWS
import Testing
import Ticks

private let second: Int64 = 1_000_000_000

private func decode(_ text: String) throws -> (requestId: Int32?, tick: Tick, texts: MoreTexts) {
    var tick = Tick(kind: .marker)
    var texts = MoreTexts()
    let bytes = body(text)
    let requestId = try bytes.withUnsafeBytes { raw throws(DecodeError) in
        try TickByTickCodec.decode(raw, into: &tick, texts: &texts)
    }
    return (requestId, tick, texts)
}

@Test func aTradeKeepsEveryField() throws {
    let (requestId, tick, texts) = try decode("99|9001|1|1678740829|3895.25|7|2|NASDAQ|Regular|")
    #expect(requestId == 9001)
    #expect(tick.kind == .last)
    #expect(tick.tsEventNanos == 1_678_740_829 * second)
    #expect(tick.flags == [.unreported, .moreFollows])
    let trade = TradeBody(tick.body)
    #expect(trade.price == 3_895_250_000_000)
    #expect(trade.size == 7 * second)
    #expect(trade.exchange == Array("NASDAQ".utf8))
    #expect(trade.conditions == Array("Regula".utf8))
    #expect(texts.text(.conditions).map(Array.init) == Array("r".utf8))
}

@Test func aQuoteKeepsEveryField() throws {
    let (requestId, tick, texts) = try decode("99|9001|3|1678745793|3895.50|3896.00|9|11|3|")
    #expect(requestId == 9001)
    #expect(tick.kind == .bidAsk)
    #expect(tick.flags == [.bidPastLow, .askPastHigh])
    let quote = QuoteBody(
        bidPrice: 3_895_500_000_000, askPrice: 3_896_000_000_000, bidSize: 9 * second, askSize: 11 * second)
    #expect(QuoteBody(tick.body) == quote)
    #expect(texts.isEmpty)
}

@Test func aMidPointHasAPriceAlone() throws {
    let (_, tick, _) = try decode("99|9001|4|1678746113|3896.875|")
    #expect(tick.kind == .midPoint)
    #expect(tick.body == MidPointBody(price: 3_896_875_000_000).body)
}

@Test(arguments: ["99|1|0|1678746113|", "99|1|5|1678746113|1|2|", "99|1||1678746113|"])
func unknownKindsAreNoFault(text: String) throws {
    #expect(try decode(text).requestId == nil)
}

@Test func literalFramesDecodeAndEncode() throws {
    let frames = [
        (37, "99|20|1|1755030000|23385.25|3|0|CME||"), (43, "99|22|3|1755030000|23384.75|23385.25|6|1|0|"),
    ]
    for (length, text) in frames {
        let (requestId, tick, texts) = try decode(text)
        var out: [UInt8] = []
        TickByTickCodec.encode(tick, more: texts, requestId: try #require(requestId), to: &out)
        #expect(out == frame(body(text)))
        #expect(out[3] == UInt8(length))
    }
}

@Test(arguments: [
    "99|20|1|1755030000|23385.25|3|0|CME||", "99|22|3|1755030000|23384.75|23385.25|6|1|0|",
    "99|23|4|1755030000|23385.5|",
    "99|7|2|1681133400|11.63|24547|3|DRCTEDGE| O X|",
    "99|7|2|1681133400|-37.63|0.001|3|LONGEXCHANGENAME|  LONG CONDITIONS|",
    "99|7|1||1.7976931348623157E308|9223372036854775807|0||   I|", "99|7|3|1|0.1234567891|9999999999.5|0|1E-12|2|",
    "99|7|1|1|Infinity|1|0|A|B|",
])
func everyTickRoundTrips(text: String) throws {
    let (requestId, tick, texts) = try decode(text)
    var out: [UInt8] = []
    TickByTickCodec.encode(tick, more: texts, requestId: try #require(requestId), to: &out)
    #expect(out == frame(body(text)))
}

@Test func aHaltIsATradeOfNothingPastTheLimit() throws {
    #expect(try decode("99|1|1|5|0|0|1|||").tick.flags == [.pastLimit, .halted])
    #expect(try decode("99|1|2|5|0.0|0|1|||").tick.flags == [.pastLimit, .halted])
    #expect(try decode("99|1|1|5|0|0|0|||").tick.flags == [])
    #expect(try decode("99|1|1|5|1.5|0|1|||").tick.flags == .pastLimit)
    #expect(try decode("99|1|3|5|0|0|0|0|1|").tick.flags == .bidPastLow)
}

@Test func unsetNumbersAreAbsentAndExact() throws {
    for unset in ["", "9223372036854775807", "-9223372036854775808", "1.7976931348623157E308", "2147483647"] {
        let (_, tick, texts) = try decode("99|1|1|5|1.5|\(unset)|0|||")
        #expect(TradeBody(tick.body).size == FixedPoint.absent)
        #expect(tick.flags == [] && texts.isEmpty)
    }
    #expect(TradeBody(try decode("99|1|1|5|2147483647|1|0|||").tick.body).price == 2_147_483_647 * second)
    #expect(TradeBody(try decode("99|1|1|5|1.7976931348623157e+308|1|0|||").tick.body).price == FixedPoint.absent)
}

@Test func inexactNumbersKeepTheirText() throws {
    let (_, tick, texts) = try decode("99|1|3|5|314.391998291015625|1|1E-12|99999999999|2|")
    #expect(tick.flags == [.askPastHigh, .inexact, .moreFollows])
    #expect(QuoteBody(tick.body).bidPrice == 314_391_998_291)
    #expect(QuoteBody(tick.body).askSize == FixedPoint.absent)
    let records = texts.records(after: tick)
    #expect(records.compactMap { MoreBody($0.body)?.field } == [.bidPrice, .bidSize, .askSize])
    #expect(
        records.map { String(decoding: MoreBody($0.body)?.text ?? [], as: UTF8.self) }
            == ["314.391998291015625", "1E-12", "99999999999"])
    #expect(records.map { $0.flags.contains(.moreFollows) } == [true, true, false])
}

@Test func artefactsOfBinaryArithmeticAreTheirDecimal() throws {
    let (_, tick, texts) = try decode("99|1|4|5|0.30000000000000004|")
    #expect(tick.body == MidPointBody(price: 300_000_000).body)
    #expect(tick.flags == [] && texts.isEmpty)
}

@Test func moreRecordsCarryTheTicksNameAndTimes() throws {
    var (_, tick, texts) = try decode(
        "99|7|2|1681133400|11.63|24547|3|ABCDEFGHIJKLMNOP|\(String(repeating: "c", count: 70))|")
    tick.conId = 42
    tick.source = 3
    tick.tsRecvNanos = 99
    tick.flags.insert(.simulated)
    let records = texts.records(after: tick)
    #expect(records.count == texts.recordCount && records.count == 4)
    for record in records {
        #expect(record.conId == 42 && record.source == 3 && record.tsRecvNanos == 99)
        #expect(record.stream == StreamID(conId: 42, kind: .allLast, source: 3))
        #expect(record.tsEventNanos == tick.tsEventNanos)
        #expect(record.flags.contains(.simulated) && !record.flags.contains(.pastLimit))
    }
    let exchange = TradeBody(tick.body).exchange + (MoreBody(records[0].body)?.text ?? [])
    #expect(String(decoding: exchange, as: UTF8.self) == "ABCDEFGHIJKLMNOP")
    let conditions = TradeBody(tick.body).conditions + records[1...].flatMap { MoreBody($0.body)?.text ?? [] }
    #expect(conditions == Array(repeating: UInt8(ascii: "c"), count: 70))
}

@Test func textsBeyondAnySenseAreFaults() {
    let long = String(repeating: "x", count: 300)
    #expect(throws: DecodeError(.tooLong, message: 99, field: 7)) { try decode("99|1|1|5|1|1|0|\(long)||") }
    #expect(throws: DecodeError(.tooLong, message: 99, field: 8)) { try decode("99|1|1|5|1|1|0|X|\(long)|") }
    #expect(throws: DecodeError(.tooLong, message: 99, field: 4)) {
        try decode("99|1|4|5|\(String(repeating: "1", count: 300))|")
    }
}

@Test func timesBeyondTheRangeAreFaultsAndUnsetOnesAreNone() throws {
    #expect(throws: DecodeError(.badNumber, message: 99, field: 3)) { try decode("99|1|4|9223372036|1|") }
    #expect(try decode("99|1|4|9223372035|1|").tick.tsEventNanos == 9_223_372_035 * second)
    #expect(try decode("99|1|4||1|").tick.tsEventNanos == Tick.noEventTime)
    #expect(try decode("99|1|4|9223372036854775807|1|").tick.tsEventNanos == Tick.noEventTime)
    #expect(try decode("99|1|4|-5|1|").tick.tsEventNanos == -5 * second)
}

@Test func textsOfAnEarlierTickAreForgotten() throws {
    var tick = Tick(kind: .last)
    var texts = MoreTexts()
    for (text, isEmpty) in [("99|1|1|5|1|1|0|LONGEXCHANGENAME||", false), ("99|1|1|5|1|1|0|CME||", true)] {
        _ = try body(text).withUnsafeBytes { raw throws(DecodeError) in
            try TickByTickCodec.decode(raw, into: &tick, texts: &texts)
        }
        #expect(texts.isEmpty == isEmpty)
        #expect(tick.flags.contains(.moreFollows) == !isEmpty)
    }
}
