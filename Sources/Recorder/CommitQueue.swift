internal import Glibc
internal import ServiceKit
internal import Synchronization
internal import TickStore
internal import Ticks

/// The bounded queue between the ingest thread and the write thread.
///
/// A fixed number of blocks goes round. When the disk is slow none is free, the ingest thread stops taking ticks, the
/// socket's queue drops, and the connector's journal has them: nothing grows, nothing is lost.
final class CommitQueue: Sendable {
    /// 32 MiB in all; pages that are never needed are never touched.
    static let blockCount = 32

    /// What the write thread tells the ingest thread about the disk.
    struct DiskState: Sendable, Equatable {
        /// Counts failed writes: each means that everything above the durable records must come again.
        var failures = 0
        var isWriting = false
        var fault: String?
        /// Since when the oldest block that was handed over and is not durable has been waiting; nil: none waits.
        var waitingSinceNanos: Int64?
    }

    private struct State: ~Copyable {
        var filled = BlockList()
        var free = BlockList()
        var isClosed = false
        var isAbandoned = false
        /// The newest key of every stream that is known to be published.
        var expected: [StreamID: TickKey] = [:]
        /// At the stop: `expected` is all that there is.
        var isEndKnown = false
        /// Why it is not, in words.
        var endFault: String?
        /// Changes whenever something became durable.
        var progress: UInt64 = 0
        var isRecovered = false
        var disk = DiskState()
        var papers = Papers()
        var durable: [StreamID: StreamPosition] = [:]
        /// The log's clock less the boot clock.
        var logClockOffset: Int64?
        /// The newest record of every stream that is durable or on its way to be.
        var handedOver: [StreamID: StreamPosition] = [:]
        /// When the oldest block that the write thread has taken and not yet made durable was handed over.
        var takenSinceNanos: Int64?
        /// How often the seal thread has asked for a new part, and up to which time that has been done.
        var partsAsked: UInt64 = 0
        var partsBegun: UInt64 = 0

        mutating func recycle(_ block: consuming CommitBlock) {
            block.removeAll()
            free.append(block)
        }
    }

    private let state: Mutex<State>
    /// Rings when blocks were handed over or the queue was closed.
    let forWriter: WakeUp
    /// Rings when blocks came free or the disk's state changed.
    let forIngest: WakeUp

    init() throws(ProgramError) {
        forWriter = try WakeUp()
        forIngest = try WakeUp()
        var initial = State()
        for _ in 0..<CommitQueue.blockCount { initial.free.append(CommitBlock()) }
        state = Mutex(initial)
    }

    // MARK: - Ingest thread

    /// A free block, or nil while the disk has them all.
    func takeFree() -> CommitBlock? { state.withLock { $0.free.popLast() } }

    /// Blocks that `takeFree` would give.
    var freeBlocks: Int { state.withLock { $0.free.count } }

    func handOver(_ block: consuming CommitBlock) {
        var block: CommitBlock? = block
        let now = bootNanos()
        state.withLock { state in
            guard var block = block.take() else { return }
            block.handedOverNanos = now
            // A block from before a failure is only recycled by the writer; its records come again.
            if block.generation == state.disk.failures { state.handedOver.merge(block.newest) { _, new in new } }
            state.filled.append(block)
        }
        forWriter.ring()
    }

    var disk: DiskState {
        state.withLock { state in
            var disk = state.disk
            disk.waitingSinceNanos = state.takenSinceNanos ?? state.filled.firstHandedOverNanos
            return disk
        }
    }

    /// Where an ingest thread begins, or begins again.
    struct Start {
        /// Behind everything that is durable or on its way to be.
        let positions: [StreamID: StreamPosition]
        /// The disk failures that these positions know of. A failure between two looks would leave a hole: what it
        /// takes back would never be asked for again.
        let generation: Int
    }

    var start: Start { state.withLock { Start(positions: $0.handedOver, generation: $0.disk.failures) } }

    /// The newest durable record of every stream.
    var durable: [StreamID: StreamPosition] { state.withLock { $0.durable } }

    /// The time by which hours end and sealed files get old: see `LogClock`. The host's clock before recovery.
    var logNanos: Int64 {
        state.withLock { $0.logClockOffset }.map { bootNanos() + $0 } ?? realNanos()
    }

    /// True once recovery has said where the files end: nothing is taken before.
    var isRecovered: Bool { state.withLock { $0.isRecovered } }

    /// What is known to be published.
    func noteExpected(_ keys: [StreamID: TickKey]) { state.withLock { $0.expected = keys } }

    /// True when every stream is durable up to these keys.
    func isDurable(_ keys: [StreamID: TickKey]) -> Bool {
        state.withLock { state in keys.allSatisfy { state.durable[$0.key]?.key ?? .zero >= $0.value } }
    }

    /// The journal is being read for the last time, which takes its time before anything can become durable.
    func noteDrainProgress() { state.withLock { $0.progress &+= 1 } }

    /// Asks the write thread to keep small files beside the log.
    func keep(_ change: (inout Papers) -> Void) {
        state.withLock { change(&$0.papers) }
        forWriter.ring()
    }

    /// No more blocks will come: the write thread makes durable what it has, and ends.
    func close() {
        state.withLock { $0.isClosed = true }
        forWriter.ring()
    }

    // MARK: - The end

    /// At the stop: whether `noteExpected` has been told of all that there is, and else why not.
    func noteEnd(isKnown: Bool, fault: String?) {
        state.withLock {
            $0.isEndKnown = isKnown
            $0.endFault = fault
        }
    }

