/// Writes times as RFC 3339 in UTC with nanoseconds: `2026-01-31T14:30:05.123456789Z`.
///
/// Keeps the text of the last second, since nearly every row shares it with the one before.
struct TimeText {
    static let length = 30
    private static let secondLength = 20

    private var second: Int64 = .min
    private var text: (UInt64, UInt64, UInt32) = (0, 0, 0)

    /// Appends the text to the buffer, which has room for `length` bytes.
    mutating func put(_ nanos: Int64, to out: inout TextBuffer) {
        let seconds = nanos.floorDivided(by: 1_000_000_000)
        if seconds != second { prepare(seconds) }
        withUnsafeBytes(of: text) { out.put(UnsafeRawBufferPointer(rebasing: $0[..<TimeText.secondLength])) }
        // Wrapping: near Int64.min the product is out of range, the difference is not.
        out.put(nanos &- seconds &* 1_000_000_000, digits: 9)
        out.put(UInt8(ascii: "Z"))
    }

    /// The text alone.
    static func string(_ nanos: Int64) -> String {
        var buffer = TextBuffer(capacity: 64)
        var time = TimeText()
        time.put(nanos, to: &buffer)
        return String(decoding: buffer.bytes, as: UTF8.self)
    }

    private mutating func prepare(_ seconds: Int64) {
        let days = seconds.floorDivided(by: 86_400)
        let ofDay = seconds - days * 86_400
        let date = CivilTime.civil(days: days)
        var line = TextBuffer(capacity: 64)
        // 1677 to 2262 is all that 64-bit nanoseconds reach: four digits always.
        line.put(date.year, digits: 4)
        line.put(UInt8(ascii: "-"))
        line.put(two: date.month)
        line.put(UInt8(ascii: "-"))
        line.put(two: date.day)
        line.put(UInt8(ascii: "T"))
        line.put(two: ofDay / 3600)
        line.put(UInt8(ascii: ":"))
        line.put(two: ofDay / 60 % 60)
        line.put(UInt8(ascii: ":"))
        line.put(two: ofDay % 60)
        line.put(UInt8(ascii: "."))
        withUnsafeMutableBytes(of: &text) { $0.copyMemory(from: line.bytes) }
        second = seconds
    }
}
