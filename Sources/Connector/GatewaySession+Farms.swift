internal import JSON
internal import ServiceKit
internal import TWS
internal import Ticks

/// The gateway's words on its farms: which streams they touch is seen from the streams alone.
extension GatewaySession {
    /// A contract that a farm does not serve, as far as is known, is looked at again when it is silent for so long.
    private static let sparedNanos: Int64 = 30_000_000_000

    /// A market-data farm is down, inactive or connecting. Streams that may be its own are watched: what ticks on is left
    /// alone.
    mutating func farmDown(_ error: ErrorMessage) {
        let now = bootNanos()
        let name = ErrorPolicy.farm(in: error.text) ?? ""
        // Before the news: what ticked until now.
        learnFarms()
        let isNews = marketFarms.broken(name, nowNanos: path.lastReceivedNanos)
        // A farm that connects may bring the streams that another one's end has silenced.
        if error.code != 2103 { watch.hasten(nowNanos: now) }
        for (index, entry) in subscriptions.entries.enumerated() {
            guard case .requested = entry.state else { continue }
            let isSpared = marketFarms.spares(entry.stream.conId, name)
            if isSpared, !isNews { continue }
            let slot = path.slot(entry.slot)
            if !isSpared { path.beginDoubt(entry.slot, code: error.code, ticksPerSecond: rate(slot)) }
            watch.suspect(
                index, ticks: slot.ticks, cause: "tws \(error.code)", code: error.code,
                withinNanos: isSpared ? GatewaySession.sparedNanos : StreamWatch.firstNanos, nowNanos: now)
        }
    }

    /// A market-data farm is back, under whatever name. What ticked on has no gap; what is silent has one, and is asked for
    /// anew unless it brings a tick soon.
    mutating func farmUp(_ error: ErrorMessage) {
        learnFarms()
        let name = ErrorPolicy.farm(in: error.text) ?? ""
        for (index, entry) in subscriptions.entries.enumerated() {
            let conId = entry.stream.conId
            if let doubt = path.slot(entry.slot).doubt {
                if marketFarms.sparesAll(conId, sinceNanos: doubt.sinceNanos) {
                    path.endDoubt(entry.slot)
                    watch.release(index)
                } else {
                    path.farmIsBack(entry.slot)
                }
            } else if marketFarms.spares(conId, name), watch.suspicions[index]?.asks == 0 {
                watch.release(index)
            }
        }
        _ = marketFarms.restored(name)
        watch.hasten(nowNanos: bootNanos())
    }

    /// Streams that tick while farms are down are not theirs. About once a second while one is, and at each farm's word.
    mutating func learnFarms() {
        guard marketFarms.isAnyDown else { return }
        for entry in subscriptions.entries {
            let slot = path.slot(entry.slot)
            guard let doubt = slot.doubt, doubt.hasTicked, slot.openGap == nil else { continue }
            marketFarms.learn(
                entry.stream.conId, tickedAtNanos: doubt.lastNanos, wholeSinceNanos: doubt.sinceNanos)
        }
    }

    /// Doubts of contracts that were learned not to be touched are over; a farm may be down for days.
    mutating func endIdleDoubts() {
        learnFarms()
        for entry in subscriptions.entries {
            guard let doubt = path.slot(entry.slot).doubt, !doubt.isEnding,
                marketFarms.sparesAll(entry.stream.conId, sinceNanos: doubt.sinceNanos)
            else { continue }
            path.endDoubt(entry.slot)
        }
    }

    private func rate(_ slot: StreamSlot) -> Double {
        Double(slot.ticks) / (Double(max(1_000_000_000, bootNanos() - startedNanos)) / 1e9)
    }

    // MARK: - Silent streams

