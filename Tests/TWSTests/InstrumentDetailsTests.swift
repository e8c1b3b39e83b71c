import TWS
import Testing
import Ticks

/// One value in every field that a version carries, and the defaults elsewhere.
private func details(_ version: Int, secType: String = "FUT") -> InstrumentDetails {
    var details = InstrumentDetails()
    details.contract = Contract(
        conId: 620_731_015, symbol: "ES", secType: secType, lastTradeDateOrContractMonth: "20250620",
        strike: 4_250_500_000_000, right: "C", multiplier: "50", exchange: "CME", primaryExchange: "CME",
        currency: "USD", localSymbol: "ESM5", tradingClass: "ES")
    details.lastTradeTime = "08:30"
    details.lastTradeZone = "US/Central"
    details.marketName = "ES"
    details.minTick = 250_000_000
    details.orderTypes = "ACTIVETIM,AD"
    details.validExchanges = "CME,QBALGO"
    details.priceMagnifier = 1
    details.underConId = 11_004_968
    details.longName = "E-mini S&P 500 – größer"
    details.contractMonth = "202506"
    details.industry = "Indices"
    details.category = "Broad"
    details.subcategory = "Large"
    details.timeZoneId = "US/Central"
    details.tradingHours = "20250521:1700-20250522:1600;20250524:CLOSED"
    details.liquidHours = "20250522:0830-20250522:1600"
    details.evRule = "rule"
    details.evMultiplier = "0"
    details.secIds = [SecurityID(tag: "ISIN", value: "US88160R1014"), SecurityID(tag: "CUSIP", value: "")]
    details.aggGroup = 3
    details.underSymbol = "ES"
    details.underSecType = "IND"
    details.marketRuleIds = "67,67"
    details.realExpirationDate = "20250620"
    details.stockType = "COMMON"
    if version >= 182 { details.lastTradeDate = "20250620" }
    if version < 164 { details.sizeMultiplier = 100 }
    if version == 163 { details.sizeMinTick = 100_000 }
    if version >= 164 {
        details.minSize = 1_000_000
        details.sizeIncrement = 1_000_000_000
        details.suggestedSizeIncrement = 100_000_000_000
    }
    if version >= 179, secType == "FUND" {
        var fund = FundDetails()
        fund.name = "Fund"
        fund.backLoadTimeInterval = "1Y"
        fund.closedForNewMoney = true
        fund.assetType = "003"
        details.fund = fund
    }
    if version >= 186 {
        details.ineligibilityReasons = [IneligibilityReason(id: "ONE", text: "first"), .init(id: "TWO", text: "")]
    }
    return details
}

@Test(arguments: 157...200)
func contractDataRoundTripsInEveryVersion(version: Int) throws {
    for secType in ["FUT", "FUND"] {
        let message = ServerMessage.contractData(requestId: 9_000, details(version, secType: secType))
        #expect(try decodeServer(Array(encoded(message, version).dropFirst(4)), version) == message)
    }
}

/// Counted by hand in the protocol's list, with two security ids and two reasons: readers take fields by position.
@Test(arguments: [
    (157, "FUT", 43), (162, "FUT", 43), (163, "FUT", 44), (164, "FUT", 44), (178, "FUND", 44), (179, "FUT", 44),
    (179, "FUND", 61), (181, "FUT", 44), (182, "FUT", 45), (185, "FUT", 45), (186, "FUT", 50), (200, "FUND", 67),
])
func contractDataHasTheFieldsOfItsVersion(version: Int, secType: String, count: Int) {
    let bytes = encoded(.contractData(requestId: 1, details(version, secType: secType)), version).dropFirst(4)
    #expect(bytes.count { $0 == 0 } == count)
}

