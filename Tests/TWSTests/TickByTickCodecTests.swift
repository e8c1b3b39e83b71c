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
