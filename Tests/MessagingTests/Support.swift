import Foundation
import Messaging
import Ticks

/// A directory of its own for one test's socket files, removed at the end.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "ibm-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func endpoint(_ name: String) -> String { "ipc://\(path)/\(name).sock" }
}

/// A thread whose end can be waited for.
final class TestThread: Sendable {
    private let done = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () -> Void) {
        let thread = Thread {
            body()
            self.done.signal()
        }
        thread.start()
    }

    /// False when it still runs after ten seconds.
    func join() -> Bool { done.wait(timeout: .now() + 10) == .success }
}

/// How long a test waits for what should come at once.
let patienceMillis: Int32 = 10_000

/// An aligned receive buffer.
final class ReceiveBuffer: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    init(_ count: Int) { bytes = .allocate(byteCount: count, alignment: 64) }
    deinit { bytes.deallocate() }

    func ticks(_ count: Int) -> [Tick] {
        (0..<count).map { Tick(decoding: UnsafeRawBufferPointer(bytes), at: $0 * Tick.size) }
    }
}

extension Publisher {
    /// Binds and returns the endpoint with its port.
    mutating func bound(_ endpoint: String) throws -> String {
        try bind(endpoint)
        return lastEndpoint ?? endpoint
    }

    /// The next `count` subscription events as `+topic` and `-topic`; fewer when they do not come.
    mutating func subscriptions(_ count: Int) throws -> [String] {
        var poller = Poller()
        _ = poller.add(self)
        var seen: [String] = []
        let deadline = Date().addingTimeInterval(10)
        while seen.count < count, Date() < deadline {
            _ = try poller.wait(timeoutMillis: 100)
            try receiveSubscriptions { subscribed, topic in
                seen.append((subscribed ? "+" : "-") + String(decoding: topic, as: UTF8.self))
            }
        }
        return seen
    }
}

func makeTick(_ seq: UInt32, epoch: UInt32 = 7, conId: Int32 = 1, kind: TickKind = .bidAsk) -> Tick {
    Tick(
        key: TickKey(epoch: epoch, seq: seq), tsEventNanos: 1_000_000_000, tsRecvNanos: Int64(seq), conId: conId,
        kind: kind, body: QuoteBody(bidPrice: 1, askPrice: 2, bidSize: 3, askSize: Int64(seq)).body)
}

extension SplitMix64 {
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

/// A peer that speaks ZMTP 3 by hand over TCP, or anything but that.
final class RawPeer {
    private let descriptor: Int32

    init(_ endpoint: String) throws {
        let port = endpoint.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard descriptor >= 0, code == 0 else { throw POSIXError(.ECONNREFUSED) }
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) {
        // The server may have hung up on garbage already: that is its right.
        _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// Greeting and READY command of the NULL mechanism, as ZMTP 3.0 (RFC 23) has them; both ways, since libzmq refuses
    /// frames that come before its own READY went out.
    func greet(as socketType: String) {
        var greeting: [UInt8] = [0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F, 3, 0]
        greeting += Array("NULL".utf8) + [UInt8](repeating: 0, count: 16)
        greeting += [UInt8](repeating: 0, count: 32)
        send(greeting)
        var ready = [UInt8(5)] + Array("READY".utf8)
        ready += [11] + Array("Socket-Type".utf8) + [0, 0, 0, UInt8(socketType.utf8.count)] + Array(socketType.utf8)
        send([4, UInt8(ready.count)] + ready)
        let theirGreeting = receive(64)
        let header = receive(2)
        guard theirGreeting.count == 64, header.count == 2 else { return }
        _ = receive(Int(header[1]))
    }

    /// Exactly `count` bytes; fewer when the server hangs up.
    private func receive(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let received = recv(descriptor, &bytes, count, Int32(MSG_WAITALL))
        return Array(bytes.prefix(max(0, received)))
    }

    func sendFrame(_ bytes: [UInt8], more: Bool = false) { send([more ? 1 : 0, UInt8(bytes.count)] + bytes) }

    /// Reads until the end; false when it does not come.
    func isClosedByServer() -> Bool {
        var room = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &room, room.count, 0)
            if count == 0 || (count < 0 && errno == ECONNRESET) { return true }
            if count < 0 { return false }
        }
    }
}
