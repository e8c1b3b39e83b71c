internal import CSystemd
internal import Glibc
internal import Synchronization
internal import Ticks

/// How grave a line is; the raw value is journald's priority.
public enum LogLevel: Int32, Sendable, Comparable, CaseIterable {
    case critical = 2
    case error = 3
    case warning = 4
    case notice = 5
    case info = 6
    case debug = 7

    var name: String {
        switch self {
        case .critical: "CRITICAL"
        case .error: "ERROR"
        case .warning: "WARNING"
        case .notice: "NOTICE"
        case .info: "INFO"
        case .debug: "DEBUG"
        }
    }

    /// Graver is greater.
    public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue > b.rawValue }
}

/// Writes one line: a constant message, then `key=value` of each field.
///
/// To the journal when standard error is the journal (fields as `IB_<KEY>`), else to standard error as
/// `2025-08-12T20:11:34.976Z WARNING ib-recorder: message key=value`. Never waits for a reader of standard error: lines
/// that find no room are dropped and counted. Level and fields are looked at only when the line is wanted. Any thread.
public func log(
    _ level: LogLevel, _ message: @autoclosure () -> String,
    _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:], messageId: String? = nil
) {
    guard Log.wants(level) else { return }
    Log.write(level, message(), fields(), messageId: messageId)
}

/// The program's one log.
public enum Log {
    private struct State {
        var identifier = "ib-stream"
        var level = LogLevel.info
        var toJournal = false
        var dropped = 0
    }

    private static let state = Mutex(State())
    private static let threshold = Atomic<Int32>(LogLevel.info.rawValue)
    /// A line is cut at this length: what a pipe takes in one piece.
    private static let maxLineBytes = 4000

    /// Names the program and finds out where lines go. `IB_STREAM_LOG_LEVEL`
    /// (`debug` … `critical`) decides what is wanted.
    public static func start(identifier: String, environment: [String: String]) {
        let wanted = environment["IB_STREAM_LOG_LEVEL"].flatMap { name in
            LogLevel.allCases.first { $0.name == name.uppercased() }
        }
        state.withLock { state in
            state.identifier = identifier
            state.toJournal = standardErrorIsJournal(environment["JOURNAL_STREAM"])
            if let wanted { state.level = wanted }
        }
        if let wanted { threshold.store(wanted.rawValue, ordering: .relaxed) }
    }

    /// The line of an error that ends the program: `program: what: why: what to do`, as an
    /// error of the journal when lines go there.
    public static func fatal(_ program: String, _ text: String) {
        let journal = state.withLock { $0.toJournal }
        if journal { write(.error, "\(program): \(text)", [:], messageId: nil) } else { printError(program, text) }
    }

    static func wants(_ level: LogLevel) -> Bool { level.rawValue <= threshold.load(ordering: .relaxed) }

    static func write(
        _ level: LogLevel, _ message: String, _ fields: KeyValuePairs<String, String>, messageId: String?
    ) {
        var line = message
        for (key, value) in fields { line += " \(key)=\(quoted(value))" }
        line = line.split(whereSeparator: \.isNewline).joined(separator: " ").printable()
        state.withLock { state in
            if state.toJournal, sendToJournal(state.identifier, level, line, fields, messageId) { return }
            let text = "\(Timestamp.text(realNanos(), digits: 3)) \(level.name) \(state.identifier): \(line)"
            writeToStandardError(text, &state)
        }
    }

    private static func quoted(_ value: String) -> String {
        guard value.isEmpty || value.utf8.contains(where: { $0 == 0x20 || $0 == 0x22 }) else { return value }
        return "\"" + value.replacing("\"", with: "'") + "\""
    }

    /// `$JOURNAL_STREAM` names device and inode of the stream that systemd
    /// connected; it may have been redirected since.
    private static func standardErrorIsJournal(_ variable: String?) -> Bool {
        guard let parts = variable?.split(separator: ":"), parts.count == 2 else { return false }
        var info = stat()
        guard fstat(STDERR_FILENO, &info) == 0 else { return false }
        return UInt64(parts[0]) == UInt64(info.st_dev) && UInt64(parts[1]) == UInt64(info.st_ino)
    }

    private static func writeToStandardError(_ text: String, _ state: inout State) {
        var bytes = Array(text.utf8)
        if bytes.count > maxLineBytes { bytes.replaceSubrange((maxLineBytes - 3)..., with: Array("...".utf8)) }
        if state.dropped > 0 { bytes += Array(" (\(state.dropped) lines before this one found no reader)".utf8) }
        bytes.append(UInt8(ascii: "\n"))
        // A pipe is ready when a whole line fits; a stopped reader must not stop us.
        var poller = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        guard poll(&poller, 1, 0) == 1, poller.revents & Int16(POLLOUT) != 0,
            Files.writeAll(STDERR_FILENO, bytes) == 0
        else {
            state.dropped += 1
            return
        }
        state.dropped = 0
    }

    private static func sendToJournal(
        _ identifier: String, _ level: LogLevel, _ line: String, _ fields: KeyValuePairs<String, String>,
        _ messageId: String?
    ) -> Bool {
        var entries = ["MESSAGE=\(line)", "PRIORITY=\(level.rawValue)", "SYSLOG_IDENTIFIER=\(identifier)"]
        if let messageId { entries.append("MESSAGE_ID=\(messageId)") }
        for (key, value) in fields { entries.append("IB_\(fieldName(key))=\(value)") }
        // Copies live until the call returns; sd_journal_sendv only reads them.
        let copies = entries.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        let pieces = copies.compactMap { copy in copy.map { iovec(iov_base: $0, iov_len: strlen($0)) } }
        return pieces.withUnsafeBufferPointer { sd_journal_sendv($0.baseAddress, Int32($0.count)) == 0 }
    }

    /// Journal fields are upper case letters, digits and underscores.
    private static func fieldName(_ key: String) -> String {
        String(
            decoding: key.uppercased().utf8.map { byte -> UInt8 in
                switch byte {
                case 0x30...0x39, 0x41...0x5A: byte
                default: 0x5F
                }
            }, as: UTF8.self)
    }
}

/// One line on standard error in the form `program: what: why: what to do`, for errors that end a program.
public func printError(_ program: String, _ text: String) {
    let line = text.split(whereSeparator: \.isNewline).joined(separator: " ").printable()
    _ = Files.writeAll(STDERR_FILENO, Array("\(program): \(line)\n".utf8))
}

/// Bytes on standard output, as they are; for a terminal as `String.printable`
/// writes them. False when the reader is gone.
@discardableResult public func printOut(_ bytes: UnsafeRawBufferPointer) -> Bool {
    if isatty(STDOUT_FILENO) == 1 { return printOut(String(decoding: bytes, as: UTF8.self)) }
    return Files.writeAll(STDOUT_FILENO, Array(bytes)) == 0
}

/// Text of lines on standard output, as `String.printable` writes it. False when the reader is gone.
@discardableResult public func printOut(_ text: String) -> Bool {
    Files.writeAll(STDOUT_FILENO, Array(text.printable(keepingLines: true).utf8)) == 0
}

/// What a terminal is to obey, with texts in between that went through `String.printable`.
public func printToTerminal(_ commands: String) { _ = Files.writeAll(STDOUT_FILENO, Array(commands.utf8)) }
