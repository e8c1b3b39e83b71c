public import Ticks
internal import JSON

/// The replay and history protocol: pull paging over ROUTER (server) and DEALER (client).
///
/// Frames of a message: `[type, id, body]`. The client sends `request`; the server answers with at most one `gone`,
/// then `batch` …, then `end`; asked for gaps, with `gaps`; or with `error` alone. `id` echoes the request's.
/// `docs/feed-protocol.md` has every shape.
enum ReplayFrame {
    static let request: StaticString = "request"
    static let batch: StaticString = "batch"
    static let end: StaticString = "end"
    static let gone: StaticString = "gone"
    static let error: StaticString = "error"
    static let gaps: StaticString = "gaps"
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

/// What a client asks for.
enum ReplayQuestion: Sendable, Equatable {
    case page(ReplayRequest)
    /// The gaps of a stream.
    case gaps(StreamID)

    /// Reads the JSON body of a request; a refusal's text names the member that is wrong. The id is told as soon as it
    /// is known, so that the refusal can carry it.
    static func parse(
        _ body: UnsafeRawBufferPointer, id tell: (String) -> Void = { _ in }
    ) throws(ReplayRefusal) -> ReplayQuestion {
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue(parsing: body, maxBytes: ReplayServer.requestBytes)
        } catch {
            throw ReplayRefusal("\(error)")
        }
        guard json.object != nil else { throw ReplayRefusal("the request is not an object") }
        if let id = json["id"].flatMap({ $0.string ?? $0.integer.map { String($0) } }) { tell(id) }
        guard let text = json["stream"]?.string, let stream = StreamID(text) else {
            throw ReplayRefusal("`stream` is not the name of a stream, such as 711280073.bid_ask")
        }
        guard let gaps = json["gaps"] else { return .page(try ReplayRequest(json, stream: stream)) }
        guard gaps == true else { throw ReplayRefusal("`gaps` is not true") }
        guard json["from"] == nil, json["from_time"] == nil else { throw ReplayRefusal("both `gaps` and a page") }
        return .gaps(stream)
    }

    /// The JSON body of this request.
    func write(id: UInt64, to writer: inout JSONWriter) {
        switch self {
        case .page(let request): request.write(id: id, to: &writer)
        case .gaps(let stream):
            writer.object {
                $0.field("id", id)
                $0.field("stream", stream.description)
                $0.field("gaps", true)
            }
        }
    }
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

    /// Reads the members of a request that is a JSON object.
    fileprivate init(_ json: JSONValue, stream: StreamID) throws(ReplayRefusal) {
        var limit = Int64(ReplayRequest.greatestLimit)
        if let value = json["limit"] {
            guard let number = value.integer, number > 0 else {
                throw ReplayRefusal("`limit` is not a positive integer")
            }
            limit = min(number, Int64(ReplayRequest.greatestLimit))
        }
        self.init(stream: stream, from: try ReplayRequest.start(of: json), limit: Int(limit))
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
    /// them. When the wanted key is gone, `sink.gone(first:)` comes before the first record. Stops when `sink` says
    /// that the client has gone. A throw sends the client an `error`.
    mutating func read(_ request: ReplayRequest, into sink: inout ReplaySink) throws(ReplayRefusal) -> TickKey

    /// The JSON of a stream's gaps, at most `ReplayClient.longestGapsBytes`. A throw sends the client an `error`.
    mutating func gaps(of stream: StreamID) throws(ReplayRefusal) -> [UInt8]
}

extension ReplaySource where Self: ~Copyable {
    /// A source without files knows no gaps.
    public mutating func gaps(of stream: StreamID) throws(ReplayRefusal) -> [UInt8] {
        throw ReplayRefusal("no gaps are known here: ask history.sock")
    }
}
