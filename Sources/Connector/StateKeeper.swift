internal import Glibc
internal import JSON
internal import ServiceKit
internal import Synchronization
internal import Ticks

/// The connector's only way to the state directory: a thread of its own, so that a disk that is full, frozen or gone
/// never holds up receiving, the journal and publishing.
///
/// What it does there is little: reads the epoch and the kept definitions at the start, writes each new epoch. (The
/// definitions are written by the recorder.) Bounded: of epochs that wait for the disk only the greatest is written.
final class StateKeeper: Sendable {
    /// What the state directory said at the start.
    struct Found: Sendable {
        /// Nil when none was ever begun here.
        var epoch: UInt32?
    }

    private struct State {
        var found: Found?
        /// Read, and not yet taken; nil where there is none, or none that can be read.
        var definitions: [ContractID: JSONValue?] = [:]
        /// To be read.
        var unread: [ContractID]
        var wanted: UInt32 = 0
        var written: UInt32 = 0
        var fault: String?
    }

    private let state: Mutex<State>
    private let changed: WakeUp
    private let forKeeper: WakeUp
    private let epochs: EpochStore
    private let paths: Paths
    private let lockNote: LockNote

    /// - contracts: whose kept definitions are read.
    init(paths: Paths, contracts: [ContractID], lockNote: LockNote) throws(ProgramError) {
        changed = try WakeUp()
        forKeeper = try WakeUp()
        epochs = EpochStore(directory: paths.state)
        self.paths = paths
        state = Mutex(State(unread: contracts))
        self.lockNote = lockNote
    }

    // MARK: - Session thread

    /// What was found at the start; waits for it until `deadlineNanos` (boot clock), then nil.
    func found(until deadlineNanos: Int64) -> Found? { wait(until: deadlineNanos) { $0.found } }

    /// Asks for an epoch to be written; true when it is on the disk before `deadlineNanos`.
    func write(epoch: UInt32, until deadlineNanos: Int64) -> Bool {
        state.withLock { $0.wanted = max($0.wanted, epoch) }
        forKeeper.ring()
        return wait(until: deadlineNanos) { $0.written >= epoch ? true : $0.fault == nil ? nil : false } ?? false
    }

    /// Asks for one more kept definition.
    func want(definitionOf contract: ContractID) {
        state.withLock { state in
            if !state.unread.contains(contract) { state.unread.append(contract) }
        }
        forKeeper.ring()
    }

    /// The kept definitions, each once, as soon as they were read; nil where there is none.
    func takeDefinitions() -> [ContractID: JSONValue?] {
        state.withLock { state in
            defer { state.definitions = [:] }
            return state.definitions
        }
    }

    /// Why the last epoch is not written; nil while it is, or may yet be.
    var fault: String? { state.withLock { $0.fault } }

    private func wait<Answer: Sendable>(
        until deadlineNanos: Int64, _ answer: @Sendable (State) -> Answer?
    ) -> Answer? {
        while true {
            if let now = state.withLock({ answer($0) }) { return now }
            let rest = deadlineNanos - bootNanos()
            guard rest > 0 else { return nil }
            var poller = pollfd(fd: changed.descriptor, events: Int16(POLLIN), revents: 0)
            _ = poll(&poller, 1, Int32(rest / 1_000_000 + 1))
            changed.clear()
        }
    }

    // MARK: - Own thread

    /// Runs until the stop.
    func run(_ task: TaskContext) {
        task.progress.duringDiskCall {
            let epoch = epochs.read()
            state.withLock { $0.found = Found(epoch: epoch) }
            changed.ring()
            readDefinitions()
            lockNote.write()
        }
        while !task.stop.isStopped {
            task.progress.advance()
            writeEpoch(task)
            if state.withLock({ !$0.unread.isEmpty }) { task.progress.duringDiskCall { readDefinitions() } }
            var pollers = [forKeeper.descriptor, task.stop.fileDescriptor].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            _ = poll(&pollers, 2, 500)
            forKeeper.clear()
        }
    }

    /// Writes the greatest epoch asked for; tries again each round while the disk refuses it.
    private func writeEpoch(_ task: TaskContext) {
        let (wanted, written) = state.withLock { ($0.wanted, $0.written) }
        guard wanted > written else { return }
        do throws(ProgramError) {
            try task.progress.duringDiskCall { () throws(ProgramError) in try epochs.write(wanted) }
            let wasFailing = state.withLock { state in
                defer { (state.written, state.fault) = (wanted, nil) }
                return state.fault != nil
            }
            if wasFailing { log(.notice, "the epoch is in the state directory now", ["epoch": "\(wanted)"]) }
        } catch {
            let isNews = state.withLock { state in
                defer { state.fault = error.description }
                return state.fault == nil
            }
            if isNews { log(.error, "the state directory does not take the epoch", ["why": error.description]) }
        }
        changed.ring()
    }

    /// What an earlier run kept. A file that can't be read is reported; the gateway is asked anyway.
    private func readDefinitions() {
        var definitions: [ContractID: JSONValue?] = [:]
        let unread = state.withLock { state in
            defer { state.unread = [] }
            return state.unread
        }
        defer { state.withLock { $0.definitions = $0.definitions.merging(definitions) { _, new in new } } }
        for contract in unread {
            let path = paths.definition(contract)
            definitions.updateValue(nil, forKey: contract)
            do {
                let bytes = try Files.read(path, maxBytes: 1 << 20)
                definitions[contract] = try bytes.withUnsafeBytes { try JSONValue(parsing: $0, maxBytes: 1 << 20) }
            } catch let error as FileError where error.isMissing {
                continue
            } catch {
                log(.warning, "a kept definition can't be read", ["path": path, "why": "\(error)"])
            }
        }
    }
}
