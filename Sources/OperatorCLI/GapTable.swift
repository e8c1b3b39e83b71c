internal import JSON
internal import TickStore
internal import Ticks

/// Gaps as `ib-stream gaps` prints them.
enum GapTable {
    /// For people: a table, and the counts last.
    static func text(_ listed: [GapRow], of all: [GapRow]) -> String {
        let counts = GapState.allCases.compactMap { state -> String? in
            let count = all.count { $0.gap.state == state }
            return count > 0 ? "\(count) \(state.rawValue)" : nil
        }
        let summary =
            counts.isEmpty
            ? "no gaps" : "\(all.count) gap\(all.count == 1 ? "" : "s"): " + counts.joined(separator: ", ")
        guard !listed.isEmpty else { return summary + (all.isEmpty ? "\n" : "; --all lists them\n") }
        return TextTable.text(
            ["STREAM", "FROM", "TO", "LENGTH", "STATE", "HEALED", "ETA", "CAUSE"], listed.map(row),
            rightAligned: [3, 5, 6]) + summary + "\n"
    }

    private static func row(_ row: GapRow) -> [String] {
        let gap = row.gap
        return [
            gap.stream.description, time(gap.fromNanos), time(gap.toNanos), length(gap), gap.state.rawValue,
            "\(gap.healedTicks)", row.etaSeconds.map { "\($0) s" } ?? "-", gap.cause,
        ]
    }

    private static func time(_ nanos: Int64?) -> String { nanos.map { Timestamp.text($0, digits: 3) } ?? "-" }

    /// Whole seconds, or days, hours, minutes and seconds.
    static func length(_ gap: Gap) -> String {
        guard let from = gap.fromNanos, let to = gap.toNanos else { return "-" }
        return duration(max(0, to - from))
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

    /// For programs: each gap as history answers it, with its stream and `eta_seconds` (null: nobody can tell), and how
    /// many there are of each state, listed or not.
    static func json(_ listed: [GapRow], of all: [GapRow], _ unreadable: Set<String>) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("gaps") { writer in
                writer.array { writer in
                    for row in listed {
                        row.gap.write(to: &writer, withStream: true) {
                            $0.field("eta_seconds", row.etaSeconds.map { .integer($0) } ?? .null)
                        }
                    }
                }
            }
            writer.field("counts") { writer in
                writer.object { writer in
                    for state in GapState.allCases {
                        writer.field(state.rawValue, all.count { $0.gap.state == state })
                    }
                }
            }
            writer.field("unreadable") { writer in
                writer.array { writer in for path in unreadable.sorted() { writer.value(path) } }
            }
        }
        return String(decoding: writer.bytes, as: UTF8.self) + "\n"
    }
}
