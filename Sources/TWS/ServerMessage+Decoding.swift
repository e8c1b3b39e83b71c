internal import Ticks

extension ServerMessage {
    /// Decodes one body of a text session. Extra trailing fields are ignored.
    ///
    /// Throws when the body can't be the message that its id says.
    public init(decoding body: UnsafeRawBufferPointer, serverVersion: Int) throws(DecodeError) {
        var cursor = try FieldCursor(body)
        let id = try cursor.messageId()
        switch id {
        case ServerMessageID.tickByTick: self = try .tickByTick(body)
        case ServerMessageID.tickPrice, ServerMessageID.tickSize, ServerMessageID.tickGeneric,
            ServerMessageID.tickString:
            self = try .level1(&cursor, id)
        case ServerMessageID.historicalTicks:
            self = .historicalTicks(try HistoricalTicks(&cursor, kind: .midPoint))
        case ServerMessageID.historicalTicksBidAsk:
            self = .historicalTicks(try HistoricalTicks(&cursor, kind: .bidAsk))
        case ServerMessageID.historicalTicksLast:
            self = .historicalTicks(try HistoricalTicks(&cursor, kind: .trades))
        case ServerMessageID.error: self = .error(try ErrorMessage(&cursor, serverVersion: serverVersion))
        case ServerMessageID.contractData:
            if serverVersion < ServerVersion.sizeRules { try cursor.skip() }
            let requestId = try cursor.int32()
            self = .contractData(
                requestId: requestId, try InstrumentDetails(&cursor, serverVersion: serverVersion))
        case ServerMessageID.bondContractData:
            if serverVersion < ServerVersion.sizeRules { try cursor.skip() }
            let requestId = try cursor.int32()
            self = .contractData(
                requestId: requestId, try InstrumentDetails(bond: &cursor, serverVersion: serverVersion))
        case ServerMessageID.rerouteMarketData, ServerMessageID.rerouteMarketDepth:
            self = .reroute(requestId: try cursor.int32(), conId: try cursor.int32(), exchange: try cursor.string())
        case ServerMessageID.symbolSamples: self = try .symbolSamples(&cursor, serverVersion: serverVersion)
        case ServerMessageID.tickReqParams:
            self = .tickReqParams(
                requestId: try cursor.int32(), minTick: try cursor.fixed(), bboExchange: try cursor.string(),
                snapshotPermissions: try cursor.int32())
        case ServerMessageID.headTimestamp:
            self = .headTimestamp(requestId: try cursor.int32(), try cursor.string())
        case ServerMessageID.currentTimeInMillis: self = .currentTimeMillis(try cursor.int64())
        case ServerMessageID.completedOrdersEnd: self = .completedOrdersEnd
        default: self = try .versioned(&cursor, id)
        }
    }

    /// The messages of one or two fields behind a VERSION field that says nothing.
    private static func versioned(_ cursor: inout FieldCursor, _ id: Int32) throws(DecodeError) -> ServerMessage {
        func skipVersion() throws(DecodeError) { try cursor.skip() }
        switch id {
        case ServerMessageID.nextValidId:
            try skipVersion()
            return .nextValidId(try cursor.int32())
        case ServerMessageID.managedAccounts:
            try skipVersion()
            let accounts = try cursor.string().split(separator: ",").map { $0.filter { !$0.isWhitespace } }
            return .managedAccounts(accounts.filter { !$0.isEmpty })
        case ServerMessageID.currentTime:
            try skipVersion()
            return .currentTime(try cursor.int64())
        case ServerMessageID.contractDataEnd:
            try skipVersion()
            return .contractDataEnd(requestId: try cursor.int32())
        case ServerMessageID.marketDataType:
            try skipVersion()
            return .marketDataType(requestId: try cursor.int32(), type: try cursor.int32())
        case ServerMessageID.tickSnapshotEnd:
            try skipVersion()
            return .tickSnapshotEnd(requestId: try cursor.int32())
        case ServerMessageID.accountUpdateTime:
            try skipVersion()
            return .accountUpdateTime(try cursor.string())
        case ServerMessageID.accountDownloadEnd:
            try skipVersion()
            return .accountDownloadEnd(account: try cursor.string())
        case ServerMessageID.accountUpdateMultiEnd:
            try skipVersion()
            return .accountUpdateMultiEnd(requestId: try cursor.int32())
        case ServerMessageID.executionDataEnd:
            try skipVersion()
            return .executionDataEnd(requestId: try cursor.int32())
        case ServerMessageID.positionEnd: return .positionEnd
        case ServerMessageID.openOrderEnd: return .openOrderEnd
        default: return .unknown(id: id)
        }
    }

    private static func tickByTick(_ body: UnsafeRawBufferPointer) throws(DecodeError) -> ServerMessage {
        var tick = Tick(kind: .last)
        var texts = MoreTexts()
        guard let requestId = try TickByTickCodec.decode(body, into: &tick, texts: &texts) else {
            return .unknown(id: ServerMessageID.tickByTick)
        }
        return .tickByTick(requestId: requestId, tick, texts)
    }

    private static func level1(_ cursor: inout FieldCursor, _ id: Int32) throws(DecodeError) -> ServerMessage {
        guard let form = Level1Codec.Form(rawValue: id) else { return .unknown(id: id) }
        var tick = Tick(kind: .level1)
        var texts = MoreTexts()
        let requestId = try Level1Codec.decode(&cursor, form: form, into: &tick, texts: &texts)
        return .level1(requestId: requestId, form, tick, texts)
    }

    private static func symbolSamples(
        _ cursor: inout FieldCursor, serverVersion: Int
    ) throws(DecodeError) -> ServerMessage {
        let requestId = try cursor.int32()
        var samples: [ContractDescription] = []
        for _ in 0..<(try cursor.count(atMost: ContractDescription.maxGroups)) {
            var sample = ContractDescription(
                conId: try cursor.int32(), symbol: try cursor.string(), secType: try cursor.string(),
                primaryExchange: try cursor.string(), currency: try cursor.string())
            for _ in 0..<(try cursor.count(atMost: ContractDescription.maxGroups)) {
                sample.derivativeSecTypes.append(try cursor.string())
            }
            if serverVersion >= ServerVersion.bondIssuerId {
                sample.description = try cursor.escapedString()
                sample.issuerId = try cursor.string()
            }
            samples.append(sample)
        }
        return .symbolSamples(requestId: requestId, samples)
    }
}
