internal import JSON
internal import Messaging
internal import ServiceKit
internal import TWS
internal import TickStore
internal import Ticks

extension GatewaySession {
    // MARK: - Desired state

    /// The configured streams, each with a slot; those beyond the lines are `no_line`, loudly.
    mutating func addConfiguredStreams(wasRecorded: Set<StreamID>) throws(ProgramError) {
        for contract in configuration.contracts {
            let id = configuration.id(of: contract)
            let wanted = contract.ticks.map { StreamID(id, $0) }
            do throws(LineBudget.TooManyStreams) {
                for (stream, grant) in zip(wanted, try lines.claim(wanted)) {
                    addStream(stream, contract, grant, wasRecorded: wasRecorded)
                }
            } catch {
                throw ProgramError(
                    .configuration,
                    "\(error): fewer `ticks`, or tws.on_excess: record_first or level1")
            }
        }
    }

    /// Adds a stream, or revives an ended one: a stream has one slot for ever, since its numbers go on. False when there
    /// is no room for it.
    @discardableResult
    mutating func addStream(
        _ stream: StreamID, _ contract: TrackedContract, _ grant: LineBudget.Grant, wasRecorded: Set<StreamID>
    ) -> Bool {
        guard stream.kind.isRecordable else {
            log(.error, "a kind that is not built yet is not recorded", ["stream": stream.description])
            return true
        }
        var stream = stream
        if grant == .level1 { stream = StreamID(stream.contract, .level1) }
        if let index = subscriptions.index(of: stream) {
            subscriptions.revive(index, contract: contract, hasLine: grant != .noLine)
            return true
        }
        guard let slot = path.addStream(stream) else { return false }
        subscriptions.add(stream, contract: contract, slot: slot, hasLine: grant != .noLine)
        if grant == .noLine {
            log(
                .error, "no tick-by-tick line is left for a stream: it is not recorded",
                ["stream": stream.description, "lines": "\(configuration.tws.tickByTickLines)"])
        }
        // Ticks may have been sent while no connector was connected; without a line the gap stays open until there is one.
        if wasRecorded.contains(stream) { path.openGap(slot, cause: GapCause.restart) }
        return true
    }

    // MARK: - Subscribing

    /// Sends what the reconciler wants, as far as pacing allows.
    mutating func subscribeWhatIsWanted(nowNanos now: Int64) {
        while let action = nextAction(nowNanos: now) {
            switch action {
            case .cancel(let entry, let request): cancel(entry, request)
            case .subscribe(let entry, let request): subscribe(entry, request)
            }
        }
    }

    private mutating func nextAction(nowNanos now: Int64) -> Subscriptions.Action? {
        guard let due = subscriptions.nextDueNanos, due <= now,
            pacer.nextAllowedNanos(.ordinary, nowNanos: now) <= now
        else { return nil }
        var next = lastRequest
        let pacer = self.pacer
        let undefined = contractsWithoutExchange(nowNanos: now)
        let action = subscriptions.next(
            nowNanos: now,
            request: {
                next += 1
                return next
            },
            mayAsk: { entry in
                // A contract of unknown exchange waits for its definition, which is on its way.
                guard !undefined.contains(entry.stream.contract) else { return false }
                let request: RequestPacer.Request =
                    entry.stream.kind == .level1
                    ? .ordinary : .tickByTick(conId: entry.underlying?.conId ?? entry.stream.conId)
                return pacer.nextAllowedNanos(request, nowNanos: now) <= now
            })
        lastRequest = next
        return action
    }

    /// Contracts that have to wait for their definition, as long as it may still come.
    private func contractsWithoutExchange(nowNanos now: Int64) -> Set<ContractID> {
        var waiting: Set<ContractID> = []
        for (id, contract) in contractOf where exchange(contract) == nil {
            if definitionSchedule.isAwaited(id, nowNanos: now) { waiting.insert(id) }
        }
        return waiting
    }

