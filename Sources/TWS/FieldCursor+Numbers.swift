public import Ticks

/// A number of a tick: its value and whether the record needs its text beside it.
@usableFromInline @frozen struct ParsedNumber {
    @usableFromInline var units: Int64
    @usableFromInline var exact: Bool

    @inlinable @inline(__always) init(units: Int64, exact: Bool) {
        self.units = units
        self.exact = exact
    }
}

extension FieldCursor {
    /// The longest number text that is kept beside a record; the protocol's own are at most 25 bytes long.
    @usableFromInline static var maxNumberBytes: Int { 255 }

    /// A price or size in units of 1e-9, in one pass over the field where it has at most 9 digits on either side of the
    /// point. Everything else (unset, exponents, long texts) goes through `unusualNumber`, which keeps the text of a
    /// number that the record can't hold exactly.
    @inlinable @inline(__always)
    mutating func number(_ field: MoreField, isSize: Bool, flags: inout UInt16, texts: inout MoreTexts)
        throws(DecodeError) -> Int64
    {
        try requireField()
        var nul = at
        let negative = nul.pointee == 0x2D
        if negative { nul += 1 }
        let whole = nul
        var value: UInt64 = 0
        while true {
            let digit = nul.pointee &- 0x30
            if digit > 9 { break }
            value = value &* 10 &+ UInt64(digit)
            nul += 1
        }
        let wholeDigits = nul - whole
        var decimals = 0
        if nul.pointee == 0x2E {
            nul += 1
            let fraction = nul
            while true {
                let digit = nul.pointee &- 0x30
                if digit > 9 { break }
                value = value &* 10 &+ UInt64(digit)
                nul += 1
            }
            decimals = nul - fraction
        }
        guard nul.pointee == 0, wholeDigits &- 1 < 9, wholeDigits > 0, decimals <= 9 else {
            return try unusualNumber(field, isSize: isSize, flags: &flags, texts: &texts)
        }
        finish(at: nul)
        let units = Int64(bitPattern: value &* FieldCursor.scale(decimals: decimals))
        return negative ? 0 &- units : units
    }

    @usableFromInline @inline(never)
    mutating func unusualNumber(_ field: MoreField, isSize: Bool, flags: inout UInt16, texts: inout MoreTexts)
        throws(DecodeError) -> Int64
    {
        let before = self
        let text = try bytes()
        guard text.count <= FieldCursor.maxNumberBytes else { throw before.fault(.tooLong) }
        guard let number = FieldCursor.parseFixed(text, isSize: isSize) else { throw before.fault(.badNumber) }
        if !number.exact {
            flags |= TickFlags.inexact.rawValue
            texts.add(field, text)
        }
        return number.units
    }

    /// 10 to the power 9 − decimals: what makes units of 1e-9 of a number without its point.
    @inlinable @inline(__always) static func scale(decimals: Int) -> UInt64 {
        switch decimals {
        case 0: 1_000_000_000
        case 1: 100_000_000
        case 2: 10_000_000
        case 3: 1_000_000
        case 4: 100_000
        case 5: 10_000
        case 6: 1_000
        case 7: 100
        case 8: 10
        default: 1
        }
    }

    /// Any number as TWS writes it: empty and "unset" are absent and exact; infinities are absent and inexact, so that
    /// their text is kept. Nil when it is no number at all.
    static func parseFixed(_ text: UnsafeBufferPointer<UInt8>, isSize: Bool) -> ParsedNumber? {
        guard text.count > 0 else { return ParsedNumber(units: FixedPoint.absent, exact: true) }
        if let value = FixedPoint.parse(text) {
            let unsetSize = isSize && value.units == unsetIntSizeUnits
            if unsetSize || (!value.exact && value.units == FixedPoint.absent && isUnset(text)) {
                return ParsedNumber(units: FixedPoint.absent, exact: true)
            }
            return ParsedNumber(units: value.units, exact: value.exact)
        }
        return isInfinite(text) ? ParsedNumber(units: FixedPoint.absent, exact: false) : nil
    }

    /// 2147483647 as a size means "unset".
    private static var unsetIntSizeUnits: Int64 { 2_147_483_647 * FixedPoint.unitsPerOne }

    /// The texts that stand for "no value" and are out of a record's range.
    static func isUnset(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        switch String(decoding: text, as: UTF8.self) {
        case "9223372036854775807", "-9223372036854775808": true
        case let other: Double(other) == .greatestFiniteMagnitude
        }
    }

    private static func isInfinite(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        switch String(decoding: text, as: UTF8.self) {
        case "Infinity", "-Infinity", "NaN": true
        default: false
        }
    }
}
