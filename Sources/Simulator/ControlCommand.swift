internal import Ticks

/// One line of the control socket.
enum ControlCommand: Equatable {
    /// Cut every client's connection: in order (FIN), or with `reset` abruptly (RST).
    case drop(reset: Bool)
    /// Go mute: read and send nothing, keep all sockets. Ticks of the meantime are never sent.
    case stall
    case resume
    case error(code: Int32, text: String?)
    case mute(StreamPattern)
    case unmute(StreamPattern)
    /// Let subscribed streams die without a word, as a gateway does after a farm reconnect: they bring
    /// nothing until they are subscribed anew.
    case silence(StreamPattern)
    /// Add so much to the prices of a stream, units of 1e-9, as a gateway does after a farm reconnect; 0 ends it. The
    /// stream's next subscription is sound again, unless `always` is set.
    case offset(StreamID, units: Int64, always: Bool)
    /// Refuse new connections as a closed port does; the clients there stay.
    case refuse
    case accept
    /// Send these bytes to every client that is logged in, as they are.
    case raw([UInt8])
    /// Write at most so many bytes at a time, so that frames arrive in pieces; 0 = as usual.
    case fragment(Int)
    case history(HistoryFault)
    case status

    static let help =
        "drop [reset], stall, resume, error CODE [text], mute STREAM|all, unmute STREAM|all, "
        + "silence STREAM|all, offset STREAM AMOUNT [always], refuse, accept, raw HEX, fragment BYTES, "
        + "history ok|empty|repeat|silent|delay SECONDS|error CODE [text]|notice CODE [text]|"
        + "trades reported|all|unmarked|pages once|again|seam TICKS|day SECOND, status"

    /// What `history` does to the answers of history requests.
    enum HistoryFault: Equatable {
        /// All is well again.
        case none
        /// 162, "no data".
        case empty
        /// Every answer has the same second over and over, whatever was asked for.
        case repeating
        /// No answer at all.
        case silent
        /// The last seconds are not in history yet.
        case delayed(seconds: UInt32)
        case error(code: Int32, text: String?)
        /// The code comes with the request's id, and then the answer all the same.
        case notice(code: Int32, text: String?)
        /// Which trades the history of trades has.
        case trades(HistoryTrades)
        /// Answers have whole pages, or parts of them, again.
        case pages(repeated: Bool)
        /// The past ticks in front of a subscription lack their last ones.
        case seam(ticks: Int)
        /// A trading day ends at this Unix second: no answer goes beyond it that was asked from before it on, and its
        /// last tick is repeated where there is no other.
        case day(end: UInt32)
    }

    enum HistoryTrades: String {
        case reported
        /// Unreported ones too, marked as such.
        case all
        /// The same, and nothing says which they are.
        case unmarked
    }

    /// Which streams `mute`, `unmute` and `silence` mean.
    enum StreamPattern: Equatable {
        case all
        case one(StreamID)
    }

    /// Longest line, in bytes.
    static let limitBytes = 64 * 1024

    init(parsing line: String) throws(ControlError) {
        let words = line.split(separator: " ", maxSplits: 1)
        let rest = words.count > 1 ? String(words[1]).trimmed : ""
        func alone(_ command: ControlCommand) throws(ControlError) -> ControlCommand {
            guard rest.isEmpty else { throw ControlError("\(words[0]) takes nothing") }
            return command
        }
        switch words.first {
        case "drop":
            guard rest.isEmpty || rest == "reset" else { throw ControlError("drop takes nothing or reset") }
            self = .drop(reset: rest == "reset")
        case "stall": self = try alone(.stall)
        case "resume": self = try alone(.resume)
        case "refuse": self = try alone(.refuse)
        case "accept": self = try alone(.accept)
        case "status": self = try alone(.status)
        case "mute": self = .mute(try ControlCommand.pattern(rest))
        case "unmute": self = .unmute(try ControlCommand.pattern(rest))
        case "silence": self = .silence(try ControlCommand.pattern(rest))
        case "offset": self = try ControlCommand.offset(rest)
        case "error":
            let parts = rest.split(separator: " ", maxSplits: 1)
            guard let code = parts.first.flatMap({ Int32($0) }), code >= 0 else {
                throw ControlError("error takes a code and perhaps a text")
            }
            self = .error(code: code, text: parts.count > 1 ? String(parts[1]) : nil)
        case "raw": self = .raw(try ControlCommand.bytes(rest))
        case "fragment":
            guard let count = Int(rest), (0...1_048_576).contains(count) else {
                throw ControlError("fragment takes a number of bytes, 0 to 1048576")
            }
            self = .fragment(count)
        case "history": self = .history(try ControlCommand.historyFault(rest))
        default: throw ControlError("unknown command; there are: \(ControlCommand.help)")
        }
    }

