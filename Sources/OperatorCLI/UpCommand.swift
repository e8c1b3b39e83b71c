internal import Glibc
internal import ServiceKit

let upCommand = Command(
    "up", usage: "[--simulate] [--for 60s]",
    "Runs the whole system in the foreground, with a live status table; Ctrl-C stops it.",
    flags: [
        .init("for", value: "DURATION", "stop after this long, such as 60s; exit status 1 unless healthy by then"),
        .init("simulator", value: "FLAGS", "with --simulate: more flags for ib-simulator, separated by blanks"),
    ],
    examples: [
        ("ib-stream up --simulate", "the whole system against the simulated gateway"),
        ("ib-stream up --config ib-stream.yaml", "record what that file says"),
        ("ib-stream up --simulate --for 60s --simulator '--rate 20000'", "a minute under load"),
    ]
) { context throws(ProgramError) in
    var forNanos: Int64?
    if let text = context.flags.value("for") {
        guard let nanos = DurationText.parse(text), nanos > 0 else {
            throw ProgramError(.usage, "up: --for \(text): not a duration: write a number and a unit, such as 60s")
        }
        forNanos = nanos
    }
    let simulate = context.flags.has("simulate")
    guard simulate || context.flags.value("simulator") == nil else {
        throw ProgramError(.usage, "up: --simulator goes with --simulate")
    }
    // First of all: the signals are blocked in every thread that starts from here on.
    let signals = try StopSignals(more: [SIGCHLD])
    umask(0o027)
    let loaded = try context.load()
    for warning in loaded.warnings { printError("ib-stream", "warning: \(warning)") }
    let paths = try loaded.startable(simulate: simulate, environment: context.environment)
    try Descriptors.check(Descriptors.takeAll(), suffices: loaded.configuration)
    try paths.makeDirectories(journalDirectory: loaded.configuration.connector.journalDir)
    let lock = try ServiceLock(name: "ib-stream", paths: paths)
    // Also while a service is down. Those of the state directory as they are now: its disk may not answer later.
    var stateDirectories = HeldDirectories(paths.held(state: true, journal: nil))
    stateDirectories.look()
    var display = UpDisplay(paths: paths)
    try waitForEarlierRun(paths, signals, &display)
    // Later a taken port is red and waited for; at the start the operator is here and can choose another.
    try loaded.tryAddresses(takenIsFine: false)
    for warning in paths.warnings { printError("ib-stream", "warning: \(warning)") }

    let system = try UpSystem(
        configuration: loaded.configuration, paths: paths, flags: context.flags, environment: context.environment,
        simulator: simulate ? context.flags.value("simulator") ?? "" : nil)
    let status = try system.run(signals, &display, lock, forNanos: forNanos)
    _ = consume lock
    _ = consume stateDirectories
    return status.rawValue
}

/// Services whose `up` was killed end by themselves within their grace; starting beside them would only be refused. A
/// recorder that outlives the connector, since it still writes its backlog, is waited for as long as it gets on.
private func waitForEarlierRun(
    _ paths: Paths, _ signals: borrowing StopSignals, _ display: inout UpDisplay
) throws(ProgramError) {
    let names = ["ib-watchdog", "ib-connector", "ib-recorder"]
    var drain = UpDrain(paths: paths, nowNanos: bootNanos())
    var said = false
    while true {
        let held = names.filter { ServiceLock.isHeld(name: $0, paths: paths) }
        guard let name = held.first else { return }
        if !held.contains("ib-connector") { drain.look(services: held, &display, nowNanos: bootNanos()) }
        guard bootNanos() - drain.movedNanos < 20_000_000_000 else {
            let pid = ServiceLock.holder(name: name, paths: paths).map { " (pid \($0.pid))" } ?? ""
            throw ProgramError(
                .configuration,
                "up: another \(name)\(pid) runs in \(paths.runtime): stop it first or choose another --root")
        }
        if !said { printError("ib-stream", "waiting for \(name) of an earlier run to end") }
        said = true
        if let number = signals.wait(millis: 200), number != SIGCHLD {
            throw ProgramError(.failure, "up: \(StopSignals.name(number)) while \(name) of an earlier run was ending")
        }
    }
}