    /// True while the exchange of a stream's contract is not known and its definition is on its way.
    func waitsForExchange(_ stream: StreamID, nowNanos now: Int64) -> Bool {
        guard let index = subscriptions.index(of: stream), subscriptions.entries[index].underlying == nil,
            exchange(subscriptions.entries[index].contract) == nil
        else { return false }
        return unreadDefinitions.contains(stream.contract)
            || definitionSchedule.isAwaited(stream.contract, nowNanos: now)
    }

    private mutating func subscribe(_ index: Int, _ request: Int32) {
        let entry = subscriptions.entries[index]
        let contract = wireContract(of: entry)
        path.mark(entry.slot, .subscribed, code: request)
        if let other = entry.underlying { path.mark(entry.slot, .rerouted, code: other.conId, text: other.exchange) }
        path.bind(request: request, to: entry.slot)
        let past = ticksInFront(of: entry)
        if let kind = TickByTickKind(entry.stream.kind) {
            send(
                .tickByTick(TickByTickRequest(requestId: request, contract: contract, kind: kind, numberOfTicks: past)))
        } else {
            send(.marketData(MarketDataRequest(requestId: request, contract: contract)))
        }
    }

    private mutating func cancel(_ index: Int, _ request: Int32) {
        if TickByTickKind(subscriptions.entries[index].stream.kind) != nil {
            send(.cancelTickByTick(requestId: request))
        } else {
            send(.cancelMarketData(requestId: request))
        }
    }

    /// The contract whose ticks a stream records.
    func wireContract(of entry: Subscriptions.Entry) -> Contract { entry.underlying ?? wireContract(entry.contract) }

    /// The contract as the gateway needs it: its id and an exchange.
    func wireContract(_ contract: TrackedContract) -> Contract {
        Contract(conId: contract.conId, exchange: exchange(contract) ?? "SMART")
    }

    /// The exchange as configured, else as defined.
    func exchange(_ contract: TrackedContract) -> String? {
        if let exchange = contract.exchange { return exchange }
        let id = configuration.id(of: contract)
        guard let definition = definitions[id] else { return nil }
        let asked = definition["configured_exchange"]?.string ?? ""
        if asked.isEmpty { return definition["exchange"]?.string }
        // An entry that names no exchange any more does not mean the one that it named.
        return contractOf[id] == nil ? asked : nil
    }

    /// The exchange from which a contract's definition is asked for: as configured, also by an earlier run where the contract
    /// has left; empty: where it is listed.
    func askedExchange(_ contract: ContractID) -> String {
        if let contract = contractOf[contract] { return contract.exchange ?? "" }
        return definitions[contract]?["configured_exchange"]?.string ?? ""
    }

    /// The contract's venue is known: history of another one must never get into its streams. What has left the
    /// configuration, and had a source of its own, shows it in its kept definition alone.
    func knowsVenue(_ contract: ContractID) -> Bool {
        contract.source == configuration.source || contractOf[contract] != nil || definitions[contract] != nil
    }

    // MARK: - Interruptions

    mutating func openAllGaps(cause: String, code: Int32 = 0) {
        for entry in subscriptions.entries {
            if case .requested = entry.state { path.openGap(entry.slot, cause: cause, code: code) }
        }
    }

    var isAnythingSubscribed: Bool {
        subscriptions.entries.contains { if case .requested = $0.state { true } else { false } }
    }

    /// The host slept: a gateway elsewhere may have sent to nobody, one on this host has slept too. What was still on its
    /// way has been read before.
    mutating func noteSleep() {
        guard let slept = sleep.note(bootNanos: bootNanos(), monotonicNanos: monotonicNanos()) else { return }
        log(.warning, "the host was asleep", ["millis": "\(slept / 1_000_000)"])
        publishEvent("host_asleep", text: "the host was asleep for \(slept / 1_000_000_000) s")
        interruptAll(cause: "host asleep")
    }

    /// Streams of the journal that nobody wants any more: those of the `subscribe` command, which holds until the
    /// connector's next start, and those that left the configuration. What came between their last tick and now is a gap;
    /// here their subscription ends.
    mutating func endVanishedStreams(_ wasRecorded: Set<StreamID>) {
        for stream in wasRecorded.sorted() where subscriptions.index(of: stream) == nil {
            guard end(stream, isOver: false) else { return }
        }
    }

