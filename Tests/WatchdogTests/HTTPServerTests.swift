import Foundation
import ServiceKit
import Testing

@testable import Watchdog

@Suite struct HTTPServerTests {
    private func connected(to address: HTTPAddress) -> Int32? {
        let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = address.port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            close(socket)
            return nil
        }
        return socket
    }

    /// Sends raw bytes to the server and returns everything that it answers.
    private func exchange(_ address: HTTPAddress, _ request: String) -> String {
        guard let socket = connected(to: address) else { return "" }
        defer { close(socket) }
        let bytes = Array(request.utf8)
        _ = bytes.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let got = recv(socket, &buffer, buffer.count, 0)
            guard got > 0 else { return text }
            text += String(decoding: buffer[0..<got], as: UTF8.self)
        }
    }

    private func get(_ address: HTTPAddress, _ path: String, _ method: String = "GET") -> String {
        exchange(address, "\(method) \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    }

    @Test func pagesAreServedFromTheSnapshotAlone() throws {
        let board = Board()
        let server = try HTTPServer(address: HTTPAddress(host: "127.0.0.1", port: 0), board: board)
        defer { server.stop() }
        #expect(server.address.port > 0)
        #expect(get(server.address, "/live").hasPrefix("HTTP/1.1 503 "), "no judge, not live")
        var snapshot = Snapshot()
        snapshot.bootNanos = bootNanos()
        board.put(snapshot)
        let live = get(server.address, "/live")
        #expect(live.hasPrefix("HTTP/1.1 200 ") && live.contains("application/json") && live.contains("\"live\":true"))
        #expect(get(server.address, "/health").hasPrefix("HTTP/1.1 503 "))
        #expect(get(server.address, "/background/status").hasPrefix("HTTP/1.1 200 "))
        #expect(get(server.address, "/background/health?x=1").hasPrefix("HTTP/1.1 503 "))
        #expect(get(server.address, "/live", "HEAD").hasPrefix("HTTP/1.1 200 "))
    }

    @Test func slowClientsKeepNobodyFromAnAnswer() throws {
        let server = try HTTPServer(address: HTTPAddress(host: "127.0.0.1", port: 0), board: Board())
        defer { server.stop() }
        // More than there is room for; each has begun a request and goes on for ever.
        var slow: [Int32] = []
        defer { for socket in slow { close(socket) } }
        for _ in 0..<(ConnectionTable.limit + 20) {
            let socket = try #require(connected(to: server.address))
            slow.append(socket)
            _ = Array("GET /live HTTP/1.1\r\nX: ".utf8).withUnsafeBytes { bytes in
                send(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
        }
        #expect(get(server.address, "/live").hasPrefix("HTTP/1.1 503 "))
        // Their time ends, though they never fall silent.
        server.endOverdue(nowNanos: bootNanos() + ConnectionTable.requestNanos)
        var byte: UInt8 = 0
        for socket in slow {
            let got = recv(socket, &byte, 1, 0)
            #expect(got == 0 || (got < 0 && errno == ECONNRESET))
        }
        #expect(get(server.address, "/live").hasPrefix("HTTP/1.1 503 "))
    }

    @Test func otherPagesAndMethodsAreRefusedInOneLine() throws {
        let server = try HTTPServer(address: HTTPAddress(host: "127.0.0.1", port: 0), board: Board())
        defer { server.stop() }
        let missing = get(server.address, "/metrics")
        #expect(missing.hasPrefix("HTTP/1.1 404 ") && missing.contains("no such page"))
        #expect(get(server.address, "/health", "DELETE").hasPrefix("HTTP/1.1 405 "))
        #expect(exchange(server.address, "\0\0garbage\r\n\r\n").hasPrefix("HTTP/1.1 200 ") == false)
        #expect(get(server.address, "/live").hasPrefix("HTTP/1.1 503 "), "and the server goes on")
    }

    @Test func aTakenPortIsAConfigurationErrorInOneLine() throws {
        let first = try HTTPServer(address: HTTPAddress(host: "127.0.0.1", port: 0), board: Board())
        defer { first.stop() }
        do throws(ProgramError) {
            _ = try HTTPServer(address: first.address, board: Board())
            Issue.record("two servers at one port")
        } catch {
            #expect(error.status == .configuration)
            #expect(error.description.contains("\(first.address)") && error.description.contains("already in use"))
            #expect(error.description.contains("watchdog.http"))
        }
    }

    @Test func aForeignAddressIsRefused() {
        do throws(ProgramError) {
            _ = try HTTPServer(address: HTTPAddress(host: "192.0.2.1", port: 0), board: Board())
            Issue.record("bound")
        } catch {
            #expect(error.status == .configuration)
        }
    }
}
