internal import Glibc

/// An IPv4 or IPv6 address written as numbers. Names, zones and shortened forms (`127.1`) are none.
public struct IPAddress: Sendable, Equatable {
    /// In network order; IPv4 as its IPv6 form `::ffff:a.b.c.d`.
    let bytes: [UInt8]

    /// What inet_pton(3) takes.
    public init?(_ text: String) {
        var address = [UInt8](repeating: 0, count: 16)
        if text.contains(":") {
            guard inet_pton(AF_INET6, text, &address) == 1 else { return nil }
            bytes = address
        } else {
            guard inet_pton(AF_INET, text, &address) == 1 else { return nil }
            bytes = Self.mappedPrefix + address[0..<4]
        }
    }

    private static let mappedPrefix: [UInt8] = Array(repeating: 0, count: 10) + [0xFF, 0xFF]

    /// Also for an IPv4 address in IPv6's clothes: the kernel makes no difference.
    var isIPv4: Bool { bytes.starts(with: Self.mappedPrefix) }

    /// `127.0.0.0/8` or `::1`: reached by this host alone.
    public var isLoopback: Bool {
        isIPv4 ? bytes[12] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1
    }

    /// `fe80::/10`: an address that means nothing without an interface.
    var isLinkLocal: Bool { !isIPv4 && bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80 }

    /// `0.0.0.0` or `::`: every address of this host.
    public var isWildcard: Bool { (isIPv4 ? bytes[12...] : bytes[...]).allSatisfy { $0 == 0 } }

    /// True when sockets at both addresses take each other's connections, so that one port can't be had
    /// for both. A socket at `::` takes IPv4 too.
    public func overlaps(_ other: IPAddress) -> Bool {
        if self == other { return true }
        func covers(_ wide: IPAddress, _ narrow: IPAddress) -> Bool {
            wide.isWildcard && (!wide.isIPv4 || narrow.isIPv4)
        }
        return covers(self, other) || covers(other, self)
    }
}