    /// A recorded stream with gaps that nothing but this run can heal, and that no configuration names any more. Its last
    /// record becomes one of this epoch: once that is durable, all that was numbered of it before is.
    mutating func adopt(_ stream: StreamID, isOver: Bool) {
        guard let index = subscriptions.index(of: stream) else {
            if end(stream, isOver: isOver) {
                log(.info, "gaps of a stream that left are healed", ["stream": "\(stream)"])
            }
            return
        }
        // A new epoch has begun since.
        let entry = subscriptions.entries[index]
        if entry.state == .ended, path.slot(entry.slot).seq == 0 { path.endStream(entry.slot) }
    }

    /// Gives a stream that nobody wants a place, whose subscription ends here. False when there is no room.
    private mutating func end(_ stream: StreamID, isOver: Bool) -> Bool {
        guard let slot = path.addStream(stream) else { return false }
        let id = stream.contract
        let configured = contractOf[id]
        let contract = TrackedContract(
            conId: id.conId, symbol: configured?.symbol ?? "\(id)", exchange: configured?.exchange, source: id.source,
            ticks: [stream.kind], required: false)
        subscriptions.add(stream, contract: contract, slot: slot, hasLine: false)
        if !isOver { path.openGap(slot, cause: GapCause.restart) }
        path.endStream(slot)
        subscriptions.end(subscriptions.entries.count - 1)
        // What a request for its history has to name.
        if configured == nil, definitions[id] == nil {
            unreadDefinitions.insert(id)
            keeper.want(definitionOf: id)
        }
        return true
    }

    /// Nothing comes, and the gateway does not answer. What it sent before may still be on its way; ticks of the time since
    /// then are seconds later, by the gateway's clock (whole seconds, from its last answer; without one, the last tick's).
    mutating func noteSilence() {
        let slots = (0..<path.slotCount).map { path.slot($0) }
        let silentNanos = machine.doubtNanos
        // A time far ahead is none.
        let now = gatewayTime.nowNanos(bootNanos: bootNanos()) ?? realNanos()
        let limit = now + 86_400_000_000_000
        let told = slots.map(\.lastEventNanos).filter { $0 != Tick.noEventTime }
        // Where all are some days ahead, it is the host's clock that is behind.
        let far = now + LastSecond.farSeconds * 1_000_000_000
        let latest = told.filter { $0 < limit }.max() ?? told.filter { $0 < far }.min()
        let began = gatewayTime.offsetNanos == nil ? latest ?? now - silentNanos : now - silentNanos
        for entry in subscriptions.entries {
            if case .requested = entry.state {
                path.noteSilence(entry.slot, untilNanos: began + silentNanos / 2)
            }
        }
    }

    /// The connection is gone: everything is asked for again.
    mutating func forgetSubscriptions() {
        subscriptions.forgetAll()
        beginAnew()
    }

    /// The gateway says that it forgot all subscriptions: everything is cancelled and asked for again.
    mutating func resubscribeAll() {
        subscriptions.resubscribeAll()
        beginAnew()
    }

    private mutating func beginAnew() {
        path.unbindAll()
        healing.fronts.removeAll()
        noteFreshSubscriptions()
        watch.removeAll()
    }

    /// Cancels a stream that is asked for and asks for it anew. What still comes under the old request is not taken: it
    /// would close the gap, and nothing would open it again if the session ended before the cancel is sent.
    mutating func resubscribe(_ index: Int, cause: String, code: Int32 = 0) {
        let entry = subscriptions.entries[index]
        guard case .requested(let request, _) = entry.state else { return }
        path.unbind(request: request)
        healing.fronts[entry.slot] = nil
        path.setTakesFront(false, of: entry.slot)
        path.openGap(entry.slot, cause: cause, code: code)
        subscriptions.resubscribe(index)
    }
}
