internal import Ticks

/// When a market is open, from the `tradingHours` text of an instrument.
///
///     20250812:1700-20250813:1600;20250813:1700-20250814:1600;20250816:CLOSED
///     20090507:0700-1830,1830-2330;20090508:1700-1515;20090509:CLOSED           (old form)
///
/// Blanks count for nothing, times may have seconds, `CLOSED` any case. An entry that is none of this costs its
/// day: what it says is not known, and that is not "closed". A day after the last one listed is unknown as well.
/// Source: docs/tws.md#trading-hours-and-zones.
public struct TradingHours: Sendable, Equatable {
    /// Instants in seconds since the Unix epoch, half open, rising.
    public let sessions: [Range<Int64>]
    /// What the text speaks about; outside of it nothing is known.
    public let covered: Range<Int64>
    /// Entries that could not be read, as they came; a few at most.
    public let odd: [String]
    /// Days that are said to be closed.
    private let closed: [Range<Int64>]
    /// Where an entry that could not be read may have had its session.
    private let unknown: [Range<Int64>]

    static let maxBytes = 16 << 10
    static let maxSessions = 500
    /// A session that is longer than this is a mistake.
    static let maxSessionSeconds: Int64 = 31 * 86_400
    private static let maxOdd = 8

    /// Nil for a text of which no entry can be read.
    public init?(_ text: String, zone: ZoneRules) {
        guard text.utf8.count <= Self.maxBytes else { return nil }
        let text = text.filter { !$0.isWhitespace }
        var read = Reading(zone: zone)
        for entry in text.split(separator: ";") {
            guard read.sessions.count < Self.maxSessions else { return nil }
            read.take(entry)
        }
        guard read.isAnythingKnown else { return nil }
        sessions = read.sessions.sorted { $0.lowerBound < $1.lowerBound }
        closed = read.closed
        odd = Array(read.odd.prefix(Self.maxOdd))
        covered = read.covered
        let known = sessions
        unknown = read.oddDays.map { day in
            // The session of that day may have begun the evening before, or end
            // the morning after: between its neighbours.
            let (start, end) = (zone.instant(wall: day * 86_400), zone.instant(wall: (day + 1) * 86_400))
            let before = known.last { $0.upperBound <= end }?.upperBound ?? .min
            let after = known.first { $0.lowerBound >= start }?.lowerBound ?? .max
            let first = min(start, max(before, zone.instant(wall: (day - 1) * 86_400)))
            return first..<max(end, min(after, zone.instant(wall: (day + 2) * 86_400)))
        }
    }

    /// Whether the market is open at an instant; nil when the text does not say.
    public func isOpen(at instant: Int64) -> Bool? {
        if sessions.contains(where: { $0.contains(instant) }) { return true }
        if closed.contains(where: { $0.contains(instant) }) { return false }
        if unknown.contains(where: { $0.contains(instant) }) { return nil }
        return covered.contains(instant) ? false : nil
    }

    /// True when it is known of every instant of a time that the market is closed.
    public func isClosed(throughout time: Range<Int64>) -> Bool {
        guard covered.lowerBound <= time.lowerBound, time.upperBound <= covered.upperBound else { return false }
        return !sessions.contains { $0.overlaps(time) } && !unknown.contains { $0.overlaps(time) }
    }
}

/// The entries of a text, one by one.
private struct Reading {
    let zone: ZoneRules
    var sessions: [Range<Int64>] = []
    var closed: [Range<Int64>] = []
    var odd: [String] = []
    /// Days since 1970-01-01 of entries that could not be read.
    var oddDays: [Int64] = []
    private var first = Int64.max
    private var last = Int64.min
    /// The day of the entry before.
    private var day: Int64?
    /// Entries in front of the first day that could be read.
    private var undated = 0

    init(zone: ZoneRules) { self.zone = zone }

    var isAnythingKnown: Bool { first < last && !(sessions.isEmpty && closed.isEmpty) }
    var covered: Range<Int64> { first..<last }

    mutating func take(_ entry: Substring) {
        guard let colon = entry.firstIndex(of: ":"), let day = Reading.day(entry[..<colon]) else {
            // Its day is the one behind the last: they come in order.
            odd.append(String(entry.prefix(64)))
            if let last = self.day { self.day = last + 1 } else { undated += 1 }
            if let day = self.day { oddDays.append(day) }
            return
        }
        for back in 0..<Int64(undated) { oddDays.append(day - 1 - back) }
        undated = 0
        self.day = day
        let wholeDay = zone.instant(wall: day * 86_400)..<zone.instant(wall: (day + 1) * 86_400)
        cover(wholeDay)
        let rest = entry[entry.index(after: colon)...]
        if rest.lowercased() == "closed" { return closed.append(wholeDay) }
        var isOdd = rest.isEmpty
        for part in rest.split(separator: ",") {
            if let session = session(part, day), sessions.count < TradingHours.maxSessions {
                sessions.append(session)
                cover(session)
            } else {
                isOdd = true
            }
        }
        if isOdd {
            odd.append(String(entry.prefix(64)))
            oddDays.append(day)
        }
    }

    private mutating func cover(_ range: Range<Int64>) {
        first = min(first, range.lowerBound)
        last = max(last, range.upperBound)
    }

    /// `1700-20250813:1600` or `0700-1830`, of the entry of `day`.
    private func session(_ text: Substring, _ day: Int64) -> Range<Int64>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, var start = Reading.time(ends[0], day), var end = Reading.time(ends[1], day) else {
            return nil
        }
        if end.seconds <= start.seconds {
            if start.hasDate || end.hasDate || end.seconds == day * 86_400 {
                // An end that is not behind its start belongs to the next day; 0000 is the end of its day.
                end.seconds += 86_400
            } else {
                // The old form has the day of trade in front: `1715-1700` began on the evening before.
                start.seconds -= 86_400
            }
        }
        let range =
            zone.instant(wall: start.seconds)..<max(zone.instant(wall: end.seconds), zone.instant(wall: start.seconds))
        return range.isEmpty || range.upperBound - range.lowerBound > TradingHours.maxSessionSeconds ? nil : range
    }

    /// `1700` on `day`, `20250813:1600`, or either with seconds or with colons between (`16:00:00`), as wall seconds.
    private static func time(_ text: Substring, _ day: Int64) -> (seconds: Int64, hasDate: Bool)? {
        var parts = text.split(separator: ":", omittingEmptySubsequences: false)[...]
        var day = day
        var hasDate = false
        if parts.count > 1, let first = parts.first, first.utf8.count == 8 {
            guard let own = Reading.day(first) else { return nil }
            day = own
            hasDate = true
            parts = parts.dropFirst()
        }
        guard parts.count == 1 || parts.allSatisfy({ $0.utf8.count == 2 }) else { return nil }
        let clock = parts.joined()
        var scanner = DigitScanner(clock[...])
        guard let hour = scanner.number(2), let minute = scanner.number(2) else { return nil }
        let second: Int64
        if scanner.atEnd {
            second = 0
        } else {
            guard let given = scanner.number(2), scanner.atEnd else { return nil }
            second = given
        }
        // 24:00 stands for the day's end.
        guard hour <= 24, minute < 60, second < 60, hour < 24 || minute + second == 0 else { return nil }
        return (day * 86_400 + hour * 3_600 + minute * 60 + second, hasDate)
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
