/// `bondContractData` (message 18): a bond's answer to a request for contract data, behind the request id.
///
///     symbol | secType | cusip | coupon | maturity | issueDate | ratings | bondType | couponType | convertible |
///     callable | putable | descAppend | exchange | currency | marketName | tradingClass | conId | minTick |
///     mdSizeMultiplier (v < 164) | orderTypes | validExchanges | nextOptionDate | nextOptionType | nextOptionPartial |
///     notes | longName | timeZoneId, tradingHours, liquidHours (v ≥ 188) | evRule | evMultiplier | nSecIds |
///     { tag | value }… | aggGroup | marketRuleIds | minSize | sizeIncrement | suggestedSizeIncrement (v ≥ 164)
///
/// The CUSIP is the local symbol, the maturity the last trade date; what only bonds have beyond that is not kept.
/// Source: docs/tws.md#contract-data.
extension InstrumentDetails {
    init(bond cursor: inout FieldCursor, serverVersion: Int) throws(DecodeError) {
        contract.symbol = try cursor.string()
        contract.secType = try cursor.string()
        contract.localSymbol = try cursor.string()
        try cursor.skip()
        setLastTrade(try cursor.string())
        // Issue date, ratings, kinds of bond and coupon, three rights, description.
        for _ in 0..<8 { try cursor.skip() }
        contract.exchange = try cursor.string()
        contract.currency = try cursor.string()
        marketName = try cursor.string()
        contract.tradingClass = try cursor.string()
        contract.conId = try cursor.int32()
        minTick = try cursor.fixed()
        if serverVersion < ServerVersion.sizeRules { sizeMultiplier = try cursor.int32() }
        orderTypes = try cursor.string()
        validExchanges = try cursor.string()
        // The next option's date, kind and part; notes.
        for _ in 0..<4 { try cursor.skip() }
        longName = try cursor.escapedString()
        if serverVersion >= ServerVersion.bondTradingHours {
            timeZoneId = try cursor.string()
            tradingHours = try cursor.string()
            liquidHours = try cursor.string()
        }
        evRule = try cursor.string()
        evMultiplier = try cursor.string()
        for _ in 0..<(try cursor.count(atMost: InstrumentDetails.maxGroups)) {
            secIds.append(SecurityID(tag: try cursor.string(), value: try cursor.string()))
        }
        let group = try cursor.optionalInt32()
        aggGroup = group == .max ? nil : group
        marketRuleIds = try cursor.string()
        guard serverVersion >= ServerVersion.sizeRules else { return }
        minSize = try cursor.fixed()
        sizeIncrement = try cursor.fixed()
        suggestedSizeIncrement = try cursor.fixed()
    }

    static func bondFieldNames(serverVersion: Int) -> [String] {
        ["message id"] + (serverVersion < ServerVersion.sizeRules ? ["version"] : [])
            + [
                "reqId", "symbol", "secType", "cusip", "coupon", "maturity", "issueDate", "ratings", "bondType",
                "couponType", "convertible", "callable", "putable", "descAppend", "exchange", "currency", "marketName",
                "tradingClass", "conId", "minTick",
            ]
            + (serverVersion < ServerVersion.sizeRules ? ["mdSizeMultiplier"] : [])
            + [
                "orderTypes", "validExchanges", "nextOptionDate", "nextOptionType", "nextOptionPartial", "notes",
                "longName",
            ]
            + (serverVersion >= ServerVersion.bondTradingHours ? ["timeZoneId", "tradingHours", "liquidHours"] : [])
            + ["evRule", "evMultiplier", "nSecIds"]
    }
}
