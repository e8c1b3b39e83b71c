internal import CSodium

/// SHA-256 of bytes that come piece by piece.
struct SHA256 {
    static let size = 32

    private var state = crypto_hash_sha256_state()

    init() { crypto_hash_sha256_init(&state) }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        crypto_hash_sha256_update(&state, base, UInt64(bytes.count))
    }

    /// The 32 bytes of the hash.
    consuming func finish() -> [UInt8] {
        var hash = [UInt8](repeating: 0, count: SHA256.size)
        crypto_hash_sha256_final(&state, &hash)
        return hash
    }
}
