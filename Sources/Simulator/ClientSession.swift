internal import Glibc
internal import TWS

/// One client's connection. Owner: the event loop.
final class ClientSession {
    enum Phase: Equatable {
        /// Waiting for `API\0`.
        case prefix
        /// Waiting for the range of versions.
        case hello
        /// The greeting is answered; waiting for startApi.
        case start
        /// Logged in.
        case ready
    }

    /// What a live request id stands for.
    enum Subscription: Equatable {
        case tickByTick(stream: Int)
        case level1(instrument: Int)
    }

    let descriptor: Int32
    /// Counts connections, for the log.
    let number: Int
    let connectedAtNanos: Int64
    var phase = Phase.prefix
    var serverVersion = 0
    var clientId: Int32 = -1
    var reader = FrameReader()
    var prefixRead: [UInt8] = []
    var output = OutputQueue()
    var messageRate = MessageRate()
    var subscriptions: [Int32: Subscription] = [:]
    /// Nothing more is read; the connection ends when the output is sent.
    var isClosing = false
    /// Why the connection ends now; set once, acted on by the loop.
    var endCause: String?

    init(descriptor: Int32, number: Int, nowNanos: Int64) {
        self.descriptor = descriptor
        self.number = number
        connectedAtNanos = nowNanos
    }

    deinit { close(descriptor) }

    var isReady: Bool { phase == .ready && !isClosing && endCause == nil }

    /// False for a session of a version that knows whole sizes only.
    var takesFractions: Bool { serverVersion >= ServerVersion.fractionalSizes }

    /// Appends a message for the client.
    func send(_ message: ServerMessage) { message.encode(to: &output.bytes, serverVersion: serverVersion) }

    func sendError(_ notice: (code: Int32, text: String), requestId: Int32 = -1, nowNanos: Int64) {
        send(
            .error(
                ErrorMessage(
                    requestId: requestId, code: notice.code, text: notice.text, timeMillis: nowNanos / 1_000_000)))
    }

    /// Ends the connection at the next chance; the first cause counts.
    func end(_ cause: String) { if endCause == nil { endCause = cause } }

    /// Reads what has come, at most one buffer, without waiting. Ends the connection at end of file and on errors.
    func receive() {
        if phase == .prefix { return receivePrefix() }
        reader.withFreeSpace { space in received(read(descriptor, space.baseAddress, min(space.count, 1 << 16))) }
    }

    /// The first four bytes of a connection are no frame.
    private func receivePrefix() {
        var bytes = [UInt8](repeating: 0, count: Handshake.prefix.count - prefixRead.count)
        let count = bytes.withUnsafeMutableBytes { received(read(descriptor, $0.baseAddress, $0.count)) }
        prefixRead += bytes.prefix(count)
        guard Handshake.prefix.starts(with: prefixRead) else { return end("the connection does not begin with API") }
        if prefixRead.count == Handshake.prefix.count { phase = .hello }
    }

    private func received(_ count: Int) -> Int {
        if count > 0 { return count }
        if count == 0 {
            end("closed by the client")
        } else if errno != EAGAIN, errno != EINTR {
            end("reading failed: \(String(cString: strerror(errno)))")
        }
        return 0
    }

    /// Says that nothing more comes, and reads away what the client sent meanwhile: closing with unread bytes would
    /// make the kernel throw away what the client has not read yet.
    func finish() {
        shutdown(descriptor, Int32(SHUT_WR))
        _ = hasClosed
    }

    /// Reads away what has come; true once the client has closed its side.
    var hasClosed: Bool {
        var sink = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = sink.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return true }
            if count < 0 { return errno != EAGAIN && errno != EINTR }
        }
    }

    /// Makes closing cut the connection (RST) instead of ending it in order.
    func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }
}