@Test func aRecordedFutureDecodes() throws {
    let text =
        "10|9000|ES|FUT|20250620 08:30 US/Central|0||CME|USD|ESM5|ES|ES|620731015|0.25|50|ACTIVETIM,AD|CME,QBALGO|1|"
        + "11004968|E-mini S&P 500||202506||||US/Central|20250521:1700-20250522:1600;20250522:1700-20250523:1600;"
        + "20250524:CLOSED|20250522:0830-20250522:1600|||0|2147483647|ES|IND|67,67|20250620||1|1|1|"
    guard case .contractData(9_000, let found) = try decodeServer(body(text), 173) else {
        Issue.record("no contract data")
        return
    }
    #expect(found.contract.conId == 620_731_015)
    #expect(found.contract.strike == 0)
    #expect(found.contract.exchange == "CME")
    #expect(found.contract.lastTradeDateOrContractMonth == "20250620")
    #expect(found.lastTradeTime == "08:30")
    #expect(found.lastTradeZone == "US/Central")
    #expect(found.minTick == 250_000_000)
    #expect(found.contract.multiplier == "50")
    #expect(found.longName == "E-mini S&P 500")
    #expect(found.timeZoneId == "US/Central")
    #expect(found.tradingHours.hasSuffix("20250524:CLOSED"))
    #expect(found.liquidHours == "20250522:0830-20250522:1600")
    #expect(found.aggGroup == nil)
    #expect(found.underSymbol == "ES")
    #expect(found.marketRuleIds == "67,67")
    #expect(found.realExpirationDate == "20250620")
    #expect(found.suggestedSizeIncrement == 1_000_000_000)
    #expect(encoded(.contractData(requestId: 9_000, found), 173) == frame(body(text)))
    #expect(try decodeServer(body("52|1|9000|"), 173) == .contractDataEnd(requestId: 9_000))
}

@Test func aRecordedStockDecodes() throws {
    let text =
        "10|9001|TSLA|STK||0||SMART|USD|TSLA|NMS|NMS|76792991|0.01||ACTIVETIM|SMART,AMEX|1|0|TESLA INC|NASDAQ||"
        + "Consumer|Auto|Auto-Cars|US/Eastern|20221229:0400-20221229:2000;20221231:CLOSED|20221229:0930-20221229:1600|||1|ISIN|"
        + "US88160R1014|1|||26,26||COMMON|1|1|100|"
    guard case .contractData(9_001, let found) = try decodeServer(body(text), 173) else {
        Issue.record("no contract data")
        return
    }
    #expect(found.secIds == [SecurityID(tag: "ISIN", value: "US88160R1014")])
    #expect(found.aggGroup == 1)
    #expect(found.stockType == "COMMON")
    #expect(found.contract.primaryExchange == "NASDAQ")
    #expect(found.lastTradeTime.isEmpty)
    #expect(encoded(.contractData(requestId: 9_001, found), 173) == frame(body(text)))
}

@Test(arguments: [
    ("20260918 08:30:00 US/Central", "20260918", "08:30:00", "US/Central"),
    ("20250620-08:30-EST", "20250620", "08:30", "EST"), ("202509", "202509", "", ""), ("", "", "", ""),
    ("20250620 08:30", "20250620", "08:30", ""), ("20250620 08:30 Etc/GMT-5", "20250620", "08:30", "Etc/GMT-5"),
])
func lastTradeDatesComeApart(text: String, date: String, time: String, zone: String) throws {
    var out: [UInt8] = []
    ServerMessage.contractData(requestId: 1, InstrumentDetails()).encode(to: &out, serverVersion: 173)
    let fields = String(decoding: out.dropFirst(4), as: UTF8.self).split(
        separator: "\0", omittingEmptySubsequences: false)
    let changed = fields.enumerated().map { $0.offset == 4 ? text : String($0.element) }.joined(separator: "\0")
    guard case .contractData(_, let found) = try decodeServer(Array(changed.utf8), 173) else {
        Issue.record("no contract data")
        return
    }
    #expect(found.contract.lastTradeDateOrContractMonth == date)
    #expect(found.lastTradeTime == time)
    #expect(found.lastTradeZone == zone)
}

@Test(arguments: [157, 163, 164, 179, 182, 200])
func everyCutOfContractDataIsAFault(version: Int) {
    let whole = Array(encoded(.contractData(requestId: 1, details(version, secType: "FUND")), version).dropFirst(4))
    for count in stride(from: 0, to: whole.count, by: 1) {
        #expect(throws: DecodeError.self) { try decodeServer(Array(whole[..<count]), version) }
    }
}

@Test(arguments: 157...200)
func symbolSamplesRoundTripInEveryVersion(version: Int) throws {
    var samples = [
        ContractDescription(
            conId: 265_598, symbol: "AAPL", secType: "STK", primaryExchange: "NASDAQ", currency: "USD",
            derivativeSecTypes: ["CFD", "OPT", "WAR"]),
        ContractDescription(conId: 0, symbol: "AAPL", secType: "BOND"),
    ]
    if version >= 176 {
        samples[0].description = "APPLE INC – größer"
        samples[1].issuerId = "e1234567"
    }
    let message = ServerMessage.symbolSamples(requestId: 43, samples)
    #expect(try decodeServer(Array(encoded(message, version).dropFirst(4)), version) == message)
    let none = ServerMessage.symbolSamples(requestId: 43, [])
    #expect(encoded(none, version) == frame(body("79|43|0|")))
}

