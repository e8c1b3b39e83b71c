internal import Glibc
internal import ServiceKit
internal import TickStore
internal import Ticks

let catCommand = Command(
    "cat", usage: "STREAM|FILE [FLAGS]", "Prints what is recorded of a stream, or what a file holds.",
    flags: [
        CatSelection.from, CatSelection.to, CatSelection.by, CatSelection.order,
        .init("format", value: "FORMAT", "text (default), csv, json (one object a line) or raw (64-byte records)"),
        .init("no-markers", "leave out the markers: subscriptions, gaps, losses"),
    ], words: 1...1,
    examples: [
        ("ib-stream cat 711280073.bid_ask --from 2h", "the quotes of the last two hours"),
        ("ib-stream cat 265598.last --format csv --from 2026-01-30 --to 2026-01-31", "the trades of a day"),
        (
            "ib-stream cat 265598.last --by event --from 2026-01-30T14:30:00Z --to 2026-01-30T14:31:00Z",
            "the trades of a minute by the gateway's clock"
        ),
        ("ib-stream cat 711280073.bid_ask --format raw > ticks.bin", "for numpy.fromfile: docs/file-format.md"),
        ("ib-stream cat /var/lib/ib-stream/log/2026-01-30T14.0001.log", "everything in one part of the log"),
        (
            "ib-stream cat /var/lib/ib-stream/ticks/711280073-MNQ/bid_ask/2026/01/30/14.ticks",
            "one sealed hour of one stream"
        ),
    ]
) { context throws(ProgramError) in
    try runCat(context)
}

private func runCat(_ context: OperatorContext) throws(ProgramError) -> Int32 {
    let word = context.flags.words[0]
    let format = try catFormat(context.flags)
    if format == .raw, isatty(STDOUT_FILENO) == 1 {
        throw ProgramError(.usage, "cat: raw records are not for a terminal: redirect them into a file or a program")
    }
    var reader: TickReader
    var stream: StreamID?
    if access(word, F_OK) == 0 || word.hasSuffix(".log") || word.hasSuffix(".ticks") || word.contains("/") {
        reader = try CatSelection.reader("cat", file: word, CatSelection.selection("cat", context.flags))
    } else {
        let wanted = try CatSelection.stream("cat", word)
        let state = try CatSelection.recording("cat", context).state
        reader = try CatSelection.reader(
            "cat", state: state, CatSelection.selection("cat", context.flags, streams: [wanted]))
        stream = wanted
    }
    var text = TickText(format, withMarkers: !context.flags.has("no-markers"))
    let found = try copyTicks(&reader, &text)
    if !found, reader.findings.isEmpty {
        let isPart = context.flags.value("from") != nil || context.flags.value("to") != nil
        let what = stream.map { "nothing is recorded of \($0)" } ?? "\(word): no record in it"
        let hint = stream == nil ? "ib-stream verify" : isPart ? "ib-stream gaps" : "ib-stream ls"
        throw ProgramError(.noInput, "cat: \(what)\(isPart ? " in that time" : ""): see '\(hint)'")
    }
    return CatSelection.report("cat", reader.findings)
}

private func catFormat(_ flags: ParsedFlags) throws(ProgramError) -> TickText.Format {
    guard let name = flags.value("format") else { return .text }
    guard let format = TickText.Format(rawValue: name) else {
        throw ProgramError(.usage, "cat: --format \(name): unknown format: use text, csv, json or raw")
    }
    return format
}

/// Prints all that the reader gives; true if that was anything. A reader of ours that went away is no error.
private func copyTicks(_ reader: inout TickReader, _ text: inout TickText) throws(ProgramError) -> Bool {
    var output = CatOutput()
    var progress = CatProgress("cat", totalBytes: try CatSelection.bytesTotal("cat", reader), outputIsData: true)
    var found = false
    while let run = try CatSelection.next("cat", &reader) {
        if !found { output.buffer.append(text.header) }
        found = true
        text.append(run.ticks, of: run.stream, to: &output.buffer)
        progress.update(reader.bytesRead)
        guard try output.flushIfFull("cat") else { return true }
    }
    progress.finish()
    if !found { output.buffer.append(text.header) }
    _ = try output.flush("cat")
    return found
}
