extension ClientRequest {
    /// Decodes one body of a text session; what a real client of that version sends. Extra trailing fields are ignored.
    public init(decoding body: UnsafeRawBufferPointer, serverVersion: Int) throws(DecodeError) {
        var cursor = try FieldCursor(body)
        let id = try cursor.messageId()
        switch id {
        case ClientRequestID.startApi:
            try cursor.skip()
            self = .startApi(clientId: try cursor.int32(), optionalCapabilities: try cursor.string())
        case ClientRequestID.reqContractData:
            self = .contractData(try ContractDataRequest(&cursor, serverVersion: serverVersion))
        case ClientRequestID.reqMatchingSymbols:
            self = .matchingSymbols(requestId: try cursor.int32(), pattern: try cursor.string())
        case ClientRequestID.reqCurrentTime: self = .currentTime
        case ClientRequestID.reqCurrentTimeInMillis where serverVersion >= ServerVersion.currentTimeInMillis:
            self = .currentTimeInMillis
        case ClientRequestID.reqMarketDataType:
            try cursor.skip()
            self = .marketDataType(try cursor.int32())
        case ClientRequestID.reqMktData: self = .marketData(try MarketDataRequest(&cursor))
        case ClientRequestID.cancelMktData:
            try cursor.skip()
            self = .cancelMarketData(requestId: try cursor.int32())
        case ClientRequestID.reqTickByTickData: self = .tickByTick(try TickByTickRequest(&cursor))
        case ClientRequestID.cancelTickByTickData: self = .cancelTickByTick(requestId: try cursor.int32())
        case ClientRequestID.reqHistoricalTicks: self = .historicalTicks(try HistoricalTicksRequest(&cursor))
        case ClientRequestID.reqHeadTimestamp: self = .headTimestamp(try HeadTimestampRequest(&cursor))
        case ClientRequestID.cancelHeadTimestamp: self = .cancelHeadTimestamp(requestId: try cursor.int32())
        case ClientRequestID.reqIds:
            try cursor.skip()
            self = .ids(count: try cursor.int32())
        case ClientRequestID.reqManagedAccts: self = .managedAccounts
        case ClientRequestID.setServerLogLevel:
            try cursor.skip()
            self = .setServerLogLevel(try cursor.int32())
        default: self = try .account(&cursor, id)
        }
    }

    /// The questions about accounts and orders, and everything else.
    private static func account(_ cursor: inout FieldCursor, _ id: Int32) throws(DecodeError) -> ClientRequest {
        switch id {
        case ClientRequestID.reqPositions: return .positions
        case ClientRequestID.reqOpenOrders: return .openOrders
        case ClientRequestID.reqAutoOpenOrders:
            try cursor.skip()
            return .autoOpenOrders(bind: try cursor.bool())
        case ClientRequestID.reqAllOpenOrders: return .allOpenOrders
        case ClientRequestID.reqCompletedOrders: return .completedOrders(apiOnly: try cursor.bool())
        case ClientRequestID.reqAccountData:
            try cursor.skip()
            return .accountUpdates(subscribe: try cursor.bool(), account: try cursor.string())
        case ClientRequestID.reqAccountUpdatesMulti:
            try cursor.skip()
            return .accountUpdatesMulti(
                requestId: try cursor.int32(), account: try cursor.string(), modelCode: try cursor.string(),
                ledgerAndNLV: try cursor.bool())
        case ClientRequestID.reqExecutions:
            try cursor.skip()
            return .executions(requestId: try cursor.int32(), filter: try cursor.remainingStrings())
        default: return .other(id: id, fields: try cursor.remainingStrings())
        }
    }
}

extension FieldCursor {
    mutating func remainingStrings() throws(DecodeError) -> [String] {
        var fields: [String] = []
        while !isAtEnd { fields.append(try string()) }
        return fields
    }
}

extension ContractDataRequest {
    init(_ cursor: inout FieldCursor, serverVersion: Int) throws(DecodeError) {
        try cursor.skip()
        requestId = try cursor.int32()
        contract = try Contract(&cursor)
        includeExpired = try cursor.bool()
        secIdType = try cursor.string()
        secId = try cursor.string()
        issuerId = serverVersion >= ServerVersion.bondIssuerId ? try cursor.string() : ""
    }
}

extension MarketDataRequest {
    init(_ cursor: inout FieldCursor) throws(DecodeError) {
        try cursor.skip()
        requestId = try cursor.int32()
        contract = try Contract(&cursor)
        if contract.secType == "BAG" {
            for _ in 0..<(try cursor.count(atMost: MarketDataRequest.maxLegs)) {
                legs.append(
                    Leg(
                        conId: try cursor.int32(), ratio: try cursor.int32(), action: try cursor.string(),
                        exchange: try cursor.string()))
            }
        }
        if try cursor.bool() {
            deltaNeutral = DeltaNeutral(
                conId: try cursor.int32(), delta: try cursor.double() ?? 0, price: try cursor.double() ?? 0)
        }
        genericTicks = try cursor.string()
        snapshot = try cursor.bool()
        regulatorySnapshot = try cursor.bool()
        options = try cursor.string()
    }
}

extension TickByTickRequest {
    init(_ cursor: inout FieldCursor) throws(DecodeError) {
        requestId = try cursor.int32()
        contract = try Contract(&cursor)
        let before = cursor
        guard let kind = TickByTickKind(rawValue: try cursor.string()) else { throw before.fault(.badWord) }
        self.kind = kind
        numberOfTicks = try cursor.int32()
        ignoreSize = try cursor.bool()
    }
}

extension HistoricalTicksRequest {
    init(_ cursor: inout FieldCursor) throws(DecodeError) {
        requestId = try cursor.int32()
        contract = try Contract(&cursor)
        includeExpired = try cursor.bool()
        startDateTime = try cursor.string()
        endDateTime = try cursor.string()
        numberOfTicks = try cursor.int32()
        whatToShow = try cursor.string()
        useRegularHours = try cursor.bool()
        ignoreSize = try cursor.bool()
        options = try cursor.string()
    }
}

extension HeadTimestampRequest {
    init(_ cursor: inout FieldCursor) throws(DecodeError) {
        requestId = try cursor.int32()
        contract = try Contract(&cursor)
        includeExpired = try cursor.bool()
        useRegularHours = try cursor.bool()
        whatToShow = try cursor.string()
        formatDate = try cursor.int32()
    }
}
