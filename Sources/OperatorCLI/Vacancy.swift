internal import ServiceKit
internal import TickStore
internal import Ticks

/// A time of which no tick is recorded: the nearest ones around it, and why there is none.
struct Vacancy {
    /// When the last tick before the time was received (a healed one, or one of a wrong clock:
    /// the gateway's time); nil: there is none.
    let beforeNanos: Int64?
    /// The first one behind it.
    let afterNanos: Int64?
    /// What is known to have kept ticks away; nil: nothing is.
    let cause: String?

    private static let hourNanos: Int64 = 3_600_000_000_000

    init(of explanation: Explanation, _ ledger: GapLedger, _ state: String) throws(ProgramError) {
        let (from, to) = (explanation.fromNanos, explanation.toNanos)
        let stream = explanation.stream
        beforeNanos = try Vacancy.nearest(from, .min, stream, state, isBefore: true)
        afterNanos = try Vacancy.nearest(to, .max, stream, state, isBefore: false)
        let gaps = ledger.gaps.filter { $0.fromNanos ?? .min < to && $0.toNanos ?? .max >= from }
        if let gap = gaps.last {
            cause = "\(gap.state.rawValue) gap: \(gap.cause)"
        } else if beforeNanos == nil {
            cause = "the recording of this stream begins later"
        } else if afterNanos == nil {
            cause = "nothing of this stream is recorded since"
        } else {
            cause = nil
        }
    }

    /// Looks further and further away, so that a near tick costs little.
    private static func nearest(
        _ moment: Int64, _ end: Int64, _ stream: StreamID, _ state: String, isBefore: Bool
    ) throws(ProgramError) -> Int64? {
        var reach = hourNanos
        var near = moment
        while near != end {
            let (sum, overflow) =
                isBefore ? moment.subtractingReportingOverflow(reach) : moment.addingReportingOverflow(reach)
            let far = overflow || reach > 4_096 * hourNanos ? end : sum
            let found = try tick(in: isBefore ? far..<near : near..<far, stream, state, isLast: isBefore)
            if let found { return found }
            near = far
            reach = overflow ? reach : reach * 8
        }
        return nil
    }

    private static func tick(
        in range: Range<Int64>, _ stream: StreamID, _ state: String, isLast: Bool
    ) throws(ProgramError) -> Int64? {
        var reader = try CatSelection.reader(
            "explain", state: state,
            TickReader.Selection(
                streams: [stream], fromNanos: range.lowerBound, toNanos: range.upperBound, order: .arrival))
        var found: Int64?
        while let run = try CatSelection.next("explain", &reader) {
            for tick in run.ticks where tick.kindByte < TickKind.more.rawValue {
                let time = tick.timeNanos()
                found = found.map { isLast ? max($0, time) : min($0, time) } ?? time
            }
        }
        return found
    }
}
