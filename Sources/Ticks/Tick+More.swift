/// Which text a `more` record carries on, or which number it gives the exact text of.
public enum MoreField: UInt8, Sendable, CaseIterable {
    case exchange = 1
    case conditions = 2
    case price = 3
    case size = 4
    case bidPrice = 5
    case askPrice = 6
    case bidSize = 7
    case askSize = 8
    case value = 9
    case text = 10
    case marketMaker = 11
    case totalVolume = 12
    case vwap = 13
}

/// `more`: u8 stream kind, u8 field, u8 length, 29 bytes of text.
///
/// For a text field the bytes are the rest that the field could not hold; for a number they are its whole exact text. A
/// text longer than 29 bytes goes on in a further `more` record of the same field, directly behind; every
/// record but the last of such a chain has `TickFlags.moreFollows`. Each has its own seq, and none is
/// parted from its tick in a message or a block.
public struct MoreBody: Sendable, Equatable {
    public static let capacity = 29

    public var streamKind: TickKind
    public var fieldByte: UInt8
    public var text: [UInt8]

    public init(streamKind: TickKind, field: MoreField, text: [UInt8]) {
        precondition(text.count <= MoreBody.capacity)
        self.streamKind = streamKind
        fieldByte = field.rawValue
        self.text = text
    }

    /// Nil when the bytes cannot be a `more` body (unknown stream kind, length above 29).
    public init?(_ body: TickBody) {
        let length = Int(UInt8(truncatingIfNeeded: body.word0 >> 16))
        guard let kind = TickKind(rawValue: UInt8(truncatingIfNeeded: body.word0)), kind.isMarketData,
            length <= MoreBody.capacity
        else { return nil }
        streamKind = kind
        fieldByte = UInt8(truncatingIfNeeded: body.word0 >> 8)
        text = withUnsafeBytes(of: body) { Array($0[3..<(3 + length)]) }
    }

    public var field: MoreField? { MoreField(rawValue: fieldByte) }

    public var body: TickBody {
        var body = TickBody()
        withUnsafeMutableBytes(of: &body) { bytes in
            bytes[0] = streamKind.rawValue
            bytes[1] = fieldByte
            bytes[2] = UInt8(text.count)
            for (index, byte) in text.enumerated() { bytes[3 + index] = byte }
        }
        return body
    }
}
