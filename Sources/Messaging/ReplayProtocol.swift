public import Ticks
internal import JSON

/// The replay and history protocol: pull paging over ROUTER (server) and DEALER (client).
///
/// Frames of a message: `[type, id, body]`. The client sends `request`; the server answers with at most one `gone`, then
/// `batch` …, then `end`; or with `error` alone. `id` echoes the request's. `docs/feed-protocol.md` has every shape.
enum ReplayFrame {
    static let request: StaticString = "request"
    static let batch: StaticString = "batch"
    static let end: StaticString = "end"
    static let gone: StaticString = "gone"
    static let error: StaticString = "error"
    /// The longest type and the longest id.
    static let typeBytes = 16
    static let idBytes = 64
}

/// Where a page begins.
public enum ReplayStart: Sendable, Equatable {
    /// The first key wanted; `TickKey.zero` is the stream's first that there is.
    case key(TickKey)
    /// The first record received at or after this time, nanoseconds since the Unix epoch.
    case time(nanos: Int64)
}

/// One page that a client asks for.
public struct ReplayRequest: Sendable, Equatable {
    /// More records than this are never sent for one request.
    public static let greatestLimit = 65536

    public var stream: StreamID
    public var from: ReplayStart
    /// Records wanted, 1 to `greatestLimit`.
    public var limit: Int

    public init(stream: StreamID, from: ReplayStart, limit: Int = ReplayRequest.greatestLimit) {
        self.stream = stream
        self.from = from
        self.limit = min(max(1, limit), ReplayRequest.greatestLimit)
    }

    /// Reads the JSON body of a request; a refusal's text names the member that is wrong. The id is told as soon as it is
    /// known, so that the refusal can carry it.
    static func parse(
        _ body: UnsafeRawBufferPointer, id tell: (String) -> Void = { _ in }
    ) throws(ReplayRefusal) -> ReplayRequest {
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue(parsing: body, maxBytes: 4096)
        } catch {
            throw ReplayRefusal("\(error)")
        }
        guard json.object != nil else { throw ReplayRefusal("the request is not an object") }
        if let id = json["id"].flatMap({ $0.string ?? $0.integer.map { String($0) } }) { tell(id) }
        guard let text = json["stream"]?.string, let stream = StreamID(text) else {
            throw ReplayRefusal("`stream` is not the name of a stream, such as 711280073.bid_ask")
        }
        var limit = Int64(greatestLimit)
        if let value = json["limit"] {
            guard let number = value.integer, number > 0 else {
                throw ReplayRefusal("`limit` is not a positive integer")
            }
            limit = min(number, Int64(greatestLimit))
        }
        return ReplayRequest(stream: stream, from: try start(of: json), limit: Int(limit))
    }

    private static func start(of json: JSONValue) throws(ReplayRefusal) -> ReplayStart {
        switch (json["from"], json["from_time"]) {
        case (let key?, nil):
            guard let number = key.unsigned else { throw ReplayRefusal("`from` is not a key") }
            return .key(TickKey(rawValue: number))
        case (nil, let time?):
            guard let text = time.string, let nanos = Timestamp.parse(text) else {
                throw ReplayRefusal("`from_time` is not an RFC 3339 time, such as 2025-08-12T15:00:00Z")
            }
            return .time(nanos: nanos)
        case (nil, nil): throw ReplayRefusal("neither `from` nor `from_time`")
        case (.some, .some): throw ReplayRefusal("both `from` and `from_time`")
        }
    }

    /// The JSON body of this request.
    func write(id: UInt64, to writer: inout JSONWriter) {
        writer.object {
            $0.field("id", id)
            $0.field("stream", stream.description)
            switch from {
            case .key(let key): $0.field("from", key.rawValue)
            case .time(let nanos): $0.field("from_time", Timestamp.text(nanos))
            }
            $0.field("limit", limit)
        }
    }
}

/// Why a request is not answered with records: the words that the client gets.
public struct ReplayRefusal: Error, Equatable, Sendable {
    public let message: String
    public init(_ message: String) { self.message = message }
}

/// What a server takes its records from: the journal, or the recorded files.
public protocol ReplaySource: ~Copyable {
    /// Sends the records of one page into `sink`, in key order, and returns the first key not sent.
    ///
    /// At most `request.limit` records, but a tick is never parted from its `more` records, even if the page grows by
    /// them. When the wanted key is gone, `sink.gone(first:)` comes before the first record. Stops when `sink` says that
    /// the client has gone. A throw sends the client an `error`.
    mutating func read(_ request: ReplayRequest, into sink: inout ReplaySink) throws(ReplayRefusal) -> TickKey
}
