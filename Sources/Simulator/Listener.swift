internal import Glibc
internal import ServiceKit

/// The TCP socket that clients connect to, on 127.0.0.1. Owner: the event loop.
struct Listener: ~Copyable {
    private var descriptor: Int32
    let port: UInt16
    private(set) var isRefusing = false

    /// Binds and listens; port 0 = picked by the system. Throws 74 when the port is not to be had.
    init(port wanted: UInt16) throws(ProgramError) {
        let made = try Listener.bound(to: wanted)
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let named = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(made, $0, &size) }
        }
        guard named == 0, listen(made, 64) == 0 else {
            let code = errno
            close(made)
            throw ProgramError(.ioError, "port \(wanted): \(errorText(code)): choose another --port")
        }
        descriptor = made
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// -1 while refusing.
    var fileDescriptor: Int32 { isRefusing ? -1 : descriptor }

    /// Answers new connections as a closed port does. The port stays ours: a socket that is bound and does not listen
    /// keeps it. Throws 74.
    mutating func refuse() throws(ProgramError) {
        guard !isRefusing else { return }
        close(descriptor)
        descriptor = -1
        descriptor = try Listener.bound(to: port)
        isRefusing = true
    }

    mutating func acceptAgain() throws(ProgramError) {
        guard isRefusing else { return }
        guard listen(descriptor, 64) == 0 else {
            throw ProgramError(.ioError, "port \(port): \(errorText(errno)): choose another --port")
        }
        isRefusing = false
    }

    /// The next waiting connection, non-blocking and without delay; nil when there is none.
    func next() -> Int32? {
        guard !isRefusing else { return nil }
        let client = acceptConnection(descriptor)
        guard client >= 0 else { return nil }
        var on: Int32 = 1
        setsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        return client
    }

    private static func bound(to port: UInt16) throws(ProgramError) -> Int32 {
        let descriptor = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw ProgramError(.ioError, "socket: \(errorText(errno))") }
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            let code = errno
            close(descriptor)
            throw ProgramError(.ioError, "port \(port): \(errorText(code)): choose another --port")
        }
        return descriptor
    }
}
