internal import TickStore
internal import Ticks

/// Recorded streams that nobody wants any more and that this run has not numbered
/// yet: whether something of them is missing.
///
/// A stream that leaves the configuration takes its gaps with it: they would wait for ever. Which streams are recorded
/// the recorder's reports of what is durable say. Each is looked at once, and again when it has grown. Whatever its
/// source: a recorder has one connector at a time, and no other one would ever ask for what a removed venue lacks.
struct AbandonedStreams {
    /// So many are taken over in one run: each has a place among the streams from
    /// then on. The others follow in the next.
    static let limit = 768
    /// So long after a look that led to nothing, or was not answered.
    static let againNanos: Int64 = 30_000_000_000

    private let board: DurableBoard
    /// Of these nothing is missing up to this key.
    private var settled: [StreamID: TickKey] = [:]
    private var notBeforeNanos: [StreamID: Int64] = [:]
    private var taken: Set<StreamID> = []

    init(_ board: DurableBoard) { self.board = board }

    /// The stream to look at now; it is not named again for a while.
    mutating func next(among positions: HealPositions, nowNanos now: Int64) -> StreamID? {
        guard taken.count < AbandonedStreams.limit else { return nil }
        let due = (board.keys ?? [:]).filter { stream, key in
            (positions.streams[stream]?.key.seq ?? 0) == 0 && settled[stream] ?? .zero < key
                && notBeforeNanos[stream] ?? .min <= now
        }
        guard let stream = due.keys.min() else { return nil }
        notBeforeNanos[stream] = now + AbandonedStreams.againNanos
        return stream
    }

    /// True when it has to be taken over.
    ///
    /// - Parameters:
    ///   - report: the recorder's word on its gaps.
    ///   - isOver: its last record says that nobody wants it.
    mutating func isMissed(_ stream: StreamID, _ report: GapReport, isOver: Bool) -> Bool {
        // Too long ago for any history, or not read yet.
        guard report.last > .zero else { return false }
        guard isOver, !report.gaps.contains(where: { !$0.state.isFinal || $0.state == .partly }) else {
            taken.insert(stream)
            return true
        }
        settled[stream] = report.last
        return false
    }
}
