import CZMQShim
import Foundation
@testable import Messaging
import Synchronization
import Testing
import Ticks

@Suite(.timeLimit(.minutes(1))) struct SocketTests {
    let directory: TemporaryDirectory
    let context: Context

    init() throws {
        directory = try TemporaryDirectory()
        context = try Context()
    }

    private func openingFails(_ context: Context) -> MessagingError.Code? {
        do throws(MessagingError) {
            _ = try Subscriber(in: context)
            return nil
        } catch {
            return error.code
        }
    }

    @Test(arguments: ["ipc", "tcp", "inproc"]) func aSecondBindIsRefusedAndTheFirstLives(transport: String) throws {
        var publisher = try Publisher(in: context)
        let wanted =
            switch transport {
            case "ipc": directory.endpoint("ticks")
            case "tcp": "tcp://127.0.0.1:*"
            default: "inproc://ticks"
            }
        let endpoint = try publisher.bound(wanted)
        var second = try Publisher(in: context)
        do throws(MessagingError) {
            try second.bind(endpoint)
            Issue.record("two publishers at \(endpoint)")
        } catch {
            #expect(error.code == .addressInUse)
            #expect("\(error)" == "bind \(endpoint): the address is in use")
        }
        var subscriber = try Subscriber(in: context)
        try subscriber.connect(endpoint)
        try subscriber.subscribe("")
        #expect(try publisher.subscriptions(1) == ["+"])
    }

    @Test func theSocketFileOfADeadProcessIsReplaced() throws {
        // A file that nobody listens on, as a killed process leaves it.
        let path = directory.path + "/ticks.sock"
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(code == 0)
        close(descriptor)
        var publisher = try Publisher(in: context)
        try publisher.bind("ipc://" + path)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o660)
    }

    @Test(arguments: ["ipc:///no/such/directory/x.sock", "nonsense", "tcp://127.0.0.1:70000", "udp://x:1", ""])
    func badEndpointsAreNamed(endpoint: String) throws {
        var publisher = try Publisher(in: context)
        do throws(MessagingError) {
            try publisher.bind(endpoint)
            Issue.record("bound to \(endpoint)")
        } catch {
            #expect(error.code == .badEndpoint)
            #expect(error.subject == endpoint)
        }
    }

    @Test func aPathTooLongForASocketIsNamed() throws {
        var publisher = try Publisher(in: context)
        do throws(MessagingError) {
            try publisher.bind(directory.endpoint(String(repeating: "x", count: 120)))
            Issue.record("bound")
        } catch {
            #expect(error.code == .badEndpoint)
        }
    }

    @Test func shutdownFromAnotherThreadEndsBlockedCalls() throws {
        let context = context
        let started = DispatchSemaphore(value: 0)
        let ends = Mutex<[MessagingError.Code]>([])
        let kinds = BlockedCall.allCases
        let threads = kinds.map { kind in
            TestThread {
                do throws(MessagingError) {
                    try kind.block(on: context, started)
                } catch {
                    ends.withLock { $0.append(error.code) }
                }
            }
        }
        for _ in kinds { started.wait() }
        context.shutdown()
        for thread in threads { #expect(thread.join()) }
        #expect(ends.withLock { $0 } == [MessagingError.Code](repeating: .contextClosed, count: kinds.count))
        #expect(openingFails(context) == .contextClosed)
    }

    @Test func socketsRunOutWithAnErrorNotACrash() throws {
        let small = try Context(maxSockets: 2)
        let first = try Subscriber(in: small)
        let second = try Subscriber(in: small)
        #expect(openingFails(small) == .outOfResources)
        try first.subscribe("")
        try second.subscribe("")
    }

    @Test func thePollerTellsDescriptorsAndSocketsApart() throws {
        var publisher = try Publisher(in: context)
        try publisher.bind("inproc://ticks")
        var poller = Poller(capacity: 3)
        let socketEntry = poller.add(publisher)
        let pipeEntry = poller.add(descriptor: -1)
        #expect(try poller.wait(timeoutMillis: 0) == 0)

        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { ends.forEach { close($0) } }
        poller.setDescriptor(ends[0], at: pipeEntry)
        #expect(write(ends[1], "x", 1) == 1)
        #expect(try poller.wait(timeoutMillis: Int(patienceMillis)) == 1)
        #expect(poller[pipeEntry] == .readable)
        #expect(poller[socketEntry] == [])

        var subscriber = try Subscriber(in: context)
        try subscriber.connect("inproc://ticks")
        try subscriber.subscribe("")
        var room = [UInt8](repeating: 0, count: 8)
        #expect(read(ends[0], &room, room.count) == 1)
        #expect(try poller.wait(timeoutMillis: Int(patienceMillis)) == 1)
        #expect(poller[socketEntry] == .readable)
        #expect(poller[pipeEntry] == [])

        close(ends[1])
        ends[1] = dup(0)
        poller.clear(socketEntry)
        #expect(try poller.wait(timeoutMillis: Int(patienceMillis)) == 1)
        #expect(poller[pipeEntry].contains(.failed))
        poller.setEvents([], at: pipeEntry)
        poller.clear(pipeEntry)
        #expect(try poller.wait(timeoutMillis: 0) == 0)
    }

    @Test func aPeerThatFallsSilentIsDroppedByTheHeartbeat() throws {
        var server = try Socket(.router, in: context, highWaterMark: 10, maxFrameBytes: 100)
        try server.set(CZS_HEARTBEAT_INTERVAL_MILLIS, 50)
        try server.set(CZS_HEARTBEAT_TIMEOUT_MILLIS, 200)
        var monitor = try Monitor(of: server)
        try server.bind("tcp://127.0.0.1:*")
        let peer = try RawPeer(server.lastEndpoint ?? "")
        peer.greet(as: "DEALER")
        var kinds: [MonitorEvent.Kind] = []
        while kinds.last != .disconnected, let event = try monitor.receive(timeoutMillis: patienceMillis) {
            if let kind = event.kind { kinds.append(kind) }
        }
        #expect(kinds.contains(.accepted))
        #expect(kinds.contains(.handshakeSucceeded))
        #expect(kinds.last == .disconnected)
        #expect(peer.isClosedByServer())
    }

    @Test func theLibraryIsTheOneThatWasTested() {
        #expect(Context.libraryVersion.hasPrefix("4.3."))
        #expect(czs_has_curve())
    }

    @Test func theCCoreRefusesWhatItCannotDo() throws {
        let socket = try Socket(.pair, in: context, highWaterMark: 1, maxFrameBytes: -1)
        var sent = 0
        let nowhere = czs_run(topic: nil, topic_count: 3, payload: nil, payload_count: 0)
        #expect(withUnsafePointer(to: nowhere) { czs_publish(socket.handle, $0, 1, &sent) } == EINVAL)
        #expect(sent == 0)
        #expect(czs_send(socket.handle, [], 0, 0) == EINVAL)
        #expect(czs_send(socket.handle, [czs_part(bytes: nil, count: 1)], 1, 0) == EINVAL)
        #expect(czs_socket_set_int(socket.handle, czs_option(rawValue: 999), 1) == EINVAL)
        #expect(czs_socket_set_int(socket.handle, CZS_SEND_HWM, Int64.max) == EINVAL)
        #expect(czs_socket_set_int(socket.handle, CZS_SEND_HWM, -1) == EINVAL)
        #expect(czs_socket_set_bytes(socket.handle, CZS_SUBSCRIBE, nil, 1) == EINVAL)
        #expect(czs_socket_set_bytes(socket.handle, CZS_CURVE_SECRET_KEY, "short", 5) == EINVAL)
        var opened: OpaquePointer?
        #expect(czs_socket_open(context.handle, czs_kind(rawValue: 77), &opened) == EINVAL)
        #expect(czs_send(socket.handle, [czs_part(bytes: nil, count: 0)], 1, 20) == EAGAIN)
    }
}

/// The calls that wait for ever.
private enum BlockedCall: CaseIterable {
    case receive, replay, control, poll

    func block(on context: Context, _ started: DispatchSemaphore) throws(MessagingError) {
        switch self {
        case .receive:
            let subscriber = try Subscriber(in: context)
            started.signal()
            _ = try subscriber.receive(into: ReceiveBuffer(64).bytes, timeoutMillis: -1)
        case .replay:
            var server = try ReplayServer(in: context)
            var source = ArraySource(ticks: [])
            started.signal()
            _ = try server.serve(timeoutMillis: -1, source: &source)
        case .control:
            var server = try ControlServer(in: context)
            started.signal()
            _ = try server.serve(timeoutMillis: -1) { _, _ in .later }
        case .poll:
            let subscriber = try Subscriber(in: context)
            var poller = Poller()
            _ = poller.add(subscriber)
            started.signal()
            _ = try poller.wait(timeoutMillis: -1)
        }
    }
}
