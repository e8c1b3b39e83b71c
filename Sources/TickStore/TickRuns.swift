internal import Ticks

/// A block's payload as records.
struct TickRuns {
    let ticks: UnsafeBufferPointer<Tick>

    init(ticks: UnsafeBufferPointer<Tick>) { self.ticks = ticks }

    /// The payload of a block with codec `records`; aligned, since blocks and buffers are.
    init(payload: UnsafeRawBufferPointer) { ticks = payload.bindMemory(to: Tick.self) }

    /// Calls `body` for every longest run of records of one stream, in order. Records that name no stream (from a later
    /// version) are passed over.
    func forEach(_ body: (StreamID, UnsafeBufferPointer<Tick>) -> Void) {
        var start = 0
        while start < ticks.count {
            let end = runEnd(from: start)
            if let stream = ticks[start].stream {
                body(stream, UnsafeBufferPointer(rebasing: ticks[start..<end]))
            }
            start = end
        }
    }

    /// Where the run of one stream that begins at `start` ends.
    func runEnd(from start: Int) -> Int {
        let first = ticks[start]
        let kind = first.streamKindByte
        var end = start + 1
        while end < ticks.count {
            let tick = ticks[end]
            guard tick.conId == first.conId, tick.streamKindByte == kind, tick.source == first.source else { break }
            end += 1
        }
        return end
    }
}

extension UnsafeBufferPointer where Element == Tick {
    /// At most `wanted` records from the front without parting a `more` record from its tick; the first tick comes with
    /// all of its own even if they are more than wanted.
    func prefixWithoutParting(_ wanted: Int) -> Int {
        guard wanted < count else { return count }
        var cut = Swift.max(1, wanted)
        while cut > 1, self[cut].kindByte == TickKind.more.rawValue { cut -= 1 }
        guard cut < count, self[cut].kindByte == TickKind.more.rawValue else { return cut }
        while cut < count, self[cut].kindByte == TickKind.more.rawValue { cut += 1 }
        return cut
    }
}
