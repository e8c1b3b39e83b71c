/// The 24 bytes that say how one column of a segment's block is stored, little endian.
///
///     offset size field
///          0    1 encoding 0 = constant, 1 = differences, 2 = the values themselves
///          1    1 signed   1 = the stored numbers are zigzag: 0, -1, 1, -2, 2 ... are 0, 1, 2, 3, 4 ...
///          2    1 planes   bit k set: byte k of the stored numbers is kept; the other bytes are zero
///          3    1 zero
///          4    4 bytes    of the zstd frame with the kept bytes: all bytes 0, then all bytes 1, ...
///          8    8 base     the constant; or the first value
///         16    8 step     what every stored number is multiplied with
///
/// Constant: every value is `base`. Differences: the first value is `base`, each other one is the
/// one before plus `step` times its stored number (the first stored number is 0). Values: `step`
/// times the stored number. All modulo 2^64.
struct SegmentColumn: Equatable {
    enum Encoding: UInt8 {
        case constant = 0
        case differences = 1
        case values = 2
    }

    static let size = 24

    var encoding: Encoding
    var isSigned = false
    var planes: UInt8 = 0
    var byteCount: UInt32 = 0
    var base: UInt64 = 0
    var step: UInt64 = 0

    init(_ encoding: Encoding, base: UInt64 = 0) {
        self.encoding = encoding
        self.base = base
    }

    /// Nil for bytes that no encoder writes. Needs 24 bytes.
    init?(decoding bytes: UnsafeRawBufferPointer) {
        guard let encoding = Encoding(rawValue: bytes[0]), bytes[1] <= 1, bytes[3] == 0 else { return nil }
        self.encoding = encoding
        isSigned = bytes[1] == 1
        planes = bytes[2]
        byteCount = bytes.number(4, UInt32.self)
        base = bytes.number(8, UInt64.self)
        step = bytes.number(16, UInt64.self)
        guard (encoding == .constant) == (planes == 0), (planes == 0) == (byteCount == 0) else { return nil }
    }

    func encode(to out: UnsafeMutableRawBufferPointer) {
        out[0] = encoding.rawValue
        out[1] = isSigned ? 1 : 0
        out[2] = planes
        out[3] = 0
        out.store(byteCount, at: 4)
        out.store(base, at: 8)
        out.store(step, at: 16)
    }
}
