internal import ServiceKit
internal import TickStore
internal import Ticks

let explainCommand = Command(
    "explain", usage: "STREAM TIME [FLAGS]",
    "Shows what happened to a stream around a moment; exit status 1 if nothing is recorded of that time.",
    flags: [
        .init("around", value: "DURATION", "so long before and after (default 5m, at most 1d)"),
        .init("json", "print one JSON object"),
    ], words: 2...2,
    examples: [
        (
            "ib-stream explain 711280073.bid_ask 2026-01-30T14:30:00Z",
            "interruptions, heals, silences, ticks per second"
        ),
        ("ib-stream explain 711280073.bid_ask 10m --around 1m", "around a moment ten minutes ago"),
    ]
) { context throws(ProgramError) in
    let stream = try CatSelection.stream("explain", context.flags.words[0])
    let moment = try explainedTime(context.flags.words[1])
    let around = try explainedSpan(context.flags)
    let state = try CatSelection.recording("explain", context).state
    var explanation = Explanation(stream: stream, momentNanos: moment, aroundNanos: around)
    let selection = TickReader.Selection(
        streams: [stream], fromNanos: explanation.fromNanos, toNanos: explanation.toNanos, order: .arrival)
    var reader = try CatSelection.reader("explain", state: state, selection)
    while let run = try CatSelection.next("explain", &reader) { explanation.take(run.ticks) }
    let ledger = try recordedGaps(state, stream)
    explanation.take(ledger)
    let place = try recordPlace(of: explanation.nearest, stream, state)
    // Nothing came in this time: where there is something, and what is known of the time between.
    let vacancy = explanation.hasTicks ? nil : try Vacancy(of: explanation, ledger, state)
    let text =
        context.flags.has("json")
        ? ExplainText.json(explanation, place, vacancy) : ExplainText.text(explanation, place, vacancy)
    guard printOut(text) else { return ExitStatus.ioError.rawValue }
    let status = CatSelection.report("explain", reader.findings)
    return vacancy == nil ? status : ExitStatus.failure.rawValue
}

/// The ledger of the stream. Throws 66 when nothing is recorded of it.
private func recordedGaps(_ state: String, _ stream: StreamID) throws(ProgramError) -> GapLedger {
    let ledger: GapLedger
    do throws(StoreError) {
        var scan = GapScan(stateDirectory: state)
        _ = try scan.advance()
        ledger = try scan.ledger(of: stream)
    } catch {
        throw CatSelection.failure("explain", error)
    }
    guard ledger.lastKey != .zero else {
        throw ProgramError(.noInput, "explain: nothing is recorded of \(stream): see 'ib-stream ls'")
    }
    return ledger
}

private func recordPlace(
    of edge: StreamPosition?, _ stream: StreamID, _ state: String
) throws(ProgramError) -> RecordPlace? {
    guard let edge else { return nil }
    do throws(StoreError) {
        return try RecordPlace.find(
            stateDirectory: state, stream: stream, key: edge.key, receivedNanos: edge.tsRecvNanos)
    } catch {
        throw CatSelection.failure("explain", error)
    }
}

private func explainedTime(_ text: String) throws(ProgramError) -> Int64 {
    if let nanos = Timestamp.parse(text, shortForms: true) { return nanos }
    if let nanos = DurationText.parse(text), nanos >= 0 { return realNanos() - nanos }
    throw ProgramError(
        .usage, "explain: '\(text)' is no time: write 2026-01-31T14:30:00Z, or a duration before now such as 2h")
}

private func explainedSpan(_ flags: ParsedFlags) throws(ProgramError) -> Int64 {
    let text = flags.value("around") ?? "5m"
    guard let nanos = DurationText.parse(text), nanos > 0, nanos <= 86_400_000_000_000 else {
        throw ProgramError(.usage, "explain: --around \(text): not a duration up to 1d: write 5m")
    }
    return nanos
}
