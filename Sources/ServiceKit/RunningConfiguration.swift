/// The configuration that a system was started with, kept in its runtime directory: processes that are started again
/// later get this one, whatever has become of the operator's file meanwhile.
public struct RunningConfiguration: Sendable {
    /// The variable that names the kept file to a process; set by whoever starts it, `ib-stream up` or the watchdog.
    public static let variable = "IB_STREAM_RUNNING"

    public let path: String
    public let configuration: Configuration

    public init(_ configuration: Configuration, paths: Paths) {
        self.configuration = configuration
        path = paths.runtime + "/running.yaml"
    }

    /// Makes the file hold the configuration, in one step; writes only what is not there. For the own
    /// user alone, since it holds what alerts keep secret. Called before each start of a process, so that
    /// a damaged or removed file is made anew.
    public func keep() throws(ProgramError) {
        let bytes = Array(configuration.text.utf8)
        // One more, so that a longer file is not taken for the same.
        guard Files.contents(path, maxBytes: bytes.count + 1) != bytes else { return }
        do throws(FileError) {
            try Files.writeAtomically(bytes, to: path, mode: 0o600, sync: false)
        } catch {
            throw ProgramError(
                .ioError, "the running configuration can't be kept: \(error): make \(path) writable for this user")
        }
    }
}

extension LoadedConfiguration {
    /// What a service runs with: the running configuration if whoever started it names one (then neither flags nor
    /// environment count, they are part of it), else what `Configuration.load` finds.
    static func ofService(
        flags: ParsedFlags, environment: [String: String]
    ) throws(ConfigurationFailure) -> LoadedConfiguration {
        if let path = environment[RunningConfiguration.variable] {
            return try Configuration.load(file: path, environment: [:])
        }
        return try ofOperator(flags: flags, environment: environment)
    }

    /// What flags, file and environment say now, whatever runs.
    public static func ofOperator(
        flags: ParsedFlags, environment: [String: String]
    ) throws(ConfigurationFailure) -> LoadedConfiguration {
        try Configuration.load(
            file: flags.value("config"), root: flags.value("root"), simulate: flags.has("simulate"),
            environment: environment)
    }
}
