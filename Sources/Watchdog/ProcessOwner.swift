internal import Glibc
internal import ServiceKit

/// A process of the system that the watchdog looks after.
enum ManagedName: String, CaseIterable, Sendable {
    case connector = "ib-connector"
    case recorder = "ib-recorder"
}

/// Who starts processes. Signals and exits go by pidfd in every case.
protocol ProcessOwner: Sendable {
    /// For the log.
    var name: String { get }
    /// How the operator restarts the whole system, behind "to … ,".
    var restartAdvice: String { get }
    /// The live process of that name that somebody started before; nil if there is none.
    func adopt(_ name: ManagedName) -> HeldProcess?
    /// Starts it; nil when this owner starts nothing itself.
    func start(_ name: ManagedName) throws(ProgramError) -> HeldProcess?
}

extension ProcessOwner {
    func adoptByLock(_ name: ManagedName, _ paths: Paths) -> HeldProcess? {
        ServiceLock.holder(name: name.rawValue, paths: paths).flatMap(HeldProcess.adopt)
    }
}

/// The watchdog is the parent: executables beside its own, each in a process group of its own.
struct StandaloneOwner: ProcessOwner {
    let paths: Paths
    let flags: [String]
    let environment: [String: String]
    /// What every process gets that is started here, whatever the operator's file says meanwhile.
    let running: RunningConfiguration
    let name = "ib-watchdog"

    var restartAdvice: String {
        Lifeline(environment: environment).descriptor >= 0
            ? "end 'ib-stream up' and start it again"
            : "end ib-watchdog, ib-connector and ib-recorder, then start ib-watchdog again"
    }

    /// What is passed on: the flags that the watchdog got itself.
    static func flags(of context: ServiceContext) -> [String] {
        var flags: [String] = []
        for name in ["config", "root"] {
            if let value = context.flags.value(name) { flags += ["--" + name, Files.absolute(value)] }
        }
        if context.simulate { flags.append("--simulate") }
        return flags
    }

    func adopt(_ name: ManagedName) -> HeldProcess? { adoptByLock(name, paths) }

    func start(_ name: ManagedName) throws(ProgramError) -> HeldProcess? {
        guard let path = ProcessEnvironment.sibling(name.rawValue) else {
            throw ProgramError(.ioError, "the directory of the executables is not known")
        }
        var variables = environment
        // What systemd told us is about us alone.
        for variable in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"] {
            variables[variable] = nil
        }
        try running.keep()
        variables[RunningConfiguration.variable] = running.path
        let lifeline = Lifeline(environment: environment).descriptor
        return try HeldProcess.start(
            path, arguments: flags, environment: variables, inherit: lifeline >= 0 ? [lifeline] : [])
    }
}

/// systemd is the parent: it starts the units and brings back what ended; the watchdog finds the processes by their
/// locks and signals those that hang.
struct WatchingOwner: ProcessOwner {
    let paths: Paths
    let name = "systemd"
    let restartAdvice = "systemctl restart ib-recorder ib-connector ib-watchdog"

    func adopt(_ name: ManagedName) -> HeldProcess? { adoptByLock(name, paths) }
    func start(_ name: ManagedName) throws(ProgramError) -> HeldProcess? { nil }
}
