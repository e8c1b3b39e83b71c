internal import Ticks

/// Appends frames and their fields to a byte buffer. Allocates nothing while the buffer has capacity.
/// Source: docs/tws.md#text-encoding.
extension [UInt8] {
    /// Appends one frame: `body` appends the fields, the length in front is filled in afterwards.
    mutating func appendFrame(_ body: (inout [UInt8]) -> Void) {
        let start = count
        for _ in 0..<4 { append(0) }
        body(&self)
        let length = UInt32(count - start - 4)
        precondition(length > 0 && length <= UInt32(FrameReader.maxFrameBytes), "a frame has 1 to 16777215 bytes")
        self[start] = UInt8(truncatingIfNeeded: length >> 24)
        self[start + 1] = UInt8(truncatingIfNeeded: length >> 16)
        self[start + 2] = UInt8(truncatingIfNeeded: length >> 8)
        self[start + 3] = UInt8(truncatingIfNeeded: length)
    }

    mutating func appendField(_ value: some BinaryInteger) {
        appendDecimal(Int64(value))
        append(0)
    }

    mutating func appendField(_ value: Bool) {
        append(value ? 0x31 : 0x30)
        append(0)
    }

    /// A text; NUL bytes inside it would end the field and become blanks.
    mutating func appendField(_ text: String) {
        for byte in text.utf8 { append(byte == 0 ? 0x20 : byte) }
        append(0)
    }

    mutating func appendEscapedField(_ text: String) {
        EscapedText.encode(text, to: &self)
        append(0)
    }

    /// A double as TWS reads and writes it; empty for nil.
    mutating func appendField(_ value: Double?) {
        if let value { append(contentsOf: value.description.utf8) }
        append(0)
    }

    mutating func appendEmptyField() { append(0) }

    /// A number in units of 1e-9; empty when absent.
    mutating func appendFixedField(_ units: Int64) {
        appendFixed(units)
        append(0)
    }

    /// A number of a tick: its kept text where there is one, else its exact decimal, else the "unset" number of its
    /// type (an empty field would do for our own reader; other clients want a number).
    mutating func appendTickNumber(_ units: Int64, _ field: MoreField, _ more: MoreTexts, isSize: Bool) {
        if let text = more.text(field) {
            append(contentsOf: text)
        } else if units == FixedPoint.absent {
            append(contentsOf: (isSize ? "9223372036854775807" : "1.7976931348623157E308").utf8)
        } else {
            appendFixed(units)
        }
        append(0)
    }

    private mutating func appendFixed(_ units: Int64) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: FixedPoint.maxTextLength) { buffer in
            guard let base = buffer.baseAddress else { return }
            let length = FixedPoint.write(units, to: base)
            append(contentsOf: UnsafeBufferPointer(start: base, count: length))
        }
    }

    private mutating func appendDecimal(_ value: Int64) {
        if value < 0 { append(0x2D) }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { buffer in
            guard let base = buffer.baseAddress else { return }
            let length = FixedPoint.writeDecimal(value.magnitude, to: base)
            append(contentsOf: UnsafeBufferPointer(start: base, count: length))
        }
    }
}
