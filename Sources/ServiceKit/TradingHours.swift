internal import Ticks

/// When a market is open, from the `tradingHours` text of an instrument.
///
///     20250812:1700-20250813:1600;20250813:1700-20250814:1600;20250816:CLOSED
///     20090507:0700-1830,1830-2330;20090508:CLOSED                              (old form)
///
/// A day after the last one listed is unknown, not closed. Source: TWS API, contract details.
public struct TradingHours: Sendable, Equatable {
    /// Instants in seconds since the Unix epoch, half open, rising.
    public let sessions: [Range<Int64>]
    /// What the text speaks about; outside of it nothing is known.
    public let covered: Range<Int64>

    static let maxBytes = 16 << 10
    static let maxSessions = 500

    /// Nil for a text that names no day, or is no such text.
    public init?(_ text: String, zone: ZoneRules) {
        guard text.utf8.count <= Self.maxBytes else { return nil }
        var sessions: [Range<Int64>] = []
        var first = Int64.max
        var last = Int64.min
        for entry in text.split(separator: ";") {
            guard let colon = entry.firstIndex(of: ":"), let day = Self.day(entry[..<colon]) else { return nil }
            first = min(first, zone.instant(wall: day * 86_400))
            last = max(last, zone.instant(wall: (day + 1) * 86_400))
            let rest = entry[entry.index(after: colon)...]
            if rest == "CLOSED" { continue }
            for part in rest.split(separator: ",") {
                guard sessions.count < Self.maxSessions, let session = Self.session(part, day, zone) else { return nil }
                sessions.append(session)
                first = min(first, session.lowerBound)
                last = max(last, session.upperBound)
            }
        }
        guard first < last else { return nil }
        self.sessions = sessions.sorted { $0.lowerBound < $1.lowerBound }
        covered = first..<last
    }

    /// Whether the market is open at an instant; nil when the text does not say.
    public func isOpen(at instant: Int64) -> Bool? {
        if sessions.contains(where: { $0.contains(instant) }) { return true }
        return covered.contains(instant) ? false : nil
    }

    /// `1700-20250813:1600` or `0700-1830`, of the entry that begins on `day`.
    private static func session(_ text: Substring, _ day: Int64, _ zone: ZoneRules) -> Range<Int64>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let start = time(ends[0], day), var end = time(ends[1], day) else { return nil }
        // An end that is not behind its start belongs to the next day.
        if end <= start { end += 86_400 }
        let range = zone.instant(wall: start)..<max(zone.instant(wall: end), zone.instant(wall: start))
        return range.isEmpty ? nil : range
    }

    /// `1700` on `day`, or `20250813:1600`, as wall seconds.
    private static func time(_ text: Substring, _ day: Int64) -> Int64? {
        var clock = text
        var day = day
        if let colon = text.firstIndex(of: ":") {
            guard let own = Self.day(text[..<colon]) else { return nil }
            day = own
            clock = text[text.index(after: colon)...]
        }
        var scanner = DigitScanner(clock)
        // 24:00 stands for the day's end.
        guard let hour = scanner.number(2), let minute = scanner.number(2), scanner.atEnd, hour <= 24, minute < 60
        else {
            return nil
        }
        return day * 86_400 + hour * 3_600 + minute * 60
    }

    /// `20250812` as days since 1970-01-01.
    private static func day(_ text: Substring) -> Int64? {
        var scanner = DigitScanner(text)
        guard let year = scanner.number(4), let month = scanner.number(2), let day = scanner.number(2), scanner.atEnd,
            year >= 1970
        else { return nil }
        return CivilTime(year: year, month: month, day: day)?.day
    }
}

extension MaintenanceWindow {
    /// Whether an instant (seconds since the Unix epoch) lies in the window.
    public func contains(_ instant: Int64, zone: ZoneRules) -> Bool {
        let wall = CivilTime(seconds: instant + Int64(zone.offsetSeconds(at: instant)))
        let minuteOfDay = Int(wall.secondOfDay / 60)
        guard let fromWeekday else {
            return fromMinute < toMinute
                ? minuteOfDay >= fromMinute && minuteOfDay < toMinute
                : minuteOfDay >= fromMinute || minuteOfDay < toMinute
        }
        let minute = Int(wall.weekday) * 1440 + minuteOfDay
        let from = fromWeekday * 1440 + fromMinute
        let length: Int
        if let toWeekday {
            length = ((toWeekday * 1440 + toMinute - from) % 10_080 + 10_080) % 10_080
        } else {
            length = ((toMinute - fromMinute) % 1440 + 1440) % 1440
        }
        return ((minute - from) % 10_080 + 10_080) % 10_080 < length
    }
}
