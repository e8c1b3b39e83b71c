/// Times as the protocols write them: `2025-08-12T15:00:00.000000000Z`.
public enum RFC3339 {
    private static let nanosPerSecond: Int64 = 1_000_000_000

    /// Nanoseconds since the Unix epoch as UTC text, always with nine decimals.
    public static func text(_ nanos: Int64) -> String {
        let (seconds, fraction) = floorDivide(nanos, nanosPerSecond)
        let (days, second) = floorDivide(seconds, 86400)
        let date = civil(days: days)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(30)
        func put(_ value: Int64, _ width: Int, _ separator: StaticString) {
            var divisor: Int64 = 1
            for _ in 1..<width { divisor *= 10 }
            while divisor > 0 {
                bytes.append(0x30 + UInt8(value / divisor % 10))
                divisor /= 10
            }
            bytes.append(separator.utf8Start.pointee)
        }
        put(date.year, 4, "-")
        put(date.month, 2, "-")
        put(date.day, 2, "T")
        put(second / 3600, 2, ":")
        put(second / 60 % 60, 2, ":")
        put(second % 60, 2, ".")
        put(fraction, 9, "Z")
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads a date, a time and an offset (`Z` or `±hh:mm`); up to nine decimals, further ones are cut. Nil for anything
    /// else, and for times that no `Int64` of nanoseconds can hold (before 1678, after 2261).
    public static func nanos(_ text: some StringProtocol) -> Int64? {
        var rest = Array(text.utf8)[...]
        func number(_ width: Int) -> Int64? {
            guard rest.count >= width else { return nil }
            var value: Int64 = 0
            for byte in rest.prefix(width) {
                guard byte >= 0x30, byte <= 0x39 else { return nil }
                value = value * 10 + Int64(byte - 0x30)
            }
            rest = rest.dropFirst(width)
            return value
        }
        func skip(_ allowed: [UInt8]) -> UInt8? {
            guard let first = rest.first, allowed.contains(first) else { return nil }
            rest = rest.dropFirst()
            return first
        }
        guard let year = number(4), skip([0x2D]) != nil, let month = number(2), skip([0x2D]) != nil,
            let day = number(2), skip([0x54, 0x74, 0x20]) != nil, let hour = number(2), skip([0x3A]) != nil,
            let minute = number(2), skip([0x3A]) != nil, let second = number(2),
            (1...12).contains(month), day >= 1, day <= daysIn(month, year), hour < 24, minute < 60, second < 60
        else { return nil }
        var fraction: Int64 = 0
        if skip([0x2E]) != nil {
            var scale = nanosPerSecond
            guard let first = rest.first, first >= 0x30, first <= 0x39 else { return nil }
            while let digit = number(1) {
                scale /= 10
                fraction += digit * scale
            }
        }
        guard let sign = skip([0x5A, 0x7A, 0x2B, 0x2D]) else { return nil }
        var offset: Int64 = 0
        if sign == 0x2B || sign == 0x2D {
            guard let hours = number(2), skip([0x3A]) != nil, let minutes = number(2), hours < 24, minutes < 60 else {
                return nil
            }
            offset = (hours * 3600 + minutes * 60) * (sign == 0x2B ? 1 : -1)
        }
        guard rest.isEmpty else { return nil }
        let seconds = days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
        let (product, overflow) = seconds.multipliedReportingOverflow(by: nanosPerSecond)
        let (sum, tooMuch) = product.addingReportingOverflow(fraction)
        return overflow || tooMuch ? nil : sum
    }

    private static func floorDivide(_ a: Int64, _ b: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
        return remainder < 0 ? (quotient - 1, remainder + b) : (quotient, remainder)
    }

    private static func daysIn(_ month: Int64, _ year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01 of a Gregorian date; years begin in March so that the leap day is the last.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = floorDivide(shifted, 400)
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719468
    }

    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivide(days + 719468, 146097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
