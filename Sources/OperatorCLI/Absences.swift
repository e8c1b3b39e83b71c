internal import ServiceKit
internal import TickStore
internal import Ticks

/// Finds what is not there although no marker tells of it: streams without a tick, times before the first one, keys
/// that are missing, files that are damaged, what is published and not durable.
struct Absences {
    let report: VerifyReport
    let account: RecordingAccount
    let expected: ExpectedStreams
    let durability: Durability
    let selection: GapSelection
    let nowNanos: Int64
    var hours: OpeningHours

    private static let hourNanos: Int64 = 3_600_000_000_000

    /// All of them: streams in order, then keys, files, and what is not durable.
    mutating func find() -> [Absence] {
        var found: [Absence] = []
        let streams = Set(report.streams.keys).union(account.streams.keys).union(expected.entries.keys).sorted()
        for stream in streams where selection.selects(stream) {
            if let absence = absence(of: stream) ?? removed(stream) { found.append(absence) }
        }
        return found + missingKeys() + damage() + durability.absences.filter(isSelected)
    }

    // MARK: - Streams

    private mutating func absence(of stream: StreamID) -> Absence? {
        let recorded = account.streams[stream]
        let end = min(selection.toNanos ?? nowNanos, nowNanos)
        guard let recorded, recorded.ticks > 0, let first = firstKnown(recorded.ledger) else {
            let from = selection.fromNanos ?? firstRecordNanos
            if let from, hours.isClosed(stream.contract, from, end) { return nil }
            return Absence(
                stream: stream, state: .neverRecorded, fromNanos: selection.fromNanos, toNanos: selection.toNanos,
                cause: causeOfNone(stream, recorded?.ledger))
        }
        guard let from = selection.fromNanos ?? (first >= end ? .min : nil), from < min(first, end) else { return nil }
        if hours.isClosed(stream.contract, from, min(first, end)) { return nil }
        let isRemoved = report.streams[stream]?.beginsAt != nil
        return Absence(
            stream: stream, state: .notRecorded, fromNanos: from == .min ? nil : from, toNanos: min(first, end),
            cause: isRemoved
                ? "older hours are not kept" : "nothing is recorded before \(Timestamp.text(first, digits: 3))")
    }

    /// The beginning of a stream's files is gone although none was ever to be removed.
    private func removed(_ stream: StreamID) -> Absence? {
        guard expected.keepsAll, selection.fromNanos == nil, let begins = report.streams[stream]?.beginsAt else {
            return nil
        }
        let first = account.streams[stream].flatMap { firstKnown($0.ledger) }
        return Absence(
            stream: stream, state: .missing, fromNanos: nil, toNanos: first,
            cause: "what was recorded before key \(begins) is gone, and no file is to be removed "
                + "(storage.keep_days, keep_bytes)")
    }

    /// When the recording of a stream begins: with its first live tick, or with a gap that stands before it.
    private func firstKnown(_ ledger: GapLedger) -> Int64? {
        [ledger.firstLive?.believedNanos, ledger.gaps.first?.fromNanos].compactMap(\.self).min()
    }

    private var firstRecordNanos: Int64? {
        report.streams.values.filter { $0.records > 0 }.map(\.firstRecvNanos).min()
    }

    /// Why there is no tick of a stream: what the running system says, else what is recorded, else what can be.
    private func causeOfNone(_ stream: StreamID, _ ledger: GapLedger?) -> String {
        if let begins = report.streams[stream]?.beginsAt { return "all files before key \(begins) are gone" }
        if let word = expected.word(stream) { return word }
        guard let ledger else {
            return report.records == 0
                ? "nothing at all is recorded: was there ever a session with the gateway?"
                : "never subscribed, as far as is recorded: no session, no line, or a con_id that the gateway refused"
        }
        let causes = ledger.gaps.map(\.cause).filter { !$0.isEmpty }
        return causes.last.map { "no tick came: \($0)" } ?? "subscribed, and no tick came"
    }

    // MARK: - Keys and files

    private func missingKeys() -> [Absence] {
        account.holes.map { hole in
            Absence(
                stream: hole.keys.stream, state: .missing, fromNanos: hole.fromNanos, toNanos: hole.toNanos,
                cause:
                    "keys \(TickKey.rangeText(hole.keys.first, hole.keys.last)) are neither recorded nor marked as lost",
                keys: hole.keys)
        }.filter(isSelected)
    }

    private func damage() -> [Absence] {
        var found = report.findings.map { finding in
            Absence.damaged(finding.path, "\(finding): see 'ib-stream verify'")
        }
        // Each begins with the path of the file.
        found += report.problems.map { problem in
            Absence.damaged(String(problem.prefix { $0 != ":" }), problem)
        }
        if report.moreProblems > 0 {
            found.append(Absence(state: .damaged, cause: "\(report.moreProblems) more: see 'ib-stream verify'"))
        }
        return found.filter(isSelected)
    }

    private func isSelected(_ absence: Absence) -> Bool {
        (absence.stream.map(selection.selects) ?? true)
            && absence.overlaps(selection.fromNanos ?? .min, selection.toNanos ?? .max)
    }
}

extension Absence {
    /// Damage in a file, whose name says of which hour it is, and a segment's of which stream.
    fileprivate static func damaged(_ path: String, _ cause: String) -> Absence {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let segment = SegmentName(path: path)
        let log = name.hasSuffix(".durable") ? String(name.dropLast(8)) + ".log" : name
        let from = (segment?.hour ?? PartName(fileName: log)?.hour).map {
            $0.multipliedReportingOverflow(by: 3_600_000_000_000)
        }
        guard let from, !from.overflow else { return Absence(stream: segment?.stream, state: .damaged, cause: cause) }
        return Absence(
            stream: segment?.stream, state: .damaged, fromNanos: from.partialValue,
            toNanos: from.partialValue.addingReportingOverflow(3_600_000_000_000).partialValue, cause: cause)
    }
}