@Test func symbolSamplesAreTheLiteralFields() throws {
    let samples = [
        ContractDescription(
            conId: 265_598, symbol: "AAPL", secType: "STK", primaryExchange: "NASDAQ", currency: "USD",
            derivativeSecTypes: ["CFD", "OPT"], description: "APPLE INC")
    ]
    #expect(
        encoded(.symbolSamples(requestId: 43, samples), 175)
            == frame(body("79|43|1|265598|AAPL|STK|NASDAQ|USD|2|CFD|OPT|")))
    #expect(
        encoded(.symbolSamples(requestId: 43, samples), 176)
            == frame(body("79|43|1|265598|AAPL|STK|NASDAQ|USD|2|CFD|OPT|APPLE INC||")))
}

private let bond =
    "18|7|IBCID15960357|BOND|912828C57|2.25|20310331|20140331||||0|0|0||SMART|USD|TREAS|TREAS|15960357|0.0001|LMT|SMART|||0||"
    + "US Treasury|US/Eastern|20261127:0800-20261127:1700|20261127:0900-20261127:1600||0|1|CUSIP|912828C57|4|1910|1|1|1|"

@Test func aBondIsADefinitionWithItsHours() throws {
    guard case .contractData(let request, let details) = try decodeServer(body(bond), 200) else {
        Issue.record("not a definition")
        return
    }
    #expect(request == 7 && details.contract.conId == 15_960_357 && details.contract.secType == "BOND")
    #expect(details.contract.symbol == "IBCID15960357" && details.contract.localSymbol == "912828C57")
    #expect(details.contract.lastTradeDateOrContractMonth == "20310331" && details.minTick == 100_000)
    #expect(
        details.contract.exchange == "SMART" && details.contract.currency == "USD" && details.longName == "US Treasury")
    #expect(details.timeZoneId == "US/Eastern" && details.tradingHours == "20261127:0800-20261127:1700")
    #expect(details.secIds == [SecurityID(tag: "CUSIP", value: "912828C57")])
    #expect(details.aggGroup == 4 && details.marketRuleIds == "1910" && details.suggestedSizeIncrement == 1_000_000_000)
}

@Test func olderVersionsTellNoHoursOfABond() throws {
    let hours = "US/Eastern|20261127:0800-20261127:1700|20261127:0900-20261127:1600|"
    let older = bond.replacing(hours, with: "")
    guard case .contractData(7, let details) = try decodeServer(body(older), 187) else {
        Issue.record("not a definition")
        return
    }
    #expect(details.tradingHours.isEmpty && details.marketRuleIds == "1910")
    let oldest = older.replacing("18|7|", with: "18|6|7|").replacing("0.0001|LMT", with: "0.0001|100|LMT")
    guard case .contractData(7, let early) = try decodeServer(body(oldest), 157) else {
        Issue.record("not a definition")
        return
    }
    #expect(early.sizeMultiplier == 100 && early.secIds.count == 1)
}

@Test(arguments: [
    ("0.0001|LMT", "0,0001|LMT", "minTick"), ("|15960357|", "|1.5|", "conId"), ("|0|1|CUSIP", "|0|x|CUSIP", "nSecIds"),
])
func anImpossibleFieldOfABondIsNamed(old: String, new: String, name: String) throws {
    let text = bond.replacing(old, with: new)
    let error = try #require(throws: DecodeError.self) { try decodeServer(body(text), 200) }
    #expect(InstrumentDetails.fieldName(error.field, of: 18, serverVersion: 200) == name)
}

@Test func aRerouteNamesTheUnderlying() throws {
    let reroute = ServerMessage.reroute(requestId: 5, conId: 265_598, exchange: "SMART")
    #expect(try decodeServer(body("91|5|265598|SMART|")) == reroute)
    #expect(try decodeServer(body("92|5|265598|SMART|")) == reroute)
    #expect(try decodeServer(Array(encoded(reroute).dropFirst(4))) == reroute)
}
