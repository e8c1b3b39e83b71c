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
        var disk = CommitQueue.DiskState()
        var part = ""
        var commits: UInt64 = 0
        var durableRecords: UInt64 = 0
        var lastCommitNanos: Int64 = 0
        var slowestCommitNanos: Int64 = 0
        var renumber: Renumber?
    }

    private let state = Mutex(State())
    private let facts: HeartbeatFacts

    init(facts: HeartbeatFacts) { self.facts = facts }

    func update(
        sequencer: Sequencer.Counters, epoch: UInt32, heldBytes: Int, isCatchingUp: Bool, malformed: UInt64,
        disk: CommitQueue.DiskState
    ) {
        state.withLock {
            $0.counters = sequencer
            $0.epoch = epoch
            $0.heldBytes = heldBytes
            $0.isCatchingUp = isCatchingUp
            $0.malformed = malformed
            $0.disk = disk
        }
        facts.set("COMMITTED", "\(sequencer.committed)")
        facts.set("LOST_RANGES", "\(sequencer.lostRanges)")
        facts.set("DISK", disk.fault.map { "failing: \($0)" } ?? (disk.isWriting ? "ok" : "starting"))
        facts.status = disk.fault.map { "disk failing: \($0)" } ?? (isCatchingUp ? "catching up" : "recording")
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
            defer { state.renumber = wish }
            return state.renumber != wish
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
    var json: JSONValue {
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
                "part": .string(state.part), "commits": .integer(Int64(clamping: state.commits)),
                "last_commit_nanos": .integer(state.lastCommitNanos),
                "slowest_commit_nanos": .integer(state.slowestCommitNanos),
                "disk": .string(state.disk.fault == nil ? (state.disk.isWriting ? "ok" : "starting") : "failing"),
                "disk_fault": state.disk.fault.map { .string($0) } ?? .null,
            ]
        }
    }
}
