internal import JSON
internal import Messaging
internal import ServiceKit
internal import TWS
internal import TickStore
internal import Ticks

extension GatewaySession {
    /// Every stream counts from 1 again, in an epoch above `known`. Ticks numbered before stay what they are.
    mutating func beginEpoch(known: UInt32, cause: String) {
        let now = realNanos() / 1_000_000_000
        let gateway = gatewayTime.nowNanos(bootNanos: bootNanos()).map { $0 / 1_000_000_000 }
        guard
            let epoch = EpochStore.choose(
                known: max(known, path.epoch), vouchedSeconds: gateway, nowSeconds: now, isWitnessed: true)?.epoch
        else { return log(.critical, "CRITICAL: no epoch is left", ["above": "\(known)"]) }
        do throws(ProgramError) { try runtimeEpochs.write(epoch) } catch {
            log(.error, "the epoch is not kept in the runtime directory", ["why": error.description])
        }
        // Nobody waits for the disk here: the word in memory holds until the machine restarts.
        _ = keeper.write(epoch: epoch, until: 0)
        log(.notice, "new epoch", ["epoch": "\(epoch)", "cause": cause])
        // Keys above ours are not in our journal: it must not vouch for what followed them.
        path.begin(epoch: epoch, cause: cause, followsOthers: known > path.epoch)
    }

    /// The recorder has keys above ours: it could commit nothing of this epoch, and all of it is missing there.
    mutating func renumber(above: UInt32) {
        // Also of streams that are not subscribed (yet): their gaps were opened in the epoch that counts for nothing.
        let open = subscriptions.entries.map(\.slot).filter { path.slot($0).openGap != nil }
        beginEpoch(known: above, cause: "renumber")
        path.forgetGaps()
        openAllGaps(cause: "renumber")
        for slot in open { path.openGap(slot, cause: "renumber") }
    }

    /// Tells the control thread and the heartbeats how things are.
    mutating func publishStatus(nowNanos now: Int64) {
        status.update(status: statusJSON(nowNanos: now), streams: ["streams": streamStates(nowNanos: now)])
        facts.set("TICKS", "\(path.counters.ticks)")
        facts.set("EPOCH", "\(path.epoch)")
        facts.set("SESSION", stateName)
        facts.set("PUBLISH", path.endpointsFact)
        facts.set("SESSION_WHY", sessionWhy)
        facts.set("HEALING", healingHold.map { "on hold: \($0)" } ?? "ok")
        facts.set("JOURNAL", path.journalFault.map { "failing: \($0)" } ?? "ok")
        let seconds = path.journalSeconds(nowNanos: now)
        facts.set("JOURNAL_REACH_SECONDS", seconds.reach.map(String.init) ?? "")
        facts.set("JOURNAL_LEFT_SECONDS", seconds.left.map(String.init) ?? "")
        facts.status =
            machine.session == nil
            ? "no session with the gateway (\(stateName))" : sessionWhy.isEmpty ? "streaming" : sessionWhy
    }

    /// What is wrong with the session, in words for a person; empty when nothing is.
    private var sessionWhy: String {
        if case .degraded(_, let loss) = machine.state {
            let since = GatewaySession.clock(loss.sinceNanos + realNanos() - bootNanos())
            return "the gateway has lost its connection to IB: TWS \(loss.code) since \(since)"
        }
        guard machine.session == nil, let lastFault else { return "" }
        return "no session with the gateway: \("\(lastFault)".prefix(200))"
    }

    private var stateName: String {
        switch machine.state {
        case .idle, .waiting: "disconnected"
        case .connecting: "connecting"
        case .handshaking: "handshaking"
        case .starting: "starting"
        case .ready: "ready"
        case .degraded: "degraded"
        case .stopped: "stopped"
        }
    }

    private func statusJSON(nowNanos now: Int64) -> JSONValue {
        let session = machine.session
        return [
            "service": "connector", "epoch": .integer(Int64(path.epoch)), "session": .string(stateName),
            "connected": .bool(session != nil), "circuit": .string(machine.circuit.rawValue),
            "port": session.map { .integer(Int64($0.port)) } ?? .null,
            "client_id": .integer(Int64(session?.clientId ?? machine.clientId)),
            "server_version": session.map { .integer(Int64($0.serverVersion)) } ?? .null,
            "accounts": .array((session?.accounts ?? []).map { .string($0) }),
            "gateway_clock_offset_nanos": gatewayTime.offsetNanos.map { .integer($0) } ?? .null,
            "ticks": .integer(Int64(clamping: path.counters.ticks)),
            "bytes": .integer(Int64(clamping: counters.bytes)),
            "late_ticks": .integer(Int64(clamping: path.counters.late)),
            "suspicious_prices": .integer(Int64(clamping: path.counters.suspicious)),
            "healed_ticks": .integer(Int64(clamping: path.counters.healed)),
            "heal_runs": .integer(Int64(clamping: path.counters.healRuns)),
            "late_history_ticks": .integer(Int64(clamping: healing.lateTicks)),
            "unknown_messages": .integer(Int64(clamping: counters.unknownMessages + path.counters.unknownKind)),
            "framing_faults": .integer(Int64(clamping: counters.framingFaults)),
            "decode_faults": .integer(Int64(clamping: decodeFaults.total)),
            "tws_codes": .integer(Int64(clamping: counters.errors)),
            "connects": .integer(Int64(clamping: counters.connects)),
            "disconnects": .integer(Int64(clamping: counters.disconnects)),
            "journal_failures": .integer(Int64(clamping: path.counters.journalFailures)),
            "journal_fault": path.journalFault.map { .string($0) } ?? .null,
        ]
    }

