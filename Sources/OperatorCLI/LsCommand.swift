internal import JSON
internal import ServiceKit
internal import TickStore
internal import Ticks

let lsCommand = Command(
    "ls", usage: "[FLAGS]", "Lists the streams that are recorded, and those that are to be.",
    flags: [CatSelection.from, CatSelection.to, .init("json", "print one JSON object")],
    examples: [
        ("ib-stream ls", "every stream with its ticks and times; 0 ticks: configured, and nothing came"),
        ("ib-stream ls --from 24h", "what came in the last day"),
    ]
) { context throws(ProgramError) in
    let (state, configuration, paths) = try CatSelection.recording("ls", context)
    let selection = try CatSelection.selection("ls", context.flags)
    let expected = try ExpectedStreams(context, paths)
    var (streams, findings) =
        selection.fromNanos == nil && selection.toNanos == nil ? try counted(state) : try counted(state, selection)
    let isEmpty = streams.isEmpty && findings.isEmpty
    // What is to be recorded and is not stands there too.
    for stream in expected.entries.keys where streams[stream] == nil { streams[stream] = RecordingSurvey.Entry() }
    var names = configuration.contractOf.mapValues { LsText.Name(symbol: $0.symbol, exchange: $0.exchange ?? "") }
    for (stream, entry) in expected.entries where names[stream.contract] == nil && !entry.symbol.isEmpty {
        names[stream.contract] = LsText.Name(symbol: entry.symbol, exchange: entry.exchange)
    }
    printOut(context.flags.has("json") ? LsText.json(streams, names) : LsText.table(streams, names))
    guard !isEmpty else {
        let time = selection.fromNanos == nil && selection.toNanos == nil ? "" : " in that time"
        throw ProgramError(.noInput, "ls: nothing is recorded in \(state)\(time): see 'ib-stream status'")
    }
    return CatSelection.report("ls", findings)
}

private typealias Counts = (streams: [StreamID: RecordingSurvey.Entry], findings: [LogFinding])

/// Everything: the footers of sealed hours are enough.
private func counted(_ state: String) throws(ProgramError) -> Counts {
    do throws(StoreError) {
        var survey = RecordingSurvey(stateDirectory: state)
        var progress = CatProgress("ls", totalBytes: try survey.bytesTotal(), outputIsData: false)
        try survey.run { progress.update($0) }
        progress.finish()
        return (survey.streams, survey.findings)
    } catch {
        throw CatSelection.failure("ls", error)
    }
}

/// A time range: record by record.
private func counted(_ state: String, _ selection: TickReader.Selection) throws(ProgramError) -> Counts {
    // Counting needs no order of times.
    var selection = selection
    selection.order = .arrival
    var reader = try CatSelection.reader("ls", state: state, selection)
    var progress = CatProgress("ls", totalBytes: try CatSelection.bytesTotal("ls", reader), outputIsData: false)
    var streams: [StreamID: RecordingSurvey.Entry] = [:]
    while let run = try CatSelection.next("ls", &reader) {
        streams[run.stream, default: RecordingSurvey.Entry()].add(run.ticks)
        progress.update(reader.bytesRead)
    }
    progress.finish()
    return (streams, reader.findings)
}

/// The list as text and as JSON.
enum LsText {
    /// What a contract is called; the exchange is empty where none is configured.
    struct Name {
        let symbol: String
        let exchange: String

        var text: String { exchange.isEmpty ? symbol : "\(symbol) \(exchange)" }
    }

    static func table(_ streams: [StreamID: RecordingSurvey.Entry], _ names: [ContractID: Name]) -> String {
        let rows = streams.sorted { $0.key < $1.key }.map { stream, entry in
            [
                stream.description, names[stream.contract]?.text ?? "", "\(entry.ticks)", "\(entry.markers)",
                entry.isEmpty ? "-" : Timestamp.text(entry.firstRecvNanos, digits: 3),
                entry.isEmpty ? "-" : Timestamp.text(entry.lastRecvNanos, digits: 3),
                entry.isEmpty ? "-" : entry.lastKey.description,
            ]
        }
        return TextTable.text(
            ["STREAM", "SYMBOL", "TICKS", "MARKERS", "FIRST", "LAST", "LAST KEY"], rows, rightAligned: [2, 3])
    }

    static func json(_ streams: [StreamID: RecordingSurvey.Entry], _ names: [ContractID: Name]) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("streams") { writer in
                writer.object { writer in
                    for (stream, entry) in streams.sorted(by: { $0.key < $1.key }) {
                        writer.field(stream.description) { writer in
                            writer.object { writer in
                                if let name = names[stream.contract] {
                                    writer.field("symbol", name.symbol)
                                    if !name.exchange.isEmpty { writer.field("exchange", name.exchange) }
                                }
                                writer.field("ticks", entry.ticks)
                                writer.field("markers", entry.markers)
                                guard !entry.isEmpty else {
                                    for name in ["first_ts_recv", "last_ts_recv", "last"] { writer.field(name, .null) }
                                    return
                                }
                                writer.field("first_ts_recv", Timestamp.text(entry.firstRecvNanos))
                                writer.field("last_ts_recv", Timestamp.text(entry.lastRecvNanos))
                                writer.field("last", entry.lastKey.rawValue)
                            }
                        }
                    }
                }
            }
        }
        return String(decoding: writer.bytes, as: UTF8.self) + "\n"
    }
}

/// Columns for people.
enum TextTable {
    static func text(_ heads: [String], _ rows: [[String]], rightAligned: Set<Int>) -> String {
        var widths = heads.map(\.utf8.count)
        for row in rows {
            for (column, cell) in row.enumerated() { widths[column] = max(widths[column], cell.utf8.count) }
        }
        var text = ""
        for row in [heads] + rows {
            var line = ""
            for (column, cell) in row.enumerated() {
                let gap = String(repeating: " ", count: widths[column] - cell.utf8.count)
                line += (column == 0 ? "" : "  ") + (rightAligned.contains(column) ? gap + cell : cell + gap)
            }
            while line.last == " " { line.removeLast() }
            text += line + "\n"
        }
        return text
    }
}
