import Foundation
import JSON
@testable import Messaging
import Synchronization
import Testing
import Ticks

/// A control server on a thread of its own: `ping` echoes, `slow` answers with the next request, `drop` never.
private final class ControlServerThread: Sendable {
    let thread: Mutex<TestThread?> = Mutex(nil)
    private let log = Mutex<[ControlServer.Served]>([])

    init(_ context: Context, _ endpoint: String) {
        let ready = DispatchSemaphore(value: 0)
        let thread = TestThread { [self] in
            do throws(MessagingError) {
                var server = try ControlServer(in: context)
                try server.bind(endpoint)
                ready.signal()
                var waiting: [ControlToken] = []
                while true {
                    let before = waiting
                    let served = try server.serve(timeoutMillis: -1) { request, token in
                        switch request.command {
                        case "ping": return .success(["nonce": request["nonce"] ?? nil])
                        case "slow":
                            waiting.append(token)
                            return .later
                        case "drop": return .later
                        default: return .failure("unknown command `\(request.command)`")
                        }
                    }
                    for token in before { try server.reply(.success("late"), to: token) }
                    waiting.removeFirst(before.count)
                    log.withLock { $0.append(served) }
                }
            } catch {
                if error.code != .contextClosed { Issue.record(error) }
            }
        }
        self.thread.withLock { $0 = thread }
        ready.wait()
    }

    var served: [ControlServer.Served] { log.withLock { $0 } }
    func join() -> Bool { thread.withLock { $0 }?.join() ?? false }
}

