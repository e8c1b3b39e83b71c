internal import CMicroHTTPD
internal import Glibc
internal import JSON
internal import ServiceKit
internal import Synchronization

/// Serves the health pages on libmicrohttpd's own thread: every answer is made from the board's snapshot, so that no
/// client can hold up the judge.
///
/// Bounds: those of `ConnectionTable`, 16 KiB per connection, one request per connection.
final class HTTPServer: Sendable {
    /// With the port that the system picked when 0 was wanted.
    let address: HTTPAddress
    private let board: Board
    private let daemon = Mutex<Daemon?>(nil)
    private let connections = Mutex(ConnectionTable())

    /// libmicrohttpd locks by itself; the handle is made and stopped under the mutex.
    private struct Daemon: @unchecked Sendable {
        let handle: OpaquePointer
    }

    /// Throws 78 with one line when the port is taken or the address is not this host's.
    init(address: HTTPAddress, board: Board) throws(ProgramError) {
        let listener = try address.listen(for: "health pages", key: "watchdog.http")
        self.board = board
        self.address = HTTPAddress(host: address.host, port: HTTPServer.port(of: listener))
        // The daemon calls back with this object, which `stop` keeps alive until no call can come any more.
        let context = Unmanaged.passUnretained(self).toOpaque()
        // Its own limits lie behind the table's: connections that are told to end take a moment.
        let started = cmh_start(
            listener, answerRequest, noteConnection, context, UInt32(ConnectionTable.limit * 4), 5, 16 << 10)
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

    /// Ends requests that have taken too long; call it a few times a second.
    func endOverdue(nowNanos: Int64) {
        connections.withLock { table in
            for descriptor in table.takeOverdue(nowNanos: nowNanos) { HTTPServer.end(descriptor) }
        }
    }

    /// On the daemon's thread. A descriptor in the table is open: it leaves before it is closed.
    fileprivate func note(_ connection: OpaquePointer, isOpen: Bool) {
        let descriptor = cmh_descriptor(connection)
        guard descriptor >= 0 else { return }
        connections.withLock { table in
            guard isOpen else { return table.closed(descriptor) }
            let isLocal = cmh_is_local(connection) != 0
            if let victim = table.opened(descriptor, isLocal: isLocal, nowNanos: bootNanos()) { HTTPServer.end(victim) }
        }
    }

    /// The daemon sees the end of the stream and closes the connection.
    private static func end(_ descriptor: Int32) { shutdown(descriptor, Int32(SHUT_RDWR)) }

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

/// libmicrohttpd's callback at a connection's begin and end, on its thread.
private func noteConnection(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ code: MHD_ConnectionNotificationCode
) {
    guard let context, let connection else { return }
    Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue().note(
        connection, isOpen: code == .CONNECTION_NOTIFY_STARTED)
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
    // A connection's age is its request's.
    MHD_add_response_header(response, "Connection", "close")
    return MHD_queue_response(connection, status, response)
}
