internal import Glibc

/// The host's real-time clock (CLOCK_REALTIME), nanoseconds since the Unix epoch. It can jump.
public func realNanos() -> Int64 { clockNanos(CLOCK_REALTIME) }

/// Nanoseconds since boot, suspend included (CLOCK_BOOTTIME). Never falls; for deadlines and intervals.
public func bootNanos() -> Int64 { clockNanos(CLOCK_BOOTTIME) }

private func clockNanos(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    // Fails only for a clock that does not exist.
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// Sleeps for a while without a way to be woken. For programs' tails and tests, never for a service's loop.
public func sleepMillis(_ millis: Int) {
    var wanted = timespec(tv_sec: millis / 1000, tv_nsec: millis % 1000 * 1_000_000)
    var rest = timespec()
    while nanosleep(&wanted, &rest) != 0 && errno == EINTR { wanted = rest }
}

/// Times as text and back: RFC 3339 in UTC, without locale, time zone files or allocation of a formatter.
public enum Timestamp {
    /// `2025-08-12T20:11:34.976232000Z`, with `digits` (0...9) decimals of a second.
    public static func text(_ nanos: Int64, digits: Int = 9) -> String {
        precondition((0...9).contains(digits))
        let seconds = nanos >= 0 ? nanos / 1_000_000_000 : -((-(nanos + 1)) / 1_000_000_000) - 1
        let fraction = nanos - seconds * 1_000_000_000
        let days = seconds >= 0 ? seconds / 86_400 : -((-(seconds + 1)) / 86_400) - 1
        let ofDay = Int(seconds - days * 86_400)
        let date = civil(days: days)
        var text = pad(date.year, 4) + "-" + pad(date.month, 2) + "-" + pad(date.day, 2) + "T"
        text += pad(ofDay / 3600, 2) + ":" + pad(ofDay / 60 % 60, 2) + ":" + pad(ofDay % 60, 2)
        if digits > 0 { text += "." + pad(Int(fraction), 9).prefix(digits) }
        return text + "Z"
    }

    /// Parses `YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]][Z|±HH:MM]]`; a text without zone is UTC. Nil if it is anything else or
    /// no date that exists.
    public static func parse(_ text: some StringProtocol) -> Int64? {
        var scanner = DigitScanner(bytes: Array(text.utf8))
        guard let year = scanner.number(4), scanner.skip("-"), let month = scanner.number(2), scanner.skip("-"),
            let day = scanner.number(2), (1...12).contains(month), day >= 1, day <= daysIn(month: month, year: year)
        else { return nil }
        let days = daysSinceEpoch(year: year, month: month, day: day)
        guard !scanner.atEnd else { return multiply(days * 86_400, fraction: 0) }
        guard scanner.skip("T") || scanner.skip("t") || scanner.skip(" "), let hour = scanner.number(2), hour < 24,
            scanner.skip(":"), let minute = scanner.number(2), minute < 60
        else { return nil }
        var second = 0
        var fraction: Int64 = 0
        if scanner.skip(":") {
            guard let value = scanner.number(2), value < 60 else { return nil }
            second = value
            if scanner.skip(".") {
                guard let value = scanner.fraction() else { return nil }
                fraction = value
            }
        }
        guard let offset = scanner.zoneOffsetSeconds() else { return nil }
        return multiply(days * 86_400 + Int64(hour * 3600 + minute * 60 + second - offset), fraction: fraction)
    }

    private static func multiply(_ seconds: Int64, fraction: Int64) -> Int64? {
        let (nanos, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return nil }
        let (sum, carry) = nanos.addingReportingOverflow(fraction)
        return carry ? nil : sum
    }

    /// Days since 1970-01-01 of a date of the Gregorian calendar.
    public static func daysSinceEpoch(year: Int, month: Int, day: Int) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return Int64(era * 146_097 + dayOfEra - 719_468)
    }

    /// The date that lies `days` after 1970-01-01.
    public static func civil(days: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = Int(days) + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthIndex + 2) / 5 + 1
        )
    }

    static func daysIn(month: Int, year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func pad(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return text.utf8.count >= width ? text : String(repeating: "0", count: width - text.utf8.count) + text
    }
}

/// Reads fixed-width numbers from ASCII bytes.
struct DigitScanner {
    let bytes: [UInt8]
    var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var atEnd: Bool { at == bytes.count }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    /// Exactly `width` digits.
    mutating func number(_ width: Int) -> Int? {
        guard at + width <= bytes.count else { return nil }
        var value = 0
        for byte in bytes[at..<(at + width)] {
            guard byte >= 0x30, byte <= 0x39 else { return nil }
            value = value * 10 + Int(byte - 0x30)
        }
        at += width
        return value
    }

    /// 1 to 9 digits behind a decimal point, as nanoseconds.
    mutating func fraction() -> Int64? {
        var value: Int64 = 0
        var digits = 0
        while at < bytes.count, bytes[at] >= 0x30, bytes[at] <= 0x39, digits < 9 {
            value = value * 10 + Int64(bytes[at] - 0x30)
            digits += 1
            at += 1
        }
        guard digits > 0 else { return nil }
        for _ in digits..<9 { value *= 10 }
        return value
    }

    /// `Z`, `±HH:MM` or nothing (UTC), up to the end.
    mutating func zoneOffsetSeconds() -> Int? {
        if atEnd || ((skip("Z") || skip("z")) && atEnd) { return 0 }
        let sign: Int
        if skip("+") { sign = 1 } else if skip("-") { sign = -1 } else { return nil }
        guard let hours = number(2), hours < 24, skip(":"), let minutes = number(2), minutes < 60, atEnd else {
            return nil
        }
        return sign * (hours * 3600 + minutes * 60)
    }
}
