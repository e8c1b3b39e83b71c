internal import Ticks

/// The time zones that the simulated market lives in. United States rules since 2007: daylight time from the second
/// Sunday of March, 2:00 standard time, to the first Sunday of November, 2:00 daylight time.
enum MarketZone: Sendable, CaseIterable {
    case utc
    case eastern
    case central

    /// The name that goes on the wire.
    var name: String {
        switch self {
        case .utc: "UTC"
        case .eastern: "US/Eastern"
        case .central: "US/Central"
        }
    }

    /// A zone by one of the names that clients send; nil for zones that this market does not know.
    init?(name: some StringProtocol) {
        switch name {
        case "UTC", "GMT", "Etc/UTC", "Z", "Universal": self = .utc
        case "US/Eastern", "America/New_York", "EST5EDT", "EST", "EDT": self = .eastern
        case "US/Central", "America/Chicago", "CST6CDT", "CST", "CDT": self = .central
        default: return nil
        }
    }

    private var standardOffsetSeconds: Int64 {
        switch self {
        case .utc: 0
        case .eastern: -5 * 3_600
        case .central: -6 * 3_600
        }
    }

    /// Local time minus UTC at a moment in UTC seconds.
    func offsetSeconds(atUTC seconds: Int64) -> Int64 {
        guard self != .utc else { return 0 }
        let standard = CivilTime(seconds: seconds + standardOffsetSeconds)
        let year = standard.date.year
        let start = MarketZone.sunday(2, year: year, month: 3) * CivilTime.secondsPerDay + 2 * 3_600
        // 2:00 daylight time is 1:00 standard time.
        let end = MarketZone.sunday(1, year: year, month: 11) * CivilTime.secondsPerDay + 3_600
        return (start..<end).contains(standard.seconds) ? standardOffsetSeconds + 3_600 : standardOffsetSeconds
    }

    func local(atUTC seconds: Int64) -> CivilTime { CivilTime(seconds: seconds + offsetSeconds(atUTC: seconds)) }

    /// UTC seconds of a wall time; the earlier of two in the doubled hour, standard time's in the missing one.
    func utc(ofLocal local: CivilTime) -> Int64 {
        let asDaylight = local.seconds - standardOffsetSeconds - 3_600
        if self != .utc, offsetSeconds(atUTC: asDaylight) == standardOffsetSeconds + 3_600 { return asDaylight }
        return local.seconds - standardOffsetSeconds
    }

    /// The day of the nth Sunday of a month.
    private static func sunday(_ nth: Int64, year: Int64, month: Int64) -> Int64 {
        let first = CivilTime(day: CivilTime.days(year: year, month: month, day: 1))
        return first.day + (7 - first.weekday) % 7 + (nth - 1) * 7
    }
}
