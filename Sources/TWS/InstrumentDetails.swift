internal import Ticks

/// All that `contractData` (message 10) says about one instrument in a text session.
///
/// Fields that the session's version does not carry keep their defaults; empty text means "not set". Numbers are
/// units of 1e-9, `FixedPoint.absent` when not set. Source: docs/tws.md#contract-data.
public struct InstrumentDetails: Sendable, Hashable {
    /// The most security ids and the most ineligibility reasons of one instrument; a handful is usual.
    public static let maxGroups = 1_000

    /// `lastTradeDateOrContractMonth` holds the date alone; its time and zone stand in the two fields below.
    public var contract = Contract()
    /// `08:30` or `08:30:00`; empty when the message has none.
    public var lastTradeTime = ""
    /// The zone of `lastTradeTime`.
    public var lastTradeZone = ""
    /// `YYYYMMDD`, from version 182 on.
    public var lastTradeDate = ""
    public var marketName = ""
    public var minTick: Int64 = FixedPoint.absent
    /// Versions below 164 alone; 0 when not set.
    public var sizeMultiplier: Int32 = 0
    public var orderTypes = ""
    /// Comma list; `marketRuleIds` has one entry for each.
    public var validExchanges = ""
    public var priceMagnifier: Int32 = 0
    public var underConId: Int32 = 0
    public var longName = ""
    public var contractMonth = ""
    public var industry = ""
    public var category = ""
    public var subcategory = ""
    /// Zone of the hours below, as TWS names it, such as `US/Central`.
    public var timeZoneId = ""
    /// The whole sessions, such as `20250812:1700-20250813:1600;20250816:CLOSED`.
    public var tradingHours = ""
    /// The regular sessions, in the same form.
    public var liquidHours = ""
    public var evRule = ""
    /// As sent: clients disagree whether it is an int or a double; `0` or empty in practice.
    public var evMultiplier = ""
    public var secIds: [SecurityID] = []
    /// 2147483647 and an empty field are nil.
    public var aggGroup: Int32?
    public var underSymbol = ""
    public var underSecType = ""
    public var marketRuleIds = ""
    public var realExpirationDate = ""
    public var stockType = ""
    /// Version 163 alone.
    public var sizeMinTick: Int64 = FixedPoint.absent
    public var minSize: Int64 = FixedPoint.absent
    public var sizeIncrement: Int64 = FixedPoint.absent
    public var suggestedSizeIncrement: Int64 = FixedPoint.absent
    /// Of a `FUND`, from version 179 on.
    public var fund: FundDetails?
    /// From version 186 on.
    public var ineligibilityReasons: [IneligibilityReason] = []

    public init() {}
}

/// A further identifier of an instrument, such as (`ISIN`, `US88160R1014`).
public struct SecurityID: Sendable, Hashable {
    public var tag: String
    public var value: String
    public init(tag: String, value: String) {
        self.tag = tag
        self.value = value
    }
}

/// Why an instrument can't be traded by this account.
public struct IneligibilityReason: Sendable, Hashable {
    public var id: String
    public var text: String
    public init(id: String, text: String) {
        self.id = id
        self.text = text
    }
}

/// The 17 fund fields of `contractData`, as sent.
public struct FundDetails: Sendable, Hashable {
    public var name = ""
    public var family = ""
    public var type = ""
    public var frontLoad = ""
    public var backLoad = ""
    public var backLoadTimeInterval = ""
    public var managementFee = ""
    public var closed = false
    public var closedForNewInvestors = false
    public var closedForNewMoney = false
    public var notifyAmount = ""
    public var minimumInitialPurchase = ""
    public var subsequentMinimumPurchase = ""
    public var blueSkyStates = ""
    public var blueSkyTerritories = ""
    /// `N` accumulation, `Y` income.
    public var distributionPolicy = ""
    /// `000` to `007`.
    public var assetType = ""

    public init() {}
}

/// One match of `symbolSamples` (message 79).
public struct ContractDescription: Sendable, Hashable {
    /// The most matches of one answer and the most derivatives of one match; TWS sends some 16 and 10.
    public static let maxGroups = 10_000

    public var conId: Int32
    public var symbol: String
    public var secType: String
    public var primaryExchange: String
    public var currency: String
    public var derivativeSecTypes: [String]
    /// From version 176 on.
    public var description: String
    /// From version 176 on.
    public var issuerId: String

    public init(
        conId: Int32, symbol: String, secType: String, primaryExchange: String = "", currency: String = "",
        derivativeSecTypes: [String] = [], description: String = "", issuerId: String = ""
    ) {
        self.conId = conId
        self.symbol = symbol
        self.secType = secType
        self.primaryExchange = primaryExchange
        self.currency = currency
        self.derivativeSecTypes = derivativeSecTypes
        self.description = description
        self.issuerId = issuerId
    }
}
