internal import Glibc
internal import ServiceKit

/// Runs the command that the words name; returns the exit status. Errors are one line on standard error.
func runOperator(arguments: [String]) -> Int32 {
    let environment = ProcessEnvironment.variables()
    Log.start(identifier: "ib-stream", environment: environment)
    // A reader that closes our output early (`| head`) is found by the failing write.
    signal(SIGPIPE, SIG_IGN)
    do throws(ProgramError) {
        try ProcessEnvironment.requireArguments()
        return try dispatch(arguments, environment)
    } catch {
        printError("ib-stream", error.description)
        return error.status.rawValue
    }
}

private func dispatch(_ arguments: [String], _ environment: [String: String]) throws(ProgramError) -> Int32 {
    guard let first = arguments.first else {
        throw ProgramError(.usage, "a command is missing: see 'ib-stream --help'")
    }
    switch first {
    case "--help", "-h", "help":
        guard first == "help", arguments.count > 1 else {
            printOut(Commands.help)
            return ExitStatus.success.rawValue
        }
        return try dispatch(Array(arguments.dropFirst()) + ["--help"], environment)
    case "--version":
        printOut(Version.lines(of: "ib-stream"))
        return ExitStatus.success.rawValue
    default: break
    }
    guard let command = Commands.find(first) else {
        throw ProgramError(.usage, "unknown command '\(first)': \(Commands.suggestion(for: first))")
    }
    let rest = Array(arguments.dropFirst())
    guard let run = command.run else {
        if rest.contains("--help") || rest.contains("-h") {
            printOut(command.flags.help)
            return ExitStatus.success.rawValue
        }
        throw ProgramError(.usage, "\(command.name): not built yet: it comes with a later version")
    }
    let flags = try command.flags.parse(rest)
    if flags.has("help") {
        printOut(command.flags.help)
        return ExitStatus.success.rawValue
    }
    if flags.has("version") {
        printOut(Version.lines(of: "ib-stream"))
        return ExitStatus.success.rawValue
    }
    return try run(OperatorContext(flags: flags, environment: environment))
}
