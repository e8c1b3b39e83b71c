import TWS
import Testing
import Ticks

private let second: Int64 = 1_000_000_000

/// Pairs of literal text and value that must turn into each other, at 187 unless the text says otherwise.
@Test func sessionMessagesAreTheLiteralBytes() throws {
    let pairs: [(Int, String, ServerMessage)] = [
        (15, "15|1|DU1234567|", .managedAccounts(["DU1234567"])), (6, "9|1|1|", .nextValidId(1)),
        (16, "49|1|1755030000|", .currentTime(1_755_030_000)), (7, "52|1|10|", .contractDataEnd(requestId: 10)),
        (7, "57|1|11|", .tickSnapshotEnd(requestId: 11)), (9, "58|1|11|3|", .marketDataType(requestId: 11, type: 3)),
        (5, "62|1|", .positionEnd), (5, "53|1|", .openOrderEnd), (4, "102|", .completedOrdersEnd),
        (10, "8|1|20:11|", .accountUpdateTime("20:11")), (9, "54|1|DU1|", .accountDownloadEnd(account: "DU1")),
        (7, "74|1|12|", .accountUpdateMultiEnd(requestId: 12)), (7, "55|1|13|", .executionDataEnd(requestId: 13)),
        (18, "109|1755030000123|", .currentTimeMillis(1_755_030_000_123)),
        (
            17, "81|11|0.25|9c0001|3|",
            .tickReqParams(requestId: 11, minTick: 250_000_000, bboExchange: "9c0001", snapshotPermissions: 3)
        ),
        (23, "88|42|20190506-13:30:00|", .headTimestamp(requestId: 42, "20190506-13:30:00")),
    ]
    for (_, text, message) in pairs {
        #expect(try decodeServer(body(text)) == message)
        #expect(encoded(message) == frame(body(text)))
    }
    #expect(
        encoded(.managedAccounts(["DU1234567"])) == hex("00 00 00 0f | 31 35 00 31 00 44 55 31 32 33 34 35 36 37 00"))
    #expect(encoded(.nextValidId(1)) == hex("00 00 00 06 | 39 00 31 00 31 00"))
    #expect(encoded(.currentTime(1_755_030_000)).starts(with: hex("00 00 00 10")))
}

@Test func accountListsEndWithACommaOrNot() throws {
    #expect(try decodeServer(body("15|1|DU123,DU124,|")) == .managedAccounts(["DU123", "DU124"]))
    for nothing in ["15|1||", "15|1|,|", "15|1| |", "15|1|, ,|"] {
        #expect(try decodeServer(body(nothing)) == .managedAccounts([]))
    }
    #expect(try decodeServer(body("15|1|, DU123 ,,DU124, |")) == .managedAccounts(["DU123", "DU124"]))
}

@Test func minTickMayBeMissing() throws {
    let message = ServerMessage.tickReqParams(
        requestId: 1, minTick: FixedPoint.absent, bboExchange: "", snapshotPermissions: 0)
    #expect(try decodeServer(body("81|1||||")) == message)
}

// MARK: - Errors

private let farm = "Market data farm connection is OK:usfarm"

