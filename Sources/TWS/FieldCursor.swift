internal import Ticks

/// Walks the NUL-ended fields of one text body.
///
/// The body's last byte is checked to be NUL once, in `init`; from then on every scan ends inside the body without a
/// bound check per byte. For the rare messages and the odd ticks; ordinary ticks go through `TickFields`.
/// Source: docs/tws.md#text-encoding.
struct FieldCursor {
    var at: UnsafePointer<UInt8>
    let end: UnsafePointer<UInt8>
    /// The number of the field at `at`, for errors.
    var index: Int32 = 0
    var message: Int32

    init(_ body: UnsafeRawBufferPointer, message: Int32 = 0) throws(DecodeError) {
        guard let base = body.baseAddress, body.count > 0, body[body.count &- 1] == 0 else {
            throw DecodeError(.unterminated, message: message, field: 0)
        }
        at = base.assumingMemoryBound(to: UInt8.self)
        end = at + body.count
        self.message = message
    }

    var isAtEnd: Bool { at == end }

    func fault(_ reason: DecodeError.Reason) -> DecodeError {
        DecodeError(reason, message: message, field: index)
    }

    mutating func requireField() throws(DecodeError) {
        guard at != end else { throw fault(.missingField) }
    }

    /// Goes behind the NUL at `nul`.
    mutating func finish(at nul: UnsafePointer<UInt8>) {
        at = nul + 1
        index &+= 1
    }

    /// The field's bytes without the NUL.
    mutating func bytes() throws(DecodeError) -> UnsafeBufferPointer<UInt8> {
        try requireField()
        var nul = at
        while nul.pointee != 0 { nul += 1 }
        let field = UnsafeBufferPointer(start: at, count: nul - at)
        finish(at: nul)
        return field
    }

    mutating func skip() throws(DecodeError) { _ = try bytes() }

    /// An integer; 0 for an empty field. Throws for what is no integer of 64 bits.
    mutating func int64() throws(DecodeError) -> Int64 {
        try requireField()
        var nul = at
        let negative = nul.pointee == 0x2D
        if negative { nul += 1 }
        let digits = nul
        var value: Int64 = 0
        while true {
            let digit = nul.pointee &- 0x30
            if digit > 9 { break }
            value = value &* 10 &+ Int64(digit)
            nul += 1
        }
        let count = nul - digits
        guard nul.pointee == 0, count <= 18, count > 0 || !negative else { return try unusualInt64() }
        finish(at: nul)
        return negative ? 0 &- value : value
    }

    /// The integers that the fast path leaves: 19 digits, a plus sign, a whole number written as `3.0`.
    private mutating func unusualInt64() throws(DecodeError) -> Int64 {
        let before = self
        let text = String(decoding: try bytes(), as: UTF8.self)
        if let value = Int64(text) { return value }
        if text.utf8.count <= 24, text.utf8.allSatisfy({ $0 != 0x78 && $0 != 0x58 }), let double = Double(text),
            let value = Int64(exactly: double)
        {
            return value
        }
        throw before.fault(.badNumber)
    }

    /// An integer within 32 bits; 0 for an empty field.
    mutating func int32() throws(DecodeError) -> Int32 {
        let before = index
        let wide = try int64()
        guard let value = Int32(exactly: wide) else {
            throw DecodeError(.badNumber, message: message, field: before)
        }
        return value
    }

    /// An integer within 32 bits; nil for an empty field.
    mutating func optionalInt32() throws(DecodeError) -> Int32? {
        guard at == end || at.pointee != 0 else {
            try skip()
            return nil
        }
        return try int32()
    }

    /// `1` and `0` (or `true` and `false`); anything else counts as an integer that is not 0.
    mutating func bool() throws(DecodeError) -> Bool {
        switch at == end ? 0 : at.pointee {
        case 0x74, 0x54:
            try skip()
            return true
        case 0x66, 0x46:
            try skip()
            return false
        default: return try int64() != 0
        }
    }

    /// The field as text; bytes that are not UTF-8 are replaced, never refused.
    mutating func string() throws(DecodeError) -> String { String(decoding: try bytes(), as: UTF8.self) }

    /// Text in which TWS writes everything beyond ASCII as `\uXXXX`.
    mutating func escapedString() throws(DecodeError) -> String { EscapedText.decode(try bytes()) }

    /// A double; nil for an empty field, the "unset" number and infinities.
    mutating func double() throws(DecodeError) -> Double? {
        let before = self
        let field = try bytes()
        guard field.count > 0 else { return nil }
        let value = FieldCursor.parseDouble(field)
        guard let value else {
            if FieldCursor.isInfinite(field) { return nil }
            throw before.fault(.badNumber)
        }
        return value == .greatestFiniteMagnitude || !value.isFinite ? nil : value
    }

    /// A decimal number in units of 1e-9; `FixedPoint.absent` for an empty field and the "unset" numbers.
    mutating func fixed() throws(DecodeError) -> Int64 {
        let before = self
        guard let value = FieldCursor.parseFixed(try bytes(), isSize: true) else { throw before.fault(.badNumber) }
        return value.units
    }

    /// How many groups follow: at most `limit`, and at most as many as could stand in the rest of the body.
    mutating func count(atMost limit: Int) throws(DecodeError) -> Int {
        let before = index
        let value = try int64()
        guard value >= 0, value <= Int64(min(limit, end - at)) else {
            throw DecodeError(.badCount, message: message, field: before)
        }
        return Int(value)
    }

    static func parseDouble(_ field: UnsafeBufferPointer<UInt8>) -> Double? {
        let plausible = field.allSatisfy { byte in
            (0x30...0x39).contains(byte) || byte == 0x2E || byte == 0x2D || byte == 0x2B || byte == 0x65
                || byte == 0x45
        }
        return plausible ? Double(String(decoding: field, as: UTF8.self)) : nil
    }
}
