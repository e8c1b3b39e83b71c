internal import TickStore
internal import Ticks

/// Puts each stream's records into strict key order, whatever arrives: the recorder's decisions, apart from its I/O.
///
/// Live batches that continue a stream are committed at once. What lies beyond a hole is held back (bounded; when full
/// the newest is dropped, the connector's journal has it) while the hole is fetched by replay. What replay can't give
/// any more becomes a `lost` record (`Sequencer+Holes`). Where an epoch ends its successor's first record names the
/// last key before it (`epoch_begun`): what lies between that and the last committed one is a hole like any other. A
/// key that is not above the last committed one is a duplicate. Owner: the ingest thread.
///
/// Source: docs/decisions.md#committed-in-order.
struct Sequencer {
    /// What a fetch asks for: the first key wanted.
    struct FetchRequest: Equatable {
        let slot: Int
        let stream: StreamID
        let from: TickKey
    }

    struct Counters: Equatable {
        var committed: UInt64 = 0
        var duplicates: UInt64 = 0
        /// Batches that broke the feed's rules (mixed streams, keys not rising).
        var malformed: UInt64 = 0
        /// Ranges asked for by replay.
        var fetches: UInt64 = 0
        /// Records that came by replay.
        var replayed: UInt64 = 0
        /// Records dropped because the hold-back buffer was full; they come by replay.
        var heldDropped: UInt64 = 0
        var lostRanges: UInt64 = 0
        /// Live records of an epoch below the one already committed: a dead connector's last words, replayed meanwhile.
        var staleEpoch: UInt64 = 0
    }

    /// How long replay may answer "nothing" to a key that is known to exist before the range counts as lost: the tick
    /// was published although its journal append failed.
    static let dryNanos: Int64 = 2_000_000_000
    /// How soon such a stream is asked for again. The others need not wait meanwhile.
    static let dryRetryNanos: Int64 = 50_000_000

    var streams: [StreamOrder] = []
    private var slotOf: [StreamID: Int] = [:]
    private var fetchQueue: [Int] = []
    private(set) var openFetch: Int?
    /// The open page can't be taken on: what is left of it comes again.
    var ignoresPage = false
    private(set) var heldBytes = 0
    let holdBackBytes: Int
    var counters = Counters()
    /// What was written down as lost since it was told last; see `takeLosses`.
    var losses: [LostKeys] = []
    /// Flags for records of the recorder's own making (`simulated` in a simulated root).
    var ownFlags: TickFlags = []
    /// The newest epoch that the connector announced.
    private(set) var epoch: UInt32 = 0
    /// Set when the connector's epoch is below one already committed: it has to renumber. Cleared by the reader.
    var epochConflict: UInt32?

    init(holdBackBytes: Int, recovered: [StreamID: StreamPosition] = [:]) {
        self.holdBackBytes = holdBackBytes
        for (stream, last) in recovered.sorted(by: { $0.key < $1.key }) {
            let slot = self.slot(for: stream)
            streams[slot].last = last
            streams[slot].highest = last.key
        }
    }

    /// The stream's number; new streams get the next one.
    mutating func slot(for stream: StreamID) -> Int {
        if let slot = slotOf[stream] { return slot }
        let slot = streams.count
        streams.append(StreamOrder(stream))
        slotOf[stream] = slot
        return slot
    }

    // MARK: - Live feed

    /// Takes one batch of the live feed. Commits it, holds it, or drops what is known already.
    mutating func live(
        _ records: UnsafeBufferPointer<Tick>, sink: inout some CommitSink & ~Copyable, nowNanos: Int64
    ) {
        guard let first = records.first, let stream = first.stream, stream.hasRun(records) else {
            counters.malformed += 1
            return
        }
        let slot = slot(for: stream)
        announce(epoch: first.epoch)
        guard first.epoch >= streams[slot].last.key.epoch else {
            counters.staleEpoch += UInt64(records.count)
            return
        }
        let lastKey = streams[slot].last.key
        if streams[slot].held.isEmpty, first.key == lastKey.next, sink.freeRecords >= records.count {
            commit(records, slot: slot, sink: &sink)
            return
        }
        hold(records, slot: slot)
        if streams[slot].hasHole { queueFetch(slot) } else { drain(slot, sink: &sink) }
    }

