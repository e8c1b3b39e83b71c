internal import CZMQShim
internal import Glibc

/// One messaging socket. Made, used and closed by one thread; not `Sendable` for that reason.
///
/// The socket keeps its context alive and closes itself at the end of its life. `Publisher`, `Subscriber`, the replay
/// and control types are built on it; other code should need those only.
public struct Socket: ~Copyable {
    /// Which of libzmq's patterns the socket speaks. Source: zmq_socket(3).
    public enum Kind: Sendable {
        case publisher, subscriber, router, dealer, pair, request

        var code: czs_kind {
            switch self {
            case .publisher: CZS_XPUB
            case .subscriber: CZS_SUB
            case .router: CZS_ROUTER
            case .dealer: CZS_DEALER
            case .pair: CZS_PAIR
            case .request: CZS_REQ
            }
        }
    }

    let handle: OpaquePointer
    let context: Context
    private let kind: Kind
    /// What errors call this socket until it has an endpoint.
    private var subject: String
    private var files: [SocketFile] = []
    private var nextLookNanos: Int64 = 0

    /// Opens a socket with the settings that every socket of the system has: reconnecting after 100 ms to 2 s, and
    /// `lingerMillis` for what is unsent at the end.
    ///
    /// `highWaterMark` messages are queued per peer and direction. A peer that sends a frame above `maxFrameBytes` is
    /// cut off, so what strangers send has a bound.
    public init(
        _ kind: Kind, in context: Context, highWaterMark: Int, maxFrameBytes: Int, lingerMillis: Int = 100,
        security: SocketSecurity = .none
    ) throws(MessagingError) {
        let subject = "\(kind) socket"
        var opened: OpaquePointer?
        try check(czs_socket_open(context.handle, kind.code, &opened), "open", subject)
        guard let opened else { throw MessagingError(.other(EIO), operation: "open", subject: subject) }
        do throws(MessagingError) {
            let settings: [(czs_option, Int)] = [
                (CZS_SEND_HWM, highWaterMark), (CZS_RECEIVE_HWM, highWaterMark),
                (CZS_MAX_MESSAGE_BYTES, maxFrameBytes), (CZS_LINGER_MILLIS, lingerMillis),
                (CZS_HEARTBEAT_INTERVAL_MILLIS, 5000), (CZS_HEARTBEAT_TIMEOUT_MILLIS, 15000),
                (CZS_HEARTBEAT_TTL_MILLIS, 15000), (CZS_RECONNECT_MILLIS, 100), (CZS_RECONNECT_MAX_MILLIS, 2000),
                (CZS_IPV6, 1),
            ]
            for (option, value) in settings {
                try check(czs_socket_set_int(opened, option, Int64(value)), "set up", subject)
            }
            try Socket.secure(opened, security, context, subject)
        } catch {
            _ = czs_socket_close(opened)
            throw error
        }
        handle = opened
        self.kind = kind
        self.context = context
        self.subject = subject
    }

    private static func secure(
        _ handle: OpaquePointer, _ security: SocketSecurity, _ context: Context, _ subject: String
    ) throws(MessagingError) {
        func set(_ option: czs_bytes_option, _ key: CurveKey) throws(MessagingError) {
            try check(czs_socket_set_bytes(handle, option, key.bytes, key.bytes.count), "set a key of", subject)
        }
        switch security {
        case .none: break
        case .server(let secretKey, let domain):
            // Nobody would get in.
            precondition(context.hasAccessControl, "a CURVE server needs Context.startAccessControl first")
            try check(czs_socket_set_int(handle, CZS_CURVE_SERVER, 1), "set CURVE of", subject)
            try set(CZS_CURVE_SECRET_KEY, secretKey)
            try check(
                czs_socket_set_bytes(handle, CZS_ZAP_DOMAIN, domain, domain.utf8.count), "set the domain of", subject)
            // Fails closed: libzmq lets everybody in when nobody answers for the
            // domain, unless it is told to enforce it.
            try check(czs_socket_set_int(handle, CZS_ZAP_ENFORCE_DOMAIN, 1), "enforce the domain of", subject)
        case .client(let serverKey, let keys):
            try set(CZS_CURVE_SERVER_KEY, serverKey)
            try set(CZS_CURVE_PUBLIC_KEY, keys.publicKey)
            try set(CZS_CURVE_SECRET_KEY, keys.secretKey)
        }
    }

    deinit {
        _ = czs_socket_close(handle)
        for file in files { file.remove() }
    }

