internal import JSON
internal import ServiceKit
internal import TWS
internal import Ticks

/// What the session thread does for healing: sends history requests, hands their answers on, and records finished runs.
extension GatewaySession {
    mutating func carryOutHealOrders() {
        for order in healMail.takeOrders() {
            switch order {
            case .history(let serial, let stream, let question, let aggTrades):
                guard machine.session != nil, subscriptions.index(of: stream) != nil,
                    unreadDefinitions.contains(stream.contract) || knowsVenue(stream.contract),
                    !isHistoryHeld(stream.contract)
                else {
                    healMail.reply(.unanswered(serial: serial))
                    continue
                }
                healing.waiting.append(.init(serial: serial, stream: stream, question: question, aggTrades: aggTrades))
            case .giveUp(let serial):
                healing.waiting.removeAll { $0.serial == serial }
                for (request, open) in healing.open where open.serial == serial { healing.open[request] = nil }
            case .stage(let serial, let run):
                healMail.reply(.staged(serial: serial, record(run)))
            case .positions(let serial): healMail.reply(.positions(serial: serial, healPositions))
            case .adopt(let stream, let isOver): adopt(stream, isOver: isOver)
            case .sayRefused(let stream, let error): sayRefused(stream, error)
            }
        }
    }

    /// The key of the run's last record; nil: the stream is none of ours, or has brought a tick that the run does not
    /// know of.
    mutating func record(_ run: HealedRun) -> TickKey? {
        guard let index = subscriptions.index(of: run.stream) else { return nil }
        let entry = subscriptions.entries[index]
        guard run.liveTicks.map({ $0 == path.slot(entry.slot).ticks }) ?? true else { return nil }
        let last = path.record(run, of: entry.slot)
        // The next start goes by the stream's last record.
        if entry.state == .ended { path.endStream(entry.slot) }
        return last
    }

    var healPositions: HealPositions {
        let now = bootNanos()
        let held = Set(subscriptions.entries.map(\.stream.contract).filter { isHistoryHeld($0) })
        var positions = HealPositions(
            gatewayMinusBootNanos: gatewayTime.minusBootNanos, isReady: machine.session != nil,
            isHeld: !held.isEmpty && subscriptions.entries.allSatisfy { held.contains($0.stream.contract) })
        let seconds = Double(max(1_000_000_000, bootNanos() - startedNanos)) / 1e9
        for entry in subscriptions.entries {
            let slot = path.slot(entry.slot)
            positions.streams[entry.stream] = .init(
                key: TickKey(epoch: path.epoch, seq: slot.seq), newestSecond: slot.newestSecond,
                ticks: slot.ticks, silence: slot.openGap != nil && !slot.hasData ? entry.asked : nil,
                ticksPerSecond: Double(slot.ticks) / seconds, breaks: breaks(of: slot),
                isCrypto: definitions[entry.stream.contract]?["sec_type"]?.string == "CRYPTO",
                isHeld: held.contains(entry.stream.contract),
                awaitsExchange: waitsForExchange(entry.stream, nowNanos: now))
        }
        return positions
    }

    /// What was sent in a second may have its time from the one behind.
    private func breaks(of slot: StreamSlot) -> InFlight.Breaks {
        let nanos = gatewayTime.minusBootNanos.map { $0 + slot.brokeOffAtNanos }
        return InFlight.Breaks(count: slot.breaks, second: nanos.map { $0.floorDivided(by: Healer.second) + 1 })
    }

    private mutating func sayRefused(_ stream: StreamID, _ error: ErrorMessage) {
        log(
            .warning, "no history for a contract: its gaps stay as they are",
            ["contract": "\(stream.contract)", "code": "\(error.code)", "text": error.text])
        publishEvent("history_refused", stream: stream, code: error.code, text: error.text)
        if let index = subscriptions.index(of: stream) {
            path.mark(subscriptions.entries[index].slot, .twsCode, code: error.code)
        }
    }

    // MARK: - Requests

    /// Sends what waits, behind everything else that wants the message budget.
    mutating func sendHistoryRequests(nowNanos now: Int64) {
        // Where nobody has said on which exchange, the definition tells: only that contract waits for it.
        while pacer.nextAllowedNanos(.ordinary, nowNanos: now) <= now,
            let next = healing.waiting.firstIndex(where: { !waitsForExchange($0.stream, nowNanos: now) })
        {
            let order = healing.waiting.remove(at: next)
            guard let index = subscriptions.index(of: order.stream), knowsVenue(order.stream.contract),
                let kind = TickByTickKind(order.stream.kind)?.history
            else {
                healMail.reply(.unanswered(serial: order.serial))
                continue
            }
            lastRequest += 1
            healing.open[lastRequest] = .init(
                serial: order.serial, stream: order.stream, kind: kind, deadlineNanos: now + HealDesk.answerNanos,
                sentAtNanos: now)
            historyFarms.sent(order.stream.contract, nowNanos: now)
            send(
                .historicalTicks(
                    HistoricalTicksRequest(
                        requestId: lastRequest, contract: wireContract(of: subscriptions.entries[index]),
                        includeExpired: isFuture(order.stream.contract),
                        startDateTime: order.question.start.map(GatewaySession.wireTime) ?? "",
                        endDateTime: order.question.end.map(GatewaySession.wireTime) ?? "",
                        numberOfTicks: Int32(HistoryPager.pageTicks),
                        whatToShow: order.aggTrades ? "AGGTRADES" : kind.whatToShow)))
        }
    }