    /// What is left of a drain; nil: nobody knows yet what there is.
    var backlogAtEnd: UInt64? { state.withLock { $0.isRecovered && $0.isEndKnown } ? backlog : nil }
    var endFault: String? { state.withLock { $0.endFault } }

    /// Ticks that are known to be published and not durable. Of an epoch before the newest one only the recorder that
    /// reads the journal can know how many there were: they are not counted.
    var backlog: UInt64 {
        state.withLock { state in
            state.expected.reduce(0) { sum, entry in
                let durable = state.durable[entry.key]?.key ?? .zero
                guard entry.value > durable else { return sum }
                let have = durable.epoch == entry.value.epoch ? durable.seq : 0
                return sum + UInt64(entry.value.seq - have)
            }
        }
    }

    /// Changes whenever something became durable.
    var progress: UInt64 { state.withLock { $0.progress } }

    /// Nobody waits any longer for what is not durable: ingest and write thread end as soon as they can.
    func abandon() {
        state.withLock { $0.isAbandoned = true }
        forWriter.ring()
        forIngest.ring()
    }

    var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

    // MARK: - Seal thread

    /// Asks the write thread to begin a new part, so that everything before it is finished. Returns the wish's number.
    func askForPart() -> UInt64 {
        let number = state.withLock { state in
            state.partsAsked += 1
            return state.partsAsked
        }
        forWriter.ring()
        return number
    }

    /// True once a part was begun after the wish.
    func hasBegunPart(_ number: UInt64) -> Bool { state.withLock { $0.partsBegun >= number } }

    // MARK: - Write thread

    /// The newest wish for a part that is not fulfilled; nil when there is none.
    var partWish: UInt64? { state.withLock { $0.partsAsked > $0.partsBegun ? $0.partsAsked : nil } }

    func noteLogClock(offset: Int64) { state.withLock { $0.logClockOffset = offset } }

    /// A part was begun after this wish.
    func noteBegunPart(_ number: UInt64) { state.withLock { $0.partsBegun = max($0.partsBegun, number) } }

    /// The oldest block handed over, nil when there is none, or when nobody waits for it. Blocks filled before the last
    /// failure are skipped.
    func takeFilled() -> CommitBlock? {
        state.withLock { state in
            guard !state.isAbandoned else { return nil }
            while let block = state.filled.popFirst() {
                if block.generation == state.disk.failures {
                    if state.takenSinceNanos == nil { state.takenSinceNanos = block.handedOverNanos }
                    return block
                }
                state.recycle(block)
            }
            return nil
        }
    }

    /// The small files that wait to be written.
    func takePapers() -> Papers {
        state.withLock { state in
            defer { state.papers = Papers() }
            return state.papers
        }
    }

    /// Papers that could not be written come back, unless newer ones wait already.
    func giveBack(_ papers: Papers) { state.withLock { $0.papers = papers.updated(with: $0.papers) } }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Nothing waits to be written.
    var isDrained: Bool { state.withLock { $0.filled.count == 0 } }

    func giveBack(_ block: consuming CommitBlock) {
        var block: CommitBlock? = block
        state.withLock { state in
            if let block = block.take() { state.recycle(block) }
        }
        forIngest.ring()
    }

    /// The disk has shown that it takes records, again or for the first time.
    func noteWriting() {
        state.withLock {
            $0.disk.isWriting = true
            $0.disk.fault = nil
        }
        forIngest.ring()
    }

    /// A write failed: what is queued is forgotten, since replay brings it again from the durable records on.
    func noteFailure(_ fault: String) {
        state.withLock {
            $0.disk.isWriting = false
            $0.disk.failures += 1
            $0.disk.fault = fault
            $0.handedOver = $0.durable
            $0.takenSinceNanos = nil
            while let block = $0.filled.popFirst() { $0.recycle(block) }
        }
        forIngest.ring()
    }

    /// Everything that the write thread has taken is durable.
    func noteDurable(_ newest: [StreamID: StreamPosition]) {
        state.withLock { state in
            if newest.contains(where: { $0.value.key > state.durable[$0.key]?.key ?? .zero }) { state.progress &+= 1 }
            state.durable.merge(newest) { _, new in new }
            state.takenSinceNanos = nil
        }
    }

    /// What recovery found on disk, before the first block.
    func begin(at positions: [StreamID: StreamPosition]) {
        state.withLock {
            $0.durable = positions
            $0.handedOver = positions
            $0.isRecovered = true
            $0.progress &+= 1
        }
        forIngest.ring()
    }
}

/// A small list of blocks (arrays do not hold what can't be copied).
private struct BlockList: ~Copyable {
    private var slots: [32 of CommitBlock?]
    private var first = 0
    private(set) var count = 0

    init() { slots = [32 of CommitBlock?] { _ in nil } }

    /// When the first block was handed over; nil when there is none.
    var firstHandedOverNanos: Int64? {
        guard count > 0 else { return nil }
        switch slots[first] {
        case .some(let block): return block.handedOverNanos
        case .none: return nil
        }
    }

    mutating func append(_ block: consuming CommitBlock) {
        precondition(count < 32)
        slots[(first + count) % 32] = consume block
        count += 1
    }

    mutating func popFirst() -> CommitBlock? {
        guard count > 0 else { return nil }
        let block = slots[first].take()
        first = (first + 1) % 32
        count -= 1
        return block
    }

    mutating func popLast() -> CommitBlock? {
        guard count > 0 else { return nil }
        count -= 1
        return slots[(first + count) % 32].take()
    }
}
