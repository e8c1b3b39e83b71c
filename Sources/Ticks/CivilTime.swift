/// A date of the Gregorian calendar and a time of day, in whatever zone is meant: days since 1970-01-01 and seconds
/// within the day.
public struct CivilTime: Equatable, Sendable {
    public static let secondsPerDay: Int64 = 86_400
    /// The length of what `write(to:)` writes.
    public static let textBytes = 19

    /// Days since 1970-01-01.
    public var day: Int64
    /// 0..<86,400.
    public var secondOfDay: Int64

    public init(day: Int64, secondOfDay: Int64 = 0) {
        self.day = day
        self.secondOfDay = secondOfDay
    }

    /// From seconds since 1970-01-01 00:00 of the zone that is meant.
    public init(seconds: Int64) {
        day = seconds.floorDivided(by: CivilTime.secondsPerDay)
        secondOfDay = seconds - day * CivilTime.secondsPerDay
    }

    /// Nil unless the date and the time exist (no leap seconds; years 0 to 9999).
    public init?(year: Int64, month: Int64, day: Int64, hour: Int64 = 0, minute: Int64 = 0, second: Int64 = 0) {
        guard (0...9999).contains(year), (1...12).contains(month), day >= 1,
            day <= CivilTime.daysIn(month: month, year: year), (0..<24).contains(hour), (0..<60).contains(minute),
            (0..<60).contains(second)
        else { return nil }
        self.init(
            day: CivilTime.days(year: year, month: month, day: day), secondOfDay: hour * 3_600 + minute * 60 + second)
    }

    /// Seconds since 1970-01-01 00:00 of the zone that is meant.
    public var seconds: Int64 { day * CivilTime.secondsPerDay + secondOfDay }

    /// 0 = Sunday … 6 = Saturday; 1970-01-01 was a Thursday.
    public var weekday: Int64 { (day + 4) - (day + 4).floorDivided(by: 7) * 7 }

    /// The year, the month from 1 and the day of the month from 1.
    public var date: (year: Int64, month: Int64, day: Int64) {
        // Years are counted from March, so that the leap day is the last of its year; 400 years have 146,097 days, and
        // 719,468 days lie between 0000-03-01 and 1970-01-01.
        let shifted = day + 719_468
        let era = shifted.floorDivided(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    /// Days since 1970-01-01 of a date; `date` is the way back.
    public static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted.floorDivided(by: 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The length of a month (1...12).
    public static func daysIn(month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Writes `2025-11-23T17:00:00` into memory of at least `textBytes`, without allocation. Years 0 to 9999.
    public func write(to memory: UnsafeMutableRawBufferPointer) {
        precondition(memory.count >= CivilTime.textBytes)
        let date = date
        precondition((0...9999).contains(date.year))
        var at = 0
        func put(two value: Int64, _ separator: Unicode.Scalar? = nil) {
            memory[at] = 0x30 + UInt8(truncatingIfNeeded: value / 10)
            memory[at + 1] = 0x30 + UInt8(truncatingIfNeeded: value % 10)
            at += 2
            guard let separator else { return }
            memory[at] = UInt8(ascii: separator)
            at += 1
        }
        put(two: date.year / 100)
        put(two: date.year % 100, "-")
        put(two: date.month, "-")
        put(two: date.day, "T")
        put(two: secondOfDay / 3_600, ":")
        put(two: secondOfDay / 60 % 60, ":")
        put(two: secondOfDay % 60)
    }
}

extension Int64 {
    /// Division that rounds towards minus infinity, as calendars need it before 1970.
    @inlinable public func floorDivided(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
