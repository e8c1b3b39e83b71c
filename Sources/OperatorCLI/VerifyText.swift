internal import ServiceKit
internal import TickStore
internal import Ticks

/// The report of `verify` for people: what is wrong first, then a table, the verdict last.
enum VerifyText {
    private static let maxLines = 200

    static func text(_ path: String, _ report: VerifyReport) -> String {
        var text = ""
        text += lines(report.findings.map { "damaged: \($0)" })
        text += lines(report.problems.map { "wrong: \($0)" })
        text += lines(report.missing.map { "missing: \($0): neither recorded nor marked as lost" })
        text += lines(report.lost.map { "lost: \($0)\(keys(in: $0))" })
        for (stream, entry) in report.streams.sorted(by: { $0.key < $1.key }) {
            if let begins = entry.beginsAt { text += "begins: \(stream) at \(begins): earlier hours are gone\n" }
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
        guard !report.isSound else { return text + "\(path): sound: \(size)\n" }
        return text + "\(path): NOT SOUND: \(size)\n"
            + "'ib-stream repair' rebuilds what can be, with the recorder stopped\n"
    }

    private static func lines(_ all: [String]) -> String {
        let shown = all.prefix(maxLines).map { $0 + "\n" }.joined()
        return all.count > maxLines ? shown + "... and \(all.count - maxLines) more\n" : shown
    }

    /// How many keys a range has, where it lies within one epoch.
    private static func keys(in range: KeyRange) -> String {
        guard range.first.epoch == range.last.epoch, range.last != range.last.endOfEpoch else { return "" }
        return ": \(range.last.rawValue - range.first.rawValue + 1) keys"
    }
}
