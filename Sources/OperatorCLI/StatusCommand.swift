internal import JSON
internal import Messaging
internal import ServiceKit

let statusCommand = Command(
    "status", usage: "[--json]", "Shows services, streams, lags and gaps; exit status 0 healthy, 1 degraded, 2 down.",
    flags: [.init("json", "print the watchdog's answer, and the gaps, as one JSON object")],
    examples: [
        ("ib-stream status", "a table of services and streams"),
        ("ib-stream status --json | jq .streams", "the same for programs"),
    ]
) { context throws(ProgramError) in
    let paths = try context.locateServices("status").paths
    guard ServiceLock.isHeld(name: "ib-watchdog", paths: paths) else {
        let others = ["ib-connector", "ib-recorder"].filter { ServiceLock.isHeld(name: $0, paths: paths) }
        let which = others.isEmpty ? "nothing runs" : "no ib-watchdog (but \(others.joined(separator: " and ")))"
        throw ProgramError(.down, "status: \(which) in \(paths.runtime): start it with 'ib-stream up' or systemctl")
    }
    let status: JSONValue
    do throws(MessagingError) {
        let messaging = try Context()
        var client = try ControlClient(in: messaging)
        try client.connect(Paths.endpoint(paths.watchdogSocket))
        status = try client.call("status", timeoutMillis: 3000)
    } catch {
        throw ProgramError(.down, "status: ib-watchdog does not answer: \(error): 'ib-stream up' restarts it by itself")
    }
    let view = StatusView(status)
    let gaps = StatusGaps(paths)
    if context.flags.has("json") {
        var object = status.object ?? JSONObject()
        object["gaps"] = gaps.json
        printOut(JSONValue.object(object).description + "\n")
    } else {
        printOut((view.lines() + ["", gaps.line]).joined(separator: "\n") + "\n")
    }
    return view.exitStatus.rawValue
}