    /// `{"711280073.bid_ask":{"state","reason",…}}`.
    private func streamStates(nowNanos now: Int64) -> JSONValue {
        let words = healMail.words
        return .object(
            JSONObject(
                subscriptions.entries.map { entry in
                    JSONObject.Member(
                        name: entry.stream.description,
                        value: stateJSON(entry, lacking: lacking(entry, words[entry.stream]), nowNanos: now))
                }))
    }

    /// What of the stream's ticks that the gateway may have sent is not on disk, in one clause; nil: nothing.
    ///
    /// - Parameter word: the heal thread's.
    private func lacking(_ entry: Subscriptions.Entry, _ word: InFlight.Word?) -> String? {
        let slot = path.slot(entry.slot)
        guard configuration.heal.enabled, Gap.hasHistory(entry.stream.kind) else { return nil }
        guard word?.breaks ?? 0 == slot.breaks else {
            return "what was on its way when the stream broke off is being looked for"
        }
        guard let missing = word?.missing else { return nil }
        let from = Timestamp.text(missing.lowerBound * Healer.second, digits: 0)
        let last = missing.upperBound == .max ? "" : Timestamp.text(missing.upperBound * Healer.second, digits: 0)
        let span = last.isEmpty ? "from \(from) on" : from == last ? "of \(from)" : "of \(from) to \(last)"
        return "ticks \(span) that the gateway may have sent are not on disk yet: history is asked for them"
    }

    private func stateJSON(_ entry: Subscriptions.Entry, lacking: String?, nowNanos now: Int64) -> JSONValue {
        let slot = path.slot(entry.slot)
        var request = JSONValue.null
        if case .requested(let id, _) = entry.state { request = .integer(Int64(id)) }
        let suspicion = subscriptions.index(of: entry.stream).flatMap { watch.suspicions[$0] }
        let isVain = entry.lastError != nil && !slot.hasData && suspicion?.asks ?? 0 > 0
        let state = entry.shown(
            isDelayed: slot.commonFlags.contains(.delayed), isFrozen: slot.commonFlags.contains(.frozen),
            isVain: isVain,
            nowNanos: now)
        let reason = state == "frozen" ? MarketDataType.frozenReason : reason(entry, nowNanos: now)
        return [
            "state": .string(state), "reason": reason.map { .string($0) } ?? .null,
            "symbol": .string(entry.contract.symbol), "request": request, "seq": .integer(Int64(slot.seq)),
            "ticks": .integer(Int64(clamping: slot.ticks)),
            "ts_event": slot.lastEventNanos == Tick.noEventTime ? .null : .integer(slot.lastEventNanos),
            "ts_recv": .integer(slot.lastReceivedNanos), "gap_open": .bool(slot.openGap != nil),
            "lacking": lacking.map { .string($0) } ?? .null,
            "required": .bool(entry.contract.required),
            "suspicious_prices": .integer(Int64(clamping: slot.prices.total)),
            "undecodable": .integer(Int64(clamping: slot.undecodable)),
        ]
    }

    /// Why the stream is not subscribed, as far as that is known.
    private func reason(_ entry: Subscriptions.Entry, nowNanos now: Int64) -> String? {
        switch entry.state {
        case .noLine:
            return
                "more streams than tick-by-tick lines (\(lines.lines)): fewer `ticks`, or tws.tick_by_tick_lines as IB has "
                + "granted them"
        case .wanted(let notBefore) where notBefore <= now && entry.lastError == nil:
            return "waits for its turn: requests are spaced (tws.tick_by_tick_spacing)"
        case .requested:
            let rerouted = entry.underlying.map {
                "the ticks are those of contract \($0.conId), which the gateway names for it"
            }
            let changed = definitionChanges[entry.stream.contract].map {
                "the gateway's definition has changed: " + $0.map(\.text).joined(separator: "; ")
            }
            let all = [refusal(entry), rerouted, changed].compactMap(\.self)
            return all.isEmpty ? nil : all.joined(separator: "; ")
        case .wanted, .refused, .ended: return refusal(entry)
        }
    }

    /// What the gateway said last of the stream's request.
    private func refusal(_ entry: Subscriptions.Entry) -> String? {
        guard let error = entry.lastError else { return nil }
        let expiry = definitions[entry.stream.contract]?["last_trade_date"]?.string ?? ""
        return error.code == 200 && !expiry.isEmpty ? "\(error) (it expires on \(expiry))" : "\(error)"
    }
}
