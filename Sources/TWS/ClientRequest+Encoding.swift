extension ClientRequest {
    /// Appends the whole frame, length in front.
    ///
    /// Fields that an older version does not know are left out. Precondition: the request exists in this version.
    /// Source: docs/tws.md#requests.
    public func encode(to out: inout [UInt8], serverVersion: Int) {
        out.appendFrame { encodeFields(to: &$0, serverVersion: serverVersion) }
    }

    private func encodeFields(to out: inout [UInt8], serverVersion: Int) {
        switch self {
        case .startApi(let clientId, let optionalCapabilities):
            out.appendFields(ClientRequestID.startApi, 2, clientId)
            out.appendField(optionalCapabilities)
        case .contractData(let request): request.encode(to: &out, serverVersion: serverVersion)
        case .matchingSymbols(let requestId, let pattern):
            out.appendFields(ClientRequestID.reqMatchingSymbols, requestId)
            out.appendField(pattern)
        case .currentTime: out.appendFields(ClientRequestID.reqCurrentTime, 1)
        case .currentTimeInMillis:
            precondition(serverVersion >= ServerVersion.currentTimeInMillis, "exists from version 197 on")
            out.appendField(ClientRequestID.reqCurrentTimeInMillis)
        case .marketDataType(let type): out.appendFields(ClientRequestID.reqMarketDataType, 1, type)
        case .marketData(let request): request.encode(to: &out)
        case .cancelMarketData(let requestId): out.appendFields(ClientRequestID.cancelMktData, 2, requestId)
        case .tickByTick(let request): request.encode(to: &out)
        case .cancelTickByTick(let requestId): out.appendFields(ClientRequestID.cancelTickByTickData, requestId)
        case .historicalTicks(let request): request.encode(to: &out)
        case .headTimestamp(let request): request.encode(to: &out)
        case .cancelHeadTimestamp(let requestId): out.appendFields(ClientRequestID.cancelHeadTimestamp, requestId)
        case .ids(let count): out.appendFields(ClientRequestID.reqIds, 1, count)
        case .managedAccounts: out.appendFields(ClientRequestID.reqManagedAccts, 1)
        case .setServerLogLevel(let level): out.appendFields(ClientRequestID.setServerLogLevel, 1, level)
        case .positions, .openOrders, .autoOpenOrders, .allOpenOrders, .completedOrders, .accountUpdates,
            .accountUpdatesMulti, .executions:
            encodeAccountFields(to: &out)
        case .other(let id, let fields):
            out.appendField(id)
            for field in fields { out.appendField(field) }
        }
    }

    /// The questions about accounts and orders that other clients ask at their start.
    private func encodeAccountFields(to out: inout [UInt8]) {
        switch self {
        case .positions: out.appendFields(ClientRequestID.reqPositions, 1)
        case .openOrders: out.appendFields(ClientRequestID.reqOpenOrders, 1)
        case .autoOpenOrders(let bind): out.appendFields(ClientRequestID.reqAutoOpenOrders, 1, bind ? 1 : 0)
        case .allOpenOrders: out.appendFields(ClientRequestID.reqAllOpenOrders, 1)
        case .completedOrders(let apiOnly): out.appendFields(ClientRequestID.reqCompletedOrders, apiOnly ? 1 : 0)
        case .accountUpdates(let subscribe, let account):
            out.appendFields(ClientRequestID.reqAccountData, 2, subscribe ? 1 : 0)
            out.appendField(account)
        case .accountUpdatesMulti(let requestId, let account, let modelCode, let ledgerAndNLV):
            out.appendFields(ClientRequestID.reqAccountUpdatesMulti, 1, requestId)
            out.appendField(account)
            out.appendField(modelCode)
            out.appendField(ledgerAndNLV)
        case .executions(let requestId, let filter):
            out.appendFields(ClientRequestID.reqExecutions, 3, requestId)
            for field in filter { out.appendField(field) }
        default: preconditionFailure("not a question about accounts")
        }
    }
}

extension ContractDataRequest {
    func encode(to out: inout [UInt8], serverVersion: Int) {
        out.appendFields(ClientRequestID.reqContractData, 8, requestId)
        contract.encode(to: &out)
        out.appendField(includeExpired)
        out.appendField(secIdType)
        out.appendField(secId)
        if serverVersion >= ServerVersion.bondIssuerId { out.appendField(issuerId) }
    }
}

extension MarketDataRequest {
    func encode(to out: inout [UInt8]) {
        out.appendFields(ClientRequestID.reqMktData, 11, requestId)
        contract.encode(to: &out)
        if contract.secType == "BAG" {
            out.appendField(legs.count)
            for leg in legs {
                out.appendFields(leg.conId, leg.ratio)
                out.appendField(leg.action)
                out.appendField(leg.exchange)
            }
        }
        out.appendField(deltaNeutral != nil)
        if let deltaNeutral {
            out.appendField(deltaNeutral.conId)
            out.appendField(deltaNeutral.delta)
            out.appendField(deltaNeutral.price)
        }
        out.appendField(genericTicks)
        out.appendField(snapshot)
        out.appendField(regulatorySnapshot)
        out.appendField(options)
    }
}

extension TickByTickRequest {
    func encode(to out: inout [UInt8]) {
        out.appendFields(ClientRequestID.reqTickByTickData, requestId)
        contract.encode(to: &out)
        out.appendField(kind.rawValue)
        out.appendField(numberOfTicks)
        out.appendField(ignoreSize)
    }
}

extension HistoricalTicksRequest {
    func encode(to out: inout [UInt8]) {
        out.appendFields(ClientRequestID.reqHistoricalTicks, requestId)
        contract.encode(to: &out)
        out.appendField(includeExpired)
        out.appendField(startDateTime)
        out.appendField(endDateTime)
        out.appendField(numberOfTicks)
        out.appendField(whatToShow)
        out.appendField(useRegularHours)
        out.appendField(ignoreSize)
        out.appendField(options)
    }
}

extension HeadTimestampRequest {
    func encode(to out: inout [UInt8]) {
        out.appendFields(ClientRequestID.reqHeadTimestamp, requestId)
        contract.encode(to: &out)
        out.appendField(includeExpired)
        out.appendField(useRegularHours)
        out.appendField(whatToShow)
        out.appendField(formatDate)
    }
}
