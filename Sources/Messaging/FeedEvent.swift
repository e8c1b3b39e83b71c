public import JSON
public import Ticks

/// The live feed's `event`: something that happened, for people and programs.
///
/// `{"time","event","stream"?,"code"?,"cause"?,"text"}`.
public struct FeedEvent: Sendable, Equatable {
    public static let topic: StaticString = "event"

    /// Nanoseconds since the Unix epoch.
    public var timeNanos: Int64
    /// What happened, such as `gap_opened` or `tws_disconnected`: a name for programs.
    public var event: String
    public var stream: StreamID?
    /// The TWS code, where one was given.
    public var code: Int32?
    public var cause: String?
    /// A sentence for people.
    public var text: String

    public init(
        timeNanos: Int64, event: String, stream: StreamID? = nil, code: Int32? = nil, cause: String? = nil, text: String
    ) {
        self.timeNanos = timeNanos
        self.event = event
        self.stream = stream
        self.code = code
        self.cause = cause
        self.text = text
    }

    /// Throws `malformed` for anything that is not an event.
    public init(_ json: JSONValue) throws(MessagingError) {
        func malformed(_ text: String) -> MessagingError {
            MessagingError(.malformed(text), operation: "read", subject: "event")
        }
        guard let time = json["time"]?.string.flatMap({ Timestamp.parse($0) }) else { throw malformed("no `time`") }
        guard let event = json["event"]?.string else { throw malformed("no `event`") }
        guard let text = json["text"]?.string else { throw malformed("no `text`") }
        timeNanos = time
        self.event = event
        self.text = text
        cause = json["cause"]?.string
        code = json["code"]?.integer.flatMap { Int32(exactly: $0) }
        if let name = json["stream"] {
            guard let stream = name.string.flatMap({ StreamID($0) }) else { throw malformed("`stream` names none") }
            self.stream = stream
        }
    }

    public func write(to writer: inout JSONWriter) {
        writer.object {
            $0.field("time", Timestamp.text(timeNanos))
            $0.field("event", event)
            if let stream { $0.field("stream", stream.description) }
            if let code { $0.field("code", code) }
            if let cause { $0.field("cause", cause) }
            $0.field("text", text)
        }
    }
}
