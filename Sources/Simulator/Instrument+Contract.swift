internal import TWS
internal import Ticks

extension Instrument {
    /// Whether a request's contract can mean this instrument: every field that is set must agree.
    ///
    /// A wrong exchange or currency beside the right conId finds nothing, as at the real gateway; of
    /// an unnamed instrument nobody knows them.
    func matches(_ contract: Contract) -> Bool {
        if isUnnamed, contract.conId != 0 { return contract.conId == conId }
        func agrees(_ wanted: String, _ have: String) -> Bool { wanted.isEmpty || wanted == have }
        return (contract.conId == 0 || contract.conId == conId)
            && (contract.conId != 0 || !contract.symbol.isEmpty || !contract.localSymbol.isEmpty)
            && agrees(contract.symbol, symbol) && agreesWithType(contract.secType)
            && agrees(contract.currency, currency) && agrees(contract.localSymbol, localSymbol)
            && agrees(contract.tradingClass, tradingClass) && agrees(contract.multiplier, multiplier)
            && (contract.exchange.isEmpty || validExchanges.contains(contract.exchange))
            && (contract.primaryExchange.isEmpty || contract.primaryExchange == primaryExchange
                || contract.primaryExchange == exchange)
            && expiryText.hasPrefix(contract.lastTradeDateOrContractMonth)
    }

    private func agreesWithType(_ wanted: String) -> Bool {
        switch wanted {
        case "", securityType: true
        case "CONTFUT", "FUT+CONTFUT": securityType == "FUT"
        default: false
        }
    }

    /// `20251219`, empty where nothing expires.
    var expiryText: String { expiryDay.map { CivilTime(day: $0).compactDate } ?? "" }

    /// All that contract details say, with trading hours from the day of `utcSeconds` on.
    func details(atUTC utcSeconds: Int64) -> InstrumentDetails {
        var details = InstrumentDetails()
        details.contract = Contract(
            conId: conId, symbol: symbol, secType: securityType, lastTradeDateOrContractMonth: expiryText, strike: 0,
            multiplier: multiplier, exchange: exchange, primaryExchange: primaryExchange, currency: currency,
            localSymbol: localSymbol, tradingClass: tradingClass)
        if expiryDay != nil {
            details.lastTradeTime = "08:30"
            details.lastTradeZone = zone.name
            details.lastTradeDate = expiryText
            details.realExpirationDate = expiryText
            details.contractMonth = String(expiryText.prefix(6))
        }
        details.marketName = marketName
        details.minTick = priceStep
        details.sizeMultiplier = 1
        details.orderTypes = orderTypes
        details.validExchanges = validExchanges.joined(separator: ",")
        details.priceMagnifier = 1
        details.underConId = underlyingConId
        details.longName = longName
        details.industry = industry
        details.category = category
        details.subcategory = subcategory
        details.timeZoneId = zone.name
        details.tradingHours = calendar.hoursText(fromUTC: utcSeconds, zone: zone, liquid: false)
        details.liquidHours = calendar.hoursText(fromUTC: utcSeconds, zone: zone, liquid: true)
        details.evMultiplier = "0"
        if !isin.isEmpty { details.secIds = [SecurityID(tag: "ISIN", value: isin)] }
        details.underSymbol = underlyingSymbol
        details.underSecType = underlyingType
        details.marketRuleIds = marketRuleIds
        details.stockType = stockType
        details.sizeMinTick = sizeStep
        details.minSize = minSize
        details.sizeIncrement = sizeStep
        details.suggestedSizeIncrement = max(sizeStep, FixedPoint.unitsPerOne)
        return details
    }

    /// Whether a search text finds it: the beginning of its symbol, or a part of its name.
    func isFound(by pattern: String) -> Bool {
        let wanted = pattern.uppercased()
        guard !wanted.isEmpty else { return false }
        return symbol.hasPrefix(wanted) || localSymbol.hasPrefix(wanted) || longName.uppercased().contains(wanted)
    }

    var description: ContractDescription {
        ContractDescription(
            conId: conId, symbol: symbol, secType: securityType,
            primaryExchange: primaryExchange.isEmpty ? exchange : primaryExchange, currency: currency,
            derivativeSecTypes: securityType == "STK" ? ["CFD", "OPT", "WAR", "BAG"] : [], description: longName)
    }
}
