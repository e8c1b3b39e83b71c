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
        out.put(nanos - seconds * 1_000_000_000, digits: 9)
        out.put(UInt8(ascii: "Z"))
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

/// A moment as people and scripts write it.
public enum Moment {
    /// Nanoseconds since the Unix epoch of an RFC 3339 time (`2026-01-31T14:30:05Z`, any number of decimals up to nine,
    /// `Z` or an offset; the zone may be missing: UTC) or of a date alone (its first moment in UTC). Nil for anything else.
    public static func nanos(_ text: some StringProtocol) -> Int64? {
        var rest = Array(text.utf8)[...]
        guard let year = digits(&rest, 4), take(&rest, "-"), let month = digits(&rest, 2), take(&rest, "-"),
            let day = digits(&rest, 2), (1...12).contains(month), day >= 1
        else { return nil }
        let days = CivilTime.days(year: year, month: month, day: day)
        guard CivilTime.civil(days: days) == (year, month, day) else { return nil }
        guard !rest.isEmpty else { return nanos(seconds: days * 86_400, 0) }
        guard take(&rest, "T") || take(&rest, "t") || take(&rest, " "), let hour = digits(&rest, 2), take(&rest, ":"),
            let minute = digits(&rest, 2), hour < 24, minute < 60
        else { return nil }
        var second: Int64 = 0
        var fraction: Int64 = 0
        if take(&rest, ":") {
            guard let value = digits(&rest, 2), value < 60 else { return nil }
            second = value
            if take(&rest, ".") {
                guard let value = fractionNanos(&rest) else { return nil }
                fraction = value
            }
        }
        guard let offset = offsetSeconds(&rest), rest.isEmpty else { return nil }
        return nanos(seconds: days * 86_400 + hour * 3600 + minute * 60 + second - offset, fraction)
    }

    private static func nanos(seconds: Int64, _ fraction: Int64) -> Int64? {
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowed) = product.addingReportingOverflow(fraction)
        return overflow || overflowed ? nil : sum
    }

    private static func take(_ rest: inout ArraySlice<UInt8>, _ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    private static func digits(_ rest: inout ArraySlice<UInt8>, _ count: Int) -> Int64? {
        guard rest.count >= count else { return nil }
        var value: Int64 = 0
        for byte in rest.prefix(count) {
            guard (0x30...0x39).contains(byte) else { return nil }
            value = value * 10 + Int64(byte - 0x30)
        }
        rest.removeFirst(count)
        return value
    }

    private static func fractionNanos(_ rest: inout ArraySlice<UInt8>) -> Int64? {
        var count = 0
        while count < rest.count, (0x30...0x39).contains(rest[rest.startIndex + count]) { count += 1 }
        guard (1...9).contains(count), var value = digits(&rest, count) else { return nil }
        for _ in count..<9 { value *= 10 }
        return value
    }

    private static func offsetSeconds(_ rest: inout ArraySlice<UInt8>) -> Int64? {
        if rest.isEmpty || take(&rest, "Z") || take(&rest, "z") { return 0 }
        let sign: Int64 = take(&rest, "-") ? -1 : 1
        guard sign < 0 || take(&rest, "+"), let hours = digits(&rest, 2), take(&rest, ":"),
            let minutes = digits(&rest, 2), hours < 24, minutes < 60
        else { return nil }
        return sign * (hours * 3600 + minutes * 60)
    }

    /// The text of a moment: RFC 3339 in UTC with nanoseconds.
    public static func text(_ nanos: Int64) -> String {
        var buffer = TextBuffer(capacity: 64)
        var time = TimeText()
        time.put(nanos, to: &buffer)
        return String(decoding: buffer.bytes, as: UTF8.self)
    }
}