@Suite(.timeLimit(.minutes(1))) struct ControlTests {
    let directory: TemporaryDirectory
    let context: Context

    init() throws {
        directory = try TemporaryDirectory()
        context = try Context()
    }

    private func refusal(
        _ client: inout ControlClient, _ command: String, timeoutMillis: Int32 = patienceMillis
    ) -> MessagingError.Code? {
        do throws(MessagingError) {
            _ = try client.call(command, timeoutMillis: timeoutMillis)
            return nil
        } catch {
            return error.code
        }
    }

    @Test func commandsAreAnsweredOrRefused() throws {
        let server = ControlServerThread(context, directory.endpoint("connector"))
        var client = try ControlClient(in: context)
        try client.connect(directory.endpoint("connector"))
        let nonce = JSONObject.Member(name: "nonce", value: "x1")
        let result = try client.call("ping", [nonce], timeoutMillis: patienceMillis)
        #expect(result == ["nonce": "x1"])
        #expect(refusal(&client, "dance") == .refused("unknown command `dance`"))
        context.shutdown()
        #expect(server.join())
        #expect(server.served == [.answered, .answered])
    }

    @Test func withoutAnAnswerTheCallTimesOutAndALateOneIsDropped() throws {
        let server = ControlServerThread(context, "inproc://control")
        var client = try ControlClient(in: context)
        try client.connect("inproc://control")
        #expect(refusal(&client, "slow", timeoutMillis: 30) == .timedOut)
        // The server answers `slow` with this one: two answers come, the right one is taken.
        let result = try client.call("ping", timeoutMillis: patienceMillis)
        #expect(result == ["nonce": nil])
        let again = try client.call("ping", timeoutMillis: patienceMillis)
        #expect(again == ["nonce": nil])
        context.shutdown()
        #expect(server.join())
    }

    @Test func withoutAServerTheCallTimesOut() throws {
        var client = try ControlClient(in: context)
        try client.connect(directory.endpoint("nobody"))
        #expect(refusal(&client, "ping", timeoutMillis: 20) == .timedOut)
    }

    @Test func aRequestClientWithItsEmptyFrameIsAnswered() throws {
        let server = ControlServerThread(context, "inproc://control")
        let client = try RawDealer(context, "inproc://control", kind: .request)
        try client.send([Array(#"{"id":"a","command":"ping","nonce":1}"#.utf8)])
        #expect(try client.receive() == [Array(#"{"id":"a","ok":true,"result":{"nonce":1}}"#.utf8)])
        context.shutdown()
        #expect(server.join())
    }

    @Test(arguments: [
        ("", "not JSON"), ("{", "not JSON"), ("[1]", "not an object"), ("7", "not an object"), ("{}", "no `command`"),
        (#"{"command":5}"#, "no `command`"), (#"{"command":"dance"}"#, "unknown command"),
    ])
    func malformedRequestsAreAnsweredWithAReason(text: String, reason: String) throws {
        let server = ControlServerThread(context, "inproc://control")
        let client = try RawDealer(context, "inproc://control")
        try client.send([Array(text.utf8)])
        let reply = try JSONValue(parsing: try client.receive()[0])
        #expect(reply["ok"] == false)
        #expect(reply["id"] == .null)
        #expect(reply["error"]?.string?.contains(reason) == true)
        context.shutdown()
        #expect(server.join())
    }

    @Test func theIdIsEchoedWhateverItIs() throws {
        let server = ControlServerThread(context, "inproc://control")
        let client = try RawDealer(context, "inproc://control")
        for id in ["17", "\"x\"", "[1,{\"a\":null}]", "1.5"] {
            try client.send([Array("{\"id\":\(id),\"command\":\"ping\"}".utf8)])
            let reply = String(decoding: try client.receive()[0], as: UTF8.self)
            #expect(reply == "{\"id\":\(id),\"ok\":true,\"result\":{\"nonce\":null}}")
        }
        context.shutdown()
        #expect(server.join())
    }

    @Test func wrongFramesAreAnsweredWithAReason() throws {
        let server = ControlServerThread(context, "inproc://control")
        let client = try RawDealer(context, "inproc://control")
        let body = Array(#"{"command":"ping"}"#.utf8)
        for frames in [[body, body], [[], body, body], [[], [], body, body]] {
            try client.send(frames)
            let reply = try JSONValue(parsing: try client.receive()[0])
            #expect(reply["error"]?.string?.contains("frames") == true)
        }
        context.shutdown()
        #expect(server.join())
    }

    @Test func clientsThatVanishHoldNobodyUp() throws {
        let server = ControlServerThread(context, directory.endpoint("connector"))
        for command in ["ping", "slow", "ping"] {
            let client = try RawDealer(context, directory.endpoint("connector"))
            try client.send([Array("{\"command\":\"\(command)\"}".utf8)])
        }
        var client = try ControlClient(in: context)
        try client.connect(directory.endpoint("connector"))
        let result = try client.call("ping", timeoutMillis: patienceMillis)
        #expect(result == ["nonce": nil])
        context.shutdown()
        #expect(server.join())
    }

    @Test func aPeerThatSendsTooMuchIsCutOff() throws {
        var server = try ControlServer(in: context)
        try server.bind("tcp://127.0.0.1:*")
        let peer = try RawPeer(server.lastEndpoint ?? "")
        peer.greet(as: "DEALER")
        peer.send([2, 0, 0, 0, 0, 0, 2, 0, 0])
        #expect(peer.isClosedByServer())
        let served = try server.serve(timeoutMillis: 0) { _, _ in .later }
        #expect(served == .nothing)
    }

    @Test func randomBytesAreAnsweredAndTheServerLives() throws {
        let server = ControlServerThread(context, "inproc://control")
        let client = try RawDealer(context, "inproc://control")
        var random = SplitMix64(seed: 5)
        let valid = Array(#"{"id":3,"command":"ping","nonce":{"a":[1,2.5,null,true,"\u00e9"]}}"#.utf8)
        for round in 0..<2000 {
            var frames = (0..<(1 + Int(random.next() % 3))).map { _ in random.bytes(Int(random.next() % 60)) }
            if round % 2 == 0 {
                var text = valid
                for _ in 0..<(1 + random.next() % 3) {
                    text[Int(random.next() % UInt64(text.count))] = UInt8(truncatingIfNeeded: random.next())
                }
                frames = [text]
            }
            try client.send(frames)
            // A request that begins with an empty frame is answered behind one.
            let reply = try client.receive()
            let json = try JSONValue(parsing: reply.last ?? [])
            #expect(json["ok"]?.bool != nil)
        }
        context.shutdown()
        #expect(server.join())
        #expect(server.served.count == 2000)
    }
}
