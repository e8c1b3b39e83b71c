internal import Ticks

/// Writes times as RFC 3339 in UTC with nanoseconds: `2026-01-31T14:30:05.123456789Z`.
///
/// Keeps the text of the last second, since nearly every row shares it with the one before.
struct TimeText {
    static let length = 30
    private static let secondLength = CivilTime.textBytes + 1

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

    private mutating func prepare(_ seconds: Int64) {
        withUnsafeMutableBytes(of: &text) {
            CivilTime(seconds: seconds).write(to: $0)
            $0[CivilTime.textBytes] = UInt8(ascii: ".")
        }
        second = seconds
    }
}
