internal import Ticks

extension FieldCursor {
    /// A price or size of a tick; the text of a number that the record can't hold exactly goes to `texts`.
    mutating func number(_ field: MoreField, isSize: Bool, flags: inout UInt16, texts: inout MoreTexts)
        throws(DecodeError) -> Int64
    {
        let before = self
        let text = try bytes()
        guard text.count <= MoreTexts.maxTextBytes else { throw before.fault(.tooLong) }
        guard let number = FieldCursor.parseFixed(text, isSize: isSize) else { throw before.fault(.badNumber) }
        if !number.exact {
            flags |= TickFlags.inexact.rawValue
            texts.add(field, text)
        }
        return number.units
    }

    /// Any number as TWS writes it: empty and "unset" are absent and exact; infinities are absent and inexact, so that
    /// their text is kept. Nil when it is no number at all.
    static func parseFixed(_ text: UnsafeBufferPointer<UInt8>, isSize: Bool) -> FixedPoint.Value? {
        guard text.count > 0 else { return FixedPoint.Value(units: FixedPoint.absent, exact: true) }
        if let value = FixedPoint.parse(text) {
            let unsetSize = isSize && value.units == unsetIntSizeUnits
            if unsetSize || (!value.exact && value.units == FixedPoint.absent && isUnset(text)) {
                return FixedPoint.Value(units: FixedPoint.absent, exact: true)
            }
            return value
        }
        return isInfinite(text) ? FixedPoint.Value(units: FixedPoint.absent, exact: false) : nil
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

    /// No number; Java writes it so.
    static func isInfinite(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        switch String(decoding: text, as: UTF8.self) {
        case "Infinity", "-Infinity", "NaN": true
        default: false
        }
    }
}
