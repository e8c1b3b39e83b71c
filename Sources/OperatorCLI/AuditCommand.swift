internal import Glibc
internal import ServiceKit
internal import TickStore
internal import Ticks

let auditCommand = Command(
    "audit", usage: "[FLAGS]",
    "Reads it all: is everything that should be here, here and sound? Exit status 0 only if so.",
    flags: [CatSelection.from, CatSelection.to, .init("json", "print one JSON object")],
    examples: [
        ("ib-stream audit", "the whole recording, beside a running recorder or with everything stopped"),
        ("ib-stream audit --from 24h", "the last day until now; earlier sealed hours by their footers alone"),
        ("ib-stream audit --from 2026-01-30 --to 2026-01-31 --config ib-stream.yaml", "a day, by one configuration"),
        ("ib-stream audit --json | jq -r '.reasons[]'", "what is wrong, for programs"),
    ]
) { context throws(ProgramError) in
    let selection = try GapSelection(context.flags, command: "audit")
    let (configuration, paths) = try auditedSystem(context)
    let published = Published(journal: paths.journal(configuration), paths: paths)
    let verify = Verify(
        accountOf: paths.state, depth: .everything, fromNanos: selection.fromNanos, toNanos: selection.toNanos)
    let (report, account) = try CatSelection.account("audit", verify)
    try selection.refuseAhead("audit", report, nowNanos: realNanos())
    // Asked when all is read: the streams' states are as new as the files.
    let expected = try ExpectedStreams(context, paths)
    let audit = Audit(
        selection: selection, paths: paths, report: report, account: account, expected: expected,
        durability: Durability(published, report, expected, paths), heals: ConnectorHeals.ask(paths),
        unsealedHours: try unsealedHours(paths))
    let text = context.flags.has("json") ? AuditText.json(audit) : AuditText.text(audit)
    guard printOut(text) else { return ExitStatus.ioError.rawValue }
    return (audit.reasons.isEmpty ? ExitStatus.success : .failure).rawValue
}

/// The recording that is meant. One that is empty is there: only the verdict is bad. Throws 66 when there is none.
private func auditedSystem(
    _ context: OperatorContext
) throws(ProgramError) -> (configuration: Configuration, paths: Paths) {
    let (configuration, paths) = try context.locateServices("audit")
    do throws(ProgramError) { try CatSelection.refuseNoRecording("audit", paths) } catch {
        var status = stat()
        var isEmpty = true
        for place in [paths.log, paths.ticks] where lstat(place, &status) == 0 || errno != ENOENT { isEmpty = false }
        guard isEmpty, stat(paths.state, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { throw error }
    }
    return (configuration, paths)
}

/// Past hours that are in the log still, since the Unix epoch.
private func unsealedHours(_ paths: Paths) throws(ProgramError) -> [Int64] {
    do throws(StoreError) {
        let hours = Set(try PartName.list(paths.log).map(\.hour))
        // The newest part is the one that is written to, whatever hour it is named by.
        let present = max(hours.max() ?? .min, realNanos().floorDivided(by: 3_600_000_000_000))
        return hours.filter { $0 < present }.sorted()
    } catch {
        guard error.code == ENOENT else { throw CatSelection.failure("audit", error) }
        return []
    }
}
