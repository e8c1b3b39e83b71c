internal import JSON
internal import Messaging
internal import ServiceKit

let lookupCommand = Command(
    "lookup", usage: "SYMBOL [FLAGS]", "Finds contracts at the gateway: ids, expiries, exchanges, trading hours.",
    flags: [
        FlagSet.Flag("type", value: "TYPE", "only this kind: STK, FUT, CASH, IND, OPT, …"),
        FlagSet.Flag("json", "one JSON object on standard output"),
    ],
    words: 1...1,
    examples: [
        ("ib-stream lookup AAPL --type STK", "the stock and its contract id, for the configuration"),
        ("ib-stream lookup MNQ --type FUT", "every listed expiry"),
        ("ib-stream lookup EUR --type CASH --json", "a currency pair, for a script"),
    ]
) { context throws(ProgramError) in
    let (symbol, type) = try question(context.flags)
    let (_, paths) = try context.locateServices("lookup")
    let result = try askConnector(
        paths,
        [
            JSONObject.Member(name: "symbol", value: .string(symbol)),
            JSONObject.Member(name: "type", value: .string(type)),
        ])
    if context.flags.has("json") { return printOut("\(result)\n") ? 0 : ExitStatus.ioError.rawValue }
    let contracts = result["contracts"]?.array ?? []
    guard !contracts.isEmpty else {
        throw ProgramError(
            .failure, "lookup: no contract with the symbol \(symbol): try another --type")
    }
    return printOut(contracts.map(describe).joined(separator: "\n")) ? 0 : ExitStatus.ioError.rawValue
}

/// Symbol and type, within what the connector takes.
private func question(_ flags: ParsedFlags) throws(ProgramError) -> (symbol: String, type: String) {
    let (symbol, type) = (flags.words[0], flags.value("type") ?? "")
    guard (1...64).contains(symbol.utf8.count) else {
        throw ProgramError(.usage, "lookup: the symbol is empty or longer than 64 bytes: write one such as AAPL")
    }
    guard type.utf8.count <= 16 else {
        throw ProgramError(.usage, "lookup: --type \(type): no security type: write one such as STK or FUT")
    }
    return (symbol, type.uppercased())
}

/// The gateway may take a while, and the connector gives it 15 s.
private let lookupTimeoutMillis: Int32 = 20_000

private func askConnector(_ paths: Paths, _ members: [JSONObject.Member]) throws(ProgramError) -> JSONValue {
    guard ServiceLock.isHeld(name: "ib-connector", paths: paths) else {
        throw ProgramError(
            .unavailable, "lookup: the connector is not running in \(paths.runtime): start it with 'ib-stream up'")
    }
    let answer: Result<JSONValue, ProgramError>
    do throws(MessagingError) {
        let messages = try Context()
        var client = try ControlClient(in: messages)
        try client.connect(Paths.endpoint(paths.connectorSocket))
        answer = try ask(&client, members)
    } catch {
        throw ProgramError(.unavailable, "lookup: \(error)")
    }
    return try answer.get()
}

private func ask(
    _ client: inout ControlClient, _ members: [JSONObject.Member]
) throws(MessagingError) -> Result<JSONValue, ProgramError> {
    do throws(MessagingError) {
        return .success(try client.call("lookup", members, timeoutMillis: lookupTimeoutMillis))
    } catch {
        guard case .refused(let why) = error.code else { throw error }
        // Without a session nothing is wrong with the question. The status alone may be a second old.
        let status = try client.call("status", timeoutMillis: 5_000)
        guard status["connected"]?.bool == false, !why.hasPrefix("TWS says") else {
            return .failure(ProgramError(.failure, "lookup: \(why)"))
        }
        return .failure(
            ProgramError(
                .unavailable,
                "lookup: no session with the gateway (\(status["session"]?.string ?? "unknown")): log in to IB Gateway or "
                    + "TWS, check tws.host and tws.ports, and try again"))
    }
}

/// An entry of `contracts` in the configuration.
private func entry(_ id: Int64, _ symbol: String, _ exchange: String, source: Int? = nil) -> String {
    let name = symbol.map { $0.isASCII && ($0.isLetter || $0.isNumber || ".-_".contains($0)) ? $0 : "_" }
    let parts = [
        "con_id: \(id)", "symbol: \(String(name))", exchange.isEmpty ? nil : "exchange: \(exchange)",
        source.map { "source: \($0)" },
    ]
    return "- {\(parts.compactMap(\.self).joined(separator: ", "))}"
}

/// A few lines of a contract, the id first; its hours as the gateway gives them, a session a line.
private func describe(_ contract: JSONValue) -> String {
    func field(_ name: String) -> String { contract[name]?.string ?? "" }
    let id = contract["con_id"]?.integer ?? 0
    let expiry = field("expiry")
    var text = "\(id)  \(field("symbol")) \(field("sec_type"))"
    if !expiry.isEmpty { text += "  expires \(expiry)" }
    text += "  \(field("exchange")) \(field("currency"))  \(field("long_name"))\n"
    text += "    local symbol \(field("local_symbol")), min tick \(field("min_tick"))"
    if !field("multiplier").isEmpty { text += ", multiplier \(field("multiplier"))" }
    text += "\n    exchanges: \(field("valid_exchanges"))\n"
    let venues = field("valid_exchanges").split(separator: ",").map(String.init)
    text += "    to record it: \(entry(id, field("symbol"), field("exchange")))\n"
    // Where it trades at night the ticks are others, and the hours too.
    if let night = venues.first(where: { $0 == "OVERNIGHT" }), field("exchange") != night {
        text += "    beside it:    \(entry(id, field("symbol"), night, source: 1))\n"
    }
    text += "    trading hours (\(field("time_zone_id"))):\n"
    for session in field("trading_hours").split(separator: ";").prefix(7) { text += "        \(session)\n" }
    return text
}
