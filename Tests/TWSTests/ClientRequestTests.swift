import TWS
import Testing
import Ticks

private let mnq = Contract(
    conId: 711_280_073, symbol: "MNQ", secType: "FUT", exchange: "CME", currency: "USD")
private var mnqWithStrike: Contract {
    var contract = mnq
    contract.strike = 0
    return contract
}

@Test func startApiIsTheLiteralBytes() throws {
    let bytes = hex("00 00 00 08 | 37 31 00 32 00 37 00 00")
    #expect(encoded(.startApi(clientId: 7)) == bytes)
    #expect(try decodeClient(Array(bytes.dropFirst(4))) == .startApi(clientId: 7))
    #expect(try decodeClient(body("71|2|28||")) == .startApi(clientId: 28))
}

@Test func tickByTickRequestsAreTheLiteralBytes() throws {
    let bytes = hex(
        """
        00 00 00 30 | 39 37 00 32 30 00 37 31 31 32 38 30 30 37 33 00 4d 4e 51 00 46 55 54 00 00 00 00 00 43 4d 45 00 00
        55 53 44 00 00 00 4c 61 73 74 00 30 00 30 00
        """)
    let request = ClientRequest.tickByTick(TickByTickRequest(requestId: 20, contract: mnq, kind: .last))
    #expect(encoded(request) == bytes)
    #expect(try decodeClient(Array(bytes.dropFirst(4))) == request)
    #expect(encoded(.cancelTickByTick(requestId: 20)) == hex("00 00 00 06") + body("98|20|"))
    #expect(encoded(.currentTime) == hex("00 00 00 05") + body("49|1|"))
}

/// What the official 10.30 client sends at 187; its strike is `0.0` where ours is empty or `0`.
@Test func requestsOfTheOfficialClientDecode() throws {
    let pairs: [(String, ClientRequest)] = [
        ("71|2|7||", .startApi(clientId: 7)),
        (
            "9|8|10|711280073|MNQ|FUT||0.0|||CME||USD|||0||||",
            .contractData(ContractDataRequest(requestId: 10, contract: mnqWithStrike))
        ),
        ("59|1|1|", .marketDataType(1)),
        (
            "1|11|11|711280073|MNQ|FUT||0.0|||CME||USD|||0|233|0|0||",
            .marketData(MarketDataRequest(requestId: 11, contract: mnqWithStrike, genericTicks: "233"))
        ),
        (
            "97|20|711280073|MNQ|FUT||0.0|||CME||USD|||Last|0|0|",
            .tickByTick(TickByTickRequest(requestId: 20, contract: mnqWithStrike, kind: .last))
        ),
        (
            "96|30|711280073|MNQ|FUT||0.0|||CME||USD|||0|20250812 15:00:00 US/Central||1000|TRADES|0|0||",
            .historicalTicks(
                HistoricalTicksRequest(
                    requestId: 30, contract: mnqWithStrike, startDateTime: "20250812 15:00:00 US/Central",
                    whatToShow: "TRADES"))
        ),
        (
            "87|42|711280073|MNQ|FUT||0.0|||CME||USD|||0|0|TRADES|1|",
            .headTimestamp(HeadTimestampRequest(requestId: 42, contract: mnqWithStrike, whatToShow: "TRADES"))
        ),
        ("98|20|", .cancelTickByTick(requestId: 20)), ("2|2|11|", .cancelMarketData(requestId: 11)),
        ("90|42|", .cancelHeadTimestamp(requestId: 42)), ("105|", .currentTimeInMillis),
        ("81|43|AAPL|", .matchingSymbols(requestId: 43, pattern: "AAPL")), ("8|1|-1|", .ids(count: -1)),
        ("17|1|", .managedAccounts), ("14|1|5|", .setServerLogLevel(5)), ("61|1|", .positions),
        ("5|1|", .openOrders), ("15|1|1|", .autoOpenOrders(bind: true)), ("16|1|", .allOpenOrders),
        ("99|0|", .completedOrders(apiOnly: false)), ("6|2|1|DU1|", .accountUpdates(subscribe: true, account: "DU1")),
        ("76|1|12|DU1||0|", .accountUpdatesMulti(requestId: 12, account: "DU1", modelCode: "", ledgerAndNLV: false)),
        ("7|3|13|0|||||||", .executions(requestId: 13, filter: ["0", "", "", "", "", "", ""])),
        ("50|3|40|711280073|", .other(id: 50, fields: ["3", "40", "711280073"])),
        ("91|26|", .other(id: 91, fields: ["26"])),
    ]
    for (text, request) in pairs {
        let version = text.hasPrefix("105") ? 200 : 187
        #expect(try decodeClient(body(text), version) == request, "\(text)")
        #expect(encoded(request, version) == frame(body(text.replacing("|0.0|", with: "|0|"))), "\(text)")
    }
}

