internal import Ticks

extension Instrument {
    /// The default instruments: two index futures, a share and a currency pair.
    ///
    /// `realHours` gives each its weekly trading hours, else all are open around the clock. Futures are those of the
    /// next quarterly expiry at least eight days after `utcSeconds`.
    static func catalogue(atUTC utcSeconds: Int64, realHours: Bool) -> [Instrument] {
        let today = CivilTime(seconds: utcSeconds).day
        var all = [
            future(
                conId: 711_280_073, symbol: "MNQ", name: "Micro E-Mini Nasdaq-100 Index", multiplier: "2",
                home: 93_540, underlying: (362_687_422, "MNQ"), today: today, eventsPerSecond: 30),
            future(
                conId: 620_731_015, symbol: "ES", name: "E-mini S&P 500", multiplier: "50", home: 22_114,
                underlying: (11_004_968, "ES"), today: today, eventsPerSecond: 24),
            apple, euro,
        ]
        if !realHours {
            for index in all.indices { all[index].calendar = .always }
        }
        return all
    }

    /// An instrument for replayed ticks of a contract that the catalogue does not have.
    static func unnamed(conId: Int32, priceStep: Int64) -> Instrument {
        var instrument = apple
        instrument.conId = conId
        instrument.isUnnamed = true
        instrument.symbol = "REPLAY\(conId)"
        instrument.localSymbol = instrument.symbol
        instrument.tradingClass = instrument.symbol
        instrument.longName = "REPLAYED TICKS OF CONTRACT \(conId)"
        instrument.isin = ""
        instrument.priceStep = priceStep
        instrument.calendar = .always
        return instrument
    }

    /// The third Friday of the next March, June, September or December that is at least eight days away.
    static func nextQuarterlyExpiry(after today: Int64) -> Int64 {
        var (year, month, _) = CivilTime(day: today).date
        while true {
            if month % 3 == 0 {
                let first = CivilTime(day: CivilTime.days(year: year, month: month, day: 1))
                let thirdFriday = first.day + (12 - first.weekday) % 7 + 14
                if thirdFriday >= today + 8 { return thirdFriday }
            }
            month += 1
            if month > 12 { (year, month) = (year + 1, 1) }
        }
    }

    private static func future(
        conId: Int32, symbol: String, name: String, multiplier: String, home: Int64, underlying: (Int32, String),
        today: Int64, eventsPerSecond: Double
    ) -> Instrument {
        let expiry = nextQuarterlyExpiry(after: today)
        let (year, month, _) = CivilTime(day: expiry).date
        let monthLetter = ["H", "M", "U", "Z"][Int(month / 3 - 1)]
        return Instrument(
            conId: conId, symbol: symbol, securityType: "FUT", exchange: "CME",
            localSymbol: "\(symbol)\(monthLetter)\(year % 10)", tradingClass: symbol, multiplier: multiplier,
            expiryDay: expiry, marketName: symbol, longName: name, underlyingConId: underlying.0,
            underlyingSymbol: underlying.1, underlyingType: "IND", validExchanges: ["CME", "QBALGO"],
            marketRuleIds: "67,67", zone: .central, calendar: .globex, priceStep: 250_000_000, farm: "usfuture",
            manners: Manners(
                homeSteps: home, widestSpread: 4, eventsPerSecond: eventsPerSecond, tradesPerMille: 180,
                quoteLots: 40, lot: FixedPoint.unitsPerOne, unreportedPerMille: 15, exchanges: ["CME"],
                conditions: [""], unreportedConditions: [" B"]))
    }

    private static let apple = Instrument(
        conId: 265_598, symbol: "AAPL", securityType: "STK", exchange: "SMART", primaryExchange: "NASDAQ",
        localSymbol: "AAPL", tradingClass: "NMS", marketName: "NMS", longName: "APPLE INC", industry: "Technology",
        category: "Computers", subcategory: "Computers", stockType: "COMMON", isin: "US0378331005",
        validExchanges: [
            "SMART", "AMEX", "NYSE", "CBOE", "PHLX", "ISE", "CHX", "ARCA", "NASDAQ", "DRCTEDGE", "BEX", "BATS", "EDGEA",
            "BYX", "IEX", "OVERNIGHT", "ISLAND", "MEMX", "PEARL", "LTSE", "PSX",
        ],
        marketRuleIds: "26,26,26,26,26,26,26,26,26,26,26,26,26,26,26,26,26,26,26,26,26", zone: .eastern,
        calendar: .equity, priceStep: 10_000_000, minSize: 100_000, sizeStep: 100_000, farm: "usfarm",
        manners: Manners(
            homeSteps: 23_185, widestSpread: 6, eventsPerSecond: 18, tradesPerMille: 250, quoteLots: 12,
            lot: 100 * FixedPoint.unitsPerOne, unreportedPerMille: 300, oddStep: FixedPoint.unitsPerOne,
            exchanges: [
                "ISLAND", "ISLAND", "ISLAND", "ARCA", "ARCA", "BATS", "DRCTEDGE", "EDGEA", "BYX", "BEX", "IEX", "MEMX",
                "NYSE", "PSX", "PEARL", "OVERNIGHT",
            ],
            conditions: ["", "", "", "   ", "  T  ", " O X", "  F", " 6 X"],
            unreportedConditions: ["   I", "  TI", " F I", "  W"]))

    private static let euro = Instrument(
        conId: 12_087_792, symbol: "EUR", securityType: "CASH", exchange: "IDEALPRO", localSymbol: "EUR.USD",
        tradingClass: "EUR.USD", marketName: "EUR.USD", longName: "European Monetary Union Euro",
        validExchanges: ["IDEALPRO"], marketRuleIds: "239",
        orderTypes: "ACTIVETIM,AD,ADJUST,ALERT,ALGO,CASHQTY,GTC,GTD,LMT,MKT,STP,STPLMT,TRAIL,WHATIF",
        zone: .eastern, calendar: .currency, priceStep: 50_000, farm: "cashfarm",
        manners: Manners(
            homeSteps: 21_690, widestSpread: 3, eventsPerSecond: 14, tradesPerMille: 100, quoteLots: 24,
            lot: 250_000 * FixedPoint.unitsPerOne, unreportedPerMille: 20, exchanges: ["IDEALPRO"], conditions: [""],
            unreportedConditions: [""]))
}
