internal import ServiceKit

/// A date and time of day of whatever zone is meant: days since 1970-01-01 and seconds within the day.
struct CivilTime: Equatable, Sendable {
    static let secondsPerDay: Int64 = 86_400

    /// Days since 1970-01-01.
    var day: Int64
    /// 0..<86,400.
    var secondOfDay: Int64

    init(day: Int64, secondOfDay: Int64 = 0) {
        self.day = day
        self.secondOfDay = secondOfDay
    }

    /// From seconds since 1970-01-01 00:00 of whatever zone is meant.
    init(seconds: Int64) {
        day = seconds.floorDivided(by: CivilTime.secondsPerDay)
        secondOfDay = seconds - day * CivilTime.secondsPerDay
    }

    /// Nil unless the date exists.
    init?(year: Int64, month: Int64, day: Int64, hour: Int64 = 0, minute: Int64 = 0, second: Int64 = 0) {
        guard (1970...9999).contains(year), (1...12).contains(month), day >= 1,
            (0..<24).contains(hour), (0..<60).contains(minute), (0..<60).contains(second)
        else { return nil }
        let days = CivilTime.daysFrom(year: year, month: month, day: day)
        self.init(day: days, secondOfDay: hour * 3_600 + minute * 60 + second)
        guard date == (year, month, day) else { return nil }
    }

    var seconds: Int64 { day * CivilTime.secondsPerDay + secondOfDay }

    /// 0 = Sunday … 6 = Saturday; 1970-01-01 was a Thursday.
    var weekday: Int64 { (day + 4) - (day + 4).floorDivided(by: 7) * 7 }

    var date: (year: Int64, month: Int64, day: Int64) {
        let (year, month, day) = Timestamp.civil(days: day)
        return (Int64(year), Int64(month), Int64(day))
    }

    static func daysFrom(year: Int64, month: Int64, day: Int64) -> Int64 {
        Timestamp.daysSinceEpoch(year: Int(year), month: Int(month), day: Int(day))
    }

    /// `20251123`.
    var compactDate: String {
        let (year, month, day) = date
        return digits(year, 4) + digits(month, 2) + digits(day, 2)
    }

    /// `17:00:00`.
    var clock: String {
        digits(secondOfDay / 3_600, 2) + ":" + digits(secondOfDay / 60 % 60, 2) + ":" + digits(secondOfDay % 60, 2)
    }

    /// `20251123:1700`, as trading hours are written.
    var compactMinute: String {
        compactDate + ":" + digits(secondOfDay / 3_600, 2) + digits(secondOfDay / 60 % 60, 2)
    }

    /// `2025-11-23T17:00:00`, the part of an RFC 3339 time that whole seconds fill.
    var isoText: String {
        let (year, month, day) = date
        return digits(year, 4) + "-" + digits(month, 2) + "-" + digits(day, 2) + "T" + clock
    }

    private func digits(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}

extension Int64 {
    /// Division that rounds towards minus infinity, as calendars need it before 1970.
    func floorDivided(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
