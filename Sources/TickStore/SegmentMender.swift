internal import Ticks

/// Completes a stream's records in the order of keys: what is missing between them comes from parts of the log that
/// still exist, from the connector's journal, or becomes a `lost` record. One thread.
struct SegmentMender: ~Copyable {
    private let stream: StreamID
    private let nowNanos: Int64
    private var log: LogHistory
    /// The last key given, or the last one of the file before; nil: the stream begins here.
    private var last: TickKey?
    private var lastTick: Tick?
    /// Records given.
    private(set) var given = 0
    /// Records taken from the log and the journal.
    private(set) var added = 0

    init(stream: StreamID, after last: TickKey?, logDirectory: String, nowNanos: Int64) {
        self.stream = stream
        self.last = last
        self.nowNanos = nowNanos
        log = LogHistory(directory: logDirectory)
    }

    /// The records of a run that go on behind what was given, with what was missing in front of each.
    ///
    /// - Parameters:
    ///   - isDamaged: something that stood in front of the run was destroyed.
    ///   - reached: the last key that stood in what was destroyed; nil: not known.
    mutating func mended(
        _ run: [Tick], isDamaged: Bool = false, reached: TickKey? = nil, with filler: inout JournalFiller
    ) throws(StoreError) -> [Tick] {
        var out: [Tick] = []
        var isDamaged = isDamaged
        if isDamaged, let reached {
            if let first = run.first, reached < MissingKeys.firstKeyCovered(by: first) {
                out += try rest(to: reached, with: &filler)
            }
            isDamaged = false
        }
        for tick in run {
            if let last, tick.key <= last { continue }
            // Nobody knows with which key the stream began: with its epoch's first one at the latest.
            let previous = last ?? (isDamaged ? TickKey(epoch: tick.key.epoch, seq: 0) : nil)
            if let missing = previous.flatMap({ MissingKeys.between($0, tick, isDamaged: isDamaged) }) {
                out += try filling(missing, before: tick, with: &filler)
            }
            isDamaged = false
            out.append(tick)
            last = tick.key
            lastTick = tick
        }
        given += out.count
        return out
    }

    /// What is missing up to a key that is known to have been there.
    mutating func rest(to key: TickKey, with filler: inout JournalFiller) throws(StoreError) -> [Tick] {
        guard let last, let missing = MissingKeys.range(after: last, upTo: key) else { return [] }
        let out = try filling(missing, before: nil, with: &filler)
        given += out.count
        self.last = key
        return out
    }

    /// The records of a range of keys: from the log and the journal as far as they have them, `lost` for the rest.
    private mutating func filling(
        _ missing: ClosedRange<TickKey>, before next: Tick?, with filler: inout JournalFiller
    ) throws(StoreError) -> [Tick] {
        var found: [Tick] = []
        var want = missing.lowerBound
        while want <= missing.upperBound {
            let page = try log.read(stream, from: want, limit: 8192) { found += $0 }
            guard page.goneFirst == nil else {
                want = page.next
                continue
            }
            guard page.records > 0 else { break }
            want = page.next
        }
        if UInt64(found.count) <= missing.upperBound.rawValue - missing.lowerBound.rawValue {
            let inLog = Set(found.map(\.key))
            found += filler.records(of: stream, missing.lowerBound, missing.upperBound).filter {
                !inLog.contains($0.key)
            }
            found.sort { $0.key < $1.key }
        }
        let filled = SegmentMender.filled(
            stream, missing, with: found, before: lastTick, behind: next, nowNanos: nowNanos)
        added += filled.added
        return filled.records
    }

    /// A range of missing keys: the records of it that were found somewhere, and `lost` for the rest.
    ///
    /// - Parameters:
    ///   - found: in the order of keys.
    ///   - before: the record in front of the range; `behind`: the one behind it; nil: not known.
    static func filled(
        _ stream: StreamID, _ missing: ClosedRange<TickKey>, with found: [Tick], before: Tick?, behind: Tick?,
        nowNanos: Int64
    ) -> (records: [Tick], added: Int) {
        var out: [Tick] = []
        var added = 0
        var reached = missing.lowerBound.previous
        func lose(_ keys: ClosedRange<TickKey>, like neighbour: Tick?) {
            out.append(lost(stream, keys, like: neighbour, nowNanos: nowNanos))
        }
        for tick in found where missing.contains(tick.key) {
            // The range's first key is missing, whatever epoch begins behind it; but of a range from the first of all
            // keys on, nobody knows that there was anything before what was found.
            let isDamaged = added == 0 && missing.lowerBound.epoch > 0
            if let hole = MissingKeys.between(reached, tick, isDamaged: isDamaged) {
                lose(hole.clamped(to: missing), like: out.last ?? before ?? tick)
            }
            out.append(tick)
            added += 1
            reached = max(reached, tick.key)
        }
        if let rest = MissingKeys.range(after: reached, upTo: missing.upperBound) {
            lose(rest, like: out.last ?? before ?? behind)
        }
        return (out, added)
    }

    /// A record that says that a range of keys can't be had any more.
    static func lost(
        _ stream: StreamID, _ keys: ClosedRange<TickKey>, like neighbour: Tick?, nowNanos: Int64
    ) -> Tick {
        Tick(
            marker: .lost, of: stream, key: keys.upperBound, tsRecvNanos: neighbour?.tsRecvNanos ?? nowNanos,
            ref: keys.lowerBound, text: Repair.lostText, flags: neighbour?.flags.intersection(.simulated) ?? [])
    }
}
