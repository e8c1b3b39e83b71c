internal import CZMQShim
internal import Glibc

/// The live feed's sending end: XPUB with XPUB_VERBOSE, so that each subscription is told, repeated ones too.
///
/// Never blocks: what a subscriber's full queue cannot hold is dropped for that subscriber alone, who sees it as
/// a jump in the key. Owned by one thread.
public struct Publisher: ~Copyable {
    /// Messages queued per subscriber: at most 8,192 of 16 KiB and a topic.
    public static let highWaterMark = 8192
    /// Longer topics in subscriptions are taken as "none of ours".
    public static let longestSubscription = 256
    // Subscriptions are a byte and a prefix, and our longest topic has 40 bytes. A longer frame ends the connection:
    // libzmq keeps a node for each byte of a prefix, so 2,000 prefixes of 4,000 bytes took 270 MiB (seen).
    private static let maxFrameBytes = 192
    // A CURVE handshake's messages are longer.
    private static let maxCurveFrameBytes = 512
    /// Subscriptions taken from libzmq at once, so that whoever sends them without end leaves time for the feed.
    private static let subscriptionsPerRound = 1024

    private var socket: Socket
    private let scratch: UnsafeMutableRawPointer

    public init(
        in context: Context, highWaterMark: Int = Publisher.highWaterMark, security: SocketSecurity = .none
    ) throws(MessagingError) {
        var frameBytes = Publisher.maxCurveFrameBytes
        if case .none = security { frameBytes = Publisher.maxFrameBytes }
        let socket = try Socket(
            .publisher, in: context, highWaterMark: highWaterMark, maxFrameBytes: frameBytes, security: security)
        try socket.set(CZS_XPUB_VERBOSE, 1)
        // Subscriptions that wait here; beyond that libzmq lets the subscriber wait, and loses none.
        try socket.set(CZS_RECEIVE_HWM, 8192)
        self.socket = socket
        scratch = .allocate(byteCount: Publisher.longestSubscription + 1, alignment: 1)
    }

    deinit { scratch.deallocate() }

    /// As `Socket.bind`. May be called several times, for several endpoints of equal security.
    public mutating func bind(_ endpoint: String) throws(MessagingError) { try socket.bind(endpoint) }

    public var lastEndpoint: String? { socket.lastEndpoint }

    /// As `Socket.restoreFiles`.
    public mutating func restoreFiles(nowNanos: Int64) -> [(path: String, fault: String?)] {
        socket.restoreFiles(nowNanos: nowNanos)
    }

    /// Publishes one message of two frames in one call.
    public func publish(topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) throws(MessagingError) {
        var run = czs_run(
            topic: topic.baseAddress, topic_count: topic.count, payload: payload.baseAddress,
            payload_count: payload.count)
        var sent = 0
        try check(czs_publish(socket.handle, &run, 1, &sent), "publish", socket.name)
    }

    public func publish(_ topic: Topic, _ payload: UnsafeRawBufferPointer) throws(MessagingError) {
        try publish(topic: topic.bytes, payload: payload)
    }

    public func publish(_ topic: Topic, _ payload: [UInt8]) throws(MessagingError) {
        let run = payload.withUnsafeBytes { bytes -> Result<Void, MessagingError> in
            do throws(MessagingError) {
                return .success(try publish(topic: topic.bytes, payload: bytes))
            } catch {
                return .failure(error)
            }
        }
        try run.get()
    }

    /// Publishes all runs of the batch in one call; the batch is as it was afterwards.
    public func publish(_ batch: borrowing PublishBatch) throws(MessagingError) {
        var sent = 0
        try check(czs_publish(socket.handle, batch.runs, batch.count, &sent), "publish", socket.name)
    }

    /// Hands over subscriptions and their ends that have come since; true = subscribed. An end is told when the last
    /// subscriber of that very prefix has gone. To be called when `Poller` says readable; takes 1,024 at most, `Poller`
    /// says so again when there are more.
    public mutating func receiveSubscriptions(
        _ body: (_ subscribed: Bool, _ topic: UnsafeRawBufferPointer) -> Void
    ) throws(MessagingError) {
        for _ in 0..<Publisher.subscriptionsPerRound {
            var slot = czs_slot(buffer: scratch, capacity: Publisher.longestSubscription + 1, length: 0)
            var frames = 0
            let code = czs_receive(socket.handle, &slot, 1, 0, &frames)
            if code == EAGAIN { return }
            if code == EMSGSIZE { continue }
            try check(code, "receive from", socket.name)
            let bytes = UnsafeRawBufferPointer(start: scratch, count: slot.length)
            // Anything else is a message that a peer made up.
            guard frames == 1, let first = bytes.first, first <= 1 else { continue }
            body(first == 1, UnsafeRawBufferPointer(rebasing: bytes.dropFirst()))
        }
    }

    /// For `Poller.add` and `Monitor`.
    public func withSocket<R: ~Copyable, E: Error>(
        _ body: (borrowing Socket) throws(E) -> R
    ) throws(E) -> R { try body(socket) }
}

/// Runs to publish together: filled and emptied for every read, with no allocation once it has grown.
///
/// Holds addresses, not bytes: topics and payloads must stay where they are until `publish` has returned.
public struct PublishBatch: ~Copyable {
    private(set) var runs: UnsafeMutablePointer<czs_run>
    private var capacity: Int
    public private(set) var count = 0

    public init(capacity: Int = 64) {
        self.capacity = max(1, capacity)
        runs = .allocate(capacity: self.capacity)
    }

    deinit { runs.deallocate() }

    /// Adds one message. The payload of a tick topic is 1 to 256 whole records.
    public mutating func add(_ topic: Topic, _ payload: UnsafeRawBufferPointer) {
        if count == capacity {
            let larger = UnsafeMutablePointer<czs_run>.allocate(capacity: capacity * 2)
            larger.moveInitialize(from: runs, count: count)
            runs.deallocate()
            runs = larger
            capacity *= 2
        }
        (runs + count).initialize(
            to: czs_run(
                topic: UnsafeRawPointer(topic.start), topic_count: topic.count, payload: payload.baseAddress,
                payload_count: payload.count))
        count += 1
    }

    public mutating func removeAll() { count = 0 }
}