    private mutating func hold(_ records: UnsafeBufferPointer<Tick>, slot: Int) {
        // What the stream already has, committed or held, is a repeat.
        let known = max(streams[slot].last.key, streams[slot].held.last?.last ?? .zero)
        let skip = records.firstIndex { $0.key > known } ?? records.count
        counters.duplicates += UInt64(skip)
        guard skip < records.count else { return }
        streams[slot].highest = max(streams[slot].highest, records[records.count - 1].key)
        let bytes = (records.count - skip) * Tick.size
        guard heldBytes + bytes <= holdBackBytes else {
            counters.heldDropped += UInt64(records.count - skip)
            return
        }
        heldBytes += bytes
        let fresh = Array(records[skip...])
        if let last = streams[slot].held.indices.last, streams[slot].held[last].last.next == fresh[0].key {
            streams[slot].held[last].records.append(contentsOf: fresh)
        } else {
            streams[slot].held.append(StreamOrder.Run(records: fresh))
        }
    }

    // MARK: - Watermarks

    /// The connector's newest numbers: what they say exists and has not come is a hole.
    mutating func watermark(epoch: UInt32, stream: StreamID, seq: UInt32) {
        let slot = slot(for: stream)
        announce(epoch: epoch)
        let committed = streams[slot].last.key.epoch
        guard epoch >= committed else {
            epochConflict = max(epochConflict ?? 0, committed)
            return
        }
        guard seq > 0 else { return }
        streams[slot].highest = max(streams[slot].highest, TickKey(epoch: epoch, seq: seq))
        if streams[slot].hasHole { queueFetch(slot) }
    }

    /// A new epoch means a new connector: every stream's tail of the old epoch is asked for, also if it never ticks
    /// again.
    mutating func announce(epoch: UInt32) {
        guard epoch > self.epoch else { return }
        self.epoch = epoch
        for slot in streams.indices where streams[slot].last.key.epoch < epoch { queueFetch(slot) }
    }

    /// The newest key of every stream that is known to exist.
    var highestKeys: [StreamID: TickKey] {
        Dictionary(streams.lazy.filter { $0.highest > .zero }.map { ($0.stream, $0.highest) }) { first, _ in first }
    }

    /// Somebody who read the journal says that these keys exist.
    mutating func expect(_ keys: [StreamID: TickKey]) {
        for (stream, key) in keys {
            let slot = slot(for: stream)
            streams[slot].highest = max(streams[slot].highest, key)
        }
    }

    /// True when the stream is committed up to a key.
    func hasCommitted(_ stream: StreamID, upTo key: TickKey) -> Bool {
        (slotOf[stream].map { streams[$0].last.key } ?? .zero) >= key
    }

    // MARK: - Replay

    /// Opens a fetch of this stream, out of turn; nil while another one is open.
    mutating func openFetch(of stream: StreamID) -> FetchRequest? {
        guard openFetch == nil else { return nil }
        let slot = slot(for: stream)
        fetchQueue.removeAll { $0 == slot }
        streams[slot].fetch = .queued
        fetchQueue.insert(slot, at: 0)
        return nextFetch()
    }

    /// The next range to ask for, if none is being asked for.
    ///
    /// - Parameter nowNanos: of the clock that never falls: streams for which replay just had nothing are not due yet.
    mutating func nextFetch(nowNanos: Int64 = .max) -> FetchRequest? {
        guard openFetch == nil, let index = fetchQueue.firstIndex(where: { streams[$0].notBeforeNanos <= nowNanos })
        else { return nil }
        let slot = fetchQueue.remove(at: index)
        streams[slot].fetch = .open
        openFetch = slot
        let last = streams[slot].last.key
        // Without any record of ours the journal gives all that it has. Below what it said to be its first it has
        // nothing.
        let from = streams[slot].goneFirst ?? (last == .zero ? .zero : last.next)
        return FetchRequest(slot: slot, stream: streams[slot].stream, from: from)
    }