    /// Futures end, and are asked for all the same: with this word, which the gateway knows for futures alone.
    func isFuture(_ contract: ContractID) -> Bool { definitions[contract]?["sec_type"]?.string == "FUT" }

    /// `YYYYMMDD-HH:MM:SS`, which the gateway reads as UTC.
    static func wireTime(_ seconds: Int64) -> String {
        // 2026-11-23T22:33:51.000000000Z
        let text = Array(Timestamp.text(seconds * 1_000_000_000).utf8)
        let date = text[0..<4] + text[5..<7] + text[8..<10]
        return String(decoding: date, as: UTF8.self) + "-" + String(decoding: text[11..<19], as: UTF8.self)
    }

    mutating func expireHistoryRequests(nowNanos now: Int64) {
        for open in healing.open.values where open.deadlineNanos <= now && open.refusal == nil {
            historyFarms.failed(open.stream.contract, nowNanos: now)
        }
        for reply in healing.takeExpired(nowNanos: now) { healMail.reply(reply) }
    }

    /// The session is over: nothing that was asked for will be answered.
    mutating func forgetHistoryRequests() {
        for serial in healing.takeAll() { healMail.reply(.unanswered(serial: serial)) }
    }

    // MARK: - Answers

    mutating func takeHistory(_ message: HistoricalTicks) {
        if let open = healing.open[message.requestId] {
            let isAnswer = message.kind == open.kind
            if message.done || !isAnswer { healing.open[message.requestId] = nil }
            if let error = open.refusal { noteAnswered(open.stream, in: message, after: error) }
            if isAnswer, !message.ticks.isEmpty {
                historyFarms.answered(open.stream.contract, sentAtNanos: open.sentAtNanos)
            }
            healMail.reply(
                isAnswer
                    ? .ticks(serial: open.serial, message.ticks, done: message.done)
                    : .unanswered(serial: open.serial))
        } else if let entry = subscriptions.entry(of: message.requestId) {
            let slot = subscriptions.entries[entry].slot
            let state = path.slot(slot)
            // No gap is open: live ticks have come already.
            guard let gap = state.openGap, state.takesFront,
                TickByTickKind(state.stream.kind)?.history == message.kind
            else { return }
            healing.takeFront(message, slot: slot, gap: gap, interruptions: state.interruptions)
        } else {
            healing.lateTicks &+= UInt64(message.ticks.count)
        }
    }

    /// True when the error belongs to a history request, which it ends.
    mutating func historyRefused(_ error: ErrorMessage, _ rule: ErrorPolicy.Rule) -> Bool {
        guard let open = healing.open[error.requestId] else { return false }
        // A notice (2174, 2152 …) leaves the request alive, and a code that nobody knows is its end only if nothing
        // comes.
        let isBehind = HistoryRefusal(error) == .behind
        guard rule.action != .note && rule.action != .doubt || isBehind else { return true }
        if isBehind { healMail.reply(.behind(serial: open.serial)) }
        if healing.waitsAfter(error, nowNanos: bootNanos()) { return true }
        healing.open[error.requestId] = nil
        if rule.action == .retry { historyFarms.failed(open.stream.contract, nowNanos: bootNanos()) }
        healMail.reply(.refused(serial: open.serial, error))
        return true
    }

    /// The gateway said no to a request and answers it all the same: said once a contract.
    private mutating func noteAnswered(_ stream: StreamID, in message: HistoricalTicks, after error: ErrorMessage) {
        // What was heard is not at its end: the rest of the answer has its full time.
        healing.open[message.requestId]?.refusal = nil
        healing.open[message.requestId]?.deadlineNanos = bootNanos() + HealDesk.answerNanos
        guard healing.noted.insert(stream.contract).inserted else { return }
        log(
            .notice, "history came although the gateway had said no: it is taken",
            ["contract": "\(stream.contract)", "code": "\(error.code)", "text": error.text])
    }

    // MARK: - Gaps that were closed

    /// Tells the healer which streams' gaps were closed, and hands it the history in front of the subscription.
    mutating func reportClosedGaps() {
        for slot in path.takeClosedGaps() {
            let state = path.slot(slot)
            var whole: SubscriptionHistory?
            if let front = healing.fronts.removeValue(forKey: slot), front.isDone, front.gap == state.closedGap?.gap,
                front.interruptions == state.interruptions, let closed = state.closedGap
            {
                whole = SubscriptionHistory(stream: state.stream, after: closed.after, ticks: front.ticks)
            }
            healMail.noteClosed(state.stream, whole)
        }
    }

    /// How many past ticks to ask for in front of a subscription: none where nothing can be missing.
    mutating func ticksInFront(of entry: Subscriptions.Entry) -> Int32 {
        let isFresh = healing.fresh.remove(entry.slot) != nil
        let wants = configuration.heal.enabled && path.slot(entry.slot).openGap != nil && isFresh
        path.setTakesFront(wants, of: entry.slot)
        return wants ? HealDesk.frontTicks : 0
    }

    /// Everything is subscribed anew: each stream's next subscription goes on where its history ends.
    mutating func noteFreshSubscriptions() {
        healing.fresh = Set(subscriptions.entries.map(\.slot))
    }
}
