internal import JSON
internal import Messaging
internal import ServiceKit
internal import TWS
internal import Ticks

extension GatewaySession {
    private static let lookupNanos: Int64 = 15_000_000_000
    /// How long a lookup waits for an answer behind a code that nobody knows.
    private static let doubtfulLookupNanos: Int64 = 5_000_000_000

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
            if above >= path.epoch { renumber(above: above) }
            mailbox.reply(.success(["epoch": .integer(Int64(path.epoch))]), to: token)
        }
    }

    private mutating func resubscribe(_ stream: StreamID?, _ token: ControlToken) {
        var count = 0
        for index in subscriptions.entries.indices {
            let entry = subscriptions.entries[index]
            guard stream == nil || entry.stream == stream else { continue }
            if case .requested = entry.state {
                resubscribe(index, cause: "resubscribe")
                count += 1
            }
        }
        if count == 0, let stream {
            mailbox.reply(.failure("\(stream) is not subscribed"), to: token)
        } else {
            mailbox.reply(.success(["streams": .integer(Int64(count))]), to: token)
        }
    }

    private mutating func subscribe(_ asked: TrackedContract, _ token: ControlToken) {
        var contract = asked
        let id = configuration.id(of: contract)
        let venue = contractOf[id].map { exchange($0) ?? "where it is listed" } ?? askedExchange(id)
        // Ticks of two venues would stand in streams of one name.
        if let wanted = contract.exchange, !venue.isEmpty, wanted != venue {
            let why = "contract \(id) is recorded from \(venue): give \(wanted) a `source` of its own"
            return mailbox.reply(.failure(why), to: token)
        }
        if let known = contractOf[id] { contract.exchange = known.exchange }
        var wanted: [StreamID] = []
        for kind in contract.ticks {
            let stream = StreamID(id, kind)
            guard kind.isRecordable else {
                return mailbox.reply(.failure("\(kind.name) is not built yet"), to: token)
            }
            if let index = subscriptions.index(of: stream), subscriptions.entries[index].state != .ended {
                return mailbox.reply(.failure("\(stream) is subscribed already"), to: token)
            }
            if !wanted.contains(stream) { wanted.append(stream) }
        }
        let grants: [LineBudget.Grant]
        do throws(LineBudget.TooManyStreams) {
            grants = try lines.claim(wanted)
        } catch {
            return mailbox.reply(.failure("\(error)"), to: token)
        }
        for (stream, grant) in zip(wanted, grants) { subscribe(stream, contract, grant) }
        let states = wanted.map { stream in
            let state = subscriptions.index(of: stream).map { subscriptions.entries[$0].state.name } ?? "no_room"
            return JSONObject.Member(name: stream.description, value: .string(state))
        }
        mailbox.reply(.success(["streams": .object(JSONObject(states))]), to: token)
    }

    private mutating func subscribe(_ stream: StreamID, _ contract: TrackedContract, _ grant: LineBudget.Grant) {
        guard addStream(stream, contract, grant, wasRecorded: []) else {
            releaseLine(stream)
            return
        }
        // A configured contract stays what the configuration says.
        let id = stream.contract
        if contractOf[id] == nil { contractOf[id] = contract }
        definitionSchedule.add(id)
        applyPriceStep(id)
    }

    private mutating func unsubscribe(_ stream: StreamID, _ token: ControlToken) {
        guard let index = subscriptions.index(of: stream), subscriptions.entries[index].state != .ended else {
            return mailbox.reply(.failure("\(stream) is not subscribed"), to: token)
        }
        let entry = subscriptions.entries[index]
        if case .requested(let request, _) = entry.state { path.unbind(request: request) }
        path.endStream(entry.slot)
        watch.release(index)
        subscriptions.end(index)
        releaseLine(stream)
        mailbox.reply(.success([:]), to: token)
    }

    private mutating func releaseLine(_ stream: StreamID) {
        if let next = lines.release(stream) { subscriptions.giveLine(next) }
    }

    // MARK: - Lookup

    private mutating func lookup(_ symbol: String, _ secType: String, _ token: ControlToken) {
        guard machine.session != nil else {
            return mailbox.reply(.failure("no session with the gateway now"), to: token)
        }
        guard lookups.count < ContractLookup.openLimit else {
            return mailbox.reply(.failure("too many lookups are under way: try again"), to: token)
        }
        var lookup = ContractLookup(token: token, deadlineNanos: bootNanos() + GatewaySession.lookupNanos)
        lastRequest += 1
        lookup.openRequests = [lastRequest]
        lookups.append(lookup)
        if secType.isEmpty {
            lookupRequests.append(.matchingSymbols(requestId: lastRequest, pattern: symbol))
        } else {
            let contract = Contract(symbol: symbol, secType: secType)
            lookupRequests.append(.contractData(ContractDataRequest(requestId: lastRequest, contract: contract)))
        }
    }

    mutating func takeSamples(_ samples: [ContractDescription], request: Int32) {
        guard let index = lookups.firstIndex(where: { $0.openRequests.contains(request) }) else { return }
        lookups[index].openRequests.remove(request)
        for sample in samples.prefix(ContractLookup.detailedMatches) {
            lastRequest += 1
            lookups[index].openRequests.insert(lastRequest)
            let contract = Contract(conId: sample.conId)
            lookupRequests.append(.contractData(ContractDataRequest(requestId: lastRequest, contract: contract)))
        }
        finishLookup(index)
    }

    mutating func takeDetails(_ details: InstrumentDetails, request: Int32) {
        if let contract = definitionSchedule.contract(of: request) {
            guard details.contract.conId == contract.conId else { return }
            undecodableDefinitions.remove(contract)
            let known = definitions[contract]?["configured_symbol"]?.string
            let json = FeedMessages.definition(
                details, contract, symbol: contractOf[contract]?.symbol ?? known ?? details.contract.symbol,
                exchange: askedExchange(contract), atNanos: realNanos())
            if let known = definitions[contract] { tellChanges(of: contract, from: known, to: json) }
            definitions.put(json, contract: contract, nowNanos: bootNanos())
            applyPriceStep(contract)
        } else if let index = lookups.firstIndex(where: { $0.openRequests.contains(request) }) {
            lookups[index].add(details)
        }
    }

    /// What an earlier run kept, if anything; a slow disk may bring it behind the gateway's answer.
    mutating func takeKept(_ json: JSONValue?, _ contract: ContractID) {
        if let json {
            if let fresh = definitions[contract] { tellChanges(of: contract, from: json, to: fresh) }
            definitions.add(kept: json, contract: contract)
        }
        // A contract that left: only now it is known which venue's definition is meant.
        if unreadDefinitions.remove(contract) != nil, knowsVenue(contract) { definitionSchedule.add(contract) }
    }

    /// A reader months later has to see where a contract's sizes or name became
    /// others: the ticks are recorded as they come.
    private mutating func tellChanges(of contract: ContractID, from known: JSONValue, to json: JSONValue) {
        for change in DefinitionChange.between(known, json) {
            definitionChanges[contract, default: []].removeAll { $0.field == change.field }
            definitionChanges[contract, default: []].append(change)
            log(
                .warning, "the gateway's definition of a contract has changed",
                ["contract": "\(contract)", "field": change.field, "old": change.old, "new": change.new])
            for entry in subscriptions.entries where entry.stream.contract == contract {
                path.mark(entry.slot, .definitionChanged, text: change.field)
                publishEvent(
                    "definition_changed", stream: entry.stream, cause: change.field,
                    text: change.text)
            }
        }
    }

    mutating func endOfDetails(_ request: Int32) {
        if definitionSchedule.ended(request, succeeded: true, nowNanos: bootNanos()) { return }
        guard let index = lookups.firstIndex(where: { $0.openRequests.contains(request) }) else { return }
        endLookupRequest(request, of: index)
    }

    /// All that a lookup's request brings has come.
    mutating func endLookupRequest(_ request: Int32, of index: Int) {
        lookups[index].openRequests.remove(request)
        finishLookup(index)
    }

    /// True when the error belongs to a contract request: of a lookup, or of our own. A warning ends neither; a code
    /// that nobody knows is the answer only if nothing else comes.
    mutating func lookupFailed(_ error: ErrorMessage, _ rule: ErrorPolicy.Rule) -> Bool {
        let request = error.requestId
        if definitionSchedule.contract(of: request) != nil {
            return rule.endsRequest ? definitionSchedule.ended(request, succeeded: false, nowNanos: bootNanos()) : true
        }
        guard let index = lookups.firstIndex(where: { $0.openRequests.contains(request) }) else { return false }
        guard rule.endsRequest || rule.action == .doubt else { return true }
        lookups[index].problems.append("TWS says \(error.code): \(error.text)")
        if rule.endsRequest {
            lookups[index].openRequests.remove(request)
            finishLookup(index)
        } else {
            let deadline = bootNanos() + GatewaySession.doubtfulLookupNanos
            lookups[index].deadlineNanos = min(lookups[index].deadlineNanos, deadline)
        }
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
        lookupRequests.removeAll()
    }

    /// Sends requests for contracts as far as the budget allows: a person's first, then the definitions that are due.
    mutating func sendContractRequests(nowNanos now: Int64) {
        while pacer.nextAllowedNanos(.ordinary, nowNanos: now) <= now {
            if !lookupRequests.isEmpty {
                send(lookupRequests.removeFirst())
            } else if let contract = definitionSchedule.next(nowNanos: now) {
                lastRequest += 1
                definitionSchedule.sent(lastRequest, contract: contract, nowNanos: now)
                let wire = Contract(conId: contract.conId, exchange: askedExchange(contract))
                send(
                    .contractData(
                        ContractDataRequest(
                            requestId: lastRequest, contract: wire, includeExpired: isFuture(contract))))
            } else {
                return
            }
        }
    }
}