    /// Records of the open fetch, in order from the key asked for. False when they break the protocol's rules.
    ///
    /// The server's page is whole: a new epoch in it begins with seq 1, and nothing is left out inside an epoch.
    ///
    /// - Parameter nowNanos: the host's real-time clock, for records of our own.
    mutating func fetched(
        _ records: UnsafeBufferPointer<Tick>, sink: inout some CommitSink & ~Copyable, nowNanos: Int64
    ) -> Bool {
        guard let slot = openFetch, streams[slot].fetch == .open else { return false }
        let stream = streams[slot].stream
        var start = 0
        while start < records.count {
            var end = start + 1
            while end < records.count, records[end].epoch == records[start].epoch { end += 1 }
            let run = UnsafeBufferPointer(rebasing: records[start..<end])
            guard stream.hasRun(run) else {
                counters.malformed += 1
                return false
            }
            guard !ignoresPage, cross(to: run[0], slot: slot, sink: &sink, nowNanos: nowNanos) else {
                ignoresPage = true
                return true
            }
            let last = streams[slot].last.key
            let skip = run.firstIndex { $0.key > last } ?? run.count
            counters.duplicates += UInt64(skip)
            if skip < run.count {
                let fresh = UnsafeBufferPointer(rebasing: run[skip...])
                guard fresh[0].key == last.next || streams[slot].isOver(before: fresh[0].key) else {
                    counters.malformed += 1
                    return false
                }
                streams[slot].driedUpAtNanos = nil
                let taken = commitWhatFits(fresh, slot: slot, sink: &sink)
                counters.replayed += UInt64(taken)
                if taken < fresh.count {
                    // What was held before these has used up the room.
                    ignoresPage = true
                    return true
                }
            }
            start = end
        }
        return true
    }

    /// The open fetch's page is complete; `gave` records of it were new. False: nothing came although something is
    /// known to be missing; it is asked for again in a while.
    ///
    /// - Parameters:
    ///   - nowNanos: of the clock that never falls, for waiting times.
    ///   - realNanos: the host's real-time clock, for records of our own.
    mutating func fetchEnded(
        sink: inout some CommitSink & ~Copyable, gave: Int, nowNanos: Int64, realNanos: Int64
    ) -> Bool {
        guard let slot = openFetch else { return true }
        let wasIgnored = ignoresPage
        closeFetch()
        trimHeld(slot)
        drain(slot, sink: &sink)
        if gave > 0 || wasIgnored {
            queueFetch(slot)  // until a page brings nothing new: only then is the end reached
            return true
        }
        guard streams[slot].waitsForKeys else { return true }
        noteDry(slot, sink: &sink, nowNanos: nowNanos, realNanos: realNanos)
        if streams[slot].waitsForKeys {
            streams[slot].notBeforeNanos = nowNanos + Sequencer.dryRetryNanos
            queueFetch(slot)
        }
        return false
    }

    /// Nobody answered, or not by the rules: the range is asked for again later.
    mutating func fetchFailed() {
        guard let slot = openFetch else { return }
        closeFetch()
        queueFetch(slot)
    }

    private mutating func closeFetch() {
        guard let slot = openFetch else { return }
        streams[slot].fetch = .none
        openFetch = nil
        ignoresPage = false
    }

    private mutating func queueFetch(_ slot: Int) {
        guard streams[slot].fetch == .none else { return }
        counters.fetches += 1
        streams[slot].fetch = .queued
        fetchQueue.append(slot)
    }

    // MARK: - Commit

    /// Commits held runs that have become next, as far as the sink has room. Called again when it has more.
    mutating func drainAll(sink: inout some CommitSink & ~Copyable) {
        guard heldBytes > 0 else { return }
        for slot in streams.indices where streams[slot].heldIsNext { drain(slot, sink: &sink) }
    }

