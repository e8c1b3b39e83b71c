internal import CZMQShim
internal import Glibc

/// A received message of the feed: its topic, and how many payload bytes stand in the caller's buffer.
public struct Received: Sendable {
    public var topic = ReceivedTopic()
    public var payloadBytes = 0
}

/// The live feed's receiving end: SUB. Owned by one thread.
public struct Subscriber: ~Copyable {
    /// Every payload on a tick topic fits in this: 256 records of 64 bytes.
    public static let tickPayloadBytes = 16384
    /// Definitions and watermarks may be longer; nothing is longer than this.
    public static let longestPayloadBytes = 1 << 20

    private var socket: Socket

    public init(
        in context: Context, highWaterMark: Int = Publisher.highWaterMark, security: SocketSecurity = .none
    ) throws(MessagingError) {
        socket = try Socket(
            .subscriber, in: context, highWaterMark: highWaterMark, maxFrameBytes: Subscriber.longestPayloadBytes,
            lingerMillis: 0, security: security)
    }

    /// As `Socket.connect`; several endpoints may be connected.
    public mutating func connect(_ endpoint: String) throws(MessagingError) { try socket.connect(endpoint) }

    /// Asks for every topic with this prefix; the empty one means all.
    public func subscribe(_ prefix: String) throws(MessagingError) {
        try check(
            czs_socket_set_bytes(socket.handle, CZS_SUBSCRIBE, prefix, prefix.utf8.count), "subscribe", socket.name)
    }

    public func unsubscribe(_ prefix: String) throws(MessagingError) {
        try check(
            czs_socket_set_bytes(socket.handle, CZS_UNSUBSCRIBE, prefix, prefix.utf8.count), "unsubscribe", socket.name)
    }

    /// Receives one message, its payload into `buffer`; nil when none came within
    /// `timeoutMillis` (0: look once, -1: wait for ever).
    ///
    /// Throws `truncated` for a payload longer than the buffer and `malformed` for a message that is not two frames;
    /// that message is gone, the next call goes on.
    public func receive(
        into buffer: UnsafeMutableRawBufferPointer, timeoutMillis: Int32
    ) throws(MessagingError) -> Received? {
        var received = Received()
        var frames = 0
        let room = buffer.count
        let code = withUnsafeMutableBytes(of: &received.topic.storage) { topic in
            withUnsafeTemporaryAllocation(of: czs_slot.self, capacity: 2) { slots in
                slots[0] = czs_slot(buffer: topic.baseAddress, capacity: topic.count, length: 0)
                slots[1] = czs_slot(buffer: buffer.baseAddress, capacity: room, length: 0)
                guard let start = slots.baseAddress else { return Outcome(code: 0, topic: 0, payload: 0) }
                let code = czs_receive(socket.handle, start, 2, timeoutMillis, &frames)
                return Outcome(code: code, topic: slots[0].length, payload: slots[1].length)
            }
        }
        if code.code == EAGAIN { return nil }
        if code.code != EMSGSIZE { try check(code.code, "receive from", socket.name) }
        guard frames == 2 else {
            throw MessagingError(
                .malformed("\(frames) frames instead of 2"), operation: "receive", subject: socket.name)
        }
        guard code.payload <= room else {
            throw MessagingError(
                .truncated(have: code.payload, room: room), operation: "receive", subject: socket.name)
        }
        received.topic.count = min(code.topic, ReceivedTopic.capacity)
        received.payloadBytes = code.payload
        return received
    }

    private struct Outcome {
        let code: Int32
        let topic: Int
        let payload: Int
    }

    /// For `Poller.add` and `Monitor`.
    public func withSocket<R: ~Copyable, E: Error>(
        _ body: (borrowing Socket) throws(E) -> R
    ) throws(E) -> R { try body(socket) }
}
