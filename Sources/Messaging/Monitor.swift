internal import CZMQShim
internal import Synchronization

/// What happened to one of a socket's connections.
public struct MonitorEvent: Sendable, Equatable {
    /// What happened; raw values are libzmq's. Source: zmq_socket_monitor(3).
    public enum Kind: UInt16, Sendable {
        case connected = 0x0001
        case connectDelayed = 0x0002
        case connectRetried = 0x0004
        case listening = 0x0008
        case bindFailed = 0x0010
        case accepted = 0x0020
        case acceptFailed = 0x0040
        case closed = 0x0080
        case closeFailed = 0x0100
        case disconnected = 0x0200
        case stopped = 0x0400
        case handshakeFailed = 0x0800
        case handshakeSucceeded = 0x1000
        case handshakeMalformed = 0x2000
        /// The access control refused the peer.
        case accessRefused = 0x4000
    }

    /// Nil for an event that this version does not know.
    public let kind: Kind?
    /// By kind: a descriptor, an errno value, a delay, or the access control's status (400).
    public let value: UInt32
    public let endpoint: String
}

/// Tells the connection events of one socket. Made by the socket's thread, then used by any one thread.
public struct Monitor: ~Copyable {
    private static let number = Atomic<UInt64>(0)
    private let pair: Socket

    public init(of socket: borrowing Socket) throws(MessagingError) {
        let endpoint = "inproc://monitor-\(Monitor.number.add(1, ordering: .relaxed).newValue)"
        try check(czs_monitor_start(socket.handle, endpoint, CZS_EVENT_ALL), "monitor", socket.name)
        var opened = try Socket(.pair, in: socket.context, highWaterMark: 1000, maxFrameBytes: -1, lingerMillis: 0)
        try opened.connect(endpoint)
        pair = opened
    }

    /// The next event; nil when none came within `timeoutMillis` (0: look once, -1: for ever).
    public mutating func receive(timeoutMillis: Int32) throws(MessagingError) -> MonitorEvent? {
        var event: UInt16 = 0
        var value: UInt32 = 0
        var endpoint = [CChar](repeating: 0, count: 512)
        let code = czs_monitor_receive(pair.handle, timeoutMillis, &event, &value, &endpoint, endpoint.count)
        if MessagingError(errno: code, operation: "", subject: "").code == .wouldBlock { return nil }
        try check(code, "receive events of", pair.name)
        let text = String(decoding: endpoint.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return MonitorEvent(kind: MonitorEvent.Kind(rawValue: event), value: value, endpoint: text)
    }

    /// For `Poller.add` and `Monitor`.
    public func withSocket<R: ~Copyable, E: Error>(
        _ body: (borrowing Socket) throws(E) -> R
    ) throws(E) -> R { try body(pair) }
}