    private static func historyFault(_ text: String) throws(ControlError) -> HistoryFault {
        let words = text.split(separator: " ", maxSplits: 2)
        switch (words.first, words.count) {
        case ("ok", 1): return .none
        case ("empty", 1): return .empty
        case ("repeat", 1): return .repeating
        case ("silent", 1): return .silent
        case ("delay", 2):
            guard let seconds = UInt32(words[1]), seconds <= 86_400 else {
                throw ControlError("history delay takes seconds, 0 to 86400")
            }
            return .delayed(seconds: seconds)
        case ("error", 2...), ("notice", 2...):
            guard let code = Int32(words[1]), code >= 0 else { throw ControlError("history \(words[0]) takes a code") }
            let text = words.count > 2 ? String(words[2]).trimmed : nil
            return words[0] == "error" ? .error(code: code, text: text) : .notice(code: code, text: text)
        case ("trades", 2):
            guard let trades = HistoryTrades(rawValue: String(words[1])) else {
                throw ControlError("history trades takes reported, all or unmarked")
            }
            return .trades(trades)
        case ("pages", 2):
            guard words[1] == "once" || words[1] == "again" else {
                throw ControlError("history pages takes once or again")
            }
            return .pages(repeated: words[1] == "again")
        case ("seam", 2):
            guard let ticks = Int(words[1]), (0...1_000).contains(ticks) else {
                throw ControlError("history seam takes a number of ticks, 0 to 1000")
            }
            return .seam(ticks: ticks)
        case ("day", 2):
            guard let end = UInt32(words[1]) else { throw ControlError("history day takes a Unix second") }
            return .day(end: end)
        default:
            throw ControlError(
                "history takes ok, empty, repeat, silent, delay SECONDS, error CODE [text], notice CODE [text], "
                    + "trades reported|all|unmarked, pages once|again, seam TICKS or day SECOND")
        }
    }

    private static func pattern(_ text: String) throws(ControlError) -> StreamPattern {
        if text == "all" { return .all }
        guard let stream = StreamID(text) else { throw ControlError("no stream such as 711280073.bid_ask: \(text)") }
        return .one(stream)
    }

    private static func offset(_ text: String) throws(ControlError) -> ControlCommand {
        let words = text.split(separator: " ").map(String.init)
        guard (2...3).contains(words.count), words.count == 2 || words[2] == "always",
            let stream = StreamID(words[0]), stream.source == 0, StreamSlot.index(stream.kind) != nil
        else { throw ControlError("offset takes a tick-by-tick stream, an amount and perhaps always") }
        let amount = Array(words[1].utf8).withUnsafeBufferPointer { FixedPoint.parse($0) }
        guard let amount, amount.exact, amount.units.magnitude <= 1 << 62 else {
            throw ControlError("no amount such as 445860400 or -0.25: \(words[1])")
        }
        return .offset(stream, units: amount.units, always: words.count == 3)
    }

    private static func bytes(_ text: String) throws(ControlError) -> [UInt8] {
        let digits = text.utf8.filter { $0 != UInt8(ascii: " ") }
        guard !digits.isEmpty, digits.count % 2 == 0 else {
            throw ControlError("raw takes pairs of hexadecimal digits")
        }
        var bytes: [UInt8] = []
        for at in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(decoding: digits[at...(at + 1)], as: UTF8.self), radix: 16) else {
                throw ControlError("raw takes pairs of hexadecimal digits")
            }
            bytes.append(byte)
        }
        return bytes
    }
}

/// What was wrong with a line of the control socket.
struct ControlError: Error, Equatable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

extension String {
    var trimmed: String {
        var rest = self[...]
        while rest.first == " " || rest.first == "\r" { rest.removeFirst() }
        while rest.last == " " || rest.last == "\r" { rest.removeLast() }
        return String(rest)
    }
}
