public import Ticks

/// The twelve fields by which a request names an instrument (`CONTRACT12`).
///
/// `conId` and `exchange` are enough for data; empty fields mean "not set". Source: docs/tws.md#requests.
public struct Contract: Sendable, Hashable {
    /// 0 when not set.
    public var conId: Int32
    public var symbol: String
    /// STK, FUT, OPT, IND, FOP, CASH, BAG, CMDTY, CFD, CRYPTO …
    public var secType: String
    /// `YYYYMMDD` or `YYYYMM`.
    public var lastTradeDateOrContractMonth: String
    /// Units of 1e-9; `FixedPoint.absent` when not set.
    public var strike: Int64
    public var right: String
    public var multiplier: String
    public var exchange: String
    public var primaryExchange: String
    public var currency: String
    public var localSymbol: String
    public var tradingClass: String

    public init(
        conId: Int32 = 0, symbol: String = "", secType: String = "", lastTradeDateOrContractMonth: String = "",
        strike: Int64 = FixedPoint.absent, right: String = "", multiplier: String = "", exchange: String = "",
        primaryExchange: String = "", currency: String = "", localSymbol: String = "", tradingClass: String = ""
    ) {
        self.conId = conId
        self.symbol = symbol
        self.secType = secType
        self.lastTradeDateOrContractMonth = lastTradeDateOrContractMonth
        self.strike = strike
        self.right = right
        self.multiplier = multiplier
        self.exchange = exchange
        self.primaryExchange = primaryExchange
        self.currency = currency
        self.localSymbol = localSymbol
        self.tradingClass = tradingClass
    }
}

extension Contract {
    init(_ cursor: inout FieldCursor) throws(DecodeError) {
        self.init()
        conId = try cursor.int32()
        symbol = try cursor.string()
        secType = try cursor.string()
        lastTradeDateOrContractMonth = try cursor.string()
        strike = try cursor.fixed()
        right = try cursor.string()
        multiplier = try cursor.string()
        exchange = try cursor.string()
        primaryExchange = try cursor.string()
        currency = try cursor.string()
        localSymbol = try cursor.string()
        tradingClass = try cursor.string()
    }

    func encode(to out: inout [UInt8]) {
        out.appendField(conId)
        out.appendField(symbol)
        out.appendField(secType)
        out.appendField(lastTradeDateOrContractMonth)
        out.appendFixedField(strike)
        out.appendField(right)
        out.appendField(multiplier)
        out.appendField(exchange)
        out.appendField(primaryExchange)
        out.appendField(currency)
        out.appendField(localSymbol)
        out.appendField(tradingClass)
    }
}
