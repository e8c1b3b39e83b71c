/// The bytes before the first message. Source: docs/tws.md#handshake.
///
///     client → server   "API\0", then a frame "v100..187" or "v187", options behind a blank, no NUL at its end
///     server → client   a frame: version \0 connection time \0
public enum Handshake {
    /// The only bytes of a connection that are not framed.
    public static let prefix: [UInt8] = [0x41, 0x50, 0x49, 0x00]
    /// The longest greeting that either side needs to accept.
    public static let maxHelloBytes = 1024

    /// All that a client sends before it hears from the server, in one piece.
    public static func clientHello(versions: ClosedRange<Int> = ServerVersion.supported, options: String = "")
        -> [UInt8]
    {
        var out = prefix
        let range =
            versions.lowerBound == versions.upperBound
            ? "v\(versions.lowerBound)" : "v\(versions.lowerBound)..\(versions.upperBound)"
        out.appendFrame { $0.append(contentsOf: (options.isEmpty ? range : range + " " + options).utf8) }
        return out
    }
}

/// A greeting that ends the connection.
public enum HandshakeError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Not a greeting of this protocol; the text is what came, cut.
    case malformed(String)
    /// The server wants the client to go elsewhere (`host:port`), which this client does not do.
    case redirected(String)
    /// A version that was not offered.
    case unsupportedVersion(Int)

    public var description: String {
        switch self {
        case .malformed(let text): "not a TWS greeting: \(text): is tws.ports the port of the gateway's API?"
        case .redirected(let target):
            "the gateway redirects to \(target), which is not supported: configure that host and port"
        case .unsupportedVersion(let version):
            "server version \(version) is not one of \(ServerVersion.supported.lowerBound) to "
                + "\(ServerVersion.supported.upperBound)"
                + (version < ServerVersion.supported.lowerBound
                    ? ": the gateway is too old, update IB Gateway or TWS" : "")
        }
    }
}

/// The client's frame behind the prefix: which versions it speaks. For a simulated gateway.
public struct ClientHello: Sendable, Equatable {
    public var versions: ClosedRange<Int>
    /// Free text behind the range, such as `+PACEAPI`.
    public var options: String

    public init(parsing body: UnsafeRawBufferPointer) throws(HandshakeError) {
        let text = String(decoding: body.prefix(Handshake.maxHelloBytes), as: UTF8.self)
        let parts = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        guard let range = parts.first, range.first == "v" else { throw .malformed(String(text.prefix(64))) }
        let bounds = range.dropFirst().split(separator: "..", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(bounds.count), let low = bounds[0], let high = bounds[bounds.count - 1], low >= 0,
            low <= high
        else { throw .malformed(String(text.prefix(64))) }
        versions = low...high
        options = parts.count > 1 ? String(parts[1]) : ""
    }

    /// The version of the session: the greatest that both speak, or nil when there is none (the server closes then).
    public func negotiate(_ server: ClosedRange<Int>) -> Int? {
        let version = min(server.upperBound, versions.upperBound)
        return version >= versions.lowerBound && version >= server.lowerBound ? version : nil
    }
}

/// The server's answer: the version of the session and its own wall clock as text (no clock to rely on).
public struct ServerHello: Sendable, Equatable {
    public var version: Int
    /// `YYYYMMDD HH:MM:SS ZONE` with whatever the operating system calls the zone.
    public var connectionTime: String

    public init(version: Int, connectionTime: String) {
        self.version = version
        self.connectionTime = connectionTime
    }

    /// Parses the first frame that a client receives.
    public init(
        parsing body: UnsafeRawBufferPointer, offered: ClosedRange<Int> = ServerVersion.supported
    ) throws(HandshakeError) {
        let cut = body.prefix(Handshake.maxHelloBytes)
        let fields = cut.split(separator: 0, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard body.count <= Handshake.maxHelloBytes, let version = fields.first.flatMap({ Int($0) }) else {
            throw .malformed(String(String(decoding: cut, as: UTF8.self).prefix(64)))
        }
        connectionTime = fields.count > 1 ? fields[1] : ""
        self.version = version
        guard version >= 0 else { throw .redirected(connectionTime) }
        guard offered.contains(version) else { throw .unsupportedVersion(version) }
    }

    /// Appends the whole frame; it must go out in one write, and nothing else before `startApi` has come.
    public func encode(to out: inout [UInt8]) {
        out.appendFrame { out in
            out.appendField(version)
            out.appendField(connectionTime)
        }
    }
}
