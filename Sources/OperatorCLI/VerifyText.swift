internal import JSON
internal import ServiceKit
internal import TickStore
internal import Ticks

/// The report of `verify` for people: what is wrong first, then a table, the verdict last.
enum VerifyText {
    private static let maxLines = 200

    static func text(_ verified: VerifiedPath) -> String {
        let (path, report) = (verified.path, verified.report)
        var text = ""
        text += lines(report.findings.map { "damaged: \($0)" })
        text += lines(report.problems.map { "wrong: \($0)" })
        text += lines(report.missing.map { "missing: \($0): neither recorded nor marked as lost" })
        text += lines(report.lost.map { "lost: \($0)\(keys(in: $0))" })
        for (stream, entry) in report.streams.sorted(by: { $0.key < $1.key }) {
            if let begins = entry.beginsAt { text += "begins: \(stream) at \(begins): earlier hours are gone\n" }
        }
        if report.hasNoList {
            text += "no list: sealed before there was one: nothing tells whether a file is missing at an end\n"
        }
        if let end = report.logEnd { text += "log: checked up to what was durable: \(end.path) byte \(end.offset)\n" }
        let rows = report.streams.sorted { $0.key < $1.key }.map { stream, entry in
            [
                stream.description, "\(entry.ticks)", "\(entry.markers)", "\(entry.lostRanges)",
                "\(entry.missingRanges)",
                entry.records > 0 ? Timestamp.text(entry.firstRecvNanos, digits: 3) : "",
                entry.records > 0 ? Timestamp.text(entry.lastRecvNanos, digits: 3) : "", entry.lastKey.description,
            ]
        }
        text += TextTable.text(
            ["STREAM", "TICKS", "MARKERS", "LOST", "MISSING", "FIRST", "LAST", "LAST KEY"], rows,
            rightAligned: [1, 2, 3, 4])
        let size = "\(report.files) files, \(report.bytes) bytes, \(report.ticks) ticks"
        if report.isEmpty { return text + "\(path): EMPTY: no record in it: \(size)\n" }
        guard !report.isSound else { return text + "\(path): sound: \(size)\n" }
        let isPartOfOne = !verified.isRecording
        return text + "\(path): NOT SOUND: \(size)\n"
            + (isPartOfOne ? "" : "'ib-stream repair' rebuilds what can be, with the recorder stopped\n")
    }

    /// The last line, where several were read.
    static func summary(_ all: [VerifiedPath]) -> String {
        let bad = all.count { !$0.report.isSound }
        let files = all.reduce(0) { $0 + $1.report.files }
        let ticks = all.reduce(0) { $0 + $1.report.ticks }
        return "\(all.count) read, each by itself: \(bad == 0 ? "all sound" : "\(bad) NOT SOUND"): "
            + "\(files) files, \(ticks) ticks\n"
    }

    static func json(_ all: [VerifiedPath]) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("sound", all.allSatisfy(\.report.isSound))
            writer.field("paths") { writer in
                writer.object { writer in
                    for verified in all { writer.field(verified.path) { verified.report.write(to: &$0) } }
                }
            }
        }
        return String(decoding: writer.bytes, as: UTF8.self) + "\n"
    }

    private static func lines(_ all: [String]) -> String {
        let shown = all.prefix(maxLines).map { $0 + "\n" }.joined()
        return all.count > maxLines ? shown + "... and \(all.count - maxLines) more\n" : shown
    }

    /// How many keys a range has, where that is known.
    private static func keys(in range: KeyRange) -> String {
        TickKey.count(range.first, range.last).map { ": \($0) keys" } ?? ""
    }
}
