internal import CMicroHTTPD
internal import Glibc
internal import JSON
internal import ServiceKit
internal import Synchronization

/// Serves the health pages on libmicrohttpd's own thread: every answer is made from the board's snapshot, so that no
/// client can hold up the judge.
///
/// Bounds: 64 connections, 16 of one address, 5 s per request, 16 KiB per connection.
final class HTTPServer: Sendable {
    /// With the port that the system picked when 0 was wanted.
    let address: HTTPAddress
    private let board: Board
    private let daemon = Mutex<Daemon?>(nil)

    /// libmicrohttpd locks by itself; the handle is made and stopped under the mutex.
    private struct Daemon: @unchecked Sendable {
        let handle: OpaquePointer
    }

    /// Throws 78 with one line when the port is taken or the address is not this host's.
    init(address: HTTPAddress, board: Board) throws(ProgramError) {
        let listener = try address.listen(for: "health pages", key: "watchdog.http")
        self.board = board
        self.address = HTTPAddress(host: address.host, port: HTTPServer.port(of: listener))
        let flags = MHD_USE_AUTO_INTERNAL_THREAD.rawValue
        // The daemon calls back with this object, which `stop` keeps alive until no call can come any more.
        let context = Unmanaged.passUnretained(self).toOpaque()
        let arguments: [any CVarArg] = [
            MHD_OPTION.LISTEN_SOCKET.rawValue, listener, MHD_OPTION.CONNECTION_LIMIT.rawValue,
            UInt32(64), MHD_OPTION.PER_IP_CONNECTION_LIMIT.rawValue, UInt32(16),
            MHD_OPTION.CONNECTION_TIMEOUT.rawValue, UInt32(5), MHD_OPTION.CONNECTION_MEMORY_LIMIT.rawValue,
            Int(16 << 10), MHD_OPTION.END.rawValue,
        ]
        let started = withVaList(arguments) { list in
            MHD_start_daemon_va(flags, 0, nil, nil, answerRequest, context, list)
        }
        guard let started else {
            close(listener)
            throw ProgramError(.ioError, "health pages at \(address) can't be served: \(errorText(errno))")
        }
        daemon.withLock { $0 = Daemon(handle: started) }
    }

    deinit { stop() }

    /// Ends the thread and closes the port. Any number of times.
    func stop() {
        let running = daemon.withLock { daemon in
            defer { daemon = nil }
            return daemon
        }
        if let running { MHD_stop_daemon(running.handle) }
    }

    private static func port(of socket: Int32) -> UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let found = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
        }
        guard found == 0 else { return 0 }
        // The port stands at the same place for both families: behind the 16-bit family.
        return withUnsafeBytes(of: &storage) { UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) }
    }

    /// The page of a path; nil for an unknown one.
    fileprivate func page(_ path: String) -> Faces.Page? {
        let snapshot = board.snapshot
        let now = bootNanos()
        switch path {
        case "/health": return Faces.health(snapshot, nowNanos: now)
        case "/live": return Faces.live(snapshot, nowNanos: now)
        case "/background/status": return Faces.backgroundStatus(snapshot, nowNanos: now)
        case "/background/health": return Faces.backgroundHealth(snapshot, nowNanos: now)
        default: return nil
        }
    }
}

/// libmicrohttpd's callback for each request, on its thread.
private func answerRequest(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>?,
    _ method: UnsafePointer<CChar>?, _ version: UnsafePointer<CChar>?, _ body: UnsafePointer<CChar>?,
    _ bodySize: UnsafeMutablePointer<Int>?, _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let context, let connection, let url, let method else { return .NO }
    let server = Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue()
    let verb = String(cString: method)
    guard verb == "GET" || verb == "HEAD" else {
        return reply(connection, 405, Array("only GET and HEAD are answered here\n".utf8), "text/plain; charset=utf-8")
    }
    guard let page = server.page(String(cString: url)) else {
        let text = "no such page: there are /health, /live, /background/status and /background/health\n"
        return reply(connection, 404, Array(text.utf8), "text/plain; charset=utf-8")
    }
    return reply(connection, UInt32(page.status), page.body.encoded + [0x0A], "application/json")
}

private func reply(_ connection: OpaquePointer, _ status: UInt32, _ body: [UInt8], _ type: String) -> MHD_Result {
    var body = body
    let response = body.withUnsafeMutableBytes { bytes in
        MHD_create_response_from_buffer(bytes.count, bytes.baseAddress, .RESPMEM_MUST_COPY)
    }
    guard let response else { return .NO }
    defer { MHD_destroy_response(response) }
    MHD_add_response_header(response, "Content-Type", type)
    MHD_add_response_header(response, "Cache-Control", "no-store")
    return MHD_queue_response(connection, status, response)
}
