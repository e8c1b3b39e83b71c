internal import ServiceKit
internal import TWS
internal import Ticks

/// Messages that can't be what they say they are: each costs itself. `DecodeFaults` decides when there are too many.
extension GatewaySession {
    /// Writes the message down where it belongs: into its stream as a marker, else as an event. A request that it
    /// answers is over; everything else goes on.
    mutating func setAside(_ body: UnsafeRawBufferPointer, _ error: DecodeError) {
        decodeFaults.note(error)
        let message = UndecodableMessage(
            body, error, serverVersion: serverVersion ?? ServerVersion.supported.upperBound)
        guard let request = message.requestId else { return say(message, of: Int64(-message.messageId)) }
        if let entry = subscriptions.entry(of: request) {
            let entry = subscriptions.entries[entry]
            path.noteUndecodable(entry.slot, message)
            // The history in front of the ticks has a hole: it vouches for nothing.
            if !message.isTick, path.slot(entry.slot).takesFront {
                healing.fronts[entry.slot] = nil
                path.setTakesFront(false, of: entry.slot)
            }
            return say(message, of: Int64(entry.slot), stream: entry.stream)
        }
        if message.isDefinition, let contract = definitionSchedule.contract(of: request) {
            return giveUpDefinition(contract, request, message)
        }
        if let open = healing.open.removeValue(forKey: request) {
            healMail.reply(.unanswered(serial: open.serial))
        } else if let index = lookups.firstIndex(where: { $0.openRequests.contains(request) }) {
            lookups[index].problems.append("the gateway's answer can't be decoded: \(described(message))")
            // The matches of one answer are a message each, and its end comes as one more.
            if !message.isDefinition { endLookupRequest(request, of: index) }
        }
        say(message, of: Int64(-message.messageId))
    }

    /// A contract's definition can't be decoded: its streams are recorded without, and it is asked for again rarely.
    private mutating func giveUpDefinition(_ contract: ContractID, _ request: Int32, _ message: UndecodableMessage) {
        definitionSchedule.notDecodable(request, nowNanos: bootNanos())
        guard undecodableDefinitions.insert(contract).inserted else { return }
        let symbol = contractOf[contract]?.symbol ?? "\(contract)"
        log(
            .error,
            "the gateway's definition of a contract can't be decoded, recording without it: its hours are not known",
            [
                "contract": "\(symbol) (\(contract))", "fault": described(message), "at": message.fault,
                "bytes": message.start,
            ])
        publishEvent(
            "undecodable_message", code: message.messageId, cause: described(message),
            text: "definition of \(symbol) (\(contract)): \(message.start)")
    }

    /// `message 10, field 18 (priceMagnifier): badNumber`.
    private func described(_ message: UndecodableMessage) -> String {
        guard let version = serverVersion,
            let name = InstrumentDetails.fieldName(
                message.error.field, of: message.messageId, serverVersion: version)
        else { return "\(message.error)" }
        return "message \(message.messageId), field \(message.error.field) (\(name)): \(message.error.reason)"
    }

    /// A line and an event, at most once a minute for a subject.
    private mutating func say(_ message: UndecodableMessage, of subject: Int64, stream: StreamID? = nil) {
        guard let count = decodeFaults.toSay(of: subject, nowNanos: bootNanos()) else { return }
        log(
            .error, "a message that can't be decoded is set aside",
            [
                "fault": described(message), "stream": stream.map { "\($0)" } ?? "-", "bytes": message.start,
                "count": "\(count)",
            ])
        publishEvent(
            "undecodable_message", stream: stream, code: message.messageId, cause: described(message),
            text: message.start)
    }

    /// More than single messages: nothing on this connection can be trusted.
    mutating func loseOutOfStep() {
        guard let error = decodeFaults.last else { return }
        log(.error, "too many messages that can't be decoded, dropping the session", ["last": "\(error)"])
        lose(.message(error))
    }
}
