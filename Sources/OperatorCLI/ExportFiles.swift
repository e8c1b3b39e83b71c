internal import Glibc
internal import ServiceKit
internal import TickStore
internal import Ticks

/// Writes the files of an export: each under a name of its own until it is whole, so that nobody takes half for all.
///
/// Files are opened for each write of a full buffer only: there may be more streams than descriptors.
final class Exporter {
    private static let flushBytes = 128 << 10

    private final class Output {
        let path: String
        var text: TickText
        var buffer = TextBuffer(capacity: 4096)
        var rows = 0

        init(path: String, text: TickText) {
            self.path = path
            self.text = text
        }

        var partialPath: String { path + ".partial" }
    }

    private let directory: String
    private let format: TickText.Format
    private let withMarkers: Bool
    private var outputs: [StreamID: Output] = [:]

    init(directory: String, format: TickText.Format, withMarkers: Bool) {
        self.directory = directory
        self.format = format
        self.withMarkers = withMarkers
    }

    func add(_ run: TickReader.Run) throws(ProgramError) {
        let output = try output(of: run.stream)
        output.rows += output.text.append(run.ticks, of: run.stream, to: &output.buffer)
        if output.buffer.count >= Exporter.flushBytes { try write(output, O_APPEND) }
    }

    /// Completes every file and gives it its name. Returns what was written, in the order of streams.
    func finish() throws(ProgramError) -> [(stream: StreamID, path: String, rows: Int)] {
        for (_, output) in outputs {
            try write(output, O_APPEND)
            guard rename(output.partialPath, output.path) == 0 else { throw failure(output.path, errno) }
        }
        return outputs.sorted { $0.key < $1.key }.map { ($0.key, $0.value.path, $0.value.rows) }
    }

    private func output(of stream: StreamID) throws(ProgramError) -> Output {
        if let output = outputs[stream] { return output }
        let name = "\(stream).\(format == .csv ? "csv" : "json")"
        let path = directory.hasSuffix("/") ? directory + name : directory + "/" + name
        let output = Output(path: path, text: TickText(format, withMarkers: withMarkers))
        output.buffer.append(output.text.header)
        try write(output, O_CREAT | O_TRUNC)
        outputs[stream] = output
        return output
    }

    private func write(_ output: Output, _ flags: Int32) throws(ProgramError) {
        let descriptor = open(output.partialPath, O_WRONLY | O_CLOEXEC | flags, 0o666)
        guard descriptor >= 0 else { throw failure(output.partialPath, errno) }
        defer { close(descriptor) }
        let code = CatOutput.write(output.buffer.bytes, to: descriptor)
        guard code == 0 else { throw failure(output.partialPath, code) }
        output.buffer.removeAll()
    }

    private func failure(_ path: String, _ code: Int32) -> ProgramError {
        ProgramError(.ioError, "export: \(path): \(errorText(code)): free some space or choose another --out")
    }
}
