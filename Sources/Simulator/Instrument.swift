internal import Ticks

/// What the simulated market knows about one instrument: the facts of its contract and the manners of its ticks.
struct Instrument: Sendable {
    var conId: Int32
    var symbol: String
    var securityType: String
    /// Where it is listed and where its data come from; the exchange in contract details.
    var exchange: String
    /// Shares only: the listing exchange, while `exchange` is SMART.
    var primaryExchange = ""
    var currency = "USD"
    var localSymbol: String
    var tradingClass: String
    var multiplier = ""
    /// Day of expiry since 1970-01-01, futures only.
    var expiryDay: Int64?
    var marketName: String
    var longName: String
    /// True for a contract that is known by its number alone: any request that names the number means it.
    var isUnnamed = false
    var underlyingConId: Int32 = 0
    var underlyingSymbol = ""
    var underlyingType = ""
    var industry = ""
    var category = ""
    var subcategory = ""
    var stockType = ""
    /// ISIN where there is one.
    var isin = ""
    var validExchanges: [String]
    var marketRuleIds: String
    var orderTypes = "ACTIVETIM,AD,ADJUST,ALERT,ALGO,GTC,GTD,LMT,MKT,STP,STPLMT,TRAIL,WHATIF"
    var zone: MarketZone
    var calendar: TradingCalendar
    /// Smallest step of a price, units of 1e-9.
    var priceStep: Int64
    var minSize: Int64 = FixedPoint.unitsPerOne
    var sizeStep: Int64 = FixedPoint.unitsPerOne
    /// The data farm named in the notices for it.
    var farm: String
    var manners: Manners

    /// How the generator makes ticks for an instrument. Sizes in units of 1e-9, shares of chance in a thousand.
    struct Manners: Sendable {
        /// Price that the walk is drawn back to, in price steps.
        var homeSteps: Int64
        /// Widest spread, in price steps.
        var widestSpread: Int64
        /// Market events a second at the natural pace.
        var eventsPerSecond: Double
        var tradesPerMille: UInt32
        /// Sizes of quotes are 1...`quoteLots` lots.
        var quoteLots: UInt32
        var lot: Int64
        /// Trades that only `all_last` shows: odd lots, late and average-price prints.
        var unreportedPerMille: UInt32
        /// Size steps of an unreported trade; 0 = whole lots as ever.
        var oddStep: Int64 = 0
        /// Exchanges of trades, the more frequent ones more than once.
        var exchanges: [String]
        /// Special conditions of reported trades; blanks are part of them.
        var conditions: [String]
        var unreportedConditions: [String]
    }

    /// True for instruments that have no consolidated trades at the real broker.
    var hasNoTrades: Bool { securityType == "CASH" }
}
