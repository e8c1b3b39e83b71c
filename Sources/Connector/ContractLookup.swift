internal import JSON
internal import Messaging
internal import TWS
internal import Ticks

/// A `lookup` command on its way: which requests it has open and what came for it so far.
struct ContractLookup {
    /// Results of one command, at most.
    static let limit = 500
    /// Lookups under way at one time.
    static let openLimit = 8
    /// A symbol search without a type asks for the details of this many matches.
    static let detailedMatches = 8

    let token: ControlToken
    var deadlineNanos: Int64
    var openRequests: Set<Int32> = []
    var results: [JSONValue] = []
    var problems: [String] = []

    init(token: ControlToken, deadlineNanos: Int64) {
        self.token = token
        self.deadlineNanos = deadlineNanos
    }

    mutating func add(_ details: InstrumentDetails) {
        guard results.count < ContractLookup.limit else { return }
        let contract = details.contract
        results.append([
            "con_id": .integer(Int64(contract.conId)), "symbol": .string(contract.symbol),
            "sec_type": .string(contract.secType), "exchange": .string(contract.exchange),
            "primary_exchange": .string(contract.primaryExchange), "currency": .string(contract.currency),
            "local_symbol": .string(contract.localSymbol),
            "expiry": .string(contract.lastTradeDateOrContractMonth), "multiplier": .string(contract.multiplier),
            "min_tick": .string(FixedPoint.text(details.minTick)), "long_name": .string(details.longName),
            "valid_exchanges": .string(details.validExchanges), "time_zone_id": .string(details.timeZoneId),
            "trading_hours": .string(details.tradingHours), "liquid_hours": .string(details.liquidHours),
        ])
    }

    /// What the command's sender gets.
    var reply: ControlReply {
        if results.isEmpty, let problem = problems.first { return .failure(problem) }
        return .success(["contracts": .array(results)])
    }
}
