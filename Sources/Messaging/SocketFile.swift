internal import CLinux
internal import CZMQShim
internal import Glibc

/// The file of a socket that is bound to `ipc://PATH`. Anybody with access to its directory can remove it: connections
/// that stand go on, and nobody new finds the socket. So its owner looks again and again, and binds anew.
struct SocketFile {
    let endpoint: String
    let path: String
    private var id = clx_file_id()
    /// How often the endpoint is bound now: an earlier binding still serves those who came through it.
    private var bindings = 0
    /// Why it could not be bound anew, as told last.
    private var fault: String?

    /// Bindings that are kept. The next one ends them all, and whoever came through them connects again.
    static let mostBindings = 16

    /// Nil for an endpoint without a file.
    init?(_ endpoint: String) {
        let scheme = "ipc://"
        guard endpoint.hasPrefix(scheme) else { return nil }
        self.endpoint = endpoint
        path = String(endpoint.dropFirst(scheme.count))
        if path.isEmpty || path.hasPrefix("@") || path.hasPrefix("*") { return nil }
    }

    /// Remembers the file that a binding has just made, with the mode 0660. Returns 0, or the errno value.
    mutating func own() -> Int32 {
        let code = clx_file_at(path, &id)
        guard code == 0 else { return code }
        bindings += 1
        return chmod(path, 0o660) == 0 ? 0 : errno
    }

    /// True while the file is the one that the last binding made.
    var isOwn: Bool {
        var now = clx_file_id()
        return clx_file_at(path, &now) == 0 && now.device == id.device && now.inode == id.inode
    }

    /// Binds anew when the file is not its own any more. Returns nil when all is well, or when it fails as it did the
    /// last time; else what is to be said: that it was bound anew (`fault` nil), or why it can't be.
    mutating func restore(_ handle: OpaquePointer) -> (path: String, fault: String?)? {
        if isOwn { return nil }
        if bindings >= Self.mostBindings, czs_socket_unbind(handle, endpoint) == 0 { bindings = 0 }
        // The directory may have gone with the file.
        if let slash = path.lastIndex(of: "/") { mkdir(String(path[..<slash]), 0o750) }
        var code = czs_socket_bind(handle, endpoint)
        if code == 0 { code = own() }
        let before = fault
        fault = code == 0 ? nil : String(cString: czs_error_text(code))
        guard fault == nil || fault != before else { return nil }
        return (path, fault)
    }

    func remove() { if isOwn { unlink(path) } }
}
