internal import JSON
internal import TickStore
internal import Ticks

/// An audit as `ib-stream audit` prints it.
enum AuditText {
    private static let maxRows = 2000
    private static let maxGaps = 200
    private static let maxReasons = 200

    /// For people: hours, gaps, backlog, then what is against the verdict, and the verdict last.
    static func text(_ audit: Audit) -> String {
        var text = hours(audit.hours)
        let open = audit.gaps.filter { $0.gap.state != .healed }
        let rows = open.prefix(maxGaps).map(GapTable.row) + audit.absences.prefix(maxGaps).map(GapTable.row)
        if !rows.isEmpty { text += "\n" + GapTable.table(rows) + more(open.count + audit.absences.count - rows.count) }
        text += "\n" + gaps(audit) + backlog(audit) + lookedAt(audit)
        if let stopped = audit.stoppedNanos {
            text += "stopped at \(Timestamp.text(stopped, digits: 3)): looked at up to then; '--to 0s' asks until now\n"
        }
        text += audit.reasons.prefix(maxReasons).map { "- \($0)\n" }.joined()
        text += more(audit.reasons.count - maxReasons)
        return text + verdict(audit) + "\n"
    }

    private static func more(_ count: Int) -> String { count > 0 ? "... and \(count) more: --json has all\n" : "" }

    private static func hours(_ hours: [AuditHour]) -> String {
        TextTable.text(
            ["STREAM", "HOUR", "LIVE", "HEALED", "WITHOUT", "CAUSE"],
            hours.prefix(maxRows).map { row in
                [
                    row.stream.description, hour(row.hour), "\(row.ticks.live)", "\(row.ticks.healed)",
                    row.withoutNanos == 0 ? "-" : GapTable.duration(row.withoutNanos),
                    row.causes.joined(separator: "; "),
                ]
            }, rightAligned: [2, 3, 4]) + more(hours.count - maxRows)
    }

    private static func hour(_ hour: Int64) -> String {
        String(Timestamp.text(hour * 3_600_000_000_000, digits: 0).prefix(13))
    }

    private static func gaps(_ audit: Audit) -> String {
        let totals = AuditTotals(audit.gaps.map(\.gap))
        let states = totals.counts.filter { $0.count > 0 }.map { state, count, nanos in
            let ticks = state == .healed ? ", \(totals.healedTicks) ticks" : ""
            return "\(count) \(state.rawValue) (\(GapTable.duration(nanos))\(ticks))"
        }
        var lost: [String] = []
        if totals.countedLostKeys > 0 { lost.append("\(totals.countedLostKeys) keys") }
        if totals.lostEnds > 0 {
            lost.append(totals.lostEnds == 1 ? "the end of a run" : "the ends of \(totals.lostEnds) runs")
        }
        let way =
            lost.isEmpty ? "" : "; lost on the way: \(lost.joined(separator: " and ")) in \(totals.lostRanges) of them"
        return "gaps: " + (states.isEmpty ? "none" : states.joined(separator: ", ") + way) + "\n"
    }

    private static func backlog(_ audit: Audit) -> String {
        let hours = audit.unsealedHours
        let pending = audit.gaps.count { $0.gap.state == .pending }
        var parts = ["no past hour waits to be sealed", "\(count(pending, "gap")) to be healed"]
        if let first = hours.first, let last = hours.last {
            parts[0] = "\(count(hours.count, "past hour")) in the log still (\(hour(first)) to \(hour(last)))"
        }
        if let lag = audit.notDurable { parts.append("\(lag) records numbered and not durable yet") }
        return "backlog: " + parts.joined(separator: ", ") + "\n"
    }

    private static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    /// What the verdict rests on, and no more.
    private static func lookedAt(_ audit: Audit) -> String {
        let report = audit.report
        var text = "looked at: every checksum, count and key of \(count(report.files - report.footersOnly, "file"))"
        if report.footersOnly > 0 { text += ", the footers of \(report.footersOnly) of another time" }
        text += " (\(report.bytes) bytes), the gaps that are written down"
        return text + "; streams: \(audit.expected.source)\n"
    }

