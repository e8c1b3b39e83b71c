internal import Glibc
internal import ServiceKit
internal import TickStore

/// Standard output for many lines: buffered, and a reader that went away ends the work quietly.
struct CatOutput: ~Copyable {
    private static let flushBytes = 64 << 10

    var buffer = TextBuffer(capacity: 2 * CatOutput.flushBytes)

    /// Writes the buffer out when there is enough in it. False when nobody reads any more.
    mutating func flushIfFull(_ command: String) throws(ProgramError) -> Bool {
        buffer.count < CatOutput.flushBytes ? true : try flush(command)
    }

    mutating func flush(_ command: String) throws(ProgramError) -> Bool {
        defer { buffer.removeAll() }
        switch CatOutput.write(buffer.bytes, to: STDOUT_FILENO) {
        case 0: return true
        case EPIPE: return false
        case let code: throw ProgramError(.ioError, "\(command): standard output: \(errorText(code)): free some space")
        }
    }

    /// Writes all bytes; returns 0 or the errno value.
    static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let written = Glibc.write(descriptor, part.baseAddress, part.count)
            if written < 0 {
                if errno == EINTR { continue }
                return errno
            }
            rest = rest.dropFirst(written)
        }
        return 0
    }
}

/// Progress of long work on standard error, when that is a terminal and standard output is not the same screen.
struct CatProgress {
    private let shown: Bool
    private let verb: String
    private let totalBytes: UInt64
    private let startNanos = bootNanos()
    private var nextNanos: Int64
    private var drawn = false

    init(_ verb: String, totalBytes: UInt64, outputIsData: Bool) {
        shown = isatty(STDERR_FILENO) == 1 && !(outputIsData && isatty(STDOUT_FILENO) == 1)
        self.verb = verb
        self.totalBytes = totalBytes
        // Short work needs no progress.
        nextNanos = startNanos + 1_000_000_000
    }

    mutating func update(_ bytes: UInt64) {
        guard shown, bootNanos() >= nextNanos, totalBytes > 0 else { return }
        let now = bootNanos()
        nextNanos = now + 200_000_000
        drawn = true
        let percent = min(100, bytes * 100 / totalBytes)
        let rate = bytes * 1_000 / UInt64(max(1, (now - startNanos) / 1_000_000)) >> 20
        draw("\r\(verb) \(percent) % of \(totalBytes >> 20) MiB, \(rate) MiB/s ")
    }

    /// Takes the line away.
    mutating func finish() {
        if drawn { draw("\r\u{1B}[K") }
        drawn = false
    }

    private func draw(_ text: String) {
        var text = text
        // A terminal that takes nothing is no reason to stop the work.
        _ = text.withUTF8 { CatOutput.write(UnsafeRawBufferPointer($0), to: STDERR_FILENO) }
    }
}
