/// What a client sends. Both directions: a client encodes, a simulated gateway decodes.
/// Source: docs/tws.md#requests.
public enum ClientRequest: Sendable, Equatable {
    case startApi(clientId: Int32, optionalCapabilities: String = "")
    case contractData(ContractDataRequest)
    case matchingSymbols(requestId: Int32, pattern: String)
    case currentTime
    /// From version 197 on.
    case currentTimeInMillis
    /// 1 live, 2 frozen, 3 delayed, 4 delayed and frozen.
    case marketDataType(Int32)
    case marketData(MarketDataRequest)
    case cancelMarketData(requestId: Int32)
    case tickByTick(TickByTickRequest)
    case cancelTickByTick(requestId: Int32)
    case historicalTicks(HistoricalTicksRequest)
    case headTimestamp(HeadTimestampRequest)
    case cancelHeadTimestamp(requestId: Int32)
    case ids(count: Int32)
    case managedAccounts
    /// 1 system, 2 error, 3 warning, 4 information, 5 detail.
    case setServerLogLevel(Int32)
    case positions
    case openOrders
    case autoOpenOrders(bind: Bool)
    case allOpenOrders
    case completedOrders(apiOnly: Bool)
    case accountUpdates(subscribe: Bool, account: String)
    case accountUpdatesMulti(requestId: Int32, account: String, modelCode: String, ledgerAndNLV: Bool)
    /// The filter's fields as sent.
    case executions(requestId: Int32, filter: [String])
    /// Any other request: its id and the fields behind it.
    case other(id: Int32, fields: [String])
}

/// `9 | 8 | reqId | conId | … | tradingClass | includeExpired | secIdType | secId | issuerId (from 176)`
public struct ContractDataRequest: Sendable, Hashable {
    public var requestId: Int32
    public var contract: Contract
    public var includeExpired: Bool
    public var secIdType: String
    public var secId: String
    /// From version 176 on.
    public var issuerId: String

    public init(
        requestId: Int32, contract: Contract, includeExpired: Bool = false, secIdType: String = "", secId: String = "",
        issuerId: String = ""
    ) {
        self.requestId = requestId
        self.contract = contract
        self.includeExpired = includeExpired
        self.secIdType = secIdType
        self.secId = secId
        self.issuerId = issuerId
    }
}

/// `1 | 11 | reqId | CONTRACT12 | [legs] | delta neutral | genericTicks | snapshot | regulatorySnapshot | options`
public struct MarketDataRequest: Sendable, Hashable {
    public static let maxLegs = 1_000

    /// One leg of a combination (`secType` BAG).
    public struct Leg: Sendable, Hashable {
        public var conId: Int32
        public var ratio: Int32
        public var action: String
        public var exchange: String
        public init(conId: Int32, ratio: Int32, action: String, exchange: String) {
            self.conId = conId
            self.ratio = ratio
            self.action = action
            self.exchange = exchange
        }
    }

    /// The hedge of a delta-neutral combination.
    public struct DeltaNeutral: Sendable, Hashable {
        public var conId: Int32
        public var delta: Double
        public var price: Double
        public init(conId: Int32, delta: Double, price: Double) {
            self.conId = conId
            self.delta = delta
            self.price = price
        }
    }

    public var requestId: Int32
    public var contract: Contract
    /// Sent for a BAG alone.
    public var legs: [Leg] = []
    public var deltaNeutral: DeltaNeutral?
    /// Comma list, such as `233`; empty for the default set.
    public var genericTicks: String
    public var snapshot: Bool
    public var regulatorySnapshot = false
    public var options = ""

    public init(requestId: Int32, contract: Contract, genericTicks: String = "", snapshot: Bool = false) {
        self.requestId = requestId
        self.contract = contract
        self.genericTicks = genericTicks
        self.snapshot = snapshot
    }
}

/// `97 | reqId | CONTRACT12 | tickType | numberOfTicks | ignoreSize`
public struct TickByTickRequest: Sendable, Hashable {
    public var requestId: Int32
    public var contract: Contract
    public var kind: TickByTickKind
    /// 0, or up to 1000 past ticks in front of the live ones (messages 96 to 98 with the same request id).
    public var numberOfTicks: Int32
    /// Leaves out updates in which only sizes changed (`BidAsk` and `MidPoint`).
    public var ignoreSize: Bool

    public init(
        requestId: Int32, contract: Contract, kind: TickByTickKind, numberOfTicks: Int32 = 0, ignoreSize: Bool = false
    ) {
        self.requestId = requestId
        self.contract = contract
        self.kind = kind
        self.numberOfTicks = numberOfTicks
        self.ignoreSize = ignoreSize
    }
}

/// `96 | reqId | CONTRACT12 | includeExpired | start | end | numberOfTicks | whatToShow | useRth | ignoreSize |
/// options`
public struct HistoricalTicksRequest: Sendable, Hashable {
    public var requestId: Int32
    public var contract: Contract
    public var includeExpired: Bool
    /// `YYYYMMDD HH:MM:SS ZONE` or `YYYYMMDD-HH:MM:SS` (UTC). Exactly one of start and end is not empty.
    public var startDateTime: String
    public var endDateTime: String
    /// At most 1000; the answer completes the last second and so may be longer.
    public var numberOfTicks: Int32
    /// `TRADES`, `BID_ASK`, `MIDPOINT`, for crypto `AGGTRADES`.
    public var whatToShow: String
    public var useRegularHours: Bool
    public var ignoreSize: Bool
    public var options = ""

    public init(
        requestId: Int32, contract: Contract, includeExpired: Bool = false, startDateTime: String = "",
        endDateTime: String = "", numberOfTicks: Int32 = 1000, whatToShow: String, useRegularHours: Bool = false,
        ignoreSize: Bool = false
    ) {
        self.requestId = requestId
        self.contract = contract
        self.includeExpired = includeExpired
        self.startDateTime = startDateTime
        self.endDateTime = endDateTime
        self.numberOfTicks = numberOfTicks
        self.whatToShow = whatToShow
        self.useRegularHours = useRegularHours
        self.ignoreSize = ignoreSize
    }
}

/// `87 | reqId | CONTRACT12 | includeExpired | useRth | whatToShow | formatDate`
public struct HeadTimestampRequest: Sendable, Hashable {
    public var requestId: Int32
    public var contract: Contract
    public var includeExpired = false
    public var useRegularHours: Bool
    public var whatToShow: String
    /// 1 text, 2 epoch seconds.
    public var formatDate: Int32

    public init(
        requestId: Int32, contract: Contract, useRegularHours: Bool = false, whatToShow: String, formatDate: Int32 = 1
    ) {
        self.requestId = requestId
        self.contract = contract
        self.useRegularHours = useRegularHours
        self.whatToShow = whatToShow
        self.formatDate = formatDate
    }
}
