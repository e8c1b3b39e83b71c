internal import Ticks

/// Knows of each segment of a journal which keys stand in it, and so whether all of them are durable, and which segment
/// may go for the next one. Pure.
///
/// What a segment holds of a stream lies between how far the stream was numbered when the segment was begun and when
/// the next one was. An epoch begins in a segment of its own, so that such keys are of one epoch.
struct JournalLedger {
    private struct Segment {
        let number: UInt64
        let before: [StreamID: StreamPosition]
        /// Nil: it is being written.
        var after: [StreamID: StreamPosition]?
        var isDurable = false
    }

    /// Oldest first.
    private var segments: [Segment] = []
    private let recordsPerSegment: UInt64
    private var durable: [StreamID: TickKey]?

    init(segmentBytes: UInt64) { recordsPerSegment = max(1, segmentBytes / UInt64(Tick.size)) }

    /// What an opened journal holds: the tables with which its segments begin, and how far it is numbered in all.
    init(
        segmentBytes: UInt64, tables: [UInt64: [StreamID: StreamPosition]], positions: [StreamID: StreamPosition]
    ) {
        self.init(segmentBytes: segmentBytes)
        for (number, table) in tables.sorted(by: { $0.key < $1.key }) { begin(number, positions: table) }
        close(positions: positions)
    }

    /// A segment begins; the one before it is complete.
    mutating func begin(_ number: UInt64, positions: [StreamID: StreamPosition]) {
        close(positions: positions)
        segments.append(Segment(number: number, before: positions))
    }

    private mutating func close(positions: [StreamID: StreamPosition]) {
        guard let last = segments.indices.last, segments[last].after == nil else { return }
        segments[last].after = positions
    }

    /// Only these are left.
    mutating func keep(_ numbers: [UInt64]) { segments.removeAll { !numbers.contains($0.number) } }

    /// What the recorder says is durable. A key that falls means that files are
    /// gone: then nothing is taken for granted.
    mutating func noteDurable(_ keys: [StreamID: TickKey]) {
        if let old = durable, keys.contains(where: { $0.value < old[$0.key] ?? .zero }) {
            for index in segments.indices { segments[index].isDurable = false }
        }
        durable = keys
    }

    /// Complete segments of which every record is durable; 0 while nobody has said what is.
    mutating func countDurable() -> Int {
        guard durable != nil else { return 0 }
        var count = 0
        for index in segments.indices where segments[index].after != nil {
            if !segments[index].isDurable { segments[index].isDurable = isDurable(segments[index]) }
            if segments[index].isDurable { count += 1 }
        }
        return count
    }

    /// The segment that goes for a new one, out of those that there are (oldest first): the oldest that is durable.
    /// When each of them holds records that are not, the one with the fewest of these, counted in eighths of a segment,
    /// the oldest of equals: several starts in a row leave segments with hardly anything in them. While nobody has said
    /// what is durable, the oldest. The newest stays as long as there is another.
    mutating func choose(of numbers: [UInt64]) -> UInt64 {
        precondition(!numbers.isEmpty)
        // One that is not known was given out and never begun: it holds nothing.
        if let empty = numbers.last(where: { number in !segments.contains { $0.number == number } }) { return empty }
        let candidates = numbers.count > 1 ? numbers.dropLast() : numbers[...]
        guard durable != nil else { return candidates[candidates.startIndex] }
        _ = countDurable()
        var best: (number: UInt64, eighths: UInt64)?
        for number in candidates {
            let waiting = segments.first { $0.number == number }.map { $0.isDurable ? 0 : waitingRecords($0) } ?? 0
            let eighths = (waiting * 8 + recordsPerSegment - 1) / recordsPerSegment
            if eighths < best?.eighths ?? .max { best = (number, eighths) }
        }
        return best?.number ?? candidates[candidates.startIndex]
    }

    private func isDurable(_ segment: Segment) -> Bool {
        (segment.after ?? [:]).allSatisfy { stream, after in
            after.key <= durable?[stream] ?? .zero || after.key == segment.before[stream]?.key
        }
    }

    /// Records of a segment that are not durable.
    private func waitingRecords(_ segment: Segment) -> UInt64 {
        (segment.after ?? [:]).reduce(0) { sum, entry in
            let after = entry.value.key
            let from = max(segment.before[entry.key]?.key ?? .zero, durable?[entry.key] ?? .zero)
            guard after > from else { return sum }
            return sum + UInt64(after.seq - (from.epoch == after.epoch ? from.seq : 0))
        }
    }
}
