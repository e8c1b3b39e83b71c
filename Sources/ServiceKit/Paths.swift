internal import Glibc
public import Ticks

/// Where state and sockets are.
///
/// `--root DIR` (or `root:`): `DIR/state` and `DIR/run`. Else `$STATE_DIRECTORY` and `$RUNTIME_DIRECTORY` (systemd sets
/// them); else `/var/lib/ib-stream` and `/run/ib-stream` for root; else `~/.local/state/ib-stream/{state,run}`. With
/// `--simulate` the directories `simulated` beneath, so that simulated ticks never lie beside real ones.
public struct Paths: Sendable, Equatable {
    /// The recording itself.
    public let state: String
    /// Sockets, locks, the journal.
    public let runtime: String
    public let simulated: Bool

    /// A unix socket's path has room for 107 bytes and a NUL.
    static let maxSocketPathBytes = 107

    public init(state: String, runtime: String, simulated: Bool = false) {
        self.state = simulated ? state + "/simulated" : state
        self.runtime = simulated ? runtime + "/simulated" : runtime
        self.simulated = simulated
    }

    /// The directories of a configuration. Throws 78 when there is no home to put them into, or when a socket's
    /// path would be longer than the system takes.
    public init(
        configuration: Configuration, simulate: Bool, environment: [String: String]
    ) throws(ProgramError) {
        // systemd may name several directories, separated by colons; the first is the unit's own.
        func variable(_ name: String) -> String? {
            environment[name].flatMap { $0.split(separator: ":").first.map(String.init) }
        }
        if let root = configuration.root {
            let root = Paths.withoutTrailingSlash(root)
            self.init(state: root + "/state", runtime: root + "/run", simulated: simulate)
        } else if let state = variable("STATE_DIRECTORY"), let runtime = variable("RUNTIME_DIRECTORY") {
            self.init(state: state, runtime: runtime, simulated: simulate)
        } else if geteuid() == 0 {
            self.init(state: "/var/lib/ib-stream", runtime: "/run/ib-stream", simulated: simulate)
        } else if let home = environment["HOME"], home.hasPrefix("/") {
            let base = Paths.withoutTrailingSlash(home) + "/.local/state/ib-stream"
            self.init(state: base + "/state", runtime: base + "/run", simulated: simulate)
        } else {
            throw ProgramError(.configuration, "no directory for the recording: $HOME is not set: use --root DIR")
        }
        try check()
    }

    // MARK: Sockets

    public var ticksSocket: String { runtime + "/ticks.sock" }
    public var replaySocket: String { runtime + "/replay.sock" }
    public var durableSocket: String { runtime + "/durable.sock" }
    public var historySocket: String { runtime + "/history.sock" }
    /// Where the watchdog receives heartbeats (a datagram socket).
    public var notifySocket: String { runtime + "/notify.sock" }
    /// Where `ib-stream up` receives the watchdog's heartbeats (a datagram socket).
    public var parentSocket: String { runtime + "/up.sock" }
    public var connectorSocket: String { controlSocket("connector") }
    public var recorderSocket: String { controlSocket("recorder") }
    public var watchdogSocket: String { controlSocket("watchdog") }

    /// The control socket of `connector`, `recorder` or `watchdog`.
    public func controlSocket(_ service: String) -> String { "\(runtime)/\(service).sock" }

    /// `ipc://` in front of a socket's path.
    public static func endpoint(_ socket: String) -> String { "ipc://" + socket }

    // MARK: Directories

    /// The recorder's open log.
    public var log: String { state + "/log" }
    /// The sealed segments.
    public var ticks: String { state + "/ticks" }
    public var definitions: String { state + "/definitions" }
    /// A contract's kept definition: each of its venues has one of its own.
    public func definition(_ contract: ContractID) -> String { "\(definitions)/\(contract).json" }
    public func journal(_ configuration: Configuration) -> String {
        configuration.connector.journalDir ?? runtime + "/journal"
    }

    /// The directories that have to stay, of those that a program uses: what is beneath one goes with
    /// it, but it may be a link to another disk.
    public func held(state isUsed: Bool, journal: String?) -> [String] {
        [runtime] + (journal.map { [$0] } ?? []) + (isUsed ? [state, log, ticks, definitions] : [])
    }

    /// A warning for each of the two that is where systems clean: one sentence, with what to do.
    public var warnings: [String] {
        var said: Set<String> = []
        return [state, runtime].compactMap { path in
            guard let place = TemporaryPlace.of(path), said.insert(place.root).inserted else { return nil }
            return
                "directory \(path) is below \(place.root), \(place.fate): choose a directory of your own with 'root' or --root"
        }
    }

    /// Makes state and runtime directory (0750). Throws 74 with one line, and 78 where others could plant files, in
    /// these or in those beneath that services write to.
    ///
    /// - Parameters:
    ///   - stateIsOptional: a state directory that can't be used is reported and gone without; nothing beneath is
    ///   touched. - journalDirectory: where the operator wants the journal; nil: in the runtime directory.
    public func makeDirectories(
        stateIsOptional: Bool = false, journalDirectory: String? = nil
    ) throws(ProgramError) {
        var passedOver: ProgramError?
        for path in [state, runtime] {
            do throws(ProgramError) {
                try DirectoryTrust.check(path)
                try make(path)
            } catch {
                guard stateIsOptional, path == state, error.status == .ioError else { throw passedOver ?? error }
                passedOver = error
            }
        }
        // Somebody may have been faster where there was nothing.
        let beneath = stateIsOptional ? [] : [log, ticks, definitions]
        for path in (passedOver == nil ? [state] : []) + [runtime, runtime + "/journal"] + beneath {
            try DirectoryTrust.check(path)
        }
        if let journalDirectory { try DirectoryTrust.check(journalDirectory, key: "connector.journal_dir") }
        // Said only once the other directory is there: an error that ends the program is the only line.
        if let passedOver { ServiceKit.log(.error, passedOver.description) }
    }

    /// Decides the same for somebody who only looks, and who may be another user than that of the services: what
    /// belongs to whom is seen from the directories themselves. Throws 78 with one line. Leaves nothing behind.
    public func tryDirectories(journalDirectory: String?) throws(ProgramError) {
        for path in [state, runtime, log, ticks, definitions, runtime + "/journal"] {
            try DirectoryTrust.check(path, asOwner: true)
        }
        if let journalDirectory {
            try DirectoryTrust.check(journalDirectory, key: "connector.journal_dir", asOwner: true)
        }
        for path in [state, runtime] {
            guard let why = Files.whyUnusable(path, toAnybody: true) else { continue }
            throw ProgramError(
                .configuration, "directory \(path) can't be used: \(why): choose another with 'root' or --root")
        }
    }

    private func make(_ path: String) throws(ProgramError) {
        do throws(FileError) {
            try Files.makeDirectory(path)
        } catch {
            throw ProgramError(
                .ioError,
                "directory \(path) can't be used: \(error.path == path ? "" : error.path + ": ")\(error.reason): "
                    + "make it writable for this user or choose another with --root")
        }
    }

    private func check() throws(ProgramError) {
        let longest = connectorSocket
        guard longest.utf8.count <= Self.maxSocketPathBytes else {
            throw ProgramError(
                .configuration,
                "runtime directory \(runtime) is too long: \(longest.utf8.count) bytes for a socket's path, the system "
                    + "takes \(Self.maxSocketPathBytes): choose a shorter --root")
        }
    }

    private static func withoutTrailingSlash(_ path: String) -> String {
        var path = path
        while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }
}
