internal import JSON
internal import ServiceKit
internal import TickStore
internal import Ticks

/// A gap, and what the healer says of it.
struct GapRow {
    let gap: Gap
    /// Seconds until it is likely to be healed; nil: nobody can tell.
    var etaSeconds: Int64?
}

/// Which gaps are meant.
struct GapSelection {
    let prefix: StreamPrefix
    let fromNanos: Int64?
    let toNanos: Int64?

    init(_ flags: ParsedFlags, command: String = "gaps") throws(ProgramError) {
        prefix = StreamPrefix(flags.words.first ?? "")
        fromNanos = try CatSelection.time(command, "from", flags)
        toNanos = try CatSelection.time(command, "to", flags)
        try CatSelection.refuseBackwards(command, fromNanos, toNanos)
    }

    /// Of a time that lies ahead nobody can say that all is there. Where something is recorded of it, the clock was
    /// ahead, and it is a time like any other.
    func refuseAhead(_ command: String, _ report: VerifyReport, nowNanos: Int64) throws(ProgramError) {
        guard let from = fromNanos, from > nowNanos,
            !report.streams.contains(where: { selects($0.key) && $0.value.lastRecvNanos >= from })
        else { return }
        throw ProgramError(
            .noInput,
            "\(command): --from \(Timestamp.text(from, digits: 0)) lies ahead: nothing can be recorded of it yet: "
                + "ask for a time before now")
    }

    /// All gaps that the files tell of now, streams in order, each stream's in the order of keys.
    ///
    /// Where nothing is recorded from a stream's last tick on, that is a gap too: a connector ran
    /// since the host started and none runs now, or none runs and the stream is to be recorded, or the
    /// time that was asked for reaches beyond.
    func rows(_ account: RecordingAccount, _ expected: ExpectedStreams, _ paths: Paths) -> [GapRow] {
        let isDead = ServiceLock.isLeft(name: "ib-connector", paths: paths)
        let streams = account.streams.keys.filter(selects).sorted()
        return streams.flatMap { stream -> [GapRow] in
            guard let ledger = account.streams[stream]?.ledger else { return [] }
            let isAsked = fromNanos != nil || toNanos != nil || expected.entries[stream] != nil
            return rows(ledger, endsNow: isDead || (isAsked && !expected.isConnectorRunning))
        }
    }

    /// The same while they are waited for, of recorded streams alone.
    func rows(_ scan: inout GapScan, _ paths: Paths) throws(ProgramError) -> [GapRow] {
        let isDead = ServiceLock.isLeft(name: "ib-connector", paths: paths)
        do throws(StoreError) {
            _ = try scan.advance()
            var found: [GapRow] = []
            for stream in try scan.streams() where selects(stream) {
                found += rows(try scan.ledger(of: stream), endsNow: isDead)
            }
            return found
        } catch {
            throw CatSelection.failure("gaps", error)
        }
    }

    private func rows(_ ledger: GapLedger, endsNow: Bool) -> [GapRow] {
        let now = endsNow ? ledger.interrupted(cause: "not running") : nil
        return (ledger.gaps + [now].compactMap(\.self)).filter(contains).map { GapRow(gap: $0) }
    }

    func selects(_ stream: StreamID) -> Bool { prefix.takes(stream) }

    /// The prefix names a stream that is recorded or to be recorded.
    func isKnown(_ account: RecordingAccount, _ expected: ExpectedStreams) -> Bool {
        account.streams.keys.contains(where: selects) || expected.entries.keys.contains(where: selects)
    }

    /// The interval and the selected time have something in common.
    private func contains(_ gap: Gap) -> Bool {
        (gap.toNanos ?? .max) >= fromNanos ?? .min && (gap.fromNanos ?? .min) < toNanos ?? .max
    }

    /// A selected stream that the connector wants has an open gap.
    ///
    /// - Parameter wanted: the connector's streams, by name; nil or none: it does not tell, and may want them all.
    func hasOpen(_ rows: [GapRow], _ wanted: JSONObject?) -> Bool {
        let open = rows.filter { $0.gap.state == .open }
        guard let wanted, !wanted.members.isEmpty else { return !open.isEmpty }
        if open.contains(where: { wanted[$0.gap.stream.description] != nil }) { return true }
        // What the files do not say yet; it began just now.
        guard toNanos ?? .max > realNanos() else { return false }
        return wanted.members.contains { member in
            StreamID(member.name).map(selects) == true && member.value["gap_open"]?.bool == true
        }
    }

    func withEstimates(_ rows: [GapRow], _ heals: ConnectorHeals?) -> [GapRow] {
        guard let heals else { return rows }
        return rows.map { row in
            guard row.gap.state == .pending else { return row }
            return GapRow(gap: row.gap, etaSeconds: heals.etaSeconds(of: row.gap))
        }
    }
}
