internal import Synchronization

/// The proof that a working loop goes round. The loop advances it each round, at least once a second also when there is
/// nothing to do; `main` earns heartbeats from it.
///
/// A loop that is inside a disk call says so (`duringDiskCall`): the disk's slowness is reported as such instead of as
/// a hang, since a process that waits for a disk can't be helped by killing it. One loop advances; any thread reads.
public final class ProgressCounter: Sendable {
    public let name: String
    /// False for work in the background: its long disk calls are no hang either, but say nothing about the disk.
    public let reportsDiskWait: Bool
    private let rounds = Atomic<UInt64>(0)
    /// When the running disk call began (boot clock); 0 = none.
    private let diskSince = Atomic<Int64>(0)

    public init(_ name: String, reportsDiskWait: Bool = true) {
        self.name = name
        self.reportsDiskWait = reportsDiskWait
    }

    /// The loop went round.
    public func advance() { rounds.wrappingAdd(1, ordering: .relaxed) }

    /// Rounds so far.
    public var value: UInt64 { rounds.load(ordering: .relaxed) }

    /// Runs one disk call (write, fdatasync) of the loop and counts as a round.
    public func duringDiskCall<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        diskSince.store(bootNanos(), ordering: .relaxed)
        defer {
            diskSince.store(0, ordering: .relaxed)
            advance()
        }
        return try body()
    }

    /// How long the loop has been inside its present disk call; 0 when it is in none.
    public func diskWaitNanos(nowNanos: Int64) -> Int64 {
        let since = diskSince.load(ordering: .relaxed)
        return since == 0 ? 0 : max(0, nowNanos - since)
    }
}

/// Turns the loops' progress into heartbeats: a beat is earned when every loop went round since the last beat (or waits
/// for the disk). Used by `main` alone.
public struct EarnedBeat {
    private var counters: [(counter: ProgressCounter, seen: UInt64)] = []
    private var lastBeatNanos: Int64 = .min

    /// What one look at the counters says.
    public enum Look: Equatable {
        case notYetDue
        /// All loops went round. The longest present disk wait goes along.
        case earned(diskWaitNanos: Int64)
        /// These stand still.
        case missing([String])
    }

    public init() {}

    public mutating func add(_ counter: ProgressCounter) { counters.append((counter, counter.value)) }

    /// Looks; at most one beat per `intervalNanos` is earned.
    public mutating func look(nowNanos: Int64, intervalNanos: Int64) -> Look {
        if lastBeatNanos != .min, nowNanos - lastBeatNanos < intervalNanos { return .notYetDue }
        var standing: [String] = []
        var diskWait: Int64 = 0
        for (counter, seen) in counters {
            let wait = counter.diskWaitNanos(nowNanos: nowNanos)
            if counter.reportsDiskWait { diskWait = max(diskWait, wait) }
            if counter.value == seen, wait == 0 { standing.append(counter.name) }
        }
        guard standing.isEmpty else { return .missing(standing) }
        for index in counters.indices { counters[index].seen = counters[index].counter.value }
        lastBeatNanos = nowNanos
        return .earned(diskWaitNanos: diskWait)
    }
}
