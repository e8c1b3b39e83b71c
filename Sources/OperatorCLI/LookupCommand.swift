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
    let (_, paths) = try context.locate()
    let result = try askConnector(
        paths,
        [
            JSONObject.Member(name: "symbol", value: .string(context.flags.words[0])),
            JSONObject.Member(name: "type", value: .string((context.flags.value("type") ?? "").uppercased())),
        ])
    if context.flags.has("json") { return printOut("\(result)\n") ? 0 : ExitStatus.ioError.rawValue }
    let contracts = result["contracts"]?.array ?? []
    guard !contracts.isEmpty else {
        throw ProgramError(
            .failure, "lookup: no contract with the symbol \(context.flags.words[0]): try another --type")
    }
    return printOut(contracts.map(describe).joined(separator: "\n")) ? 0 : ExitStatus.ioError.rawValue
}

/// The gateway may take a while, and the connector gives it 15 s.
private let lookupTimeoutMillis: Int32 = 20_000

private func askConnector(_ paths: Paths, _ members: [JSONObject.Member]) throws(ProgramError) -> JSONValue {
    guard ServiceLock.isHeld(name: "ib-connector", paths: paths) else {
        throw ProgramError(
            .unavailable, "lookup: the connector is not running in \(paths.runtime): start it with 'ib-stream up'")
    }
    do throws(MessagingError) {
        let messages = try Context()
        var client = try ControlClient(in: messages)
        try client.connect(Paths.endpoint(paths.connectorSocket))
        return try client.call("lookup", members, timeoutMillis: lookupTimeoutMillis)
    } catch {
        if case .refused(let why) = error.code { throw ProgramError(.failure, "lookup: \(why)") }
        throw ProgramError(.unavailable, "lookup: \(error)")
    }
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
    text += "\n    exchanges: \(field("valid_exchanges"))\n    trading hours (\(field("time_zone_id"))):\n"
    for session in field("trading_hours").split(separator: ";").prefix(7) { text += "        \(session)\n" }
    return text
}
