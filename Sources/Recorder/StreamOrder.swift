internal import TickStore
internal import Ticks

extension StreamPosition {
    /// Nothing was committed yet.
    static let none = StreamPosition(key: .zero, tsEventNanos: Tick.noEventTime, tsRecvNanos: 0)
}

/// Where committed records go. The sequencer commits a stream strictly in key order.
protocol CommitSink: ~Copyable {
    /// How many records `commit` takes before the writer must have made room. The sequencer never commits more.
    var freeRecords: Int { get }
    /// Takes records of one stream, already in order; `slot` is the sequencer's number of the stream.
    mutating func commit(_ records: UnsafeBufferPointer<Tick>, slot: Int)
}

/// One stream's place in the order: what is committed, and what waits beyond a hole.
struct StreamOrder {
    /// Records received beyond a hole, in key order and without a hole inside.
    struct Run {
        var records: [Tick]
        /// Records at the front that are already committed.
        var consumed = 0

        /// Gives memory back. Under a feed that is as fast as the disk a run's end may never be reached: it would keep all
        /// that ever went through it.
        mutating func forgetConsumed() {
            guard consumed >= 16_384, consumed * 2 >= records.count else { return }
            records.removeFirst(consumed)
            consumed = 0
        }

        var first: TickKey { records[consumed].key }
        var last: TickKey { records[records.count - 1].key }
    }

    enum Fetch: Equatable {
        case none
        case queued
        case open
    }

    let stream: StreamID
    var last = StreamPosition.none
    var held: [Run] = []
    /// The greatest key known to exist, from ticks, held runs and the connector's watermarks.
    var highest = TickKey.zero
    var fetch = Fetch.none
    /// When replay first had nothing to give although a later key is known; nil while it gives.
    var driedUpAtNanos: Int64?

    init(_ stream: StreamID) { self.stream = stream }

    /// The held runs begin exactly where the committed records end. An epoch whose end was written down as lost is
    /// followed by the next one's beginning.
    var heldIsNext: Bool {
        guard let first = held.first?.first else { return false }
        return first == last.key.next || (last.key.seq == .max && first.epoch > last.key.epoch && first.seq == 1)
    }

    /// Something is missing between the committed records and what is known to exist.
    var hasHole: Bool { heldIsNext ? false : !held.isEmpty || highest > last.key }
}
