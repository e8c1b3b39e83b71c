internal import Ticks

/// The field order of `contractData` with all its version conditions, in both directions, behind the request id.
/// Source: docs/tws.md#contract-data.
extension InstrumentDetails {
    init(_ cursor: inout FieldCursor, serverVersion: Int) throws(DecodeError) {
        contract.symbol = try cursor.string()
        contract.secType = try cursor.string()
        setLastTrade(try cursor.string())
        if serverVersion >= ServerVersion.lastTradeDate { lastTradeDate = try cursor.string() }
        contract.strike = try cursor.fixed()
        contract.right = try cursor.string()
        contract.exchange = try cursor.string()
        contract.currency = try cursor.string()
        contract.localSymbol = try cursor.string()
        marketName = try cursor.string()
        contract.tradingClass = try cursor.string()
        contract.conId = try cursor.int32()
        minTick = try cursor.fixed()
        if serverVersion < ServerVersion.sizeRules { sizeMultiplier = try cursor.int32() }
        contract.multiplier = try cursor.string()
        orderTypes = try cursor.string()
        validExchanges = try cursor.string()
        priceMagnifier = try cursor.int32()
        underConId = try cursor.int32()
        longName = try cursor.escapedString()
        contract.primaryExchange = try cursor.string()
        contractMonth = try cursor.string()
        industry = try cursor.string()
        category = try cursor.string()
        subcategory = try cursor.string()
        timeZoneId = try cursor.string()
        tradingHours = try cursor.string()
        liquidHours = try cursor.string()
        try decodeRest(&cursor, serverVersion: serverVersion)
    }

    private mutating func decodeRest(_ cursor: inout FieldCursor, serverVersion: Int) throws(DecodeError) {
        evRule = try cursor.string()
        evMultiplier = try cursor.string()
        for _ in 0..<(try cursor.count(atMost: InstrumentDetails.maxGroups)) {
            secIds.append(SecurityID(tag: try cursor.string(), value: try cursor.string()))
        }
        let group = try cursor.optionalInt32()
        aggGroup = group == .max ? nil : group
        underSymbol = try cursor.string()
        underSecType = try cursor.string()
        marketRuleIds = try cursor.string()
        realExpirationDate = try cursor.string()
        stockType = try cursor.string()
        if serverVersion == ServerVersion.fractionalSizes { sizeMinTick = try cursor.fixed() }
        if serverVersion >= ServerVersion.sizeRules {
            minSize = try cursor.fixed()
            sizeIncrement = try cursor.fixed()
            suggestedSizeIncrement = try cursor.fixed()
        }
        if serverVersion >= ServerVersion.fundFields, contract.secType == "FUND" { fund = try FundDetails(&cursor) }
        if serverVersion >= ServerVersion.ineligibilityReasons {
            for _ in 0..<(try cursor.count(atMost: InstrumentDetails.maxGroups)) {
                ineligibilityReasons.append(
                    IneligibilityReason(id: try cursor.string(), text: try cursor.string()))
            }
        }
    }

    func encode(to out: inout [UInt8], serverVersion: Int) {
        out.appendField(contract.symbol)
        out.appendField(contract.secType)
        out.appendField(lastTradeText)
        if serverVersion >= ServerVersion.lastTradeDate { out.appendField(lastTradeDate) }
        out.appendFixedField(contract.strike)
        out.appendField(contract.right)
        out.appendField(contract.exchange)
        out.appendField(contract.currency)
        out.appendField(contract.localSymbol)
        out.appendField(marketName)
        out.appendField(contract.tradingClass)
        out.appendField(contract.conId)
        out.appendFixedField(minTick)
        if serverVersion < ServerVersion.sizeRules { out.appendField(sizeMultiplier) }
        out.appendField(contract.multiplier)
        out.appendField(orderTypes)
        out.appendField(validExchanges)
        out.appendField(priceMagnifier)
        out.appendField(underConId)
        out.appendEscapedField(longName)
        out.appendField(contract.primaryExchange)
        out.appendField(contractMonth)
        out.appendField(industry)
        out.appendField(category)
        out.appendField(subcategory)
        out.appendField(timeZoneId)
        out.appendField(tradingHours)
        out.appendField(liquidHours)
        encodeRest(to: &out, serverVersion: serverVersion)
    }

    private func encodeRest(to out: inout [UInt8], serverVersion: Int) {
        out.appendField(evRule)
        out.appendField(evMultiplier)
        out.appendField(secIds.count)
        for id in secIds {
            out.appendField(id.tag)
            out.appendField(id.value)
        }
        out.appendField(aggGroup ?? .max)
        out.appendField(underSymbol)
        out.appendField(underSecType)
        out.appendField(marketRuleIds)
        out.appendField(realExpirationDate)
        out.appendField(stockType)
        if serverVersion == ServerVersion.fractionalSizes { out.appendFixedField(sizeMinTick) }
        if serverVersion >= ServerVersion.sizeRules {
            out.appendFixedField(minSize)
            out.appendFixedField(sizeIncrement)
            out.appendFixedField(suggestedSizeIncrement)
        }
        if serverVersion >= ServerVersion.fundFields, contract.secType == "FUND" {
            (fund ?? FundDetails()).encode(to: &out)
        }
        if serverVersion >= ServerVersion.ineligibilityReasons {
            out.appendField(ineligibilityReasons.count)
            for reason in ineligibilityReasons {
                out.appendField(reason.id)
                out.appendField(reason.text)
            }
        }
    }

    /// Takes `20250620 08:30 US/Central` (older: joined with `-`) apart into date, time and zone.
    mutating func setLastTrade(_ text: String) {
        let separator: Character = text.contains(" ") ? " " : "-"
        let parts = text.split(separator: separator, maxSplits: 2)
        contract.lastTradeDateOrContractMonth = parts.isEmpty ? "" : String(parts[0])
        lastTradeTime = parts.count > 1 ? String(parts[1]) : ""
        lastTradeZone = parts.count > 2 ? String(parts[2]) : ""
    }

    /// Date, time and zone as one field.
    var lastTradeText: String {
        [contract.lastTradeDateOrContractMonth, lastTradeTime, lastTradeZone].filter { !$0.isEmpty }
            .joined(separator: " ")
    }
}

extension FundDetails {
    init(_ cursor: inout FieldCursor) throws(DecodeError) {
        name = try cursor.string()
        family = try cursor.string()
        type = try cursor.string()
        frontLoad = try cursor.string()
        backLoad = try cursor.string()
        backLoadTimeInterval = try cursor.string()
        managementFee = try cursor.string()
        closed = try cursor.bool()
        closedForNewInvestors = try cursor.bool()
        closedForNewMoney = try cursor.bool()
        notifyAmount = try cursor.string()
        minimumInitialPurchase = try cursor.string()
        subsequentMinimumPurchase = try cursor.string()
        blueSkyStates = try cursor.string()
        blueSkyTerritories = try cursor.string()
        distributionPolicy = try cursor.string()
        assetType = try cursor.string()
    }

    func encode(to out: inout [UInt8]) {
        for text in [name, family, type, frontLoad, backLoad, backLoadTimeInterval, managementFee] {
            out.appendField(text)
        }
        out.appendField(closed)
        out.appendField(closedForNewInvestors)
        out.appendField(closedForNewMoney)
        let rest = [
            notifyAmount, minimumInitialPurchase, subsequentMinimumPurchase, blueSkyStates, blueSkyTerritories,
            distributionPolicy, assetType,
        ]
        for text in rest { out.appendField(text) }
    }
}
