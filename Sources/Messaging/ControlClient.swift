internal import CZMQShim
internal import Glibc
public import JSON

/// Sends commands to a service's control socket and waits for the answers. Owned by one thread.
public struct ControlClient: ~Copyable {
    private var socket: Socket
    private var frames: FrameBuffers
    private var lastId: Int64 = 0

    public init(in context: Context, security: SocketSecurity = .none) throws(MessagingError) {
        let socket = try Socket(
            .dealer, in: context, highWaterMark: 16, maxFrameBytes: ControlLimit.replyBytes, lingerMillis: 0,
            security: security)
        // A command goes to a living connection or nowhere: none is carried out long after the caller gave up.
        try socket.set(CZS_IMMEDIATE, 1)
        self.socket = socket
        frames = FrameBuffers([ControlLimit.replyBytes])
    }

    public mutating func connect(_ endpoint: String) throws(MessagingError) { try socket.connect(endpoint) }

    /// Carries out one command and returns its `result`.
    ///
    /// Throws `refused` with the service's words when the answer is not `ok`, `timedOut` when no answer, or no
    /// connection, came within `timeoutMillis`; a late answer is dropped by the next call.
    public mutating func call(
        _ command: String, _ members: [JSONObject.Member] = [], timeoutMillis: Int32
    ) throws(MessagingError) -> JSONValue {
        let deadline = monotonicMillis() + Int64(timeoutMillis)
        lastId += 1
        var request = JSONObject([
            JSONObject.Member(name: "id", value: .integer(lastId)),
            JSONObject.Member(name: "command", value: .string(command)),
        ])
        for member in members where member.name != "id" && member.name != "command" {
            request[member.name] = member.value
        }
        try send(JSONValue.object(request).encoded, command, timeoutMillis)
        while true {
            let left = max(0, deadline - monotonicMillis())
            guard let arrival = try frames.receive(from: socket, waitMillis: Int32(left)) else {
                throw MessagingError(.timedOut, operation: "command \(command) to", subject: socket.name)
            }
            if let result = try result(arrival, command) { return result }
        }
    }

    /// For `Poller.add` and `Monitor`.
    public func withSocket<R: ~Copyable, E: Error>(
        _ body: (borrowing Socket) throws(E) -> R
    ) throws(E) -> R { try body(socket) }

    private func send(_ text: [UInt8], _ command: String, _ timeoutMillis: Int32) throws(MessagingError) {
        let code = text.withUnsafeBytes { body in
            czs_send(socket.handle, [czs_part(bytes: body.baseAddress, count: body.count)], 1, timeoutMillis)
        }
        if code == EAGAIN { throw MessagingError(.timedOut, operation: "command \(command) to", subject: socket.name) }
        try check(code, "command \(command) to", socket.name)
    }

    /// Nil for the late answer to an earlier command.
    private func result(_ arrival: FrameBuffers.Arrival, _ command: String) throws(MessagingError) -> JSONValue? {
        func malformed(_ text: String) -> MessagingError {
            MessagingError(.malformed(text), operation: "command \(command) to", subject: socket.name)
        }
        guard arrival.frames == 1, !arrival.wasCut else { throw malformed("\(arrival.frames) frames") }
        let reply: JSONValue
        do throws(JSONError) {
            reply = try JSONValue(parsing: frames[0], maxBytes: ControlLimit.replyBytes)
        } catch {
            throw malformed("\(error)")
        }
        guard reply["id"]?.integer == lastId else {
            if reply["id"]?.integer != nil { return nil }
            throw MessagingError(
                .refused(reply["error"]?.string ?? "no reason given"), operation: "command \(command) to",
                subject: socket.name)
        }
        guard let ok = reply["ok"]?.bool else { throw malformed("an answer without `ok`") }
        guard ok else {
            throw MessagingError(
                .refused(reply["error"]?.string ?? "no reason given"), operation: "command \(command) to",
                subject: socket.name)
        }
        return reply["result"] ?? .null
    }
}

/// Milliseconds of the clock that only rises, for time-outs.
func monotonicMillis() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
}
