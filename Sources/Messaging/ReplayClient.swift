internal import CZMQShim
internal import Glibc
internal import JSON
public import Ticks

/// What a replay or history server answers.
public enum ReplayAnswer {
    /// Records of the stream in key order; valid until the client's next call.
    case batch(UnsafeBufferPointer<Tick>)
    /// The page is over; ask from here for the next one.
    case end(next: TickKey)
    /// The wanted key is gone; this is the first that there is. Batches or the end follow.
    case gone(first: TickKey)
    /// The gaps of the stream that was asked about, as JSON; valid until the
    /// client's next call. That was the whole answer.
    case gaps(UnsafeRawBufferPointer)
    /// The server refused; its words. The page is over.
    case error(String)
}

/// Asks a replay or history server for pages of one stream. Owned by one thread; one request is open at a time.
///
/// The caller keeps the time: `receive` returns nil when nothing came, and after as long as he likes he calls `request`
/// again. What still comes for an earlier request is dropped by its id.
public struct ReplayClient: ~Copyable {
    /// No answer to a question for gaps is longer.
    public static let longestGapsBytes = 2 << 20

    private var socket: Socket
    private var frames: FrameBuffers
    private var lastId: UInt64 = 0
    /// True from `request` until its `end` or `error`.
    public private(set) var isOpen = false
    /// Answers to earlier requests that were dropped.
    public private(set) var staleAnswers = 0

    public init(in context: Context, security: SocketSecurity = .none) throws(MessagingError) {
        let socket = try Socket(
            .dealer, in: context, highWaterMark: ReplayServer.highWaterMark,
            maxFrameBytes: ReplayClient.longestGapsBytes, lingerMillis: 0, security: security)
        // A request goes to a living connection or nowhere: none piles up for a server that is away.
        try socket.set(CZS_IMMEDIATE, 1)
        try socket.set(CZS_SEND_HWM, 4)
        self.socket = socket
        // Address space; memory is only what answers fill.
        frames = FrameBuffers([ReplayFrame.typeBytes, ReplayFrame.idBytes, ReplayClient.longestGapsBytes])
    }

    public mutating func connect(_ endpoint: String) throws(MessagingError) { try socket.connect(endpoint) }

    /// Sends a request; an earlier one is given up. False when no connection stands within
    /// `timeoutMillis` (0: look once): try again later.
    public mutating func request(_ request: ReplayRequest, timeoutMillis: Int32 = 0) throws(MessagingError) -> Bool {
        try ask(.page(request), timeoutMillis: timeoutMillis)
    }

    /// Asks for the gaps of a stream; `receive` then gives `gaps` or `error`. Otherwise as
    /// `request`. Only the recorder's history has gaps.
    public mutating func requestGaps(of stream: StreamID, timeoutMillis: Int32 = 0) throws(MessagingError) -> Bool {
        try ask(.gaps(stream), timeoutMillis: timeoutMillis)
    }

    private mutating func ask(_ question: ReplayQuestion, timeoutMillis: Int32) throws(MessagingError) -> Bool {
        isOpen = false
        lastId += 1
        var writer = JSONWriter()
        question.write(id: lastId, to: &writer)
        let idText = Array(String(lastId).utf8)
        let code = writer.bytes.withUnsafeBytes { body in
            idText.withUnsafeBytes { id in
                let type = ReplayFrame.request
                let parts = [
                    czs_part(bytes: type.utf8Start, count: type.utf8CodeUnitCount),
                    czs_part(bytes: id.baseAddress, count: id.count),
                    czs_part(bytes: body.baseAddress, count: body.count),
                ]
                return czs_send(socket.handle, parts, parts.count, timeoutMillis)
            }
        }
        if code == EAGAIN { return false }
        try check(code, "ask", socket.name)
        isOpen = true
        return true
    }

    /// Gives the open request up; its answers will be dropped.
    public mutating func cancel() { isOpen = false }

    /// The next answer to the open request; nil when none came within `timeoutMillis` (0: look once, -1: for ever).
    ///
    /// Throws `malformed` for a message that no server sends; that message is gone.
    public mutating func receive(timeoutMillis: Int32) throws(MessagingError) -> ReplayAnswer? {
        while let arrival = try frames.receive(from: socket, waitMillis: timeoutMillis) {
            guard isCurrent(arrival) else {
                staleAnswers += 1
                continue
            }
            return try answer(arrival)
        }
        return nil
    }

    /// For `Poller.add` and `Monitor`.
    public func withSocket<R: ~Copyable, E: Error>(
        _ body: (borrowing Socket) throws(E) -> R
    ) throws(E) -> R { try body(socket) }

    private func isCurrent(_ arrival: FrameBuffers.Arrival) -> Bool {
        guard isOpen else { return false }
        guard arrival.frames == 3 else { return true }
        var id: UInt64 = 0
        for byte in frames[1] {
            guard byte >= 0x30, byte <= 0x39, id < UInt64.max / 16 else { return false }
            id = id * 10 + UInt64(byte - 0x30)
        }
        return id == lastId
    }

    private mutating func answer(_ arrival: FrameBuffers.Arrival) throws(MessagingError) -> ReplayAnswer {
        guard arrival.frames == 3 else { throw malformed("\(arrival.frames) frames instead of 3") }
        guard !arrival.wasCut else { throw malformed("a frame is too long") }
        let body = frames[2]
        if equal(frames[0], ReplayFrame.batch) {
            guard body.count % Tick.size == 0, (1...Subscriber.tickPayloadBytes).contains(body.count) else {
                throw malformed("a batch of \(body.count) bytes")
            }
            return .batch(body.bindMemory(to: Tick.self))
        }
        if equal(frames[0], ReplayFrame.end) {
            isOpen = false
            return .end(next: try key("next", body))
        }
        if equal(frames[0], ReplayFrame.gone) { return .gone(first: try key("first", body)) }
        if equal(frames[0], ReplayFrame.gaps) {
            isOpen = false
            return .gaps(body)
        }
        guard equal(frames[0], ReplayFrame.error) else { throw malformed("an answer of unknown type") }
        isOpen = false
        return .error(try json(body)["message"]?.string ?? "no reason given")
    }

    private func key(_ name: String, _ body: UnsafeRawBufferPointer) throws(MessagingError) -> TickKey {
        guard let number = try json(body)[name]?.unsigned else { throw malformed("no key `\(name)`") }
        return TickKey(rawValue: number)
    }

    private func json(_ body: UnsafeRawBufferPointer) throws(MessagingError) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue(parsing: body, maxBytes: Subscriber.tickPayloadBytes)
        } catch {
            throw malformed("\(error)")
        }
    }

    private func malformed(_ text: String) -> MessagingError {
        MessagingError(.malformed(text), operation: "receive", subject: socket.name)
    }
}
