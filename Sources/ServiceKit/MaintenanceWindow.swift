/// A time in which the broker takes its systems down: `daily 00:15-01:45 America/New_York` or
/// `Fri 23:00-Sat 03:00 America/New_York`.
///
/// Source of the default: the published reset windows of North America.
public struct MaintenanceWindow: Sendable, Equatable, CustomStringConvertible {
    /// 0 = Sunday … 6 = Saturday; nil = every day.
    public let fromWeekday: Int?
    /// Minutes since midnight in `zone`.
    public let fromMinute: Int
    /// The weekday of the end; nil = within 24 hours of the start.
    public let toWeekday: Int?
    public let toMinute: Int
    /// A name of the tz database.
    public let zone: String

    static let weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

    /// The published windows of North America.
    public static let northAmerica = [
        MaintenanceWindow(fromWeekday: nil, fromMinute: 15, toWeekday: nil, toMinute: 105, zone: "America/New_York"),
        MaintenanceWindow(fromWeekday: 5, fromMinute: 1380, toWeekday: 6, toMinute: 180, zone: "America/New_York"),
    ]

    public init(fromWeekday: Int?, fromMinute: Int, toWeekday: Int?, toMinute: Int, zone: String) {
        self.fromWeekday = fromWeekday
        self.fromMinute = fromMinute
        self.toWeekday = toWeekday
        self.toMinute = toMinute
        self.zone = zone
    }

    /// Parses the written form; nil if it is anything else. The zone's existence is not checked here.
    public init?(_ text: String) {
        let words = text.split(separator: " ").map(String.init)
        guard words.count >= 3, let zone = words.last, zone.utf8.allSatisfy(Self.isZoneByte) else { return nil }
        let middle = words.dropFirst().dropLast().joined(separator: " ").split(separator: "-").map(String.init)
        guard middle.count == 2, let from = Self.minute(middle[0]) else { return nil }
        let end = middle[1].split(separator: " ").map(String.init)
        if words[0].lowercased() == "daily" {
            guard end.count == 1, let to = Self.minute(end[0]), to != from else { return nil }
            self.init(fromWeekday: nil, fromMinute: from, toWeekday: nil, toMinute: to, zone: zone)
            return
        }
        guard let day = Self.weekdays.firstIndex(of: words[0].lowercased()), let last = end.last,
            let to = Self.minute(last)
        else { return nil }
        var toDay: Int?
        if end.count == 2 {
            guard let found = Self.weekdays.firstIndex(of: end[0].lowercased()) else { return nil }
            toDay = found
        } else if end.count != 1 {
            return nil
        }
        self.init(fromWeekday: day, fromMinute: from, toWeekday: toDay, toMinute: to, zone: zone)
    }

    public var description: String {
        func time(_ minute: Int) -> String {
            (minute / 60 < 10 ? "0" : "") + "\(minute / 60):" + (minute % 60 < 10 ? "0" : "") + "\(minute % 60)"
        }
        func name(_ day: Int) -> String { Self.weekdays[day].prefix(1).uppercased() + Self.weekdays[day].dropFirst() }
        let start = fromWeekday.map(name) ?? "daily"
        let end = toWeekday.map { name($0) + " " } ?? ""
        return "\(start) \(time(fromMinute))-\(end)\(time(toMinute)) \(zone)"
    }

    private static func minute(_ text: String) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].utf8.count == 2, let hour = Int(parts[0]), let minute = Int(parts[1]),
            (0...23).contains(hour), (0...59).contains(minute)
        else { return nil }
        return hour * 60 + minute
    }

    private static func isZoneByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2D, 0x2F, 0x5F: true
        default: false
        }
    }
}
