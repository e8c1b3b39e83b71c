internal import Glibc

/// One address that a host's name stands for, with the port.
struct SocketAddress {
    /// More addresses of one name are not tried.
    private static let limit = 8

    let family: Int32
    private var storage: sockaddr_storage
    private let length: socklen_t

    /// The address that a host written as a number is; nil for a name. Asks nobody.
    static func literal(_ host: String, _ port: UInt16) -> [SocketAddress]? {
        do throws(LinkError) { return try resolve(host, port, flags: AI_NUMERICHOST) } catch { return nil }
    }

    /// All stream addresses of an IPv4, IPv6 or host name, in the system's order. Not empty. May take half a minute.
    static func resolve(_ host: String, _ port: UInt16, flags: Int32 = 0) throws(LinkError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | flags
        var list: UnsafeMutablePointer<addrinfo>?
        let failure = getaddrinfo(host, String(port), &hints, &list)
        guard failure == 0 else { throw LinkError("\(host): \(String(cString: gai_strerror(failure)))") }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let info = next, found.count < limit {
            if let address = SocketAddress(info.pointee) { found.append(address) }
            next = info.pointee.ai_next
        }
        guard !found.isEmpty else { throw LinkError("\(host): no address") }
        return found
    }

    private init?(_ info: addrinfo) {
        let size = Int(info.ai_addrlen)
        guard let address = info.ai_addr, size <= MemoryLayout<sockaddr_storage>.size else { return nil }
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: size))
        }
        self.storage = storage
        family = info.ai_family
        length = info.ai_addrlen
    }

    /// The same host, whatever the port. Both families have that behind the first two bytes.
    func isSameHost(as other: SocketAddress?) -> Bool {
        guard let other, family == other.family, length == other.length else { return false }
        return withUnsafeBytes(of: storage) { mine in
            withUnsafeBytes(of: other.storage) { theirs in
                mine[4..<Int(length)].elementsEqual(theirs[4..<Int(length)])
            }
        }
    }

    /// connect(2).
    func connect(_ descriptor: Int32) -> Int32 {
        withUnsafeBytes(of: storage) { bytes in
            Glibc.connect(descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), length)
        }
    }
}
