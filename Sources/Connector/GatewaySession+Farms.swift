internal import JSON
internal import ServiceKit
internal import TWS
internal import Ticks

/// The gateway's words on its farms: which streams they touch is seen from the streams alone.
extension GatewaySession {
    /// A market-data farm is down, inactive or connecting. Streams that may be its own
    /// are watched: what ticks on is left alone.
    mutating func farmDown(_ error: ErrorMessage) {
        let now = bootNanos()
        let isNews = marketFarms.broken(ErrorPolicy.farm(in: error.text) ?? "", nowNanos: now)
        // A farm that connects may bring the streams that another one's end has silenced.
        if error.code != 2103 { watch.hasten(nowNanos: now) }
        let cause = "tws \(error.code)"
        if isNews { beginDoubts(cause: cause, code: error.code, isCertain: false) }
        suspectStreams(cause: cause, code: error.code, withinNanos: StreamWatch.firstNanos)
    }

    /// A market-data farm is back, under whatever name. What ticked on has no gap; what is silent has one, and is
    /// asked for anew unless it brings a tick soon.
    mutating func farmUp(_ error: ErrorMessage) {
        let now = bootNanos()
        let isEnd = marketFarms.restored(ErrorPolicy.farm(in: error.text) ?? "", nowNanos: now)
        heedSiblings()
        noteGoodNews(isEnd: isEnd)
        watch.hasten(nowNanos: now)
    }

    /// What has gone on speaks for the streams of its contract that tick seldom: they have
    /// no gap, and are left alone for a while.
    private mutating func heedSiblings() {
        let now = path.steadyNanos
        var proven: Set<ContractID> = []
        for (index, entry) in subscriptions.entries.enumerated()
        where path.slot(entry.slot).doubt?.speaksForContract(atNanos: now) == true {
            proven.insert(entry.stream.contract)
            watch.release(index)
        }
        guard !proven.isEmpty else { return }
        for (index, entry) in subscriptions.entries.enumerated() where proven.contains(entry.stream.contract) {
            guard path.slot(entry.slot).doubt?.mayBeSpokenFor(atNanos: now) == true else { continue }
            path.endDoubt(entry.slot)
            watch.bePatient(index)
        }
    }

    /// Ticks of each stream that is asked for may be missing from here on.
    private mutating func beginDoubts(cause: String, code: Int32, isCertain: Bool) {
        for entry in subscriptions.entries {
            guard case .requested = entry.state else { continue }
            path.beginDoubt(entry.slot, cause: cause, code: code, isCertain: isCertain)
        }
    }

    mutating func noteGoodNews(isEnd: Bool = true) {
        for entry in subscriptions.entries { path.noteGoodNews(entry.slot, isEnd: isEnd) }
    }

    /// All data are interrupted, as is said or known: every stream has a gap from here on. A tick that was on its way
    /// may close it, and is no proof; what stays silent is asked for anew.
    mutating func interruptAll(cause: String, code: Int32 = 0, withinNanos: Int64 = StreamWatch.graceNanos) {
        openAllGaps(cause: cause, code: code)
        beginDoubts(cause: cause, code: code, isCertain: true)
        suspectStreams(cause: cause, code: code, withinNanos: withinNanos)
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
    }

    // MARK: - History and definitions

    /// The gateway may be asked for the contract's history now.
    func isHistoryHeld(_ contract: ContractID) -> Bool { historyFarms.isHeld(contract, nowNanos: bootNanos()) }

    /// Why healing waits, if something waits for it: one sentence.
    var healingHold: String? {
        guard !historyFarms.down.isEmpty else { return nil }
        let waiting = (status.heals["heals"]?.array ?? []).compactMap { $0["stream"]?.string.flatMap { StreamID($0) } }
        guard let stream = waiting.first(where: { isHistoryHeld($0.contract) }) else { return nil }
        let farms = historyFarms.missing(stream.contract).compactMap { name in
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
