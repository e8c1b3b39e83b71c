internal import JSON
internal import Messaging
internal import ServiceKit
internal import TWS
internal import Ticks

extension GatewaySession {
    private static let lookupNanos: Int64 = 15_000_000_000

    mutating func carryOutCommands() {
        for command in mailbox.takeCommands() { carryOut(command) }
    }

    private mutating func carryOut(_ command: SessionCommand) {
        switch command {
        case .lookup(let symbol, let secType, let token): lookup(symbol, secType, token)
        case .resubscribe(let stream, let token): resubscribe(stream, token)
        case .reconnect(let token):
            path.flush()
            drive(machine.handle(.reconnect("asked to by command"), nowNanos: bootNanos()))
            mailbox.reply(.success([:]), to: token)
        case .subscribe(let contract, let token): subscribe(contract, token)
        case .unsubscribe(let stream, let token): unsubscribe(stream, token)
        case .renumber(let above, let token):
            if above >= path.epoch { beginEpoch(known: above, cause: "renumber") }
            mailbox.reply(.success(["epoch": .integer(Int64(path.epoch))]), to: token)
        }
    }

    private mutating func resubscribe(_ stream: StreamID?, _ token: ControlToken) {
        var count = 0
        for index in subscriptions.entries.indices {
            let entry = subscriptions.entries[index]
            guard stream == nil || entry.stream == stream else { continue }
            if case .requested = entry.state {
                path.openGap(entry.slot, cause: "resubscribe")
                subscriptions.resubscribe(index)
                count += 1
            }
        }
        if count == 0, let stream {
            mailbox.reply(.failure("\(stream) is not subscribed"), to: token)
        } else {
            mailbox.reply(.success(["streams": .integer(Int64(count))]), to: token)
        }
    }

    private mutating func subscribe(_ contract: TrackedContract, _ token: ControlToken) {
        let wanted = contract.ticks.map { StreamID(conId: contract.conId, kind: $0, source: configuration.source) }
        for stream in wanted {
            guard stream.kind.isRecordable else {
                return mailbox.reply(.failure("\(stream.kind.name) is not built yet"), to: token)
            }
            guard !subscriptions.entries.contains(where: { $0.stream == stream }) else {
                return mailbox.reply(.failure("\(stream) is subscribed already"), to: token)
            }
        }
        let grants: [LineBudget.Grant]
        do throws(LineBudget.TooManyStreams) {
            grants = try lines.claim(wanted)
        } catch {
            return mailbox.reply(.failure("\(error)"), to: token)
        }
        for (stream, grant) in zip(wanted, grants) { addStream(stream, contract, grant, wasRecorded: []) }
        let states = wanted.map { stream in
            let state = subscriptions.entries.first { $0.stream == stream }?.state.name ?? "no_room"
            return JSONObject.Member(name: stream.description, value: .string(state))
        }
        mailbox.reply(.success(["streams": .object(JSONObject(states))]), to: token)
    }

    private mutating func unsubscribe(_ stream: StreamID, _ token: ControlToken) {
        guard let index = subscriptions.entries.firstIndex(where: { $0.stream == stream && $0.state != .noLine }) else {
            return mailbox.reply(.failure("\(stream) is not subscribed"), to: token)
        }
        path.mark(subscriptions.entries[index].slot, .unsubscribed)
        subscriptions.end(index)
        if let next = lines.release(stream) { subscriptions.giveLine(next) }
        mailbox.reply(.success([:]), to: token)
    }

    // MARK: - Lookup

    private mutating func lookup(_ symbol: String, _ secType: String, _ token: ControlToken) {
        guard machine.session != nil else {
            return mailbox.reply(.failure("no session with the gateway now"), to: token)
        }
        var lookup = ContractLookup(token: token, deadlineNanos: bootNanos() + GatewaySession.lookupNanos)
        lastRequest += 1
        lookup.openRequests = [lastRequest]
        lookups.append(lookup)
        if secType.isEmpty {
            send(.matchingSymbols(requestId: lastRequest, pattern: symbol))
        } else {
            let contract = Contract(symbol: symbol, secType: secType)
            send(.contractData(ContractDataRequest(requestId: lastRequest, contract: contract)))
        }
    }

    mutating func takeSamples(_ samples: [ContractDescription], request: Int32) {
        guard let index = lookups.firstIndex(where: { $0.openRequests.contains(request) }) else { return }
        lookups[index].openRequests.remove(request)
        for sample in samples.prefix(ContractLookup.detailedMatches) {
            lastRequest += 1
            lookups[index].openRequests.insert(lastRequest)
            let contract = Contract(conId: sample.conId)
            send(.contractData(ContractDataRequest(requestId: lastRequest, contract: contract)))
        }
        finishLookup(index)
    }

    mutating func takeDetails(_ details: InstrumentDetails, request: Int32) {
        if let conId = definitionRequests[request] {
            guard details.contract.conId == conId else { return }
            let symbol = contractOf[conId]?.symbol ?? details.contract.symbol
            let json = FeedMessages.definition(details, symbol: symbol, atNanos: realNanos())
            definitions.put(json, conId: conId, nowNanos: bootNanos())
        } else if let index = lookups.firstIndex(where: { $0.openRequests.contains(request) }) {
            lookups[index].add(details)
        }
    }

    mutating func endOfDetails(_ request: Int32) {
        definitionRequests[request] = nil
        guard let index = lookups.firstIndex(where: { $0.openRequests.contains(request) }) else { return }
        lookups[index].openRequests.remove(request)
        finishLookup(index)
    }

    /// True when the error belongs to a contract request: of a lookup, or of our own.
    mutating func lookupFailed(_ error: ErrorMessage) -> Bool {
        if definitionRequests.removeValue(forKey: error.requestId) != nil { return true }
        guard let index = lookups.firstIndex(where: { $0.openRequests.contains(error.requestId) }) else { return false }
        lookups[index].problems.append("TWS says \(error.code): \(error.text)")
        lookups[index].openRequests.remove(error.requestId)
        finishLookup(index)
        return true
    }

    private mutating func finishLookup(_ index: Int) {
        guard lookups[index].openRequests.isEmpty else { return }
        let lookup = lookups.remove(at: index)
        mailbox.reply(lookup.reply, to: lookup.token)
    }

    mutating func expireLookups(nowNanos now: Int64) {
        for index in lookups.indices.reversed() where lookups[index].deadlineNanos <= now {
            var lookup = lookups.remove(at: index)
            lookup.problems.append("the gateway did not answer")
            mailbox.reply(lookup.reply, to: lookup.token)
        }
    }

    mutating func failLookups(_ why: String) {
        for var lookup in lookups {
            lookup.problems.append(why)
            mailbox.reply(lookup.reply, to: lookup.token)
        }
        lookups.removeAll()
    }

    /// Asks for the definitions of all configured contracts.
    mutating func requestDefinitions() {
        for contract in configuration.contracts {
            lastRequest += 1
            definitionRequests[lastRequest] = contract.conId
            let wire = Contract(conId: contract.conId, exchange: contract.exchange ?? "")
            send(.contractData(ContractDataRequest(requestId: lastRequest, contract: wire)))
        }
    }
}
