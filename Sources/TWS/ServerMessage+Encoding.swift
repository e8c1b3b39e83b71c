internal import Ticks

extension ServerMessage {
    /// Appends the whole frame, length in front, with exactly the fields that official clients expect.
    ///
    /// Precondition: not `unknown`. Source: docs/tws.md#session-messages and behind it.
    public func encode(to out: inout [UInt8], serverVersion: Int) {
        if case .tickByTick(let requestId, let tick, let more) = self {
            return TickByTickCodec.encode(tick, more: more, requestId: requestId, to: &out)
        }
        out.appendFrame { encodeFields(to: &$0, serverVersion: serverVersion) }
    }

    private func encodeFields(to out: inout [UInt8], serverVersion: Int) {
        switch self {
        case .nextValidId(let id): out.appendFields(ServerMessageID.nextValidId, 1, id)
        case .managedAccounts(let accounts):
            out.appendFields(ServerMessageID.managedAccounts, 1)
            out.appendField(accounts.joined(separator: ","))
        case .currentTime(let seconds):
            out.appendFields(ServerMessageID.currentTime, 1)
            out.appendField(seconds)
        case .currentTimeMillis(let millis):
            out.appendField(ServerMessageID.currentTimeInMillis)
            out.appendField(millis)
        case .error(let error): error.encode(to: &out, serverVersion: serverVersion)
        case .contractData(let requestId, let details):
            out.appendField(ServerMessageID.contractData)
            if serverVersion < ServerVersion.sizeRules { out.appendField(8) }
            out.appendField(requestId)
            details.encode(to: &out, serverVersion: serverVersion)
        case .contractDataEnd(let requestId): out.appendFields(ServerMessageID.contractDataEnd, 1, requestId)
        case .reroute(let requestId, let conId, let exchange):
            out.appendFields(ServerMessageID.rerouteMarketData, requestId, conId)
            out.appendField(exchange)
        case .symbolSamples(let requestId, let samples):
            out.appendFields(ServerMessageID.symbolSamples, requestId, Int32(samples.count))
            for sample in samples { sample.encode(to: &out, serverVersion: serverVersion) }
        case .marketDataType(let requestId, let type):
            out.appendFields(ServerMessageID.marketDataType, 1, requestId, type)
        case .tickReqParams(let requestId, let minTick, let bboExchange, let snapshotPermissions):
            out.appendFields(ServerMessageID.tickReqParams, requestId)
            out.appendFixedField(minTick)
            out.appendField(bboExchange)
            out.appendField(snapshotPermissions)
        case .tickSnapshotEnd(let requestId): out.appendFields(ServerMessageID.tickSnapshotEnd, 1, requestId)
        case .level1(let requestId, let form, let tick, let more):
            Level1Codec.encode(tick, form: form, more: more, requestId: requestId, to: &out)
        case .historicalTicks(let ticks): ticks.encode(to: &out)
        case .headTimestamp(let requestId, let text):
            out.appendFields(ServerMessageID.headTimestamp, requestId)
            out.appendField(text)
        case .positionEnd, .openOrderEnd, .completedOrdersEnd, .accountUpdateTime, .accountDownloadEnd,
            .accountUpdateMultiEnd, .executionDataEnd:
            encodeAccountFields(to: &out)
        case .tickByTick, .unknown: preconditionFailure("no fields of its own")
        }
    }

    /// The answers to questions about accounts and orders that a client asks at its start.
    private func encodeAccountFields(to out: inout [UInt8]) {
        switch self {
        case .positionEnd: out.appendFields(ServerMessageID.positionEnd, 1)
        case .openOrderEnd: out.appendFields(ServerMessageID.openOrderEnd, 1)
        case .completedOrdersEnd: out.appendField(ServerMessageID.completedOrdersEnd)
        case .accountUpdateTime(let text):
            out.appendFields(ServerMessageID.accountUpdateTime, 1)
            out.appendField(text)
        case .accountDownloadEnd(let account):
            out.appendFields(ServerMessageID.accountDownloadEnd, 1)
            out.appendField(account)
        case .accountUpdateMultiEnd(let requestId):
            out.appendFields(ServerMessageID.accountUpdateMultiEnd, 1, requestId)
        case .executionDataEnd(let requestId): out.appendFields(ServerMessageID.executionDataEnd, 1, requestId)
        default: preconditionFailure("not an answer about accounts")
        }
    }
}

extension ContractDescription {
    func encode(to out: inout [UInt8], serverVersion: Int) {
        out.appendField(conId)
        out.appendField(symbol)
        out.appendField(secType)
        out.appendField(primaryExchange)
        out.appendField(currency)
        out.appendField(derivativeSecTypes.count)
        for type in derivativeSecTypes { out.appendField(type) }
        if serverVersion >= ServerVersion.bondIssuerId {
            out.appendEscapedField(description)
            out.appendField(issuerId)
        }
    }
}

extension [UInt8] {
    /// Appends several integer fields.
    mutating func appendFields(_ values: Int32...) {
        for value in values { appendField(value) }
    }
}
