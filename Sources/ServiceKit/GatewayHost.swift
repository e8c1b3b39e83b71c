internal import Glibc

/// What `tws.host` may be: a name, or an address in numbers.
enum GatewayHost {
    /// The host as getaddrinfo(3) takes it: an IPv6 address may stand in brackets, which are taken off. Throws for a
    /// port, a URL and whatever can never be looked up or connected to.
    static func read(_ text: String) throws(ValueProblem) -> String {
        let inner = text.hasPrefix("[") && text.hasSuffix("]") ? text.dropFirst().dropLast() : text[...]
        if inner.contains(":"), let parts = zoned(inner), let address = IPAddress(parts.address) {
            try check(address, parts, text)
            return String(inner)
        }
        if inner.count == text.count, isName(text) { return text }
        throw ValueProblem("'\(text)' is no host name or address", advice(text))
    }

    /// An address and the zone behind its `%`, such as `fe80::1%eth0`; nil when what stands there is none.
    private static func zoned(_ text: Substring) -> (address: String, zone: String?)? {
        guard let percent = text.firstIndex(of: "%") else { return (String(text), nil) }
        let zone = text[text.index(after: percent)...]
        guard !zone.isEmpty, zone.utf8.allSatisfy(isNameByte) else { return nil }
        return (String(text[..<percent]), String(zone))
    }

    /// The kernel connects to a link-local address only with its interface, and getaddrinfo(3) takes one for no other.
    private static func check(
        _ address: IPAddress, _ parts: (address: String, zone: String?), _ text: String
    ) throws(ValueProblem) {
        if address.isLinkLocal, parts.zone == nil {
            throw ValueProblem(
                "'\(text)' is a link-local address without its interface", "write it as \(parts.address)%eth0")
        }
        if !address.isLinkLocal, parts.zone != nil {
            throw ValueProblem("'\(text)' names an interface that its address does not need", "write \(parts.address)")
        }
    }

    /// Labels with dots between them. One that ends in a number is an address, which inet_aton(3) has to take.
    private static func isName(_ text: String) -> Bool {
        var labels = text.split(separator: ".", omittingEmptySubsequences: false)
        if labels.count > 1, labels.last == "" { labels.removeLast() }
        guard labels.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(isNameByte) }) else { return false }
        guard labels.last?.utf8.allSatisfy({ (0x30...0x39).contains($0) }) == true else { return true }
        var address = in_addr()
        return inet_aton(text, &address) != 0
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
    }

    /// What to write instead of a host with a port or a scheme, or of an address with a slip.
    private static func advice(_ text: String) -> String {
        let scheme = text.firstRange(of: "://")
        let bare = String((scheme.map { text[$0.upperBound...] } ?? text[...]).prefix { $0 != "/" || scheme == nil })
        if let colon = bare.lastIndex(of: ":"), let port = UInt16(bare[bare.index(after: colon)...]), port > 0,
            let host = readable(String(bare[..<colon]))
        {
            return "write \(host), and \(port) into 'tws.ports'"
        }
        if bare != text, let host = readable(bare) { return "write \(host)" }
        return "write a name, 192.0.2.7 or 2001:db8::7; ports belong into 'tws.ports'"
    }

    private static func readable(_ text: String) -> String? {
        do throws(ValueProblem) { return try read(text) } catch { return nil }
    }
}
