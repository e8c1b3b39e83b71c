internal import JSON
internal import TickStore
internal import Ticks

/// Gaps as `ib-stream gaps` prints them.
enum GapTable {
    private static let heads = ["STREAM", "FROM", "TO", "LENGTH", "STATE", "HEALED", "ETA", "CAUSE"]

    /// For people: a table, and the counts last.
    static func text(_ list: GapList) -> String {
        let counts = counts(list).filter { $0.count > 0 }
        let sum = counts.reduce(0) { $0 + $1.count }
        let summary =
            sum == 0
            ? "no gaps"
            : "\(sum) gap\(sum == 1 ? "" : "s"): " + counts.map { "\($0.count) \($0.name)" }.joined(separator: ", ")
        let rows = list.listed.map(row) + list.absences.map(row)
        guard !rows.isEmpty else { return summary + (sum == 0 ? "\n" : "; --all lists them\n") }
        return table(rows) + summary + "\n"
    }

    static func table(_ rows: [[String]]) -> String { TextTable.text(heads, rows, rightAligned: [3, 5, 6]) }

    /// How many there are of each state, what no marker tells of last.
    private static func counts(_ list: GapList) -> [(name: String, count: Int)] {
        GapState.allCases.map { state in (state.rawValue, list.rows.count { $0.gap.state == state }) }
            + Absence.State.allCases.map { state in (state.rawValue, list.absences.count { $0.state == state }) }
    }

    static func row(_ row: GapRow) -> [String] {
        let gap = row.gap
        return [
            gap.stream.description, time(gap.fromNanos), time(gap.toNanos), length(gap), gap.state.rawValue,
            "\(gap.healedTicks)", row.etaSeconds.map { "\($0) s" } ?? "-", cause(gap),
        ]
    }

    /// Also which keys are lost, how far an open gap is healed, and what of another one is not filled.
    private static func cause(_ gap: Gap) -> String {
        var cause = gap.cause
        if let lost = gap.lostKeys { cause += "; keys " + TickKey.rangeText(lost.lowerBound, lost.upperBound) }
        guard let until = gap.healedUntilSeconds else { return cause + unfilled(gap) }
        return "\(cause); healed until \(Timestamp.text(until &* 1_000_000_000, digits: 0))"
    }

    /// Names what history did not have, not whole, or otherwise than it is recorded.
    private static func unfilled(_ gap: Gap) -> String {
        let unfilled = gap.unfilled
        guard !unfilled.isEmpty else { return "" }
        let shown = unfilled.prefix(3).map { seconds in
            let first = Timestamp.text(seconds.lowerBound * 1_000_000_000, digits: 0)
            return seconds.count == 1 ? first : "\(first) and \(seconds.count - 1) s more"
        }
        let more = unfilled.count > shown.count ? ", …" : ""
        return "; not filled: " + shown.joined(separator: ", ") + more
    }

    static func row(_ absence: Absence) -> [String] {
        [
            absence.stream?.description ?? "-", time(absence.fromNanos), time(absence.toNanos),
            length(absence.fromNanos, absence.toNanos), absence.state.rawValue, "0", "-", absence.cause,
        ]
    }

    private static func time(_ nanos: Int64?) -> String { nanos.map { Timestamp.text($0, digits: 3) } ?? "-" }

    /// Whole seconds, or days, hours, minutes and seconds.
    static func length(_ gap: Gap) -> String { length(gap.fromNanos, gap.toNanos) }

    private static func length(_ from: Int64?, _ to: Int64?) -> String {
        guard let from, let to else { return "-" }
        let (length, overflow) = to.subtractingReportingOverflow(from)
        return overflow ? "-" : duration(max(0, length))
    }

    static func duration(_ nanos: Int64) -> String {
        let seconds = nanos / 1_000_000_000
        guard seconds >= 60 else {
            let tenths = nanos % 1_000_000_000 / 100_000_000
            return tenths == 0 ? "\(seconds)s" : "\(seconds).\(tenths)s"
        }
        let parts = [
            (seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"),
        ]
        return parts.drop { $0.0 == 0 }.map { "\($0.0)\($0.1)" }.joined()
    }

    /// For programs.
    static func json(_ list: GapList, _ report: VerifyReport) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("gaps") { writer in
                writer.array { writer in
                    for row in list.listed {
                        row.gap.write(to: &writer, withStream: true) {
                            $0.field("eta_seconds", row.etaSeconds.map { .integer($0) } ?? .null)
                            $0.field("unfilled", unfilledJSON(row.gap))
                        }
                    }
                }
            }
            writer.field("absent") { writer in
                writer.array { writer in for absence in list.absences { absence.write(to: &writer) } }
            }
            writer.field("counts") { writer in
                writer.object { writer in for (name, count) in counts(list) { writer.field(name, count) } }
            }
            writer.field("unreadable") { writer in
                writer.array { writer in for path in unreadable(report) { writer.value(path) } }
            }
        }
        return String(decoding: writer.bytes, as: UTF8.self) + "\n"
    }

    private static func unfilledJSON(_ gap: Gap) -> JSONValue {
        .array(gap.unfilled.prefix(100).map { [.integer($0.lowerBound), .integer($0.upperBound)] })
    }

    /// Sealed files of which something can't be read.
    private static func unreadable(_ report: VerifyReport) -> [String] {
        Set(report.findings.map(\.path)).filter { $0.hasSuffix(".ticks") }.sorted()
    }
}
