internal import Glibc
internal import JSON
internal import Messaging
internal import ServiceKit

let sealCommand = Command(
    "seal", usage: "[--now] [--json]", "Has the recorder seal finished hours at once, and waits for it.",
    flags: [
        FlagSet.Flag("now", "also what was recorded of the present hour until now"),
        FlagSet.Flag("json", "one JSON object on standard output"),
    ],
    examples: [
        ("ib-stream seal --now", "before a backup: everything that is recorded is in compressed files then"),
        ("ib-stream seal", "hours that are over; the recorder does that by itself a moment after each hour"),
    ]
) { context throws(ProgramError) in
    let paths = try context.locateServices("seal").paths
    guard ServiceLock.isHeld(name: "ib-recorder", paths: paths) else {
        throw ProgramError(
            .unavailable, "seal: the recorder is not running in \(paths.runtime): start it with 'ib-stream up'")
    }
    let result: JSONValue
    do throws(MessagingError) {
        let messages = try Context()
        var client = try ControlClient(in: messages)
        try client.connect(Paths.endpoint(paths.recorderSocket))
        result = try sealAndWait(&client, now: context.flags.has("now"))
    } catch {
        if case .refused(let why) = error.code { throw ProgramError(.failure, "seal: \(why)") }
        throw ProgramError(.unavailable, "seal: \(error)")
    }
    if context.flags.has("json") {
        guard printOut("\(result)\n") else { return ExitStatus.ioError.rawValue }
    } else {
        guard printOut(describe(result)) else { return ExitStatus.ioError.rawValue }
    }
    guard result["state"]?.string == "done" else {
        throw ProgramError(
            .failure, "seal: \(result["error"]?.string ?? "no reason given"): the log has everything, it is tried again"
        )
    }
    return ExitStatus.success.rawValue
}

private let sealTimeoutMillis: Int32 = 10_000

/// Asks for a job and then how it stands until it has ended; what it works on goes to a terminal meanwhile.
private func sealAndWait(_ client: inout ControlClient, now: Bool) throws(MessagingError) -> JSONValue {
    let asked = try client.call(
        "seal", [JSONObject.Member(name: "now", value: .bool(now))], timeoutMillis: sealTimeoutMillis)
    let job = JSONObject.Member(name: "job", value: asked["job"] ?? .null)
    let isTerminal = isatty(STDERR_FILENO) == 1
    var said = false
    while true {
        let answer = try client.call("seal", [job], timeoutMillis: sealTimeoutMillis)
        switch answer["state"]?.string {
        case "waiting", "running":
            if isTerminal, let hour = answer["working_on"]?.string {
                said = true
                let (read, all) = (answer["read_bytes"]?.integer ?? 0, answer["to_read_bytes"]?.integer ?? 0)
                let percent = all > 0 ? min(100, Int(Double(read) / Double(all) * 100)) : 0
                printProgress("\rseal: \(hour): \(percent) %   ")
            }
            sleepMillis(100)
        default:
            if said { printProgress("\r                                \r") }
            return answer
        }
    }
}

private func printProgress(_ text: String) {
    let bytes = Array(text.utf8)
    // Progress that nobody can see any more is no reason to end.
    _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

/// A line per hour, then the sum.
private func describe(_ result: JSONValue) -> String {
    var text = ""
    for hour in result["hours"]?.array ?? [] { text += line(hour["hour"]?.string ?? "", hour) }
    return text + line("sealed", result)
}

private func line(_ head: String, _ counts: JSONValue) -> String {
    func number(_ name: String) -> Int64 { counts[name]?.integer ?? 0 }
    return "\(head): \(number("files")) files, \(number("records")) records, \(number("bytes")) bytes "
        + "(\(number("log_bytes")) bytes of log)\n"
}
