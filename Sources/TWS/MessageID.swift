/// Message ids, server to client. Source: docs/tws.md#message-ids.
public enum ServerMessageID {
    public static let tickPrice: Int32 = 1
    public static let tickSize: Int32 = 2
    public static let error: Int32 = 4
    public static let accountUpdateTime: Int32 = 8
    public static let nextValidId: Int32 = 9
    public static let contractData: Int32 = 10
    public static let managedAccounts: Int32 = 15
    public static let bondContractData: Int32 = 18
    public static let tickGeneric: Int32 = 45
    public static let tickString: Int32 = 46
    public static let currentTime: Int32 = 49
    public static let contractDataEnd: Int32 = 52
    public static let openOrderEnd: Int32 = 53
    public static let accountDownloadEnd: Int32 = 54
    public static let executionDataEnd: Int32 = 55
    public static let tickSnapshotEnd: Int32 = 57
    public static let marketDataType: Int32 = 58
    public static let positionEnd: Int32 = 62
    public static let accountUpdateMultiEnd: Int32 = 74
    public static let symbolSamples: Int32 = 79
    public static let tickReqParams: Int32 = 81
    public static let headTimestamp: Int32 = 88
    public static let rerouteMarketData: Int32 = 91
    public static let rerouteMarketDepth: Int32 = 92
    public static let historicalTicks: Int32 = 96
    public static let historicalTicksBidAsk: Int32 = 97
    public static let historicalTicksLast: Int32 = 98
    public static let tickByTick: Int32 = 99
    public static let completedOrdersEnd: Int32 = 102
    public static let currentTimeInMillis: Int32 = 109
}

/// Message ids, client to server. Source: docs/tws.md#message-ids.
public enum ClientRequestID {
    public static let reqMktData: Int32 = 1
    public static let cancelMktData: Int32 = 2
    public static let reqOpenOrders: Int32 = 5
    public static let reqAccountData: Int32 = 6
    public static let reqExecutions: Int32 = 7
    public static let reqIds: Int32 = 8
    public static let reqContractData: Int32 = 9
    public static let setServerLogLevel: Int32 = 14
    public static let reqAutoOpenOrders: Int32 = 15
    public static let reqAllOpenOrders: Int32 = 16
    public static let reqManagedAccts: Int32 = 17
    public static let reqCurrentTime: Int32 = 49
    public static let reqMarketDataType: Int32 = 59
    public static let reqPositions: Int32 = 61
    public static let startApi: Int32 = 71
    public static let reqAccountUpdatesMulti: Int32 = 76
    public static let reqMatchingSymbols: Int32 = 81
    public static let reqHeadTimestamp: Int32 = 87
    public static let cancelHeadTimestamp: Int32 = 90
    public static let reqHistoricalTicks: Int32 = 96
    public static let reqTickByTickData: Int32 = 97
    public static let cancelTickByTickData: Int32 = 98
    public static let reqCompletedOrders: Int32 = 99
    public static let reqCurrentTimeInMillis: Int32 = 105
}
