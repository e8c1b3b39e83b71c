internal import Glibc
internal import ServiceKit

/// What a command works with: its flags, the configuration, and the directories of the system that it is about.
struct OperatorContext: Sendable {
    let flags: ParsedFlags
    let environment: [String: String]

    /// The configuration, whether it names contracts or not. Prints every problem on a line of its own and throws the
    /// last one.
    func load(simulate: Bool? = nil) throws(ProgramError) -> LoadedConfiguration {
        do throws(ConfigurationFailure) {
            return try Configuration.load(
                file: flags.value("config").map(Files.absolute), root: flags.value("root"),
                simulate: simulate ?? flags.has("simulate"), environment: environment)
        } catch {
            for problem in error.problems.dropLast() { printError("ib-stream", problem.description) }
            throw ProgramError(.configuration, error.problems.last?.description ?? "the configuration can't be read")
        }
    }

    /// Configuration and directories of the system that is meant.
    ///
    /// With `--simulate` the simulated one. Without it the real one; but where no real system runs or has ever
    /// recorded, and a simulated one does or has, that one is meant (a note on standard error says so).
    func locate() throws(ProgramError) -> (configuration: Configuration, paths: Paths) {
        let real = try load()
        let paths = try Paths(
            configuration: real.configuration, simulate: flags.has("simulate"), environment: environment)
        guard !flags.has("simulate"), !Self.isRunning(paths) else { return (real.configuration, paths) }
        let simulated = try Paths(configuration: real.configuration, simulate: true, environment: environment)
        guard Self.isRunning(simulated) || (!Self.hasRecording(paths) && Self.hasRecording(simulated)) else {
            return (real.configuration, paths)
        }
        printError("ib-stream", "note: this is about the simulated system in \(simulated.state)")
        return (try load(simulate: true).configuration, simulated)
    }

    static func isRunning(_ paths: Paths) -> Bool {
        ["ib-watchdog", "ib-recorder", "ib-connector"].contains { ServiceLock.isHeld(name: $0, paths: paths) }
    }

    private static func hasRecording(_ paths: Paths) -> Bool {
        access(paths.log, F_OK) == 0 || access(paths.ticks, F_OK) == 0
    }
}
