internal import CZMQShim
internal import JSON
@testable internal import Messaging
internal import Ticks

extension Target {
    /// What comes over sockets, through the sockets: a peer in this process sends the input's frames.
    static let messages = [
        Target(
            name: "replay",
            seeds: {
                [
                    framed("request", "17", #"{"id":17,"stream":"7.bid_ask","from":38654705665,"limit":10}"#),
                    framed("request", "a", #"{"stream":"7.last@1","from_time":"2025-08-12T15:00:00Z"}"#),
                    framed(#"{"id":"x","stream":"7.bid_ask","from":0}"#), framed("request", "1", "{}", ""),
                    framed("", ""),
                ]
            },
            run: { exchange.request($0) }),
        Target(
            name: "control",
            seeds: {
                [
                    framed(#"{"id":1,"command":"lookup","symbol":"MNQ","type":"FUT"}"#),
                    framed("", #"{"id":[1,{"a":null}],"command":"ping","nonce":"a81f"}"#), framed("", "", "{}"),
                    framed("[]"),
                ]
            },
            run: { exchange.command($0) }),
        Target(
            name: "answers",
            seeds: {
                [
                    framed("gone", "1", #"{"first":38654705665}"#), framed("end", "1", #"{"next":38654705666}"#),
                    framed("error", "1", #"{"message":"no"}"#),
                    framed("batch", "1", String(repeating: "\u{1}", count: 64)),
                    framed(#"{"id":1,"ok":true,"result":{"nonce":"a"}}"#), framed(#"{"id":1,"ok":false,"error":"no"}"#),
                ]
            },
            run: { exchange.answer($0) }),
        Target(
            name: "feed",
            seeds: {
                [
                    framed("tick.7.bid_ask", String(repeating: "\u{7}", count: 128)),
                    framed("watermark", #"{"epoch":9,"streams":{"7.bid_ask":3,"7.last@1":0}}"#),
                    framed("durable", #"{"streams":{"7.bid_ask":[9,3,null,1755010920000000007]}}"#),
                ]
            },
            run: { exchange.feed($0) }),
    ]

    private static let exchange = Exchange.make()

    /// Frames as an input has them: a length and so many bytes each.
    private static func framed(_ frames: String...) -> [UInt8] {
        frames.flatMap { [UInt8($0.utf8.count & 0xFF), UInt8($0.utf8.count >> 8)] + Array($0.utf8) }
    }
}

/// Servers and clients of the system with a raw socket at the other end of each, all on the fuzzer's thread.
private final class Exchange: @unchecked Sendable {
    private let context: Context
    private var replay: ReplayServer
    private var replayPeer: Socket
    private var control: ControlServer
    private var controlPeer: Socket
    private var client: ReplayClient
    private var commander: ControlClient
    private var clientPeer: Socket
    private var subscriber: Subscriber
    private var subscriberPeer: Socket
    private var source = Source()
    private var buffers = FrameBuffers([1024, 65536, 65536, 65536])
    private let payload = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)

    static func make() -> Exchange {
        do { return try Exchange() } catch { fatalError("\(error)") }
    }

    private init() throws {
        let context = try Context()
        var replay = try ReplayServer(in: context)
        try replay.bind("inproc://replay")
        var replayPeer = try Exchange.peer(.dealer, context)
        try replayPeer.connect("inproc://replay")
        var control = try ControlServer(in: context)
        try control.bind("inproc://control")
        var controlPeer = try Exchange.peer(.dealer, context)
        try controlPeer.connect("inproc://control")
        var clientPeer = try Exchange.peer(.dealer, context)
        try clientPeer.bind("inproc://answers")
        var client = try ReplayClient(in: context)
        try client.connect("inproc://answers")
        var commander = try ControlClient(in: context)
        try commander.connect("inproc://answers")
        var subscriberPeer = try Exchange.peer(.publisher, context)
        try subscriberPeer.bind("inproc://feed")
        var subscriber = try Subscriber(in: context)
        try subscriber.connect("inproc://feed")
        try subscriber.subscribe("")
        self.context = context
        self.replay = replay
        self.replayPeer = replayPeer
        self.control = control
        self.controlPeer = controlPeer
        self.client = client
        self.commander = commander
        self.clientPeer = clientPeer
        self.subscriber = subscriber
        self.subscriberPeer = subscriberPeer
    }

    private static func peer(_ kind: Socket.Kind, _ context: Context) throws -> Socket {
        try Socket(kind, in: context, highWaterMark: 1000, maxFrameBytes: 1 << 20, lingerMillis: 0)
    }

    func request(_ bytes: UnsafeRawBufferPointer) {
        guard send(bytes, to: replayPeer) else { return }
        guard let served = try? replay.serve(timeoutMillis: 0, source: &source) else { fatalError("the server failed") }
        precondition(served != .nothing && served != .clientGone, "\(served)")
        precondition(drain(replayPeer) > 0, "a request without an answer")
    }

    func command(_ bytes: UnsafeRawBufferPointer) {
        guard send(bytes, to: controlPeer) else { return }
        let served = try? control.serve(timeoutMillis: 0) { request, _ in .success(request["nonce"] ?? .null) }
        precondition(served != nil && served != .nothing && served != .clientGone, "\(String(describing: served))")
        precondition(drain(controlPeer) == 1, "a command has one answer")
    }

    /// Answers of a server gone mad, to both clients in turn.
    func answer(_ bytes: UnsafeRawBufferPointer) {
        let request = ReplayRequest(stream: StreamID(conId: 7, kind: .bidAsk), from: .key(.zero))
        var isSent = false
        accepts { isSent = try client.request(request) }
        precondition(isSent, "the client can't ask")
        var id: [UInt8] = []
        accepts { if try buffers.receive(from: clientPeer, waitMillis: 0) != nil { id = Array(buffers[1]) } }
        // The peer's messages go to its two clients in turn.
        for _ in 0..<2 { _ = send(bytes, to: clientPeer, id: id) }
        accepts {
            while let answer = try client.receive(timeoutMillis: 0) {
                if case .batch(let ticks) = answer { precondition(ticks.count > 0 && ticks.count <= 256) }
            }
        }
        accepts { _ = try commander.call("ping", timeoutMillis: 0) }
        _ = drain(clientPeer)
    }

    func feed(_ bytes: UnsafeRawBufferPointer) {
        _ = drain(subscriberPeer)
        guard send(bytes, to: subscriberPeer) else { return }
        accepts {
            while let message = try subscriber.receive(into: payload, timeoutMillis: 0) {
                let body = UnsafeRawBufferPointer(rebasing: payload[..<message.payloadBytes])
                if message.topic == Watermark.topic { _ = try Watermark(JSONValue(parsing: body)) }
                if message.topic == DurableReport.topic { _ = try DurableReport(JSONValue(parsing: body)) }
                guard message.topic.hasPrefix("tick."), body.count % Tick.size == 0 else { continue }
                join(body.bindMemory(to: Tick.self))
            }
        }
    }

    private func join(_ records: UnsafeBufferPointer<Tick>) {
        var join = LateJoin(sinceNanos: 0)
        var sink = Sink()
        join.live(records, sink: &sink)
        guard join.nextFetch(nowNanos: 0) != nil else { return }
        _ = join.fetched(records, sink: &sink)
        join.ended(sink: &sink, nowNanos: 0)
    }

    // MARK: - Frames

    /// Sends the input's frames, each from an address of its own. `id` takes the place of a frame `1`.
    private func send(_ bytes: UnsafeRawBufferPointer, to socket: borrowing Socket, id: [UInt8] = [0x31]) -> Bool {
        var input = Input(bytes)
        var frames: [UnsafeMutableRawBufferPointer] = []
        while !input.rest.isEmpty, frames.count < 12 {
            let count = Int(input.byte()) | Int(input.byte()) << 8
            var frame = input.take(count)
            if frame == [0x31] { frame = id }
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: frame.count, alignment: 1)
            copy.copyBytes(from: frame)
            frames.append(copy)
        }
        defer { for frame in frames { frame.deallocate() } }
        guard !frames.isEmpty else { return false }
        do {
            try socket.send(
                frames.map { czs_part(bytes: UnsafeRawPointer($0.baseAddress), count: $0.count) }, waitMillis: 1000)
            return true
        } catch {
            return false
        }
    }

    /// Takes all that came; says how many messages.
    private func drain(_ socket: borrowing Socket) -> Int {
        var messages = 0
        while let arrival = try? buffers.receive(from: socket, waitMillis: 0), arrival.frames > 0 { messages += 1 }
        return messages
    }

    private struct Sink: JoinSink {
        var last: [StreamID: TickKey] = [:]
        mutating func give(_ records: UnsafeBufferPointer<Tick>, of stream: StreamID) {
            for tick in records {
                precondition(tick.key > last[stream] ?? .zero, "a key that does not rise")
                last[stream] = tick.key
            }
        }
    }

    /// A few records of every stream.
    private struct Source: ReplaySource {
        mutating func read(_ request: ReplayRequest, into sink: inout ReplaySink) throws(ReplayRefusal) -> TickKey {
            let ticks = (1...3).map { (seq: UInt32) in
                Tick(key: TickKey(epoch: 9, seq: seq), conId: request.stream.conId, kind: request.stream.kind)
            }
            precondition(request.limit > 0 && request.limit <= ReplayRequest.greatestLimit, "an unbounded page")
            _ = ticks.withUnsafeBytes { sink.send($0) }
            return TickKey(epoch: 9, seq: 4)
        }
    }
}