    private static func verdict(_ audit: Audit) -> String {
        let recorded = audit.account.streams.values.filter { $0.ticks > 0 }
        let from = recorded.compactMap { $0.ledger.firstLive?.believedNanos }.min()
        let to = recorded.compactMap { $0.ledger.lastLive?.believedNanos }.max()
        var text = "\(recorded.count) streams, \(audit.report.ticks) ticks"
        if let from, let to { text += " from \(Timestamp.text(from, digits: 3)) to \(Timestamp.text(to, digits: 3))" }
        let word = audit.reasons.isEmpty ? "ALL THERE AND SOUND" : "NOT ALL THERE, OR NOT SOUND"
        return "\(audit.state): \(word): \(text)"
    }

    // MARK: -

    static func json(_ audit: Audit) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("sound", audit.reasons.isEmpty)
            writer.field("path", audit.state)
            writer.field("from", time(audit.selection.fromNanos))
            writer.field("to", time(audit.selection.toNanos ?? audit.stoppedNanos))
            writer.field("reasons") { writer in
                writer.array { writer in for reason in audit.reasons { writer.value(reason) } }
            }
            writer.field("streams") { streams(audit, &$0) }
            writer.field("gaps") { gaps(audit, &$0) }
            writer.field("absent") { writer in
                writer.array { writer in for absence in audit.absences { absence.write(to: &writer) } }
            }
            writer.field("backlog") { writer in
                writer.object { writer in
                    writer.field("unsealed_hours") { writer in
                        writer.array { writer in for value in audit.unsealedHours { writer.value(hour(value)) } }
                    }
                    writer.field("pending_gaps", audit.gaps.count { $0.gap.state == .pending })
                    writer.field("not_durable", audit.notDurable.map { .integer($0) } ?? .null)
                }
            }
            writer.field("footers_only", audit.report.footersOnly)
            writer.field("verify") { audit.report.write(to: &$0) }
        }
        return String(decoding: writer.bytes, as: UTF8.self) + "\n"
    }

    private static func time(_ nanos: Int64?) -> JSONValue { nanos.map { .string(Timestamp.text($0)) } ?? .null }

    private static func streams(_ audit: Audit, _ writer: inout JSONWriter) {
        let hours = Dictionary(grouping: audit.hours, by: \.stream)
        let names = Set(audit.account.streams.keys).union(audit.expected.entries.keys).sorted()
        writer.object { writer in
            for stream in names {
                writer.field(stream.description) { writer in
                    writer.object { writer in
                        writer.field("configured", audit.expected.entries[stream] != nil)
                        writer.field("ticks", audit.account.streams[stream]?.ticks ?? 0)
                        writer.field("hours") { writer in
                            writer.array { writer in for row in hours[stream] ?? [] { write(row, &writer) } }
                        }
                    }
                }
            }
        }
    }

    private static func write(_ row: AuditHour, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.field("hour", hour(row.hour))
            writer.field("live", row.ticks.live)
            writer.field("healed", row.ticks.healed)
            writer.field("without_nanos", row.withoutNanos)
            writer.field("causes") { writer in
                writer.array { writer in for cause in row.causes { writer.value(cause) } }
            }
        }
    }

    private static func gaps(_ audit: Audit, _ writer: inout JSONWriter) {
        let totals = AuditTotals(audit.gaps.map(\.gap))
        writer.object { writer in
            for (name, values) in [
                ("counts", totals.counts.map { ($0.state, Int64($0.count)) }),
                ("nanos", totals.counts.map { ($0.state, $0.nanos) }),
            ] {
                writer.field(name) { writer in
                    writer.object { writer in
                        for (state, value) in values { writer.field(state.rawValue, value) }
                    }
                }
            }
            writer.field("healed_ticks", totals.healedTicks)
            writer.field("lost_ranges", totals.lostRanges)
            writer.field("lost_keys", totals.lostKeys)
        }
    }
}
