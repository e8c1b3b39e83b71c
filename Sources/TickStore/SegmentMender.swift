internal import Ticks

/// Completes a stream's records in the order of keys: what is missing between them comes from parts of the log that still
/// exist, or becomes a `lost` record. One thread.
struct SegmentMender: ~Copyable {
    private let stream: StreamID
    private let nowNanos: Int64
    private var log: LogHistory
    /// The last key given, or the last one of the file before; nil: the stream begins here.
    private var last: TickKey?
    private var lastTick: Tick?
    /// Records given.
    private(set) var given = 0
    /// Records taken from the log.
    private(set) var added = 0

    init(stream: StreamID, after last: TickKey?, logDirectory: String, nowNanos: Int64) {
        self.stream = stream
        self.last = last
        self.nowNanos = nowNanos
        log = LogHistory(directory: logDirectory)
    }

    /// The records of a run that go on behind what was given, with what was missing in front of each.
    mutating func mended(_ run: [Tick]) throws(StoreError) -> [Tick] {
        var out: [Tick] = []
        for tick in run {
            if let last, tick.key <= last { continue }
            let first = SegmentMender.firstKeyCovered(by: tick)
            if let hole = last.flatMap({ Verify.hole(after: $0, before: first) }) {
                out += try filling(hole, TickKey(rawValue: first.rawValue - 1), before: tick)
            }
            out.append(tick)
            last = tick.key
            lastTick = tick
        }
        given += out.count
        return out
    }

    /// What is missing up to a key that is known to have been there.
    mutating func rest(to key: TickKey) throws(StoreError) -> [Tick] {
        guard let last, last < key else { return [] }
        let out = try filling(last.next, key, before: nil)
        given += out.count
        self.last = key
        return out
    }

    /// The records of a range of keys: from the log as far as it has them, `lost` for the rest.
    private mutating func filling(_ first: TickKey, _ last: TickKey, before next: Tick?) throws(StoreError) -> [Tick] {
        var found: [Tick] = []
        var want = first
        while want <= last {
            let page = try log.read(stream, from: want, limit: 8192) { found += $0 }
            guard page.goneFirst == nil else {
                want = page.next
                continue
            }
            guard page.records > 0 else { break }
            want = page.next
        }
        let filled = SegmentMender.filled(
            stream, first, last, with: found, from: first, before: lastTick, behind: next, nowNanos: nowNanos)
        added += filled.added
        return filled.records
    }

    /// A range of missing keys: the records of it that were found somewhere, and `lost` for the rest.
    ///
    /// - Parameters:
    ///   - found: in the order of keys.
    ///   - from: found records below the range are taken from here on: of an epoch whose end nobody knows.
    ///   - before: the record in front of the range; `behind`: the one behind it; nil: not known.
    static func filled(
        _ stream: StreamID, _ first: TickKey, _ last: TickKey, with found: [Tick], from: TickKey, before: Tick?,
        behind: Tick?, nowNanos: Int64
    ) -> (records: [Tick], added: Int) {
        var out: [Tick] = []
        var added = 0
        var reached = TickKey(rawValue: first.rawValue - 1)
        func lose(_ first: TickKey, _ last: TickKey, like neighbour: Tick?) {
            out.append(lost(stream, first, last, like: neighbour, nowNanos: nowNanos))
        }
        for tick in found where tick.key >= from && tick.key <= last {
            let covered = firstKeyCovered(by: tick)
            if let hole = Verify.hole(after: reached, before: covered), hole >= first {
                lose(hole, TickKey(rawValue: covered.rawValue - 1), like: out.last ?? before ?? tick)
            }
            out.append(tick)
            added += 1
            reached = max(reached, tick.key)
        }
        if reached < last { lose(max(first, reached.next), last, like: out.last ?? before ?? behind) }
        return (out, added)
    }

    /// A record that says that a range of keys can't be had any more.
    static func lost(_ stream: StreamID, _ first: TickKey, _ last: TickKey, like neighbour: Tick?, nowNanos: Int64)
        -> Tick
    {
        Tick(
            marker: .lost, of: stream, key: last, tsRecvNanos: neighbour?.tsRecvNanos ?? nowNanos, ref: first,
            text: Repair.lostText, flags: neighbour?.flags.intersection(.simulated) ?? [])
    }

    /// The first key that a record stands for: its own, or where the range of a `lost` begins.
    static func firstKeyCovered(by tick: Tick) -> TickKey {
        guard tick.kindByte == TickKind.marker.rawValue, let marker = tick.marker, marker.event == .lost,
            marker.ref <= tick.key
        else { return tick.key }
        return marker.ref
    }
}
