internal import TickStore
internal import Ticks

/// What nobody has any more is written down as lost: exactly what is missing, as far as that is known, and never less.
extension Sequencer {
    /// Replay no longer has the keys below `first`: they are lost, and the records that say so are
    /// committed. What is held among them is not lost. Where `first` begins an epoch, its record tells how
    /// far the run before went: it is waited for.
    ///
    /// - Parameter nowNanos: the host's real-time clock, for records of our own.
    mutating func fetchGone(first: TickKey, sink: inout some CommitSink & ~Copyable, nowNanos: Int64) {
        guard let slot = openFetch, first > streams[slot].last.key else { return }
        // That is an answer: what it still has comes with the next one.
        streams[slot].driedUpAtNanos = nil
        guard settle(slot, below: first, cause: .gone, sink: &sink, nowNanos: nowNanos), sink.freeRecords > 1 else {
            ignoresPage = true
            return
        }
        if first.seq == 1, first.epoch > streams[slot].last.key.epoch {
            streams[slot].goneFirst = first
        } else {
            lose(before: first, chain: nil, slot: slot, cause: .gone, sink: &sink, nowNanos: nowNanos)
        }
    }

    /// Before a page's next records are taken. They begin another epoch: what is held of the one before comes first,
    /// and what their first record says to be missing is lost, since it was asked for. False when the page can't be
    /// taken on: there is no room, or something else has to be asked for.
    mutating func cross(
        to first: Tick, slot: Int, sink: inout some CommitSink & ~Copyable, nowNanos: Int64
    ) -> Bool {
        guard first.seq == 1, first.epoch > streams[slot].last.key.epoch else { return true }
        let cause: Loss = streams[slot].goneFirst == nil ? .absent : .gone
        let wasNew = streams[slot].last.key == .zero
        guard settle(slot, below: first.key, cause: cause, sink: &sink, nowNanos: nowNanos) else { return false }
        // What was held may have been of this epoch already.
        guard first.epoch > streams[slot].last.key.epoch else { return true }
        // Who asks for all that there is hears nothing of what is missing behind
        // the records that he holds: he asks again.
        if wasNew, streams[slot].last.key > .zero { return false }
        guard sink.freeRecords > 1 else { return false }
        lose(before: first.key, chain: first.chain, slot: slot, cause: cause, sink: &sink, nowNanos: nowNanos)
        return true
    }

    /// A key is known to exist and replay has nothing: after `dryNanos` of that the range is written down as lost.
    ///
    /// - Parameters:
    ///   - nowNanos: of the clock that never falls, for waiting times.
    ///   - realNanos: the host's real-time clock, for records of our own.
    mutating func noteDry(
        _ slot: Int, sink: inout some CommitSink & ~Copyable, nowNanos: Int64, realNanos: Int64
    ) {
        guard let since = streams[slot].driedUpAtNanos else {
            streams[slot].driedUpAtNanos = nowNanos
            return
        }
        guard nowNanos - since >= Sequencer.dryNanos, sink.freeRecords > 1 else { return }
        streams[slot].driedUpAtNanos = nil
        let next = streams[slot].held.first?.firstRecord
        let gone = streams[slot].goneFirst
        streams[slot].goneFirst = nil
        lose(
            before: next?.key ?? gone ?? streams[slot].highest.next, chain: next?.chain, slot: slot, cause: .dry,
            sink: &sink,
            nowNanos: realNanos)
        drain(slot, sink: &sink)
    }

    /// Commits what is held below a key, and writes down what is missing before each of the held runs.
    /// False when the sink has no room to go on.
    private mutating func settle(
        _ slot: Int, below limit: TickKey, cause: Loss, sink: inout some CommitSink & ~Copyable, nowNanos: Int64
    ) -> Bool {
        trimHeld(slot)
        while true {
            drain(slot, sink: &sink)
            guard !streams[slot].heldIsNext else { return false }
            guard let next = streams[slot].held.first?.firstRecord, next.key < limit else { return true }
            guard sink.freeRecords > 1 else { return false }
            lose(before: next.key, chain: next.chain, slot: slot, cause: cause, sink: &sink, nowNanos: nowNanos)
        }
    }

    /// Nobody has what is missing between the committed records and a key. From here on that key is next.
    private mutating func lose(
        before next: TickKey, chain: StreamOrder.Chain?, slot: Int, cause: Loss,
        sink: inout some CommitSink & ~Copyable,
        nowNanos: Int64
    ) {
        let last = streams[slot].last.key
        if let range = StreamOrder.missing(after: last, before: next, chain: chain, endIsKnown: cause == .absent) {
            let marker = Tick(
                marker: .lost, of: streams[slot].stream, key: range.upperBound, tsRecvNanos: nowNanos,
                ref: range.lowerBound, text: cause.text, flags: ownFlags)
            counters.lostRanges += 1
            if losses.count < Sequencer.lossesKept {
                losses.append(LostKeys(stream: streams[slot].stream, range: range, why: cause.text))
            }
            withUnsafePointer(to: marker) {
                commit(UnsafeBufferPointer(start: $0, count: 1), slot: slot, sink: &sink)
            }
        }
        if next.seq == 1, next.epoch > last.epoch { streams[slot].nextEpoch = next.epoch }
    }

    /// A range that was written down as lost.
    struct LostKeys: Equatable {
        let stream: StreamID
        let range: ClosedRange<TickKey>
        let why: String
    }

    /// Of so many at most it is told which keys they are; all are counted.
    private static let lossesKept = 256

    /// What was written down as lost since the last call.
    mutating func takeLosses() -> [LostKeys] {
        guard !losses.isEmpty else { return [] }
        defer { losses.removeAll() }
        return losses
    }

    /// Why keys are lost: the text of their record.
    enum Loss {
        /// The journal says that it no longer has them, or that it can't tell what there was.
        case gone
        /// A page of the journal is without them, although the next epoch's first record names them, or they are held.
        case absent
        /// They are known to exist, and the journal has given nothing for a while: it never got them.
        case dry

        var text: String { self == .gone ? "journal gone" : "not in journal" }
    }
}
