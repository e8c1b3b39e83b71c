internal import Glibc
internal import ServiceKit
internal import TWS

/// The TCP connection to the gateway: non-blocking, with what could not be sent yet. Owner: the session thread.
///
/// The descriptor is closed on every path: by `close`, and at the latest when the link ends.
struct GatewayLink: ~Copyable {
    /// Requests are small and few; a gateway that does not read for this long is stalled.
    private static let outputLimitBytes = 1 << 20

    /// The open descriptor, or -1.
    private(set) var descriptor: Int32 = -1
    /// Of the present connection.
    private(set) var address: SocketAddress?
    /// Addresses of the host that were not tried yet.
    private var addresses: [SocketAddress] = []
    private var output: [UInt8] = []
    private var written = 0

    init() {}

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    var isOpen: Bool { descriptor >= 0 }
    var hasOutput: Bool { written < output.count }

    /// Begins to connect to the first address that takes it. Readable or writable says how it went (`connectOutcome`).
    /// A name may have several addresses (`localhost` has two, and the gateway listens on one): the others are kept for
    /// `connectToNextAddress`.
    mutating func connect(to found: [SocketAddress]) throws(LinkError) {
        close()
        addresses = found
        var code: Int32 = 0
        while let address = addresses.first {
            addresses.removeFirst()
            code = connect(to: address)
            if code == 0 { return }
        }
        throw LinkError("connect: \(errorText(code))")
    }

    /// The present address came to nothing: begins to connect to the next one of the name. False when none is left.
    mutating func connectToNextAddress() -> Bool {
        output.removeAll(keepingCapacity: true)
        written = 0
        while let address = addresses.first {
            addresses.removeFirst()
            if connect(to: address) == 0 { return true }
        }
        return false
    }

    /// Begins one connection; 0 or errno.
    private mutating func connect(to address: SocketAddress) -> Int32 {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let made = socket(address.family, type, 0)
        guard made >= 0 else { return errno }
        var on: Int32 = 1
        setsockopt(made, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        setsockopt(made, SOL_SOCKET, SO_KEEPALIVE, &on, socklen_t(MemoryLayout<Int32>.size))
        // 4 MiB: what a burst needs while this thread is busy for some milliseconds.
        var receiveBytes: Int32 = 4 << 20
        setsockopt(made, SOL_SOCKET, SO_RCVBUF, &receiveBytes, socklen_t(MemoryLayout<Int32>.size))
        guard address.connect(made) == 0 || errno == EINPROGRESS else {
            let code = errno
            Glibc.close(made)
            return code
        }
        descriptor = made
        self.address = address
        return 0
    }

    /// The outcome of `connect`, once the descriptor is writable.
    func connectOutcome() -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else { return errno }
        return code
    }

    mutating func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        addresses.removeAll()
        output.removeAll(keepingCapacity: true)
        written = 0
    }

    enum Read {
        case bytes(Int)
        case nothing
        case ended
        case failed(Int32)
    }

    /// One read(2) into the frame reader.
    @inline(__always) func read(into reader: inout FrameReader) -> Read {
        var result = Read.nothing
        let descriptor = descriptor
        reader.withFreeSpace { space in
            var count: Int
            repeat { count = Glibc.read(descriptor, space.baseAddress, space.count) } while count < 0 && errno == EINTR
            if count > 0 {
                result = .bytes(count)
                return count
            }
            result = count == 0 ? .ended : errno == EAGAIN ? .nothing : .failed(errno)
            return 0
        }
        return result
    }

    /// Queues bytes and sends what the socket takes now. Throws when the gateway has not read for long.
    mutating func send(_ bytes: [UInt8]) throws(LinkError) {
        guard output.count - written + bytes.count <= GatewayLink.outputLimitBytes else {
            throw LinkError("the gateway does not read what is sent to it")
        }
        output.append(contentsOf: bytes)
        try flush()
    }

    /// Sends what is queued, as far as the socket takes it.
    mutating func flush() throws(LinkError) {
        while written < output.count {
            let count = output.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + written, output.count - written, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { return }
                throw LinkError("send: \(errorText(errno))")
            }
            written += count
        }
        output.removeAll(keepingCapacity: true)
        written = 0
    }
}

/// Why the connection to the gateway could not be made or kept.
struct LinkError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
