internal import Glibc
internal import ServiceKit
internal import TickStore
internal import Ticks

let exportCommand = Command(
    "export", usage: "--format csv|json --out DIR [FLAGS]",
    "Writes one file per stream, such as 711280073.bid_ask.csv.",
    flags: [
        .init("format", value: "FORMAT", "csv or json (one object a line)"),
        .init("out", value: "DIR", "where the files go; made if missing, files of the same name are replaced"),
        .init("stream", value: "STREAM", "only this stream; may be repeated"), CatSelection.from, CatSelection.to,
        CatSelection.by, CatSelection.order, .init("no-markers", "leave out the markers: subscriptions, gaps, losses"),
    ],
    examples: [
        ("ib-stream export --format csv --out ticks", "everything that is recorded"),
        ("ib-stream export --format json --stream 265598.last --from 24h --out .", "one stream's last day"),
    ]
) { context throws(ProgramError) in
    try runExport(context)
}

private func runExport(_ context: OperatorContext) throws(ProgramError) -> Int32 {
    let format = try exportFormat(context.flags)
    guard let out = context.flags.value("out") else {
        throw ProgramError(.usage, "export: where to is missing: add --out DIR")
    }
    var wanted: Set<StreamID> = []
    for text in context.flags.all("stream") { wanted.insert(try CatSelection.stream("export", text)) }
    let selection = try CatSelection.selection("export", context.flags, streams: wanted.isEmpty ? nil : wanted)
    let state = try CatSelection.recording("export", context).state
    do throws(FileError) { try Files.makeDirectory(out, mode: 0o777) } catch {
        throw ProgramError(.ioError, "export: \(error.path): \(error.reason): choose another --out")
    }

    var reader = try CatSelection.reader("export", state: state, selection)
    var progress = CatProgress("export", totalBytes: try CatSelection.bytesTotal("export", reader), outputIsData: false)
    let exporter = Exporter(directory: out, format: format, withMarkers: !context.flags.has("no-markers"))
    while let run = try CatSelection.next("export", &reader) {
        try exporter.add(run)
        progress.update(reader.bytesRead)
    }
    let files = try exporter.finish()
    progress.finish()
    printOut(files.map { "\($0.rows) \($0.path)\n" }.joined())
    let status = CatSelection.report("export", reader.findings)
    let missing = wanted.subtracting(files.map(\.stream)).sorted()
    guard missing.isEmpty else {
        let names = missing.map(\.description).joined(separator: ", ")
        throw ProgramError(.noInput, "export: nothing is recorded of \(names) in that time: see 'ib-stream ls'")
    }
    guard !files.isEmpty || status != ExitStatus.success.rawValue else {
        throw ProgramError(.noInput, "export: nothing is recorded in that time: see 'ib-stream ls'")
    }
    return status
}

private func exportFormat(_ flags: ParsedFlags) throws(ProgramError) -> TickText.Format {
    switch flags.value("format") {
    case "csv": return .csv
    case "json": return .json
    case "parquet", "dbn":
        throw ProgramError(.usage, "export: --format \(flags.value("format") ?? ""): not built yet: use csv or json")
    case let name?: throw ProgramError(.usage, "export: --format \(name): unknown format: use csv or json")
    case nil: throw ProgramError(.usage, "export: the format is missing: add --format csv or --format json")
    }
}
