internal import Glibc
internal import JSON
internal import ServiceKit
internal import TickStore
internal import Ticks

let gapsCommand = Command(
    "gaps", usage: "[STREAM-PREFIX] [FLAGS]",
    "Lists every interval without data and why; exit status 0 if there is none, 1 if there is.",
    flags: [
        CatSelection.from, CatSelection.to,
        .init("all", "also the gaps that are healed"), .init("json", "print one JSON object"),
        .init("wait", value: "DURATION", "wait until no gap is open or pending, at most so long (such as 60s)"),
    ], words: 0...1,
    examples: [
        ("ib-stream gaps", "what is missing, by stream"),
        ("ib-stream gaps 711280073. --from 24h", "one contract's gaps of the last day"),
        ("ib-stream gaps --wait 10m; ib-stream export --format csv --out days", "export when that is done"),
        ("ib-stream gaps --all --json | jq '.gaps[] | select(.state == \"healed\") | .healed'", "for programs"),
    ]
) { context throws(ProgramError) in
    let selection = try GapSelection(context.flags)
    let limit = try gapWait(context.flags)
    let paths = try context.locateServices("gaps").paths
    let state = try CatSelection.recording("gaps", context).state
    var scan = GapScan(stateDirectory: state)
    let found =
        if let limit { try wait(until: bootNanos() + limit, &scan, selection, paths) } else {
            try selection.rows(&scan, paths)
        }
    let rows = selection.withEstimates(found, ConnectorHeals.ask(paths))
    let listed = context.flags.has("all") ? rows : rows.filter { $0.gap.state != .healed }
    let text =
        context.flags.has("json") ? GapTable.json(listed, of: rows, scan.unreadable) : GapTable.text(listed, of: rows)
    guard printOut(text) else { return ExitStatus.ioError.rawValue }
    for path in scan.unreadable.sorted() {
        printError(
            "ib-stream", "gaps: \(path): its footer can't be read: its gaps are missing here: see 'ib-stream verify'")
    }
    let isWhole = rows.allSatisfy { $0.gap.state == .healed } && scan.unreadable.isEmpty
    return (isWhole ? ExitStatus.success : .failure).rawValue
}

private func gapWait(_ flags: ParsedFlags) throws(ProgramError) -> Int64? {
    guard let text = flags.value("wait") else { return nil }
    guard let nanos = DurationText.parse(text), nanos >= 0, nanos <= 7 * 86_400_000_000_000 else {
        throw ProgramError(.usage, "gaps: --wait \(text): not a duration: write 60s or 10m, at most 7d")
    }
    return nanos
}

/// Looks again as ticks become durable, until no gap is pending, and none open of a stream that the connector wants, or the
/// time is over. Ends early when nothing runs that could close or heal a gap.
private func wait(
    until deadline: Int64, _ scan: inout GapScan, _ selection: GapSelection, _ paths: Paths
) throws(ProgramError) -> [GapRow] {
    while true {
        let running = ["ib-connector", "ib-watchdog", "ib-recorder"].filter {
            ServiceLock.isHeld(name: $0, paths: paths)
        }
        // Asked before the files are read: a gap that a tick closes meanwhile is still open in one of the two.
        let wanted = ConnectorHeals.answer("streams", paths)?["streams"]?.object
        // Only what is new since the last look is read.
        let rows = try selection.rows(&scan, paths)
        let isPending = rows.contains { $0.gap.state == .pending }
        guard !running.isEmpty else {
            if isPending || rows.contains(where: { $0.gap.state == .open }) {
                printError(
                    "ib-stream", "gaps: nothing runs in \(paths.runtime): no gap will be healed: start 'ib-stream up'")
            }
            return rows
        }
        // The watchdog starts a connector that died.
        let willClose = running != ["ib-recorder"] && selection.hasOpen(rows, wanted)
        let left = deadline - bootNanos()
        guard isPending || willClose, left > 0 else { return rows }
        sleepMillis(Int(max(1, min(250, left / 1_000_000))))
    }
}

/// A gap, and what the healer says of it.
struct GapRow {
    let gap: Gap
    /// Seconds until it is likely to be healed; nil: nobody can tell.
    var etaSeconds: Int64?
}

/// Which gaps are meant.
struct GapSelection {
    let prefix: String
    let fromNanos: Int64?
    let toNanos: Int64?

    init(_ flags: ParsedFlags) throws(ProgramError) {
        prefix = flags.words.first ?? ""
        fromNanos = try CatSelection.time("gaps", "from", flags)
        toNanos = try CatSelection.time("gaps", "to", flags)
        try CatSelection.refuseBackwards("gaps", fromNanos, toNanos)
    }

    /// All that the files know now, streams in order, each stream's gaps in the order of keys. Where a connector ran since the
    /// host started and none runs now, each stream has a gap since its last tick.
    func rows(_ scan: inout GapScan, _ paths: Paths) throws(ProgramError) -> [GapRow] {
        let isDead = ServiceLock.isLeft(name: "ib-connector", paths: paths)
        let ledgers: [GapLedger]
        do throws(StoreError) {
            _ = try scan.advance()
            ledgers = try selected(&scan)
        } catch {
            throw CatSelection.failure("gaps", error)
        }
        guard prefix.isEmpty || !ledgers.isEmpty else {
            throw ProgramError(.noInput, "gaps: nothing is recorded of '\(prefix)': see 'ib-stream ls'")
        }
        return ledgers.flatMap { ledger in
            let now = isDead ? ledger.interrupted(cause: "not running") : nil
            return (ledger.gaps + [now].compactMap(\.self)).filter(contains).map { GapRow(gap: $0) }
        }
    }

    private func selected(_ scan: inout GapScan) throws(StoreError) -> [GapLedger] {
        var ledgers: [GapLedger] = []
        for stream in try scan.streams() where stream.description.hasPrefix(prefix) {
            ledgers.append(try scan.ledger(of: stream))
        }
        return ledgers
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
        return wanted.members.contains { $0.name.hasPrefix(prefix) && $0.value["gap_open"]?.bool == true }
    }

    func withEstimates(_ rows: [GapRow], _ heals: ConnectorHeals?) -> [GapRow] {
        guard let heals else { return rows }
        return rows.map { row in
            guard row.gap.state == .pending else { return row }
            return GapRow(gap: row.gap, etaSeconds: heals.etaSeconds(of: row.gap))
        }
    }
}
