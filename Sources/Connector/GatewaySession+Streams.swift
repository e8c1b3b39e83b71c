internal import JSON
internal import Messaging
internal import ServiceKit
internal import TWS
internal import TickStore
internal import Ticks

extension GatewaySession {
    /// How long a stream may stay silent after the gateway said that data flows again, before it is asked for anew.
    static let verifyNanos: Int64 = 5_000_000_000

    // MARK: - Desired state

    /// The configured streams, each with a slot; those beyond the lines are `no_line`, loudly.
    mutating func addConfiguredStreams(wasRecorded: Set<StreamID>) throws(ProgramError) {
        for contract in configuration.contracts {
            let wanted = contract.ticks.map { StreamID(conId: contract.conId, kind: $0, source: configuration.source) }
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
        if grant == .level1 { stream = StreamID(conId: stream.conId, kind: .level1, source: stream.source) }
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
        } else if wasRecorded.contains(stream) {
            // Ticks may have been sent while no connector was connected.
            path.openGap(slot, cause: "restart")
        }
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
                guard !undefined.contains(entry.stream.conId) else { return false }
                let request: RequestPacer.Request =
                    entry.stream.kind == .level1 ? .ordinary : .tickByTick(conId: entry.stream.conId)
                return pacer.nextAllowedNanos(request, nowNanos: now) <= now
            })
        lastRequest = next
        return action
    }

    /// Contracts that have to wait for their definition, as long as it may still come.
    private func contractsWithoutExchange(nowNanos now: Int64) -> Set<Int32> {
        var waiting: Set<Int32> = []
        for (conId, contract) in contractOf where exchange(contract) == nil {
            if definitionSchedule.isAwaited(conId, nowNanos: now) { waiting.insert(conId) }
        }
        return waiting
    }

    private mutating func subscribe(_ index: Int, _ request: Int32) {
        let entry = subscriptions.entries[index]
        let contract = wireContract(entry.contract)
        path.mark(entry.slot, .subscribed, code: request)
        path.bind(request: request, to: entry.slot)
        if let kind = TickByTickKind(entry.stream.kind) {
            send(.tickByTick(TickByTickRequest(requestId: request, contract: contract, kind: kind)))
        } else {
            send(.marketData(MarketDataRequest(requestId: request, contract: contract)))
        }
    }

    private mutating func cancel(_ index: Int, _ request: Int32) {
        path.unbind(request: request)
        // A tick that came since the decision has closed the gap; what comes from here on is not taken.
        if case .wanted = subscriptions.entries[index].state {
            path.openGap(subscriptions.entries[index].slot, cause: "resubscribe")
        }
        if TickByTickKind(subscriptions.entries[index].stream.kind) != nil {
            send(.cancelTickByTick(requestId: request))
        } else {
            send(.cancelMarketData(requestId: request))
        }
    }

    /// The contract as the gateway needs it: its id and an exchange.
    private func wireContract(_ contract: TrackedContract) -> Contract {
        Contract(conId: contract.conId, exchange: exchange(contract) ?? "SMART")
    }

    /// The exchange as configured, else as defined.
    private func exchange(_ contract: TrackedContract?) -> String? {
        guard let contract else { return nil }
        return contract.exchange ?? definitions[contract.conId]?["exchange"]?.string
    }

    // MARK: - Interruptions

    mutating func openAllGaps(cause: String, code: Int32 = 0) {
        for entry in subscriptions.entries {
            if case .requested = entry.state { path.openGap(entry.slot, cause: cause, code: code) }
        }
    }

    /// The gateway has dropped all subscriptions, or the connection is gone: everything is asked for again.
    mutating func forgetSubscriptions() {
        path.unbindAll()
        subscriptions.forgetAll()
        verifications.removeAll()
    }

    /// Data should flow again; streams that stay silent are asked for anew after a grace time.
    mutating func verifyStreams() {
        let due = bootNanos() + GatewaySession.verifyNanos
        for entry in subscriptions.entries {
            if case .requested = entry.state { verifications[entry.stream] = (due, path.slot(entry.slot).ticks) }
        }
    }

    mutating func checkVerifications(nowNanos now: Int64) {
        guard !verifications.isEmpty else { return }
        for (stream, check) in verifications where check.dueNanos <= now {
            verifications[stream] = nil
            guard let index = subscriptions.entries.firstIndex(where: { $0.stream == stream }) else { continue }
            let entry = subscriptions.entries[index]
            guard case .requested = entry.state, path.slot(entry.slot).ticks == check.ticks else { continue }
            log(
                .warning, "a stream stayed silent after the interruption, subscribing anew",
                ["stream": stream.description])
            path.openGap(entry.slot, cause: "silent")
            subscriptions.resubscribe(index)
        }
    }
}
