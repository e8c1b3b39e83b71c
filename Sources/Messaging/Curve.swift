internal import CZMQShim

/// One half of a CURVE key pair: 32 bytes, written as 40 characters of Z85.
public struct CurveKey: Sendable, Hashable, CustomStringConvertible {
    public let bytes: [UInt8]

    /// Nil unless there are 32 bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Int(CZS_KEY_BYTES) else { return nil }
        self.bytes = bytes
    }

    /// Parses 40 characters of Z85; nil for anything else.
    public init?(_ text: String) {
        var key = [UInt8](repeating: 0, count: Int(CZS_KEY_BYTES))
        guard czs_key_decode(text, &key) == 0 else { return nil }
        bytes = key
    }

    public var description: String {
        var text = [CChar](repeating: 0, count: 41)
        czs_key_encode(bytes, &text)
        return String(decoding: text.prefix(40).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A public key and its secret.
public struct CurveKeyPair: Sendable, Equatable {
    public let publicKey: CurveKey
    public let secretKey: CurveKey

    /// The pair of a secret key.
    public init(secretKey: CurveKey) throws(MessagingError) {
        var bytes = [UInt8](repeating: 0, count: Int(CZS_KEY_BYTES))
        try check(czs_curve_public_of(secretKey.bytes, &bytes), "derive", "public key")
        guard let key = CurveKey(bytes: bytes) else {
            throw MessagingError(.malformed("key length"), operation: "derive", subject: "public key")
        }
        publicKey = key
        self.secretKey = secretKey
    }

    /// A new pair from the system's randomness.
    public static func generate() throws(MessagingError) -> CurveKeyPair {
        var publicBytes = [UInt8](repeating: 0, count: Int(CZS_KEY_BYTES))
        var secretBytes = publicBytes
        try check(czs_curve_new_pair(&publicBytes, &secretBytes), "make", "key pair")
        guard let secret = CurveKey(bytes: secretBytes) else {
            throw MessagingError(.malformed("key length"), operation: "make", subject: "key pair")
        }
        return try CurveKeyPair(secretKey: secret)
    }
}

/// How a socket proves itself and its peers; set before it binds or connects.
public enum SocketSecurity: Sendable {
    /// Nobody is checked: for `ipc://`, `inproc://` and loopback.
    case none
    /// Encrypts, and takes only the clients that the context's access control lists. `domain` as given there.
    case server(secretKey: CurveKey, domain: String = "ib-stream")
    /// Encrypts to the server that holds `serverKey`'s secret, and proves itself by `keys`. A socket that the server's
    /// list refuses stays unconnected (libzmq does not try again): after a change of the list make a new one.
    case client(serverKey: CurveKey, keys: CurveKeyPair)
}
