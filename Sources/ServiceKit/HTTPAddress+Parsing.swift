extension HTTPAddress {
    /// Parses `127.0.0.1:8851`, `[::1]:8851` or `localhost:8851` (which is
    /// 127.0.0.1). Addresses are written as numbers.
    init?(_ text: String) {
        guard let parts = Self.parts(text) else { return nil }
        self.init(host: parts.host == "localhost" ? "127.0.0.1" : parts.host, port: parts.port)
        guard ip != nil else { return nil }
    }

    /// Parses `tcp://ADDRESS:PORT` as the feed is bound: the address as a number, or `*` for all. Nil for everything
    /// that libzmq would refuse or take for something else, such as a name or port 0.
    public init?(endpoint text: String) {
        guard text.hasPrefix("tcp://"), let parts = Self.parts(String(text.dropFirst("tcp://".count))),
            parts.port > 0
        else { return nil }
        // libzmq binds `*` to `::`, which takes IPv4 too.
        self.init(host: parts.host == "*" ? "::" : parts.host, port: parts.port)
        guard ip != nil else { return nil }
    }

    /// What to write instead of an IPv6 address whose brackets, port or scheme are missing,
    /// or that has a zone; nil for another slip.
    ///
    /// - port: the one to show where none is written.
    static func advice(_ text: String, scheme: String = "", port: UInt16) -> String? {
        let bare = text.hasPrefix(scheme) ? text.dropFirst(scheme.count) : text[...]
        let host = bare.prefix { $0 != "]" }.drop { $0 == "[" }
        guard host.contains(":") else { return nil }
        if let percent = host.firstIndex(of: "%"), IPAddress(String(host[..<percent])) != nil {
            return "an address with an interface (%) can't be listened at: write another one of this host"
        }
        // With a port behind it, `::1:8851` is an address too: the port is what was most likely meant.
        if !bare.hasPrefix("["), let colon = host.lastIndex(of: ":"), host[..<colon].contains(":"),
            IPAddress(String(host[..<colon])) != nil, let written = UInt16(host[host.index(after: colon)...]),
            written > 999
        {
            return "write it as \(scheme)[\(host[..<colon])]:\(written)"
        }
        return IPAddress(String(host)) == nil ? nil : "write it as \(scheme)[\(host)]:\(port)"
    }

    /// Nil for a host that is no number.
    var ip: IPAddress? { IPAddress(host) }

    /// Only this host reaches it.
    public var isLoopback: Bool { ip?.isLoopback ?? false }

    /// Not both can be listened at. Port 0 is another one each time.
    func overlaps(_ other: HTTPAddress) -> Bool {
        guard port == other.port, port > 0, let ip, let otherIP = other.ip else { return false }
        return ip.overlaps(otherIP)
    }

    /// Host and port; the brackets of an IPv6 address are taken off, and no other host has any.
    private static func parts(_ text: String) -> (host: String, port: UInt16)? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        // UInt16 alone would take "+80" too.
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits) else { return nil }
        let host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inner = String(host.dropFirst().dropLast())
            return inner.contains(":") ? (inner, port) : nil
        }
        return host.isEmpty || host.contains(":") ? nil : (host, port)
    }
}