    /// Every stream that is asked for has to bring a tick, or is asked for anew.
    mutating func suspectStreams(cause: String, code: Int32 = 0, withinNanos: Int64 = StreamWatch.graceNanos) {
        let now = bootNanos()
        for (index, entry) in subscriptions.entries.enumerated() {
            guard case .requested = entry.state else { continue }
            watch.suspect(
                index, ticks: path.slot(entry.slot).ticks, cause: cause, code: code, withinNanos: withinNanos,
                nowNanos: now)
        }
    }

    /// A code that nobody knows: if the stream goes on, or its data begin, it meant nothing.
    mutating func suspect(_ index: Int, _ error: ErrorMessage) {
        let slot = path.slot(subscriptions.entries[index].slot)
        subscriptions.note(.init(code: error.code, text: error.text), of: index)
        watch.suspect(
            index, ticks: slot.ticks, cause: "tws \(error.code)", code: error.code, hasStragglers: slot.hasData,
            withinNanos: slot.hasData ? StreamWatch.patientNanos : StreamWatch.firstNanos, nowNanos: bootNanos())
    }

    /// Asks anew for what stayed silent for too long.
    mutating func giveUpSilent(nowNanos now: Int64) {
        guard let next = watch.nextNanos, next <= now else { return }
        let (entries, slots) = (subscriptions.entries, subscriptions.entries.map { path.slot($0.slot).ticks })
        let due = watch.takeDue(nowNanos: now) { index in
            var asked: Int64?
            if case .requested(_, let at) = entries[index].state { asked = at }
            return .init(ticks: slots[index], requestedAtNanos: asked)
        }
        for (index, why) in due {
            let stream = entries[index].stream
            log(
                why.asks == 0 ? .warning : .info, "a stream stayed silent after the interruption, subscribing anew",
                ["stream": stream.description, "cause": why.cause, "asked": "\(why.asks)"])
            marketFarms.forget(stream.conId)
            resubscribe(index, cause: why.code == 0 ? "silent" : why.cause, code: why.code)
        }
    }

    /// About once a second: what a stream that ticks was suspected of is forgotten.
    mutating func clearSuspicions() {
        let (entries, ticks) = (subscriptions.entries, subscriptions.entries.map { path.slot($0.slot).ticks })
        watch.releaseTicking { ticks[$0] }
        for (index, entry) in entries.enumerated() where entry.lastError != nil {
            guard case .requested = entry.state, watch.suspicions[index] == nil, path.slot(entry.slot).hasData else {
                continue
            }
            subscriptions.note(nil, of: index)
        }
        if marketFarms.isAnyDown { endIdleDoubts() }
    }

    // MARK: - History and definitions

    /// The gateway may be asked for the contract's history now.
    func isHistoryHeld(_ conId: Int32) -> Bool { historyFarms.isHeld(conId, nowNanos: bootNanos()) }

    /// Why healing waits, if something waits for it: one sentence.
    var healingHold: String? {
        guard !historyFarms.down.isEmpty else { return nil }
        let waiting = (status.heals["heals"]?.array ?? []).compactMap { $0["stream"]?.string.flatMap { StreamID($0) } }
        guard let stream = waiting.first(where: { isHistoryHeld($0.conId) }) else { return nil }
        let farms = historyFarms.missing(stream.conId).compactMap { name in
            historyFarms.down[name].map { (name: name, since: $0) }
        }
        let wall = realNanos() - bootNanos()
        // A heartbeat has little room.
        let words = farms.prefix(3).map { farm in
            "\(farm.name.isEmpty ? "one without a name" : farm.name) down since \(GatewaySession.clock(farm.since + wall))"
        }
        let more = farms.count > 3 ? " and \(farms.count - 3) more" : ""
        return "history farms: \(words.joined(separator: ", "))\(more)"
    }

    /// `2026-11-27T03:41:47Z`.
    static func clock(_ nanos: Int64) -> String { Timestamp.text(nanos).prefix(19) + "Z" }

    /// The farm of definitions is back: what it could not tell is asked for now.
    mutating func definitionsAreBack() {
        definitionSchedule.retryFailed()
        subscriptions.hasten(code: 200)
    }
}
