internal import CSystemd
internal import Glibc

/// One notification in the words of sd_notify: `READY=1`, `WATCHDOG=1`, `STATUS=…`, `X_IB_…=…`.
public struct Notification: Sendable, Equatable {
    /// A longer one is refused by the receiver.
    public static let maxBytes = 2048

    /// In order; a value holds no newline.
    public private(set) var fields: [(key: String, value: String)] = []

    public init() {}

    public init(_ fields: KeyValuePairs<String, String>) { for (key, value) in fields { add(key, value) } }

    /// Adds a field; newlines in the value become blanks, and a field that does not fit any more is left out.
    public mutating func add(_ key: String, _ value: String) {
        let value = value.split(whereSeparator: \.isNewline).joined(separator: " ")
        guard text.utf8.count + key.utf8.count + value.utf8.count + 2 <= Self.maxBytes else { return }
        fields.append((key, value))
    }

    public subscript(_ key: String) -> String? { fields.first { $0.key == key }?.value }

    /// Takes over the fields of later news; what these do not name stays.
    public mutating func update(with news: Notification) {
        var updated = news
        for (key, value) in fields where news[key] == nil { updated.add(key, value) }
        self = updated
    }

    /// `KEY=value` lines.
    public var text: String { fields.map { "\($0.key)=\($0.value)" }.joined(separator: "\n") }

    /// Parses what came from outside. Nil if it is too long, no UTF-8 or has a line without `=`.
    public init?(parsing bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= Self.maxBytes, let text = String(validating: bytes, as: UTF8.self) else { return nil }
        for line in text.split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { return nil }
            fields.append((String(line[..<equals]), String(line[line.index(after: equals)...])))
        }
    }

    public static func == (a: Notification, b: Notification) -> Bool { a.text == b.text }
}

/// Sends notifications to the watchdog's socket and, when systemd wants them, to systemd. Used by `main` alone.
///
/// Towards the watchdog nothing ever waits: a watchdog that is stopped or away costs one failed call. The socket is
/// looked up by its path for each datagram, so that a new watchdog is found at once.
public struct HeartbeatSender: ~Copyable {
    private let descriptor: Int32
    private let path: String
    private let toSystemd: Bool
    /// Datagrams that the watchdog did not take.
    public private(set) var missed = 0

    /// Throws when the system has no descriptor left.
    public init(notifySocket: String, environment: [String: String]) throws(ProgramError) {
        let made = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard made >= 0 else { throw ProgramError(.ioError, "heartbeat socket: \(errorText(errno))") }
        descriptor = made
        path = notifySocket
        // A service that runs by hand below a systemd service inherits the variable; libsystemd checks the rest.
        toSystemd = environment["NOTIFY_SOCKET"] != nil
    }

    deinit { close(descriptor) }

    /// Sends one notification to both. Own fields (`X_IB_…`) go to the watchdog only.
    public mutating func send(_ notification: Notification) {
        if !sendToWatchdog(Array(notification.text.utf8)) { missed += 1 }
        guard toSystemd else { return }
        let forSystemd = notification.fields.filter { !$0.key.hasPrefix("X_IB_") }
        guard !forSystemd.isEmpty else { return }
        // Fails only when systemd's socket is gone; the watchdog's own judgement stays.
        _ = sd_notify(0, forSystemd.map { "\($0.key)=\($0.value)" }.joined(separator: "\n"))
    }

    private func sendToWatchdog(_ bytes: [UInt8]) -> Bool {
        let dontWait = Int32(MSG_DONTWAIT)
        return UnixAddress.with(path) { address, length in
            bytes.withUnsafeBytes { sendto(descriptor, $0.baseAddress, $0.count, dontWait, address, length) }
        } == bytes.count
    }
}

/// A unix socket's address.
enum UnixAddress {
    /// Calls `body` with the address of a socket file; returns -1 without calling it when the path is too long.
    static func with(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int) -> Int {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count <= Paths.maxSocketPathBytes else { return -1 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
