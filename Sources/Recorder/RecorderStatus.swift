internal import JSON
internal import ServiceKit
internal import Synchronization
internal import Ticks

/// What the recorder's threads tell the control socket and the heartbeats. Any thread.
final class RecorderStatus: Sendable {
    /// A connector whose epoch is below one that is already on disk has to begin a greater one.
    struct Renumber: Sendable, Equatable {
        let above: UInt32
        let announced: UInt32
    }

    private struct State {
        var counters = Sequencer.Counters()
        var epoch: UInt32 = 0
        var heldBytes = 0
        var isCatchingUp = false
        var malformed: UInt64 = 0
        var disk = DiskWord.starting
        var part = ""
        var commits: UInt64 = 0
        var durableRecords: UInt64 = 0
        var lastCommitNanos: Int64 = 0
        var slowestCommitNanos: Int64 = 0
        var renumber: Renumber?
        /// The wish that was logged last.
        var renumberSaid: Renumber?
    }

    private let state = Mutex(State())
    private let facts: HeartbeatFacts

    init(facts: HeartbeatFacts) { self.facts = facts }

    func update(
        sequencer: Sequencer.Counters, epoch: UInt32, heldBytes: Int, isCatchingUp: Bool, malformed: UInt64,
        backlog: UInt64
    ) {
        let disk = state.withLock {
            $0.counters = sequencer
            $0.epoch = epoch
            $0.heldBytes = heldBytes
            $0.isCatchingUp = isCatchingUp
            $0.malformed = malformed
            return $0.disk
        }
        facts.set("COMMITTED", "\(sequencer.committed)")
        facts.set("LOST_RANGES", "\(sequencer.lostRanges)")
        facts.set("BACKLOG", "\(backlog)")
        facts.set("CATCHING_UP", isCatchingUp ? "1" : "0")
        if case .failing = disk { return }
        facts.status = isCatchingUp ? "catching up" : "recording"
    }

    /// Looks at the disk, each round. A change is told at once: health turns red
    /// without waiting for the next heartbeat.
    ///
    /// - waitNanos: how long the write thread has been inside its present disk call.
    func noteDisk(_ disk: CommitQueue.DiskState, waitNanos: Int64) {
        let word = DiskWord(disk, waitNanos: waitNanos)
        let lag = disk.waitingSinceNanos.map { max(0, bootNanos() - $0) } ?? 0
        facts.set("DISK_LAG_MILLIS", "\(lag / 1_000_000)")
        let isNews = state.withLock { state in
            defer { state.disk = word }
            return state.disk != word
        }
        guard isNews else { return }
        facts.set("DISK", word.description)
        if case .failing(let why) = word { facts.status = "disk failing: \(why)" }
        facts.tellNow()
    }

    func noteCommit(part: String, records: Int, tookNanos: Int64, atNanos now: Int64) {
        let total = state.withLock {
            $0.part = part
            $0.commits += 1
            $0.durableRecords += UInt64(records)
            $0.lastCommitNanos = now
            $0.slowestCommitNanos = max($0.slowestCommitNanos, tookNanos)
            return $0.durableRecords
        }
        facts.set("TICKS", "\(total)")
    }

    /// Writes it down for the control thread, which tells the connector; said once per pair of epochs.
    func askToRenumber(above: UInt32, announced: UInt32) {
        let wish = Renumber(above: above, announced: announced)
        let isNew = state.withLock { state in
            defer { (state.renumber, state.renumberSaid) = (wish, wish) }
            return state.renumberSaid != wish
        }
        guard isNew else { return }
        log(
            .critical, "the connector's epoch is below one already recorded, asking it to renumber",
            ["recorded": "\(above)", "announced": "\(announced)"])
    }

    /// The wish that has not been passed on yet.
    func takeRenumber() -> Renumber? {
        state.withLock { state in
            defer { state.renumber = nil }
            return state.renumber
        }
    }

    /// The `status` command's result.
    func json(sealing: JSONValue, backlog: UInt64) -> JSONValue {
        state.withLock { state in
            [
                "service": "recorder", "epoch": .integer(Int64(state.epoch)),
                "committed": .integer(Int64(clamping: state.counters.committed)),
                "durable": .integer(Int64(clamping: state.durableRecords)),
                "duplicates": .integer(Int64(clamping: state.counters.duplicates)),
                "replayed": .integer(Int64(clamping: state.counters.replayed)),
                "lost_ranges": .integer(Int64(clamping: state.counters.lostRanges)),
                "malformed": .integer(Int64(clamping: state.counters.malformed + state.malformed)),
                "held_bytes": .integer(Int64(state.heldBytes)), "catching_up": .bool(state.isCatchingUp),
                "backlog": .integer(Int64(clamping: backlog)),
                "part": .string(state.part), "commits": .integer(Int64(clamping: state.commits)),
                "last_commit_nanos": .integer(state.lastCommitNanos),
                "slowest_commit_nanos": .integer(state.slowestCommitNanos),
                "disk": .string(state.disk.name), "disk_fault": state.disk.fault.map { .string($0) } ?? .null,
                "sealing": sealing,
            ]
        }
    }
}

/// The recorder's disk in one word, with the cause when it fails.
enum DiskWord: Sendable, Equatable, CustomStringConvertible {
    case starting
    case ok
    case failing(String)

    /// - waitNanos: how long a disk call has lasted by now; above `CommitWriter.slowNanos` the disk does not answer.
    init(_ disk: CommitQueue.DiskState, waitNanos: Int64) {
        if waitNanos > CommitWriter.slowNanos {
            self = .failing("the disk does not answer")
        } else if let fault = disk.fault {
            self = .failing(fault)
        } else {
            self = disk.isWriting ? .ok : .starting
        }
    }

    var name: String {
        switch self {
        case .starting: "starting"
        case .ok: "ok"
        case .failing: "failing"
        }
    }

    var fault: String? {
        if case .failing(let why) = self { why } else { nil }
    }

    /// As heartbeats carry it.
    var description: String { fault.map { "\(name): \($0)" } ?? name }
}