@Test(arguments: [
    (157, 0x34, "4|2|-1|2104|\(farm)|"), (165, 0x34, "4|2|-1|2104|\(farm)|"), (166, 0x36, "4|2|-1|2104|\(farm)||"),
    (193, 0x36, "4|2|-1|2104|\(farm)||"), (194, 0x42, "4|-1|2104|\(farm)||1755030000123|"),
    (200, 0x42, "4|-1|2104|\(farm)||1755030000123|"),
])
func errorsHaveThreeLayouts(version: Int, length: Int, text: String) throws {
    let error = ErrorMessage(
        code: 2104, text: farm, timeMillis: version >= 194 ? 1_755_030_000_123 : nil)
    #expect(try decodeServer(body(text), version) == .error(error))
    #expect(encoded(.error(error), version) == frame(body(text)))
    if version >= 166 { #expect(encoded(.error(error), version)[3] == UInt8(length)) }
}

@Test func anErrorOnARequestIsTheLiteralBytes() throws {
    let text = "4|2|25|10190|Max number of tick-by-tick requests has been reached.||"
    let error = ErrorMessage(
        requestId: 25, code: 10190, text: "Max number of tick-by-tick requests has been reached.")
    #expect(try decodeServer(body(text)) == .error(error))
    #expect(encoded(.error(error)) == frame(body(text)))
    #expect(encoded(.error(error))[3] == 0x44)
}

@Test func escapesBecomeTextAndBack() throws {
    let escaped = #"4|2|-1|2100|Gr\u00fc\u00DFe \ud83d\ude00 \u00zz C:\users \ud800|{\u0022a\u0022}|"#
    guard case .error(let error) = try decodeServer(body(escaped)) else {
        Issue.record("no error")
        return
    }
    #expect(error.text == "Grüße 😀 \\u00zz C:\\users \u{FFFD}")
    #expect(error.advancedOrderRejectJSON == #"{"a"}"#)
    let back = encoded(.error(ErrorMessage(code: 1, text: "Grüße 😀")), 200)
    #expect(back.dropFirst(4).allSatisfy { $0 < 0x7F })
    #expect(try decodeServer(Array(back.dropFirst(4)), 200) == .error(ErrorMessage(code: 1, text: "Grüße 😀")))
}

@Test func bytesThatAreNotUTF8DoNotFailTheMessage() throws {
    let bytes = body("4|2|-1|2100|f") + [0xFC, 0x72, 0, 0]
    guard case .error(let error) = try decodeServer(bytes) else {
        Issue.record("no error")
        return
    }
    #expect(error.text == "f\u{FFFD}r")
}

// MARK: - Level 1

@Test func level1MessagesKeepWhatTheyHold() throws {
    guard case .level1(let requestId, let form, let tick, let more) = try decodeServer(body("1|6|11|1|23384.75|6|1|"))
    else {
        Issue.record("no level 1")
        return
    }
    #expect(requestId == 11 && form == .price && more.isEmpty && tick.tsEventNanos == Tick.noEventTime)
    #expect(Level1Body(tick.body) == Level1Body(field: 1, attributes: 1, value: 23_384.75, size: 6 * second))
}

@Test(arguments: [
    "1|6|11|1|23384.75|6|1|", "1|6|11|37|314.39199829|0|0|", "1|6|11|66|-1.0|0|4|", "2|6|11|0|0.001|",
    "2|6|11|89|87871162|",
    "45|6|11|49|0.0|", "45|6|11|24|0.2757165688991547|", "46|6|11|45|1755030000|", "46|6|11|32||",
    "46|6|11|59|12345678|",
    "46|6|11|48|23385.25;3;1755030000123;123456;23380.1;true|", "2|6|11|999|1|",
])
func level1RoundTrips(text: String) throws {
    let message = try decodeServer(body(text))
    #expect(encoded(message) == frame(body(text)))
}

@Test func longLevel1TextsGoOnInMoreRecords() throws {
    let text = "23385.25;3;1755030000123;123456;23380.1;true"
    guard case .level1(_, .string, let tick, let more) = try decodeServer(body("46|6|11|48|\(text)|")) else {
        Issue.record("no level 1")
        return
    }
    #expect(tick.flags == .moreFollows)
    let records = more.records(after: tick)
    #expect(records.map { $0.flags.contains(.moreFollows) } == [true, false])
    let rest = records.flatMap { MoreBody($0.body)?.text ?? [] }
    #expect(String(decoding: Level1Body(tick.body).text + rest, as: UTF8.self) == text)
    #expect(records.allSatisfy { MoreBody($0.body)?.field == .text && MoreBody($0.body)?.streamKind == .level1 })
}

@Test func emptyAndUnsetLevel1NumbersAreAbsent() throws {
    for number in ["", "1.7976931348623157E308", "1.7976931348623157e+308", "Infinity"] {
        guard case .level1(_, _, let tick, _) = try decodeServer(body("1|6|1|4|\(number)|2147483647|0|")) else {
            Issue.record("no level 1")
            return
        }
        #expect(Level1Body(tick.body).value.isNaN)
        #expect(Level1Body(tick.body).size == FixedPoint.absent)
    }
}

// MARK: - Historical ticks

private func historical(_ text: String) throws -> HistoricalTicks {
    guard case .historicalTicks(let ticks) = try decodeServer(body(text)) else {
        throw DecodeError(.badMessageId, message: 0, field: 0)
    }
    return ticks
}

@Test func recordedHistoricalTradesKeepTheirBlanks() throws {
    let text = "98|9000|2|1681133400|0|11.63|24547|ISLAND| O X|1681133400|2|11.73|1|DRCTEDGE|   I|1|"
    let ticks = try historical(text)
    #expect(ticks.kind == .trades && ticks.done && ticks.requestId == 9000)
    #expect(ticks.ticks.map(\.tick.kind) == [.last, .last])
    let first = TradeBody(ticks.ticks[0].tick.body)
    #expect(first.price == 11_630_000_000 && first.size == 24_547 * second)
    #expect(String(decoding: first.exchange, as: UTF8.self) == "ISLAND")
    #expect(String(decoding: first.conditions, as: UTF8.self) == " O X")
    #expect(ticks.ticks[1].tick.flags == .unreported)
    #expect(encoded(.historicalTicks(ticks)) == frame(body(text)))
}

@Test func theMaskOfHistoricalQuotesIsTheOtherWayRound() throws {
    let ticks = try historical("97|9000|3|1681133399|1|11.63|11.83|2800|100|5|2|1|2|3|4|6|3|1|2|3|4|0|")
    #expect(ticks.ticks.map(\.tick.flags) == [.askPastHigh, .bidPastLow, [.askPastHigh, .bidPastLow]])
    #expect(!ticks.done)
    let live = try decodeServer(body("99|1|3|5|1|2|3|4|1|"))
    guard case .tickByTick(_, let tick, _) = live else {
        Issue.record("no tick")
        return
    }
    #expect(tick.flags == .bidPastLow)
}

@Test(arguments: [
    "96|24|2|1681133398|0|91.36|0|1681133399|0|91.37|0|1|", "97|4|1|1681133399|0|11.63|11.83|2800|100|1|",
    "97|4|2|1681133399|1|11.63|11.83|2800|100|1681133399|2|1|2|3|4|0|", "98|30|1|1755030000|2|23385.5|1|CME|I|1|",
    "96|1|0|1|", "97|1|0|1|", "98|1|0|0|",
])
func historicalTicksRoundTrip(text: String) throws {
    #expect(encoded(.historicalTicks(try historical(text))) == frame(body(text)))
}

@Test func theLiteralHistoricalTradeHasItsLength() throws {
    let bytes = encoded(.historicalTicks(try historical("98|30|1|1755030000|2|23385.5|1|CME|I|1|")))
    #expect(bytes.starts(with: hex("00 00 00 27")))
}

@Test func countsThatDoNotFitAreFaults() {
    for text in [
        "98|1|-1|1|", "98|1|2147483647|1|", "98|1|99999999999|1|", "98|1|2|5|0|1|1|A|B|1|", "96|1|1|", "96|1|",
    ] {
        #expect(throws: DecodeError.self) { try decodeServer(body(text)) }
    }
}

// MARK: - What is not a message

@Test func unknownMessagesAreSkippedWhole() throws {
    for text in ["5|whatever|1|2|", "110|x|", "21|6|1|", "12|6|x|", "2147483647|", "99|1|0|1755030000|"] {
        guard case .unknown = try decodeServer(body(text)) else {
            Issue.record("\(text) is known")
            continue
        }
    }
    #expect(try decodeServer(body("84|1|2|")) == .unknown(id: 84))
}

@Test func furtherTrailingFieldsAreIgnored() throws {
    #expect(try decodeServer(body("9|1|77|more|fields|")) == .nextValidId(77))
    #expect(try decodeServer(body("99|1|4|5|1.5|x|")) == decodeServer(body("99|1|4|5|1.5|")))
}

@Test(arguments: [
    "", "9", "9|1|1", "|9|", "x|", "-4|", "0|", "9|1|", "9|1|x|", "9|1|2147483648|", "99999999999999999999|",
])
func bodiesThatAreNoMessagesAreFaults(text: String) {
    #expect(throws: DecodeError.self) { try decodeServer(body(text)) }
}

@Test func faultsNameMessageAndField() {
    #expect(throws: DecodeError(.badNumber, message: 9, field: 2)) { try decodeServer(body("9|1|x|")) }
    #expect(throws: DecodeError(.missingField, message: 9, field: 2)) { try decodeServer(body("9|1|")) }
    #expect(throws: DecodeError(.unterminated, message: 0, field: 0)) { try decodeServer(body("9|1|1")) }
    #expect(throws: DecodeError(.badNumber, message: 99, field: 5)) { try decodeServer(body("99|1|3|5|1|x|1|1|0|")) }
}
