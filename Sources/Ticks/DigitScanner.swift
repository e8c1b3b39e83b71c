/// Reads numbers of a fixed width from ASCII text, as dates and times are written.
public struct DigitScanner {
    private let bytes: [UInt8]
    private var at = 0

    public init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    public var atEnd: Bool { at == bytes.count }

    /// Whether the next character is this one, which is passed over then.
    public mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    /// Exactly `width` (at most 18) digits; nil, and nothing is passed over, when they are not there.
    public mutating func number(_ width: Int) -> Int64? {
        guard bytes.count - at >= width else { return nil }
        var value: Int64 = 0
        for byte in bytes[at..<(at + width)] {
            guard byte >= 0x30, byte <= 0x39 else { return nil }
            value = value * 10 + Int64(byte - 0x30)
        }
        at += width
        return value
    }
}
