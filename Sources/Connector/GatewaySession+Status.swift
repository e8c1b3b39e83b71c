internal import JSON
internal import Messaging
internal import ServiceKit
internal import TWS
internal import Ticks

extension GatewaySession {
    /// Every stream counts from 1 again, in an epoch above `known`. Ticks numbered before stay what they are.
    mutating func beginEpoch(known: UInt32, cause: String) {
        do throws(ProgramError) {
            let epoch = try epochs.begin(known: known, nowSeconds: realNanos() / 1_000_000_000)
            log(.notice, "new epoch", ["epoch": "\(epoch)", "cause": cause])
            path.begin(epoch: epoch)
        } catch {
            log(.critical, "CRITICAL: no new epoch could be begun", ["why": error.description])
        }
    }

    /// Tells the control thread and the heartbeats how things are.
    func publishStatus(nowNanos now: Int64) {
        status.update(status: statusJSON(nowNanos: now), streams: ["streams": .array(streamStates())])
        facts.set("TICKS", "\(path.counters.ticks)")
        facts.set("SESSION", stateName)
        facts.set("JOURNAL", path.journalFault == nil ? "ok" : "failing")
        facts.status = machine.session == nil ? "no session with the gateway (\(stateName))" : "streaming"
    }

    private var stateName: String {
        switch machine.state {
        case .idle: "idle"
        case .waiting: "waiting"
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
            "server_version": session.map { .integer(Int64($0.serverVersion)) } ?? .null,
            "accounts": .array((session?.accounts ?? []).map { .string($0) }),
            "gateway_clock_offset_nanos": gatewayTime.offsetNanos.map { .integer($0) } ?? .null,
            "ticks": .integer(Int64(clamping: path.counters.ticks)),
            "bytes": .integer(Int64(clamping: counters.bytes)),
            "late_ticks": .integer(Int64(clamping: path.counters.late)),
            "unknown_messages": .integer(Int64(clamping: counters.unknownMessages + path.counters.unknownKind)),
            "framing_faults": .integer(Int64(clamping: counters.framingFaults)),
            "decode_faults": .integer(Int64(clamping: counters.decodeFaults)),
            "tws_codes": .integer(Int64(clamping: counters.errors)),
            "connects": .integer(Int64(clamping: counters.connects)),
            "disconnects": .integer(Int64(clamping: counters.disconnects)),
            "journal_failures": .integer(Int64(clamping: path.counters.journalFailures)),
            "journal_fault": path.journalFault.map { .string($0) } ?? .null,
        ]
    }

    private func streamStates() -> [JSONValue] {
        subscriptions.entries.map { entry in
            let slot = path.slot(entry.slot)
            var request = JSONValue.null
            if case .requested(let id, _) = entry.state { request = .integer(Int64(id)) }
            return [
                "stream": .string(entry.stream.description), "symbol": .string(entry.contract.symbol),
                "state": .string(entry.state.name), "request": request, "seq": .integer(Int64(slot.seq)),
                "ticks": .integer(Int64(clamping: slot.ticks)),
                "ts_event": slot.lastEventNanos == Tick.noEventTime ? .null : .integer(slot.lastEventNanos),
                "ts_recv": .integer(slot.lastReceivedNanos), "gap_open": .bool(slot.openGap != nil),
                "required": .bool(entry.contract.required),
                "last_error": entry.lastError.map { .string($0) } ?? .null,
            ]
        }
    }
}
