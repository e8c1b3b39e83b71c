internal import ServiceKit

let configCommand = Command(
    "config", usage: "check|show [FILE]", "Checks a configuration, or shows the effective value of every key.",
    words: 1...2,
    examples: [
        ("ib-stream config check ib-stream.yaml", "exit status 0 if services would start with that file, else 78"),
        ("ib-stream config show", "every key, its value, and where the value comes from"),
    ]
) { context throws(ProgramError) in
    let action = context.flags.words[0]
    var context = context
    if context.flags.words.count == 2 {
        context = OperatorContext(
            flags: context.flags.setting("config", to: context.flags.words[1]), environment: context.environment)
    }
    switch action {
    case "check": return try checkConfiguration(context)
    case "show": return try showConfiguration(context)
    default: throw ProgramError(.usage, "config: unknown word '\(action)': use 'config check' or 'config show'")
    }
}

private func checkConfiguration(_ context: OperatorContext) throws(ProgramError) -> Int32 {
    let loaded = try context.load()
    for warning in loaded.warnings { printError("ib-stream", "warning: \(warning)") }
    let paths = try loaded.startable(simulate: context.flags.has("simulate"), environment: context.environment)
    try paths.tryDirectories(journalDirectory: loaded.configuration.connector.journalDir)
    // A running system has its addresses already.
    if !OperatorContext.isRunning(paths) { try loaded.tryAddresses(takenIsFine: true) }
    for warning in paths.warnings { printError("ib-stream", "warning: \(warning)") }
    let contracts = loaded.configuration.contracts.count
    let streams = loaded.configuration.streams.count
    printOut("\(loaded.file ?? "built-in defaults"): ok: \(contracts) contracts, \(streams) streams\n")
    return ExitStatus.success.rawValue
}

private func showConfiguration(_ context: OperatorContext) throws(ProgramError) -> Int32 {
    let loaded = try context.load()
    for warning in loaded.warnings { printError("ib-stream", "warning: \(warning)") }
    let paths = try Paths(
        configuration: loaded.configuration, simulate: context.flags.has("simulate"), environment: context.environment)
    var text = "# file: \(loaded.file ?? "none")\n# state: \(paths.state)\n# runtime: \(paths.runtime)\n"
    let keys = loaded.effectiveKeys
    let left = keys.map { "\($0.path): \($0.value)" }
    let width = min(64, left.map(\.utf8.count).max() ?? 0)
    for (key, line) in zip(keys, left) {
        let gap = String(repeating: " ", count: max(1, width - line.utf8.count + 1))
        text += "\(line)\(gap)# \(key.origin)\n"
    }
    return printOut(text) ? ExitStatus.success.rawValue : ExitStatus.ioError.rawValue
}