    mutating func drain(_ slot: Int, sink: inout some CommitSink & ~Copyable) {
        while streams[slot].heldIsNext {
            let run = streams[slot].held[0]
            let count = run.records.withUnsafeBufferPointer { records in
                commitWhatFits(UnsafeBufferPointer(rebasing: records[run.consumed...]), slot: slot, sink: &sink)
            }
            guard count > 0 else { return }
            heldBytes -= count * Tick.size
            if run.consumed + count == run.records.count {
                streams[slot].held.removeFirst()
            } else {
                streams[slot].held[0].consumed += count
                streams[slot].held[0].forgetConsumed()
            }
        }
        if streams[slot].hasHole { queueFetch(slot) }
    }

    /// Forgets held records that replay has delivered meanwhile.
    mutating func trimHeld(_ slot: Int) {
        let last = streams[slot].last.key
        while let run = streams[slot].held.first, run.first <= last {
            let keep = run.records[run.consumed...].firstIndex { $0.key > last } ?? run.records.count
            heldBytes -= (keep - run.consumed) * Tick.size
            counters.duplicates += UInt64(keep - run.consumed)
            if keep == run.records.count {
                streams[slot].held.removeFirst()
            } else {
                streams[slot].held[0].consumed = keep
                streams[slot].held[0].forgetConsumed()
            }
        }
    }

    /// More `more` records than any tick has.
    private static let longestGroup = 256

    /// Commits the next records as far as the sink has room, and says how many that were. A tick stays with its `more`
    /// records, unless there is no end of them: a feed that breaks this is parted, and does not wait for ever.
    private mutating func commitWhatFits(
        _ records: UnsafeBufferPointer<Tick>, slot: Int, sink: inout some CommitSink & ~Copyable
    ) -> Int {
        let room = sink.freeRecords
        var count = groupEnd(records, from: 0, atMost: room)
        if count == 0, room >= Sequencer.longestGroup { count = min(Sequencer.longestGroup, records.count) }
        guard count > 0 else { return 0 }
        commit(UnsafeBufferPointer(rebasing: records[..<count]), slot: slot, sink: &sink)
        return count
    }

    /// Commits the next records; the sink has room for them.
    mutating func commit(
        _ records: UnsafeBufferPointer<Tick>, slot: Int, sink: inout some CommitSink & ~Copyable
    ) {
        let newest = records[records.count - 1]
        sink.commit(records, slot: slot)
        counters.committed += UInt64(records.count)
        streams[slot].last = StreamPosition(newest)
        streams[slot].nextEpoch = nil
        if let gone = streams[slot].goneFirst, newest.key >= gone { streams[slot].goneFirst = nil }
        streams[slot].highest = max(streams[slot].highest, newest.key)
    }

    /// The disk lost what was above the durable keys: everything since is fetched again.
    mutating func rewind(to durable: [StreamID: StreamPosition]) {
        closeFetch()
        fetchQueue.removeAll()
        heldBytes = 0
        for slot in streams.indices {
            let target = durable[streams[slot].stream] ?? .none
            streams[slot].held.removeAll()
            streams[slot].fetch = .none
            streams[slot].highest = max(streams[slot].highest, streams[slot].last.key)
            streams[slot].last = target
            streams[slot].driedUpAtNanos = nil
            streams[slot].notBeforeNanos = .min
            streams[slot].nextEpoch = nil
            streams[slot].goneFirst = nil
            queueFetch(slot)
        }
    }

    /// When the next range is due to be asked for; nil: none waits, or one is being asked for.
    var fetchDueNanos: Int64? { openFetch == nil ? fetchQueue.lazy.map { streams[$0].notBeforeNanos }.min() : nil }

    /// True while something known to exist is not committed, or a range is being asked for.
    var isCatchingUp: Bool { openFetch != nil || !fetchQueue.isEmpty || heldBytes > 0 }
}