    /// Binds to `ipc://PATH`, `tcp://ADDRESS:PORT` (`*` as the port: picked by the system) or `inproc://NAME`.
    ///
    /// A socket file gets the mode 0660. Throws `addressInUse` when somebody listens there; that check of a socket file
    /// is no lock: a second instance is kept out by the service's lock file.
    public mutating func bind(_ endpoint: String) throws(MessagingError) {
        try Socket.checkPort(endpoint, "bind")
        try limitHeartbeats(endpoint)
        try check(czs_socket_bind(handle, endpoint), "bind", endpoint)
        subject = endpoint
        guard var file = SocketFile(endpoint) else { return }
        let code = file.own()
        files.append(file)
        try check(code, "bind", endpoint)
    }

    /// Looks, once a second however often it is called, whether the files of all bound `ipc://` endpoints are still
    /// this socket's own, and binds anew those that are not. Returns what is to be said about it, seldom anything.
    public mutating func restoreFiles(nowNanos: Int64) -> [(path: String, fault: String?)] {
        guard nowNanos >= nextLookNanos else { return [] }
        nextLookNanos = nowNanos + 1_000_000_000
        var news: [(path: String, fault: String?)] = []
        for index in files.indices {
            if let restored = files[index].restore(handle) { news.append(restored) }
        }
        return news
    }

    /// Connects in the background and reconnects for ever; returning says nothing about the peer.
    public mutating func connect(_ endpoint: String) throws(MessagingError) {
        try Socket.checkPort(endpoint, "connect")
        try limitHeartbeats(endpoint)
        try check(czs_socket_connect(handle, endpoint), "connect", endpoint)
        subject = endpoint
    }

    /// A socket has ZMTP heartbeats each 5 s, so that a peer who is silent for 15 s is dropped: over TCP, where nobody
    /// else tells of a host that is gone, and from publishers, whose queue for a stopped subscriber is large.
    ///
    /// Not from others on this host, where the kernel tells of every end: libzmq 4.3 aborts the process when it is to
    /// send a heartbeat on a connection that ended while nobody took what had come over it (`!_io_error`, reported to
    /// it as 4841), such as a recorder's whose disk is frozen when the connector is restarted.
    private func limitHeartbeats(_ endpoint: String) throws(MessagingError) {
        if kind != .publisher, endpoint.hasPrefix("ipc://") { try set(CZS_HEARTBEAT_INTERVAL_MILLIS, 0) }
    }

    /// libzmq takes port 70000 for 4464.
    private static func checkPort(_ endpoint: String, _ operation: String) throws(MessagingError) {
        guard endpoint.hasPrefix("tcp://"), let colon = endpoint.lastIndex(of: ":") else { return }
        let port = endpoint[endpoint.index(after: colon)...]
        guard port == "*" || UInt16(port) != nil else {
            throw MessagingError(.badEndpoint, operation: operation, subject: endpoint)
        }
    }

    /// The endpoint bound or connected last, with the port that the system picked; nil before.
    public var lastEndpoint: String? {
        var text = [CChar](repeating: 0, count: 512)
        guard czs_socket_last_endpoint(handle, &text, text.count) == 0, text[0] != 0 else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The file of the first `ipc://` endpoint that it is bound to; empty without one.
    var filePath: String { files.first?.path ?? "" }

    /// What errors call this socket.
    var name: String { subject }

    func set(_ option: czs_option, _ value: Int) throws(MessagingError) {
        try check(czs_socket_set_int(handle, option, Int64(value)), "set an option of", subject)
    }

    /// Sends one message; 0 never blocks, -1 waits for ever.
    func send(_ frames: [czs_part], waitMillis: Int32 = 0) throws(MessagingError) {
        try check(czs_send(handle, frames, frames.count, waitMillis), "send", subject)
    }

    /// Receives one whole message into `slots`; nil when none came in time, else its number of frames. Throws
    /// `truncated` for a frame longer than its slot (the message is gone then).
    func receive(_ slots: UnsafeMutableBufferPointer<czs_slot>, waitMillis: Int32) throws(MessagingError) -> Int? {
        var frames = 0
        guard let start = slots.baseAddress else { return nil }
        let code = czs_receive(handle, start, slots.count, waitMillis, &frames)
        if code == 0 { return frames }
        if code == EAGAIN { return nil }
        if code == EMSGSIZE, let cut = slots.prefix(frames).first(where: { $0.length > $0.capacity }) {
            throw MessagingError(
                .truncated(have: cut.length, room: cut.capacity), operation: "receive", subject: subject)
        }
        throw MessagingError(errno: code, operation: "receive", subject: subject)
    }
}
