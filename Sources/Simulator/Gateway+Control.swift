internal import ServiceKit
internal import Ticks

/// Commands of the control socket.
extension Gateway {
    /// Carries a command out and returns the one line that answers it: `ok …` or `error …`. Commands that concern the
    /// listening socket are the event loop's.
    func perform(_ command: ControlCommand) -> String {
        switch command {
        case .drop(let reset):
            for client in clients {
                if reset { client.resetOnClose() }
                client.end(reset ? "reset by command" : "dropped by command")
            }
            return "ok dropped \(clients.count)"
        case .stall: faults.isStalled = true
        case .resume: faults.isStalled = false
        case .error(let code, let text): return notify(code: code, text: text)
        case .mute(let pattern): return setMuted(pattern, true)
        case .unmute(let pattern): return setMuted(pattern, false)
        case .silence(let pattern): return silence(pattern)
        case .offset(let stream, let units, let always): return setOffset(stream, units, always: always)
        case .raw(let bytes):
            let ready = clients.filter(\.isReady)
            for client in ready { client.output.bytes += bytes }
            return "ok sent \(bytes.count) bytes to \(ready.count)"
        case .fragment(let bytes): faults.pieceBytes = bytes
        case .history(let fault): faults.setHistory(fault)
        case .status: return status
        case .refuse, .accept: break
        }
        return "ok"
    }

    private var status: String {
        let played = replay.map { " replay=\($0.played)/\($0.file.rows.count)" } ?? ""
        return "ok clients=\(clients.count) subscriptions=\(subscriptionCount) made=\(ticksMade) queued=\(ticksQueued) "
            + "kept=\(history.count) stalled=\(faults.isStalled ? 1 : 0) flow=\(faults.isFlowStopped ? 0 : 1) "
            + "history=\(historyRequests) violations=\(violations)\(played)"
    }

    /// Sends a notice to all clients, and has the effect that the real gateway's would have.
    private func notify(code: Int32, text given: String?) -> String {
        var text = given ?? Notice.text(ofCode: code)
        // The farm notices take the name of a farm instead of a text.
        if let given, Notice.isAboutFarm(code), Faults.farm(ofText: given) == nil {
            text = Notice.text(ofCode: code, farm: given)
        }
        let ready = clients.filter(\.isReady)
        for client in ready { client.sendError((code, text), nowNanos: nowNanos) }
        switch code {
        case 1_100, 2_110: faults.isFlowStopped = true
        case 1_101:
            faults.isFlowStopped = false
            for client in ready { unsubscribeAll(client) }
        case 1_102: faults.isFlowStopped = false
        case 1_300: for client in ready { client.isClosing = true }
        case 2_103: if let farm = Faults.farm(ofText: text) { faults.brokenFarms.insert(farm) }
        case 2_104: if let farm = Faults.farm(ofText: text) { faults.brokenFarms.remove(farm) }
        case 2_105: faults.isHistoryDown = true
        case 2_106, 2_107: faults.isHistoryDown = false
        default: break
        }
        return "ok told \(ready.count)"
    }

    private func silence(_ pattern: ControlCommand.StreamPattern) -> String {
        let subscribed = live.indices.filter { !live[$0].isEmpty }
        switch pattern {
        case .all: faults.silencedStreams.formUnion(subscribed)
        case .one(let stream):
            guard let index = instruments.firstIndex(where: { $0.conId == stream.conId }),
                let slot = StreamSlot.index(stream.kind),
                subscribed.contains(index * StreamSlot.kinds.count + slot)
            else { return "error nobody has subscribed to \(stream)" }
            faults.silencedStreams.insert(index * StreamSlot.kinds.count + slot)
        }
        return "ok"
    }

    private func setOffset(_ stream: StreamID, _ units: Int64, always: Bool) -> String {
        guard let index = instruments.firstIndex(where: { $0.conId == stream.conId }),
            let slot = StreamSlot.index(stream.kind)
        else { return "error no instrument \(stream.conId)" }
        faults.offsets[index * StreamSlot.kinds.count + slot] = units == 0 ? nil : (units, always)
        return "ok"
    }

    private func setMuted(_ pattern: ControlCommand.StreamPattern, _ muted: Bool) -> String {
        switch pattern {
        case .all:
            faults.mutedStreams = muted ? Set(live.indices) : []
            faults.mutedLevel1 = muted ? Set(instruments.indices) : []
        case .one(let stream):
            guard stream.source == 0, let index = instruments.firstIndex(where: { $0.conId == stream.conId }) else {
                return "error no instrument \(stream.conId)"
            }
            if let slot = StreamSlot.index(stream.kind) {
                let position = index * StreamSlot.kinds.count + slot
                if muted { faults.mutedStreams.insert(position) } else { faults.mutedStreams.remove(position) }
            } else if stream.kind == .level1 {
                if muted { faults.mutedLevel1.insert(index) } else { faults.mutedLevel1.remove(index) }
            } else {
                return "error no \(stream.kind.name) here"
            }
        }
        return "ok"
    }
}
