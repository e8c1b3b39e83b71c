internal import CLinux
internal import Glibc
internal import JSON
internal import Messaging
internal import ServiceKit
internal import Ticks

/// What `up` shows: on a terminal a table that is painted anew each second (the services' own lines go to a file then);
/// elsewhere one line whenever something changes and at least every ten seconds. Main thread only.
struct UpDisplay {
    private let paths: Paths
    private let isTerminal: Bool
    private let startedNanos = bootNanos()
    private var nextNanos: Int64 = 0
    private var lastLine = ""
    private var lastLineNanos: Int64 = 0
    /// The last things that happened, for the table's foot.
    private var news: [String] = []
    private var client: StatusClient?

    static let plainIntervalNanos: Int64 = 10_000_000_000
    static let newsLines = 5
    static let logLimitBytes: off_t = 16 << 20

    init(paths: Paths) {
        self.paths = paths
        isTerminal = isatty(STDOUT_FILENO) == 1
    }

    static func logPath(_ paths: Paths) -> String { paths.runtime + "/up.log" }

    /// On a terminal: the file that takes the services' lines, emptied. Elsewhere -1: they go where ours go.
    static func openLog(_ paths: Paths) -> Int32 {
        guard isatty(STDOUT_FILENO) == 1, isatty(STDERR_FILENO) == 1 else { return -1 }
        return open(logPath(paths), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o640)
    }

    /// Something happened.
    mutating func say(_ text: String) {
        if isTerminal {
            news.append("\(Timestamp.text(realNanos(), digits: 0)) \(text)")
            if news.count > Self.newsLines { news.removeFirst() }
            if text.hasPrefix("stop") { printOut("\(text)\n") }
        } else {
            printOut("\(Timestamp.text(realNanos(), digits: 3)) \(text)\n")
        }
    }

    /// How the end gets on: a line each time.
    func tellProgress(_ text: String) {
        printOut(isTerminal ? "\(text)\n" : "\(Timestamp.text(realNanos(), digits: 3)) \(text)\n")
    }

    /// Asks the watchdog and shows what it says; at most once a second.
    mutating func show(nowNanos: Int64) {
        guard nowNanos >= nextNanos else { return }
        nextNanos = nowNanos + 1_000_000_000
        if client == nil { client = StatusClient(socket: paths.watchdogSocket) }
        let view = client?.ask().map(StatusView.init)
        if isTerminal { paint(view, nowNanos) } else { tell(view, nowNanos) }
    }

    private mutating func tell(_ view: StatusView?, _ nowNanos: Int64) {
        // Before the watchdog first answers there is nothing to say for a while.
        guard view != nil || nowNanos - startedNanos > 5_000_000_000 else { return }
        if let view, view.isStarting { return }
        let line = view?.summary ?? "no answer from ib-watchdog"
        let health = line.prefix { $0 != " " }
        let changed = health != lastLine.prefix { $0 != " " }
        guard changed || nowNanos - lastLineNanos >= Self.plainIntervalNanos else { return }
        lastLine = line
        lastLineNanos = nowNanos
        printOut("\(Timestamp.text(realNanos(), digits: 3)) \(line)\n")
    }

    private func paint(_ view: StatusView?, _ nowNanos: Int64) {
        var columns: Int32 = 80
        var rows: Int32 = 24
        _ = clx_terminal_size(STDOUT_FILENO, &columns, &rows)
        let seconds = (nowNanos - startedNanos) / 1_000_000_000
        var lines = view?.lines(columns: Int(columns)) ?? ["ib-stream: waiting for ib-watchdog"]
        lines += ["", "running for \(seconds) s, Ctrl-C stops; messages: \(Self.logPath(paths))"] + news
        // From the top left, each line cleared behind its end, then everything below cleared.
        var text = "\u{1B}[H"
        for line in lines.prefix(Int(rows) - 1) { text += line.printable().prefix(Int(columns)) + "\u{1B}[K\r\n" }
        printToTerminal(text + "\u{1B}[J")
        limitLog()
    }

    /// The file of the services' lines is emptied when it has grown too long; they
    /// append, so that they go on at its start.
    private func limitLog() {
        var info = stat()
        guard stat(Self.logPath(paths), &info) == 0, info.st_size > Self.logLimitBytes else { return }
        truncate(Self.logPath(paths), 0)
    }
}

/// Asks the watchdog, or another service, for its status.
final class StatusClient {
    private let messaging: Context
    private var client: ControlClient

    /// Nil when the system has no descriptors left; the caller tries again.
    init?(socket: String) {
        do throws(MessagingError) {
            messaging = try Context()
            client = try ControlClient(in: messaging)
            try client.connect(Paths.endpoint(socket))
        } catch {
            return nil
        }
    }

    /// The answer; nil when none came in time.
    func ask() -> JSONValue? {
        do throws(MessagingError) {
            return try client.call("status", timeoutMillis: 400)
        } catch {
            return nil
        }
    }
}
