import TWS
import Testing

private func rule(_ code: Int32, _ text: String = "", requestId: Int32 = 5, isLevel1: Bool = false) -> ErrorPolicy.Rule
{
    ErrorPolicy.rule(for: ErrorMessage(requestId: requestId, code: code, text: text), isLevel1: isLevel1)
}

@Test func everyCodeStandsInTheTableOnce() {
    let codes = ErrorPolicy.table.map(\.code)
    #expect(Set(codes).count == codes.count)
}

@Test func theTwoKindsOfRestorationAreKeptApart() {
    #expect(rule(1101, requestId: -1).action == .resubscribeAll)
    #expect(rule(1102, requestId: -1).action == .verifyAll)
    #expect(rule(1100, requestId: -1).action == .suspendAll)
}

@Test(arguments: [
    (322, "Error processing request.-'bO' : cause - Duplicate ticker id", ErrorPolicy.Action.renewRequestId),
    (322, "Max number of tick-by-tick requests has been reached.", .waitForLine),
    (10190, "Max number of tick-by-tick requests has been reached.", .waitForLine),
    (162, "Historical Market Data Service error message:HMDS query returned no data: MNQU5@CME Trades", .emptyAnswer),
    (162, "Historical Market Data Service error message:Historical data request pacing violation", .slowDown),
    (162, "Historical Market Data Service error message:No market data permissions for CME FUT", .retrySlowly),
    (10167, "Requested market data is not subscribed. Displaying delayed market data.", .delayedData),
    (0, "Warning: Approaching max rate of 50 messages per second (44)", .slowDown),
])
func textsDecideWhereTheyMust(code: Int32, text: String, action: ErrorPolicy.Action) {
    #expect(rule(code, text).action == action)
}

@Test func aMissingSubscriptionEndsTickByTickAndNotLevel1() {
    #expect(rule(10089).endsRequest)
    #expect(!rule(10089, isLevel1: true).endsRequest)
    #expect(!rule(10167).endsRequest)
    #expect(rule(10189).endsRequest)
}

@Test func unknownCodesCastADoubtOnTheirRequestAndAreNoticesOtherwise() {
    #expect(rule(99_999).action == .doubt)
    #expect(!rule(99_999).endsRequest)
    #expect(rule(99_999, requestId: -1).scope == .other)
    #expect(rule(99_999, requestId: -1).action == .note)
}

/// Codes 2100 to 2199 are warnings, and so is what calls itself one.
@Test(arguments: [
    (2176, "Warning: size rules have changed"), (2150, "Invalid position trade derived value"), (2187, ""),
    (2188, "Up-to-the-second historical data requires additional subscription for the API."), (2100, "x"),
    (2199, "x"), (10_018, "Warning: something"), (99_999, " warning - something"), (321, "Warning: read only"),
])
func warningsEndNoRequest(code: Int32, text: String) {
    #expect(rule(code, text).action == .note)
    #expect(!rule(code, text).endsRequest)
}

@Test func aWarningAboutTheRateStillSlowsDownAndFarmsStayFarms() {
    #expect(rule(0, "Warning: Approaching max rate of 50 messages per second (44)").action == .slowDown)
    #expect(rule(2103, "Market data farm connection is broken:usfarm").action == .suspendFarm)
    #expect(rule(2110).action == .suspendAll)
}

@Test(arguments: [
    ("Market data farm connection is OK:usfarm", "usfarm"),
    ("Market data farm connection is broken:usfarm.nj", "usfarm.nj"),
    ("HMDS data farm connection is inactive but should be available upon demand.ushmds", "ushmds"),
    ("Market data farm connection is inactive but should be available upon demand.usfarm.nj", "usfarm.nj"),
    ("Market data farm is connecting: usfuture", "usfuture"),
    ("Marktdaten-Serverfarm ist inaktiv, sollte aber auf Anforderung verfügbar sein.usfarm.nj", "usfarm.nj"),
    ("La connexion est rompue :usfarm", "usfarm"),
])
func farmsAreFoundInTheirTexts(text: String, farm: String) {
    #expect(ErrorPolicy.farm(in: text) == farm)
}

@Test func textsWithoutAFarmNameNone() {
    #expect(ErrorPolicy.farm(in: "no farm here") == nil)
    #expect(ErrorPolicy.farm(in: "broken:") == nil)
    #expect(ErrorPolicy.farm(in: "") == nil)
}

/// What health shows for a stream, for every row of the table.
@Test func everyRowOfTheTableHasAStateThatHealthShows() {
    let expected: [(ErrorPolicy.Shown, [Int32])] = [
        (.noLine, [101, 309, 10190]), (.competingSession, [10197]), (.farmDown, [2103, 2108, 2119]),
        (.delayed, [10167]),
        (.noPermission, [354, 420, 10089, 10091, 10168, 10186, 10187, 10189, 10346]),
    ]
    for row in ErrorPolicy.table {
        let shown = expected.first { $0.1.contains(row.code) }?.0 ?? .notSubscribed
        #expect(row.shown == shown, "\(row.code)")
    }
    #expect(rule(322, "Max number of tick-by-tick requests has been reached.").shown == .noLine)
    #expect(rule(322, "cause - Duplicate ticker id").shown == .notSubscribed)
    #expect(rule(162, "No market data permissions for CME FUT").shown == .noPermission)
}

@Test func adviceIsOnlyGivenForCodesOfTheTable() {
    for code: Int32 in [101, 200, 309, 322, 10089, 10190, 10197, 10346] {
        #expect(ErrorPolicy.table.first { $0.code == code }?.advice != nil)
    }
    for row in ErrorPolicy.table { #expect(row.advice?.isEmpty != true) }
}
