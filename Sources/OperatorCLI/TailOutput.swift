internal import Glibc
internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// What `tail` prints, up to `--count` lines. A reader that goes away, as `| head` does, is the end and no fault.
struct TailOutput: JoinSink, ~Copyable {
    private static let flushBytes = 64 << 10

    private var text: TickText
    private var buffer = TextBuffer(capacity: 4 * TailOutput.flushBytes)
    private var left = Int.max
    private var hasReader = true

    init(_ flags: ParsedFlags) throws(ProgramError) {
        let name = flags.value("format") ?? "text"
        guard let format = TickText.Format(rawValue: name) else {
            throw ProgramError(.usage, "tail --format \(name): unknown: use text, csv, json or raw")
        }
        if format == .raw, isatty(STDOUT_FILENO) == 1 {
            throw ProgramError(
                .usage, "tail: raw records are not for a terminal: redirect them into a file or a program")
        }
        if let text = flags.value("count") {
            guard let count = Int(text), count > 0 else {
                throw ProgramError(.usage, "tail --count \(text): not a positive number")
            }
            left = count
        }
        text = TickText(format)
    }

    /// False when all that was asked for is printed, or nobody reads any more.
    var isOpen: Bool { hasReader && left > 0 }

    /// Prints what stands in front of all lines.
    mutating func begin() {
        buffer.append(text.header)
        flush()
    }

    mutating func give(_ records: UnsafeBufferPointer<Tick>, of stream: StreamID) {
        var at = 0
        // In pieces, so that the buffer stays small; a line is at least one record.
        while at < records.count, isOpen {
            let piece = min(records.count - at, StreamPage.batchRecords, left)
            var end = at + piece
            while end < records.count, records[end].kindByte == TickKind.more.rawValue, text.format != .raw { end += 1 }
            left -= text.append(UnsafeBufferPointer(rebasing: records[at..<end]), of: stream, to: &buffer)
            at = end
            if buffer.count >= TailOutput.flushBytes { flush() }
        }
    }

    /// Writes out what is there. Waits as long as the reader does: what comes meanwhile is held, or paged in later.
    mutating func flush() {
        guard buffer.count > 0 else { return }
        hasReader = printOut(buffer.bytes) && hasReader
        buffer.removeAll()
    }
}
