public import JSON

/// One command that came in over the control socket.
public struct ControlRequest: Sendable {
    /// The name, such as `status`.
    public let command: String
    /// The whole request object: `id`, `command` and the command's own members.
    public let body: JSONValue

    /// A member of the request.
    public subscript(name: String) -> JSONValue? { body[name] }
}

/// What a command's handler answers.
public enum ControlReply: Sendable {
    case success(JSONValue)
    case failure(String)
    /// The answer comes by `ControlServer.reply` with the request's token.
    case later
}

/// Who waits for the answer to one request: kept while a slow command runs, and given back on the control thread.
public struct ControlToken: Sendable {
    let routing: [UInt8]
    /// A REQ client's empty frame stands between routing id and body.
    let hasDelimiter: Bool
    var id: JSONValue
}

/// Bounds of the control protocol.
public enum ControlLimit {
    /// Bytes of a request.
    public static let requestBytes = 65536
    /// Bytes of a reply.
    public static let replyBytes = 16 << 20
}
