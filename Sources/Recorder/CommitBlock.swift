internal import TickStore
internal import Ticks

/// Records on their way from the ingest thread to the write thread, and what they change.
///
/// One owner at a time: the ingest thread while it fills, then the queue, then the write thread, then the queue again.
///
/// Sendable because it can't be copied: whoever has it is the only one who can reach its memory.
struct CommitBlock: ~Copyable, @unchecked Sendable {
    /// 1 MiB of records: one block of the tick log.
    static let capacity = 16_384

    let records: UnsafeMutablePointer<Tick>
    private(set) var count = 0
    /// The number of disk failures that the ingest thread knew of: a block from
    /// before a failure is not written after it.
    var generation = 0
    /// The commit interval is over: make durable what has come so far.
    var isCommit = false
    /// Boot clock; set by the queue.
    var handedOverNanos: Int64 = 0
    /// The newest record of each stream that has one in this block.
    private(set) var newest: [StreamID: StreamPosition] = [:]
    /// The newest receive time of a live tick whose host's clock was not known to be wrong; nil: none in this block.
    private(set) var goodNanos: Int64?

    init() { records = .allocate(capacity: CommitBlock.capacity) }

    deinit { records.deallocate() }

    var free: Int { CommitBlock.capacity - count }

    /// Precondition: all fit.
    mutating func append(_ run: UnsafeBufferPointer<Tick>, of stream: StreamID) {
        precondition(run.count <= free && !run.isEmpty)
        (records + count).initialize(from: run.baseAddress!, count: run.count)
        count += run.count
        let last = run[run.count - 1]
        newest[stream] = StreamPosition(last)
        if last.kindByte != TickKind.marker.rawValue, last.flags.isDisjoint(with: [.clockBad, .healed]) {
            goodNanos = max(goodNanos ?? .min, last.tsRecvNanos)
        }
    }

    mutating func removeAll() {
        count = 0
        isCommit = false
        goodNanos = nil
        newest.removeAll(keepingCapacity: true)
    }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: records, count: count * Tick.size) }
}
