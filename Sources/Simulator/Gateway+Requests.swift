internal import TWS
internal import Ticks

/// Requests of clients that are logged in.
extension Gateway {
    /// Answers one request. What a market-data gateway does not know is left unanswered, and the connection goes on.
    func answer(_ request: ClientRequest, from client: ClientSession) {
        switch request {
        case .contractData(let request): contractData(request, client)
        case .matchingSymbols(let requestId, let pattern):
            let found = instruments.filter { $0.isFound(by: pattern) }.map(\.description)
            client.send(.symbolSamples(requestId: requestId, found))
        case .currentTime: client.send(.currentTime(nowNanos / 1_000_000_000))
        case .currentTimeInMillis:
            guard client.serverVersion >= ServerVersion.currentTimeInMillis else { return }
            client.send(.currentTimeMillis(nowNanos / 1_000_000))
        case .marketData(let request): marketData(request, client)
        case .cancelMarketData(let requestId): cancel(requestId, client)
        case .tickByTick(let request): tickByTick(request, client)
        case .cancelTickByTick(let requestId): cancel(requestId, client)
        case .historicalTicks(let request): historicalTicks(request, client)
        case .headTimestamp(let request): headTimestamp(request, client)
        case .ids: client.send(.nextValidId(1))
        case .managedAccounts: client.send(.managedAccounts(Gateway.accounts))
        case .positions: client.send(.positionEnd)
        case .openOrders, .allOpenOrders: client.send(.openOrderEnd)
        case .completedOrders: client.send(.completedOrdersEnd)
        case .accountUpdates(let subscribe, let account):
            guard subscribe else { return }
            client.send(.accountUpdateTime(String(clock.prefix(5))))
            client.send(.accountDownloadEnd(account: account.isEmpty ? Gateway.accounts[0] : account))
        case .accountUpdatesMulti(let requestId, _, _, _): client.send(.accountUpdateMultiEnd(requestId: requestId))
        case .executions(let requestId, _): client.send(.executionDataEnd(requestId: requestId))
        // All data are live whatever type is asked for, and data of level 1 say so themselves.
        case .startApi, .marketDataType, .cancelHeadTimestamp, .setServerLogLevel, .autoOpenOrders, .other: break
        }
    }

    private var clock: String { MarketZone.eastern.local(atUTC: nowNanos / 1_000_000_000).clock }

    /// The one instrument that a contract means; sends error 200 and returns nil when there is none or more than one.
    func instrument(of contract: Contract, requestId: Int32, _ client: ClientSession) -> Int? {
        let found = instruments.indices.filter { instruments[$0].matches(contract) }
        guard found.count == 1 else {
            client.sendError(Notice.noSecurityDefinition, requestId: requestId, nowNanos: nowNanos)
            return nil
        }
        return found[0]
    }

    private func contractData(_ request: ContractDataRequest, _ client: ClientSession) {
        let found = instruments.filter { instrument in
            let isin = request.secIdType == "ISIN" ? request.secId : ""
            if !isin.isEmpty { return instrument.isin == isin }
            return instrument.matches(request.contract)
        }
        guard !found.isEmpty else {
            return client.sendError(Notice.noSecurityDefinition, requestId: request.requestId, nowNanos: nowNanos)
        }
        for instrument in found {
            let details = instrument.details(atUTC: nowNanos / 1_000_000_000)
            client.send(.contractData(requestId: request.requestId, details))
        }
        client.send(.contractDataEnd(requestId: request.requestId))
    }

    private func cancel(_ requestId: Int32, _ client: ClientSession) {
        guard client.subscriptions[requestId] != nil else {
            return client.sendError(Notice.unknownTicker(requestId), requestId: requestId, nowNanos: nowNanos)
        }
        unsubscribe(client, requestId: requestId, lost: false)
    }

    /// True when the lines of all clients are used up, or the id is taken; the client has been told then.
    private func refuses(_ requestId: Int32, _ client: ClientSession, duplicate: (Int32, String)) -> Bool {
        if client.subscriptions[requestId] != nil {
            client.sendError(duplicate, requestId: requestId, nowNanos: nowNanos)
            return true
        }
        if options.enforce, subscriptionCount >= Limits.marketDataLines {
            client.sendError(Notice.tooManyLines, requestId: requestId, nowNanos: nowNanos)
            return true
        }
        return false
    }

    private func tickByTick(_ request: TickByTickRequest, _ client: ClientSession) {
        let requestId = request.requestId
        guard !refuses(requestId, client, duplicate: Notice.duplicateTickByTick),
            let index = instrument(of: request.contract, requestId: requestId, client),
            let slot = StreamSlot.index(request.kind.tickKind)
        else { return }
        let instrument = instruments[index]
        func refuse(_ notice: (Int32, String)) { client.sendError(notice, requestId: requestId, nowNanos: nowNanos) }
        guard (0...1_000).contains(request.numberOfTicks) else {
            return refuse(Notice.invalid("Number of ticks must be 0 to 1000"))
        }
        if options.enforce {
            guard slot > 1 || !instrument.hasNoTrades else {
                return refuse(Notice.noTickByTick(request.kind.rawValue, instrument.localSymbol))
            }
            // No code of its own is known for a request that comes too early; the limit's code is the likeliest.
            guard tickByTickCount < Limits.tickByTickLines,
                limits.allowsTickByTick(conId: instrument.conId, nowNanos: nowBootNanos)
            else {
                violations += 1
                return refuse(Notice.tooManyTickByTick)
            }
        }
        if request.numberOfTicks > 0 { sendRecent(request, instrument: index, client) }
        let subscription = LiveSubscription(
            client: client, requestId: requestId, filter: SizeFilter(active: request.ignoreSize))
        subscribe(subscription, stream: index * StreamSlot.kinds.count + slot)
    }

    private func marketData(_ request: MarketDataRequest, _ client: ClientSession) {
        let requestId = request.requestId
        guard !refuses(requestId, client, duplicate: Notice.duplicateTicker),
            let index = instrument(of: request.contract, requestId: requestId, client)
        else { return }
        client.send(.marketDataType(requestId: requestId, type: 1))
        client.send(
            .tickReqParams(
                requestId: requestId, minTick: instruments[index].priceStep, bboExchange: "9c0001",
                snapshotPermissions: 3))
        level1.append(
            Level1Subscription(
                client: client, requestId: requestId, instrument: index, genericTicks: request.genericTicks))
        updateLevel1(at: level1.count - 1)
        if request.snapshot || request.regulatorySnapshot {
            level1.removeLast()
            client.send(.tickSnapshotEnd(requestId: requestId))
        } else {
            client.subscriptions[requestId] = .level1(instrument: index)
        }
    }
}
