internal import Glibc

extension HTTPAddress {
    /// A listening TCP socket at this address, closed at exec; the caller closes it. Throws 78 with one line when the
    /// port is taken or the address is not this host's.
    ///
    /// - what: for the line, such as `health pages`; key: the configuration's key that holds the address.
    public func listen(for what: String, key: String) throws(ProgramError) -> Int32 {
        try listen(for: what, key: key, takenIsFine: false) ?? -1
    }

    /// Listens for a moment, to find out whether that is possible. Throws as `listen` does.
    ///
    /// - takenIsFine: somebody has the port, and that is no reason to throw.
    public func tryListening(for what: String, key: String, takenIsFine: Bool = false) throws(ProgramError) {
        if let made = try listen(for: what, key: key, takenIsFine: takenIsFine) { close(made) }
    }

    /// Nil: taken, which is fine.
    private func listen(for what: String, key: String, takenIsFine: Bool) throws(ProgramError) -> Int32? {
        let family = host.contains(":") ? AF_INET6 : AF_INET
        let made = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard made >= 0 else { throw ProgramError(.ioError, "\(what): \(errorText(errno))") }
        var on: Int32 = 1
        setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard bind(made, family), Glibc.listen(made, 64) == 0 else {
            let code = errno
            close(made)
            if takenIsFine, code == EADDRINUSE { return nil }
            throw ProgramError(
                .configuration, "\(what) can't listen at \(self): \(errorText(code)): set \(key) to another address")
        }
        return made
    }

    private func bind(_ socket: Int32, _ family: Int32) -> Bool {
        if family == AF_INET6 {
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            guard inet_pton(AF_INET6, host, &name.sin6_addr) == 1 else {
                errno = EADDRNOTAVAIL
                return false
            }
            return withUnsafePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0
                }
            }
        }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        guard inet_pton(AF_INET, host, &name.sin_addr) == 1 else {
            errno = EADDRNOTAVAIL
            return false
        }
        return withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
