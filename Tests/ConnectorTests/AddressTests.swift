import Glibc
import TWS
import Testing

@testable import Connector
@testable import ServiceKit

/// A host name with several addresses, of which one has a gateway. All at one port of the loopback network.
@Suite struct AddressTests {
    /// Listeners at 127.0.0.1 and so on, at a port that is free at all of them.
    private func listeners(_ count: Int) throws -> (descriptors: [Int32], port: UInt16) {
        for _ in 0..<50 {
            var made: [Int32] = []
            var port: UInt16 = 0
            for number in 1...count {
                guard let (descriptor, bound) = listener("127.0.0.\(number)", port) else { break }
                made.append(descriptor)
                port = bound
            }
            if made.count == count { return (made, port) }
            made.forEach { close($0) }
        }
        throw ProgramError(.ioError, "no port is free at all addresses")
    }

    private func listener(_ host: String, _ port: UInt16) -> (Int32, UInt16)? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr(host)
        address.sin_port = port.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 4) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else {
            close(descriptor)
            return nil
        }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    /// Goes on with what is connected to until the gateway's greeting was taken. The first listeners close at once, the
    /// last one greets. Returns how often each was connected to.
    private func greet(_ session: inout GatewaySession, _ listeners: [Int32]) -> [Int] {
        var counts = listeners.map { _ in 0 }
        let deadline = bootNanos() + 60_000_000_000
        while bootNanos() < deadline {
            if case .starting = session.machine.state { break }
            for (index, listener) in listeners.enumerated() {
                var entry = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
                guard poll(&entry, 1, 0) == 1 else { continue }
                let client = accept(listener, nil, nil)
                counts[index] += 1
                if index == listeners.count - 1 {
                    let hello = "\u{0}\u{0}\u{0}\u{13}187\u{0}20250812 20:11\u{0}"
                    _ = send(client, hello, hello.utf8.count, Int32(MSG_NOSIGNAL))
                    kept.append(client)
                } else {
                    close(client)
                }
            }
            var entry = pollfd(fd: session.link.descriptor, events: Int16(POLLIN), revents: 0)
            if session.isConnecting { entry.events = Int16(POLLOUT) }
            guard session.link.isOpen, poll(&entry, 1, 10) == 1 else { continue }
            if session.isConnecting { session.finishConnecting() } else { session.readGateway() }
        }
        return counts
    }

    private let kept = Kept()

    private final class Kept: @unchecked Sendable {
        private var descriptors: [Int32] = []
        func append(_ descriptor: Int32) { descriptors.append(descriptor) }
        deinit { descriptors.forEach { close($0) } }
    }

    @Test func theAddressThatGreetsIsFoundAtOnceAndTriedFirstTheNextTime() throws {
        let (descriptors, port) = try listeners(3)
        defer { descriptors.forEach { close($0) } }
        let addresses = (1...3).compactMap { SocketAddress.literal("127.0.0.\($0)", port)?.first }
        var bench = try SessionBench(host: "gateway.invalid")
        bench.session.drive(bench.session.machine.handle(.start, nowNanos: bootNanos()))
        bench.session.connect(.success(addresses))
        let first = greet(&bench.session, descriptors)
        #expect(first == [1, 1, 1])
        #expect(bench.session.machine.failures == 0)
        bench.session.lose(.closedByPeer)
        bench.session.drive(bench.session.machine.handle(.start, nowNanos: bootNanos()))
        bench.session.connect(.success(addresses))
        let second = greet(&bench.session, descriptors)
        #expect(second == [0, 0, 1])
    }

    @Test func hostsAreTheSameWhateverThePort() throws {
        let one = try #require(SocketAddress.literal("127.0.0.1", 4001)?.first)
        let same = try #require(SocketAddress.literal("127.0.0.1", 4002)?.first)
        let other = try #require(SocketAddress.literal("127.0.0.2", 4001)?.first)
        let six = try #require(SocketAddress.literal("::1", 4001)?.first)
        let sixToo = try #require(SocketAddress.literal("::1", 4002)?.first)
        let sixOther = try #require(SocketAddress.literal("::2", 4001)?.first)
        #expect(one.isSameHost(as: same) && six.isSameHost(as: sixToo))
        #expect(!one.isSameHost(as: other) && !six.isSameHost(as: sixOther) && !one.isSameHost(as: six))
        #expect(!one.isSameHost(as: nil))
    }
}
