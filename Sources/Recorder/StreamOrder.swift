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

        /// Gives memory back. Under a feed that is as fast as the disk a run's end may never be reached: it would keep
        /// all that ever went through it.
        mutating func forgetConsumed() {
            guard consumed >= 16_384, consumed * 2 >= records.count else { return }
            records.removeFirst(consumed)
            consumed = 0
        }

        var firstRecord: Tick { records[consumed] }
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
    /// Nothing more can come of the last record's epoch and of those up to this one: its first record is next.
    var nextEpoch: UInt32?
    /// Replay has nothing below this key, which begins an epoch: how much is lost its record tells.
    var goneFirst: TickKey?
    /// When replay first had nothing to give although a later key is known; nil while it gives.
    var driedUpAtNanos: Int64?
    /// Replay had nothing just now: it is asked again then.
    var notBeforeNanos = Int64.min

    init(_ stream: StreamID) { self.stream = stream }

    /// What the first record of an epoch says of the keys before it.
    typealias Chain = (previous: TickKey, isCertain: Bool)

    /// The held runs begin exactly where the committed records end. An epoch whose end was written down as lost is
    /// followed by the next one's beginning, where nothing can have been numbered between the two.
    var heldIsNext: Bool {
        guard let next = held.first?.firstRecord else { return false }
        if next.key == last.key.next || isOver(before: next.key) { return true }
        guard last.key.seq == .max, next.key.epoch > last.key.epoch, next.key.seq == 1 else { return false }
        if next.key.epoch == last.key.epoch + 1 { return true }
        guard let chain = next.chain else { return false }
        return chain.isCertain && chain.previous <= last.key
    }

    /// It is settled that the record which begins this key's epoch comes behind the last one.
    func isOver(before key: TickKey) -> Bool { key.seq == 1 && key.epoch == nextEpoch }

    /// What is missing between the last key and the next one that there is. Nil: nothing.
    ///
    /// Inside an epoch that is exact. Where the next record begins an epoch, its chain tells; without a certain one the
    /// last epoch may have gone on for ever, and others may have been in between: all that is possible. Of a stream of
    /// which nothing is committed only the epoch of the first key that is known counts.
    ///
    /// - Parameters:
    ///   - chain: of the record with the next key; nil: not known.
    ///   - endIsKnown: somebody vouches that nothing was numbered before the next epoch but what its chain names.
    static func missing(
        after last: TickKey, before next: TickKey, chain: Chain?, endIsKnown: Bool
    ) -> ClosedRange<TickKey>? {
        let begins = next.seq == 1 && next.epoch > last.epoch
        let previous = begins ? chain?.previous ?? .zero : .zero
        let end: TickKey
        if !begins {
            end = TickKey(rawValue: next.rawValue &- 1)
        } else if last == .zero || endIsKnown || chain?.isCertain == true && previous >= last {
            end = previous
        } else {
            end = TickKey(epoch: next.epoch - 1, seq: .max)
        }
        let start = last == .zero ? TickKey(epoch: end.epoch, seq: 1) : last.following
        return start <= end ? start...end : nil
    }

    /// Replay is asked for what is missing, or for the record behind what it no longer has.
    var waitsForKeys: Bool { hasHole || goneFirst != nil }

    /// Something is missing between the committed records and what is known to exist.
    var hasHole: Bool { heldIsNext ? false : !held.isEmpty || highest > last.key }
}
