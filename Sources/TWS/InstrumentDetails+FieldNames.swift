extension InstrumentDetails {
    /// The protocol's name of a field of `contractData` or `bondContractData`, for people; nil behind the security ids,
    /// whose number varies, and for other messages. Field 0 is the message id. Source: docs/tws.md#contract-data.
    public static func fieldName(_ index: Int32, of message: Int32 = 10, serverVersion: Int) -> String? {
        let names: [String]
        switch message {
        case ServerMessageID.contractData: names = fieldNames(serverVersion: serverVersion)
        case ServerMessageID.bondContractData: names = bondFieldNames(serverVersion: serverVersion)
        default: return nil
        }
        return index >= 0 && Int(index) < names.count ? names[Int(index)] : nil
    }

    private static func fieldNames(serverVersion: Int) -> [String] {
        ["message id"] + (serverVersion < ServerVersion.sizeRules ? ["version"] : [])
            + ["reqId", "symbol", "secType", "lastTradeDateOrContractMonth"]
            + (serverVersion >= ServerVersion.lastTradeDate ? ["lastTradeDate"] : [])
            + [
                "strike", "right", "exchange", "currency", "localSymbol", "marketName", "tradingClass", "conId",
                "minTick",
            ]
            + (serverVersion < ServerVersion.sizeRules ? ["mdSizeMultiplier"] : [])
            + [
                "multiplier", "orderTypes", "validExchanges", "priceMagnifier", "underConId", "longName",
                "primaryExchange",
                "contractMonth", "industry", "category", "subcategory", "timeZoneId", "tradingHours", "liquidHours",
                "evRule", "evMultiplier", "nSecIds",
            ]
    }
}
