import CZMQShim
import Foundation
import JSON
@testable import Messaging
import Testing
import Ticks

@Suite(.timeLimit(.minutes(1))) struct CurveTests {
    let context: Context
    let server: CurveKeyPair
    let friend: CurveKeyPair
    let stranger: CurveKeyPair

    init() throws {
        context = try Context()
        server = try CurveKeyPair.generate()
        friend = try CurveKeyPair.generate()
        stranger = try CurveKeyPair.generate()
    }

    /// The first of these events that the monitor tells; nil when none comes.
    private func next(_ kinds: Set<MonitorEvent.Kind>, of monitor: inout Monitor) throws -> MonitorEvent? {
        while let event = try monitor.receive(timeoutMillis: patienceMillis) {
            if let kind = event.kind, kinds.contains(kind) { return event }
        }
        return nil
    }

    @Test func onlyListedKeysAreLetIn() throws {
        try context.startAccessControl(allowed: [friend.publicKey])
        var publisher = try Publisher(in: context, security: .server(secretKey: server.secretKey))
        var monitor = try publisher.withSocket { (socket) throws(MessagingError) in try Monitor(of: socket) }
        let endpoint = try publisher.bound("tcp://127.0.0.1:*")

        // The others have contexts of their own, as other processes would.
        let outside = try Context()
        var refused = try Subscriber(
            in: outside, security: .client(serverKey: server.publicKey, keys: stranger))
        try refused.connect(endpoint)
        try refused.subscribe("")
        let refusal = try next([.accessRefused, .handshakeSucceeded], of: &monitor)
        #expect(refusal?.kind == .accessRefused)
        #expect(refusal?.value == 400)

        var admitted = try Subscriber(in: outside, security: .client(serverKey: server.publicKey, keys: friend))
        try admitted.connect(endpoint)
        try admitted.subscribe("tick.")
        #expect(try publisher.subscriptions(1) == ["+tick."])
        try publisher.publish(Topic("tick.1.last"), makeTick(1).bytes)
        let buffer = ReceiveBuffer(64)
        let received = try admitted.receive(into: buffer.bytes, timeoutMillis: patienceMillis)
        #expect(received?.payloadBytes == 64)
        #expect(buffer.ticks(1) == [makeTick(1)])
        let nothing = try refused.receive(into: buffer.bytes, timeoutMillis: 0)
        #expect(nothing?.payloadBytes == nil)
        let counts = context.accessCounts
        #expect(counts.admitted == 1)
        #expect(counts.refused >= 1)

        // A list that changes counts for the next socket.
        try context.allow([stranger.publicKey])
        var second = try Subscriber(in: outside, security: .client(serverKey: server.publicKey, keys: stranger))
        try second.connect(endpoint)
        try second.subscribe("second")
        #expect(try publisher.subscriptions(1) == ["+second"])
    }

    @Test func neitherPlainClientsNorOnesWithTheWrongServerKeyGetIn() throws {
        try context.startAccessControl(allowed: [friend.publicKey])
        var publisher = try Publisher(in: context, security: .server(secretKey: server.secretKey))
        var monitor = try publisher.withSocket { (socket) throws(MessagingError) in try Monitor(of: socket) }
        let endpoint = try publisher.bound("tcp://127.0.0.1:*")
        let outside = try Context()
        let ends: Set<MonitorEvent.Kind> = [.handshakeFailed, .handshakeMalformed, .accessRefused, .handshakeSucceeded]

        var plain = try Subscriber(in: outside)
        try plain.connect(endpoint)
        try plain.subscribe("")
        #expect(try next(ends, of: &monitor)?.kind != .handshakeSucceeded)
        var wrong = try Subscriber(in: outside, security: .client(serverKey: stranger.publicKey, keys: friend))
        try wrong.connect(endpoint)
        try wrong.subscribe("")
        for _ in 0..<3 {
            let end = try next(ends, of: &monitor)?.kind
            #expect(end != nil)
            #expect(end != .handshakeSucceeded)
        }
        #expect(context.accessCounts.admitted == 0)
        var told: [String] = []
        try publisher.receiveSubscriptions { _, topic in told.append("\(topic.count)") }
        #expect(told.isEmpty)
    }

    @Test func replayAndControlWorkBehindTheListToo() throws {
        try context.startAccessControl(domain: "inner", allowed: [friend.publicKey])
        var control = try ControlServer(in: context, security: .server(secretKey: server.secretKey, domain: "inner"))
        try control.bind("tcp://127.0.0.1:*")
        let endpoint = control.lastEndpoint ?? ""
        let keys = friend
        let serverKey = server.publicKey
        let outside = try Context()
        let client = TestThread {
            do throws(MessagingError) {
                var client = try ControlClient(in: outside, security: .client(serverKey: serverKey, keys: keys))
                try client.connect(endpoint)
                #expect(try client.call("ping", timeoutMillis: patienceMillis) == "pong")
            } catch {
                Issue.record(error)
            }
        }
        let served = try control.serve(timeoutMillis: patienceMillis) { _, _ in .success("pong") }
        #expect(served == .answered)
        #expect(client.join())
    }

    @Test func aServerOfAnotherDomainLetsNobodyIn() throws {
        try context.startAccessControl(domain: "inner", allowed: [friend.publicKey])
        var publisher = try Publisher(
            in: context, security: .server(secretKey: server.secretKey, domain: "other"))
        let endpoint = try publisher.bound("tcp://127.0.0.1:*")
        var monitor = try publisher.withSocket { (socket) throws(MessagingError) in try Monitor(of: socket) }
        let outside = try Context()
        var subscriber = try Subscriber(in: outside, security: .client(serverKey: server.publicKey, keys: friend))
        try subscriber.connect(endpoint)
        #expect(try next([.accessRefused, .handshakeSucceeded], of: &monitor)?.kind == .accessRefused)
    }

    /// libzmq's default lets everybody in when nobody answers its questions; a server of ours enforces its domain.
    @Test(arguments: [(1, false), (0, true)]) func withoutAnAnswerNobodyGetsIn(enforced: Int64, getsIn: Bool) throws {
        var socket = try Socket(.publisher, in: context, highWaterMark: 10, maxFrameBytes: 1_000)
        #expect(czs_socket_set_int(socket.handle, CZS_CURVE_SERVER, 1) == 0)
        let secret = server.secretKey.bytes
        #expect(czs_socket_set_bytes(socket.handle, CZS_CURVE_SECRET_KEY, secret, secret.count) == 0)
        #expect(czs_socket_set_bytes(socket.handle, CZS_ZAP_DOMAIN, "inner", 5) == 0)
        #expect(czs_socket_set_int(socket.handle, CZS_ZAP_ENFORCE_DOMAIN, enforced) == 0)
        var monitor = try Monitor(of: socket)
        try socket.bind("tcp://127.0.0.1:*")
        let outside = try Context()
        var subscriber = try Subscriber(in: outside, security: .client(serverKey: server.publicKey, keys: stranger))
        try subscriber.connect(socket.lastEndpoint ?? "")
        let ends: Set<MonitorEvent.Kind> = [
            .handshakeFailed, .handshakeMalformed, .accessRefused, .handshakeSucceeded, .disconnected,
        ]
        let end = try #require(try next(ends, of: &monitor))
        #expect((end.kind == .handshakeSucceeded) == getsIn)
    }

    @Test func aCurveServerWithoutAccessControlIsAMistakeOfTheProgram() async {
        await #expect(processExitsWith: .failure) {
            let context = try Context()
            let keys = try CurveKeyPair.generate()
            _ = try Publisher(in: context, security: .server(secretKey: keys.secretKey))
        }
    }

    @Test func accessControlStartsOnceAndItsDomainHasAName() throws {
        try context.startAccessControl(allowed: [])
        do throws(MessagingError) {
            try context.startAccessControl(allowed: [])
            Issue.record("started twice")
        } catch {
            #expect(error.code == .addressInUse)
        }
        let other = try Context()
        #expect(throws: MessagingError.self) { try other.startAccessControl(domain: "", allowed: []) }
        #expect(throws: Never.self) { try other.startAccessControl(allowed: [friend.publicKey]) }
    }

    @Test func keysReadBackFromTheirText() throws {
        // The server's key in the zmq_curve(7) manual's example.
        let text = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
        let key = try #require(CurveKey(text))
        #expect(key.description == text)
        #expect(key.bytes.prefix(4) == [0x54, 0xFC, 0xBA, 0x24])
        #expect(CurveKey(String(text.dropLast())) == nil)
        #expect(CurveKey(text + "x") == nil)
        #expect(CurveKey(String(repeating: "~", count: 40)) == nil)
        #expect(CurveKey(bytes: [1, 2]) == nil)
        #expect(CurveKey(bytes: server.publicKey.bytes) == server.publicKey)
        #expect(try CurveKeyPair(secretKey: server.secretKey) == server)
    }
}
