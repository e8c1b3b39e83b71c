internal import ServiceKit
internal import Supervision
internal import TickStore
internal import Ticks

/// What one hour has of one stream.
struct AuditHour {
    let stream: StreamID
    /// Since the Unix epoch.
    let hour: Int64
    let ticks: RecordingAccount.Hour
    /// How much of it lies in gaps that are not healed, or is not recorded.
    let withoutNanos: Int64
    /// Gaps and what else keeps ticks away; empty: nothing is known.
    let causes: [String]

    private static let nanos: Int64 = 3_600_000_000_000
    /// A recording with clocks gone wrong may span centuries: then only hours that have something are listed.
    private static let maxSpan: Int64 = 20_000

    /// What the running system says of a stream that is not recorded.
    static func isDown(_ state: String) -> Bool { StreamState(rawValue: state)?.health == .down }

    /// A row for each hour of each stream that is recorded or to be recorded, in order.
    static func table(
        _ account: RecordingAccount, _ expected: ExpectedStreams, _ selection: GapSelection, _ gaps: [Gap],
        _ absences: [Absence], endNanos: Int64?, nowNanos: Int64, _ openingHours: OpeningHours
    ) -> [AuditHour] {
        let recorded = account.streams.values.flatMap(\.hours.keys)
        let lastNanos = min(selection.toNanos ?? .max, endNanos ?? nowNanos)
        let first = selection.fromNanos.map(hour) ?? recorded.min()
        let last = expected.isRunning || selection.toNanos != nil ? hour(lastNanos &- 1) : recorded.max()
        guard let first, let last, first <= last else { return [] }
        let range = first...last
        var closed = openingHours
        let gapsOf = Dictionary(grouping: gaps, by: \.stream)
        let absencesOf = Dictionary(grouping: absences.filter { $0.stream != nil }) { $0.stream }
        var rows: [AuditHour] = []
        for stream in Set(account.streams.keys).union(expected.entries.keys).sorted() {
            let ticks = account.streams[stream]?.hours ?? [:]
            let wanted = last - first <= maxSpan ? Array(range) : ticks.keys.filter(range.contains).sorted()
            let (gaps, absences) = (gapsOf[stream] ?? [], absencesOf[stream] ?? [])
            for hour in wanted {
                let (from, to) = (hour &* nanos, min((hour &+ 1) &* nanos, lastNanos))
                var without = Without(fromNanos: from, toNanos: max(from, to))
                for gap in gaps { without.add(gap) }
                for absence in absences { without.add(absence) }
                let count = ticks[hour] ?? RecordingAccount.Hour()
                if count == RecordingAccount.Hour(), without.causes.isEmpty {
                    without.causes.append(
                        closed.isClosed(stream.contract, from, to) ? "market closed" : "no tick, and no gap is known")
                }
                rows.append(
                    AuditHour(
                        stream: stream, hour: hour, ticks: count, withoutNanos: without.nanos, causes: without.causes))
            }
        }
        return rows
    }

    private static func hour(_ nanos: Int64) -> Int64 { nanos.floorDivided(by: Self.nanos) }

    /// Sums what is not there of an hour.
    private struct Without {
        let fromNanos: Int64
        let toNanos: Int64
        var causes: [String] = []
        private var parts: [Range<Int64>] = []

        init(fromNanos: Int64, toNanos: Int64) {
            self.fromNanos = fromNanos
            self.toNanos = toNanos
        }

        /// Gaps and absences may overlap: each moment counts once.
        var nanos: Int64 {
            var (sum, reached) = (Int64(0), fromNanos)
            for part in parts.sorted(by: { $0.lowerBound < $1.lowerBound }) {
                sum += max(0, part.upperBound - max(reached, part.lowerBound))
                reached = max(reached, part.upperBound)
            }
            return sum
        }

        mutating func add(_ gap: Gap) {
            // Where clocks contradict each other, an end that is not known is where the other one is.
            let known = gap.toNanos ?? gap.fromNanos ?? gap.openedRecvNanos
            let from = gap.fromNanos ?? (gap.lostKeys == nil ? known : nil)
            guard let part = part(from, gap.isClosed ? gap.toNanos ?? known : nil) else { return }
            if gap.state != .healed { parts.append(part) }
            add("\(gap.state.rawValue): \(gap.cause)")
        }

        mutating func add(_ absence: Absence) {
            guard let part = part(absence.fromNanos, absence.toNanos) else { return }
            parts.append(part)
            add("\(absence.state.rawValue): \(absence.cause)")
        }

        private mutating func add(_ cause: String) {
            if causes.count < 8, !causes.contains(cause) { causes.append(cause) }
        }

        /// What an interval has of the hour; nil: nothing.
        private func part(_ from: Int64?, _ to: Int64?) -> Range<Int64>? {
            let (from, to) = (max(from ?? .min, fromNanos), min(to ?? .max, toNanos))
            return from < to || (from == to && from < toNanos) ? from..<to : nil
        }
    }
}