@Test func aRequestOfALaterVersionIsNoneThatIsKnown() throws {
    #expect(try decodeClient(body("105|"), 196) == .other(id: 105, fields: []))
    #expect(try decodeClient(body("105|"), 197) == .currentTimeInMillis)
}

@Test(arguments: 157...200)
func contractRequestsRoundTripInEveryVersion(version: Int) throws {
    var full = ContractDataRequest(
        requestId: 10,
        contract: Contract(
            conId: 1, symbol: "A B", secType: "OPT", lastTradeDateOrContractMonth: "202509", strike: 12_500_000,
            right: "CALL", multiplier: "100", exchange: "SMART", primaryExchange: "NASDAQ", currency: "USD",
            localSymbol: "A  250919", tradingClass: "A"), includeExpired: true, secIdType: "ISIN",
        secId: "US0378331005")
    if version >= 176 { full.issuerId = "e1" }
    let bytes = encoded(.contractData(full), version)
    #expect(bytes.dropFirst(4).count { $0 == 0 } == (version >= 176 ? 19 : 18))
    #expect(try decodeClient(Array(bytes.dropFirst(4)), version) == .contractData(full))
}

@Test func combinationsKeepTheirLegs() throws {
    var request = MarketDataRequest(requestId: 3, contract: Contract(symbol: "X", secType: "BAG", exchange: "SMART"))
    request.legs = [
        .init(conId: 1, ratio: 1, action: "BUY", exchange: "CME"),
        .init(conId: 2, ratio: 2, action: "SELL", exchange: "CME"),
    ]
    request.deltaNeutral = .init(conId: 5, delta: 0.5, price: 100.25)
    request.options = "a=b;"
    request.regulatorySnapshot = true
    let bytes = encoded(.marketData(request))
    #expect(try decodeClient(Array(bytes.dropFirst(4))) == .marketData(request))
}

@Test(arguments: TickByTickKind.allCases)
func everyTickByTickKindHasItsWord(kind: TickByTickKind) throws {
    let request = TickByTickRequest(requestId: 1, contract: mnq, kind: kind, numberOfTicks: 1_000, ignoreSize: true)
    #expect(try decodeClient(Array(encoded(.tickByTick(request)).dropFirst(4))) == .tickByTick(request))
    #expect(TickByTickKind(kind.tickKind) == kind)
}

@Test(arguments: [
    "97|20|711280073|MNQ|FUT||0.0|||CME||USD|||last|0|0|", "97|20|x|MNQ|FUT||0.0|||CME||USD|||Last|0|0|",
    "97|20|711280073|MNQ|", "71|2|seven||", "9|8|", "1|11|1|0|X|BAG||||||||||-3|", "",
])
func requestsThatCannotBeAreFaults(text: String) {
    #expect(throws: DecodeError.self) { try decodeClient(body(text)) }
}

@Test func aNulInAFieldCannotForgeAnother() throws {
    let request = ClientRequest.matchingSymbols(requestId: 1, pattern: "A\0B")
    #expect(try decodeClient(Array(encoded(request).dropFirst(4))) == .matchingSymbols(requestId: 1, pattern: "A B"))
}
