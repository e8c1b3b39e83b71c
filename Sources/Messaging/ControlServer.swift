internal import CZMQShim
internal import Glibc
internal import JSON

/// Answers JSON commands of DEALER and REQ clients: a ROUTER, owned by one thread.
///
/// `{"id","command",…}` is answered by `{"id","ok":true,"result"}` or `{"id","ok":false,"error"}`; `id` may be any JSON
/// value and is echoed (null when there was none to read).
public struct ControlServer: ~Copyable {
    private var socket: Socket
    private var frames: FrameBuffers
    private var backlogs = ClientBacklogs(limitBytes: 16 << 20)

    /// What one call of `serve` did.
    public enum Served: Sendable, Equatable {
        /// No request came in time.
        case nothing
        case answered
        /// The handler will answer later.
        case deferred
        /// The request was malformed; the client got this text.
        case refused(String)
        /// The client went away or does not read; its answer was dropped.
        case clientGone
    }

    public init(in context: Context, security: SocketSecurity = .none) throws(MessagingError) {
        let socket = try Socket(
            .router, in: context, highWaterMark: 64, maxFrameBytes: ControlLimit.requestBytes, security: security)
        try socket.set(CZS_ROUTER_MANDATORY, 1)
        // Answers may be long; a client that asks on and reads nothing gets no more than these.
        try socket.set(CZS_SEND_HWM, 8)
        self.socket = socket
        frames = FrameBuffers([256, ControlLimit.requestBytes, ControlLimit.requestBytes])
    }

    public mutating func bind(_ endpoint: String) throws(MessagingError) { try socket.bind(endpoint) }

    public var lastEndpoint: String? { socket.lastEndpoint }

    /// As `Socket.restoreFiles`; and gives memory back that waiting answers have taken.
    public mutating func restoreFiles(nowNanos: Int64) -> [(path: String, fault: String?)] {
        backlogs.giveBack()
        return socket.restoreFiles(nowNanos: nowNanos)
    }

    /// Bytes of answers that wait for clients.
    var backlogBytes: Int64 { backlogs.bytes }

    /// Waits for one request (0: looks once, -1: for ever), lets `handler` answer it, and sends the answer. Throws for
    /// the server's own faults and for the context's shutdown, never for what a client sent.
    public mutating func serve(
        timeoutMillis: Int32, _ handler: (ControlRequest, ControlToken) -> ControlReply
    ) throws(MessagingError) -> Served {
        guard let arrival = try frames.receive(from: socket, waitMillis: timeoutMillis) else { return .nothing }
        let hasDelimiter = arrival.frames == 3 && frames[1].isEmpty
        let routing = Array(frames[0])
        guard backlogs.client(routing, descriptor: arrival.source, path: socket.filePath) != nil else {
            return .clientGone
        }
        var token = ControlToken(routing: routing, hasDelimiter: hasDelimiter, id: .null)
        let request: ControlRequest
        do throws(JSONRefusal) {
            request = try read(arrival, idInto: &token)
        } catch {
            return try reply(.failure(error.text), to: token) ? .refused(error.text) : .clientGone
        }
        let answer = handler(request, token)
        if case .later = answer { return .deferred }
        return try reply(answer, to: token) ? .answered : .clientGone
    }

    /// Sends the answer to a request whose handler said `later`. False when the client has gone or does not read.
    @discardableResult
    public mutating func reply(_ reply: ControlReply, to token: ControlToken) throws(MessagingError) -> Bool {
        var writer = JSONWriter()
        writer.object {
            $0.field("id", token.id)
            switch reply {
            case .success(let result):
                $0.field("ok", true)
                $0.field("result", result)
            case .failure(let text):
                $0.field("ok", false)
                $0.field("error", text)
            case .later: preconditionFailure("a deferred answer cannot be deferred again")
            }
        }
        guard let client = backlogs.client(token.routing) else { return false }
        let code = token.routing.withUnsafeBytes { routing in
            writer.bytes.withUnsafeBytes { body in
                var parts = [czs_part(bytes: routing.baseAddress, count: routing.count)]
                if token.hasDelimiter { parts.append(czs_part(bytes: nil, count: 0)) }
                parts.append(czs_part(bytes: body.baseAddress, count: body.count))
                return client.send(parts, parts.count, on: socket.handle)
            }
        }
        if code == EHOSTUNREACH || code == EAGAIN { return false }
        try check(code, "answer on", socket.name)
        return true
    }

    /// For `Poller.add` and `Monitor`.
    public func withSocket<R: ~Copyable, E: Error>(
        _ body: (borrowing Socket) throws(E) -> R
    ) throws(E) -> R { try body(socket) }

    private struct JSONRefusal: Error {
        let text: String
    }

    /// `[routing, body]` from a DEALER, `[routing, empty, body]` from a REQ.
    private func read(
        _ arrival: FrameBuffers.Arrival, idInto token: inout ControlToken
    ) throws(JSONRefusal) -> ControlRequest {
        guard !arrival.wasCut else { throw JSONRefusal(text: "the request is too long") }
        guard token.hasDelimiter || arrival.frames == 2 else {
            throw JSONRefusal(text: "\(arrival.frames - 1) frames; a request is one frame of JSON")
        }
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue(parsing: token.hasDelimiter ? frames[2] : frames[1])
        } catch {
            throw JSONRefusal(text: "\(error)")
        }
        token.id = json["id"] ?? .null
        guard json.object != nil else { throw JSONRefusal(text: "the request is not an object") }
        guard let command = json["command"]?.string else { throw JSONRefusal(text: "the request has no `command`") }
        return ControlRequest(command: command, body: json)
    }
}
