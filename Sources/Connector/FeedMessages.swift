internal import JSON
internal import ServiceKit
internal import TWS
internal import Ticks

/// The JSON messages of the live feed beside the ticks. Shapes: `docs/feed-protocol.md`.
enum FeedMessages {
    /// The instrument as JSON on topic `definition.<con_id>`, with what the configuration says of it.
    static func definition(
        _ details: InstrumentDetails, _ id: ContractID, symbol: String, exchange: String, atNanos now: Int64
    ) -> JSONValue {
        let contract = details.contract
        return [
            "con_id": .integer(Int64(contract.conId)), "source": .integer(Int64(id.source)),
            "symbol": .string(contract.symbol), "configured_symbol": .string(symbol),
            "configured_exchange": .string(exchange), "sec_type": .string(contract.secType),
            "exchange": .string(contract.exchange), "primary_exchange": .string(contract.primaryExchange),
            "currency": .string(contract.currency), "local_symbol": .string(contract.localSymbol),
            "trading_class": .string(contract.tradingClass), "multiplier": .string(contract.multiplier),
            "last_trade_date": .string(contract.lastTradeDateOrContractMonth),
            "min_tick": .string(FixedPoint.text(details.minTick)), "long_name": .string(details.longName),
            "size_multiplier": .integer(Int64(details.sizeMultiplier)),
            "min_size": .string(FixedPoint.text(details.minSize)),
            "size_increment": .string(FixedPoint.text(details.sizeIncrement)),
            "suggested_size_increment": .string(FixedPoint.text(details.suggestedSizeIncrement)),
            "market_name": .string(details.marketName), "contract_month": .string(details.contractMonth),
            "valid_exchanges": .string(details.validExchanges), "time_zone_id": .string(details.timeZoneId),
            "trading_hours": .string(details.tradingHours), "liquid_hours": .string(details.liquidHours),
            "retrieved_at": .string(Timestamp.text(now)),
        ]
    }
}
