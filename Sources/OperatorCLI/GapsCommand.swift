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
        ("ib-stream gaps", "what is missing, by stream; streams of the configuration that have no tick too"),
        ("ib-stream gaps 711280073. --from 24h", "one contract's gaps of the last day"),
        ("ib-stream gaps --wait 10m; ib-stream export --format csv --out days", "export when that is done"),
        ("ib-stream gaps --all --json | jq '.gaps[] | select(.state == \"healed\") | .healed'", "for programs"),
    ]
) { context throws(ProgramError) in
    let selection = try GapSelection(context.flags)
    let limit = try gapWait(context.flags)
    let (configuration, paths) = try context.locateServices("gaps")
    try CatSelection.refuseNoRecording("gaps", paths)
    let state = paths.state
    if let limit {
        var scan = GapScan(stateDirectory: state)
        try wait(until: bootNanos() + limit, &scan, selection, paths)
    }
    let published = Published(journal: paths.journal(configuration), paths: paths)
    let (report, account) = try CatSelection.account("gaps", Verify(accountOf: state, depth: .footers))
    try selection.refuseAhead("gaps", report, nowNanos: realNanos())
    // Asked when all is read: a stream that was added meanwhile is answered for.
    let expected = try ExpectedStreams(context, paths)
    let found = selection.rows(account, expected, paths)
    var absences = Absences(
        report: report, account: account, expected: expected,
        durability: Durability(published, report, expected, paths), selection: selection, nowNanos: realNanos(),
        hours: OpeningHours(paths))
    let list = GapList(
        rows: selection.withEstimates(found, ConnectorHeals.ask(paths)), absences: absences.find(),
        showsHealed: context.flags.has("all"))
    guard report.records > 0 || !list.absences.isEmpty else {
        throw ProgramError(.noInput, "gaps: nothing is recorded in \(state): see 'ib-stream status'")
    }
    guard selection.prefix.text.isEmpty || selection.isKnown(account, expected) else {
        throw ProgramError(.noInput, "gaps: nothing is recorded of '\(selection.prefix.text)': see 'ib-stream ls'")
    }
    let text = context.flags.has("json") ? GapTable.json(list, report) : GapTable.text(list)
    guard printOut(text) else { return ExitStatus.ioError.rawValue }
    if let silence = expected.silence { printError("ib-stream", "gaps: \(silence)") }
    return (list.isWhole && expected.silence == nil ? ExitStatus.success : .failure).rawValue
}

/// What `gaps` found.
struct GapList {
    let rows: [GapRow]
    let absences: [Absence]
    let showsHealed: Bool

    var listed: [GapRow] { showsHealed ? rows : rows.filter { $0.gap.state != .healed } }
    var isWhole: Bool { rows.allSatisfy { $0.gap.state == .healed } && absences.isEmpty }
}

private func gapWait(_ flags: ParsedFlags) throws(ProgramError) -> Int64? {
    guard let text = flags.value("wait") else { return nil }
    guard let nanos = DurationText.parse(text), nanos >= 0, nanos <= 7 * 86_400_000_000_000 else {
        throw ProgramError(.usage, "gaps: --wait \(text): not a duration: write 60s or 10m, at most 7d")
    }
    return nanos
}

/// Looks again as ticks become durable, until no gap is pending, and none open of a stream that the connector wants, or
/// the time is over. Ends early when nothing runs that could close or heal a gap.
private func wait(
    until deadline: Int64, _ scan: inout GapScan, _ selection: GapSelection, _ paths: Paths
) throws(ProgramError) {
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
            return
        }
        // The watchdog starts a connector that died.
        let willClose = running != ["ib-recorder"] && selection.hasOpen(rows, wanted)
        let left = deadline - bootNanos()
        guard isPending || willClose, left > 0 else { return }
        sleepMillis(Int(max(1, min(250, left / 1_000_000))))
    }
}
