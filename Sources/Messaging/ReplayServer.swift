internal import CZMQShim
internal import Glibc
internal import JSON

/// Answers the page requests of replay or history clients, one at a time, in the order they came. Owned by one thread.
///
/// A ROUTER that says when a client is gone or does not read (ROUTER_MANDATORY): then the rest of
/// that page is dropped and the client asks again. A page of the greatest limit always fits the queue
/// of a client that has read the one before.
public struct ReplayServer: ~Copyable {
    /// Messages queued per client. A page has at most 65,536 records, so about 260 messages, and libzmq notices only by
    /// half queues what a client has read: room for two pages and a few. A client that never reads costs 10 MiB.
    static let highWaterMark = 640
    /// Bytes of a request's body.
    static let requestBytes = 4096

    private var socket: Socket
    private var frames: FrameBuffers
    private let staging: UnsafeMutableRawPointer
    private var backlogs: ClientBacklogs

    /// Answers that wait for all clients together: beyond it the one for whom most waits is cut off.
    public static let backlogBytes: Int64 = 64 << 20

    /// What one call of `serve` did.
    public enum Served: Sendable, Equatable {
        /// No request came in time.
        case nothing
        /// A page was sent whole.
        case page(records: Int)
        /// The client got the gaps of a stream.
        case gaps
        /// The client got an `error` with this text.
        case refused(String)
        /// The client went away or does not read; the rest of its answer was dropped.
        case clientGone
    }

    public init(
        in context: Context, security: SocketSecurity = .none, backlogBytes: Int64 = ReplayServer.backlogBytes
    ) throws(MessagingError) {
        backlogs = ClientBacklogs(limitBytes: backlogBytes)
        let socket = try Socket(
            .router, in: context, highWaterMark: ReplayServer.highWaterMark, maxFrameBytes: ReplayServer.requestBytes,
            security: security)
        try socket.set(CZS_ROUTER_MANDATORY, 1)
        self.socket = socket
        // libzmq's routing ids have at most 255 bytes.
        frames = FrameBuffers([256, ReplayServer.requestBytes, ReplayFrame.idBytes, ReplayServer.requestBytes])
        staging = .allocate(byteCount: Subscriber.tickPayloadBytes, alignment: 64)
    }

    deinit { staging.deallocate() }

    /// As `Socket.bind`; several endpoints of equal security may be bound.
    public mutating func bind(_ endpoint: String) throws(MessagingError) { try socket.bind(endpoint) }

    public var lastEndpoint: String? { socket.lastEndpoint }

    /// As `Socket.restoreFiles`; and gives memory back that waiting answers have taken.
    public mutating func restoreFiles(nowNanos: Int64) -> [(path: String, fault: String?)] {
        backlogs.giveBack()
        return socket.restoreFiles(nowNanos: nowNanos)
    }

    /// Bytes of answers that wait for clients.
    var backlogBytes: Int64 { backlogs.bytes }

    /// Waits for one request (0: looks once, -1: for ever) and answers it from `source`. Throws for the server's own
    /// faults and for the context's shutdown, never for what a client sent.
    public mutating func serve<Source: ReplaySource & ~Copyable>(
        timeoutMillis: Int32, source: inout Source
    ) throws(MessagingError) -> Served {
        guard let arrival = try frames.receive(from: socket, waitMillis: timeoutMillis) else { return .nothing }
        let client = backlogs.client(Array(frames[0]), descriptor: arrival.source, path: socket.filePath)
        var sink = ReplaySink(socket: socket.handle, routing: frames[0], client: client, staging: staging)
        var served: Served
        do throws(ReplayRefusal) {
            switch try read(arrival, idInto: &sink) {
            case .page(let request):
                sink.end(next: try source.read(request, into: &sink))
                served = .page(records: sink.records)
            case .gaps(let stream):
                sink.gaps(try source.gaps(of: stream))
                served = .gaps
            }
        } catch {
            sink.refuse(error)
            served = .refused(error.message)
        }
        switch sink.failure {
        case 0: break
        case EHOSTUNREACH, EAGAIN: served = .clientGone
        default: throw MessagingError(errno: sink.failure, operation: "answer on", subject: socket.name)
        }
        return served
    }

    /// For `Poller.add` and `Monitor`.
    public func withSocket<R: ~Copyable, E: Error>(
        _ body: (borrowing Socket) throws(E) -> R
    ) throws(E) -> R { try body(socket) }

    /// `[routing, request, id, body]`, or `[routing, body]` with the id in the body.
    private mutating func read(
        _ arrival: FrameBuffers.Arrival, idInto sink: inout ReplaySink
    ) throws(ReplayRefusal) -> ReplayQuestion {
        let hasType = arrival.frames == 4
        if hasType { sink.id = Array(frames[2]) }
        guard !arrival.wasCut else { throw ReplayRefusal("the request is too long") }
        guard hasType || arrival.frames == 2 else {
            throw ReplayRefusal("\(arrival.frames - 1) frames; a request is `request`, an id and a JSON body")
        }
        guard !hasType || equal(frames[1], ReplayFrame.request) else {
            throw ReplayRefusal("the first frame is not `request`")
        }
        return try ReplayQuestion.parse(hasType ? frames[3] : frames[1]) { id in
            if !hasType { sink.id = Array(id.utf8.prefix(ReplayFrame.idBytes)) }
        }
    }
}
