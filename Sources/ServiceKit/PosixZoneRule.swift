internal import Ticks

/// The rule for the future that stands at the end of a zone file: `EST5EDT,M3.2.0,M11.1.0` or `<+08>-8`.
///
/// POSIX `TZ`, as far as the tz database uses it (changes by month, week and weekday, or by day of the year).
/// Source: tzset(3), https://www.rfc-editor.org/rfc/rfc9636 section 3.3.
struct PosixZoneRule: Sendable, Equatable {
    /// Seconds east of UTC.
    private let standard: Int
    private let daylight: Int?
    private let start: Change
    private let end: Change

    private struct Change: Sendable, Equatable {
        enum Day: Sendable, Equatable {
            case monthWeekday(month: Int, week: Int, weekday: Int)
            /// 1...365, February 29 never counted.
            case julian(Int)
            /// 0...365.
            case ordinal(Int)
        }
        var day = Day.ordinal(0)
        /// Seconds of wall time since midnight.
        var seconds = 7200
    }

    init?(_ text: String) {
        var scanner = Scanner(bytes: Array(text.utf8))
        guard scanner.skipName(), let west = scanner.offset() else { return nil }
        standard = -west
        guard !scanner.atEnd else {
            daylight = nil
            start = Change()
            end = Change()
            return
        }
        guard scanner.skipName() else { return nil }
        var east = standard + 3600
        if scanner.peek != UInt8(ascii: ","), let west = scanner.offset() { east = -west }
        guard let first = scanner.change(), let second = scanner.change(), scanner.atEnd else { return nil }
        daylight = east
        start = first
        end = second
    }

    func offsetSeconds(at instant: Int64) -> Int {
        guard let daylight else { return standard }
        let year = CivilTime(seconds: instant + Int64(standard)).date.year
        let begins = Self.wall(start, year) - Int64(standard)
        let ends = Self.wall(end, year) - Int64(daylight)
        // South of the equator daylight time spans the turn of the year.
        let isDaylight = begins < ends ? instant >= begins && instant < ends : instant >= begins || instant < ends
        return isDaylight ? daylight : standard
    }

    /// The wall time of a change in a year, as if it were UTC.
    private static func wall(_ change: Change, _ year: Int64) -> Int64 {
        let newYear = CivilTime.days(year: year, month: 1, day: 1)
        let day: Int64
        switch change.day {
        case .ordinal(let number): day = newYear + Int64(number)
        case .julian(let number):
            let leap = CivilTime.daysIn(month: 2, year: year) == 29
            day = newYear + Int64(number - 1) + (leap && number >= 60 ? 1 : 0)
        case .monthWeekday(let month, let week, let weekday):
            let first = CivilTime(day: CivilTime.days(year: year, month: Int64(month), day: 1))
            var date = 1 + (Int64(weekday) - first.weekday + 7) % 7 + Int64(week - 1) * 7
            while date > CivilTime.daysIn(month: Int64(month), year: year) { date -= 7 }
            day = first.day + date - 1
        }
        return day * 86_400 + Int64(change.seconds)
    }

    private struct Scanner {
        let bytes: [UInt8]
        var at = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        var atEnd: Bool { at == bytes.count }
        var peek: UInt8? { at < bytes.count ? bytes[at] : nil }

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard peek == UInt8(ascii: character) else { return false }
            at += 1
            return true
        }

        /// `EST` or `<+08>`.
        mutating func skipName() -> Bool {
            let begin = at
            if skip("<") {
                while let byte = peek, byte != UInt8(ascii: ">") { at += 1 }
                return skip(">")
            }
            while let byte = peek, (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) { at += 1 }
            return at - begin >= 3
        }

        mutating func number() -> Int? {
            var value = 0
            let begin = at
            while let byte = peek, (0x30...0x39).contains(byte), at - begin < 4 {
                value = value * 10 + Int(byte - 0x30)
                at += 1
            }
            return at > begin ? value : nil
        }

        /// `[+-]hh[:mm[:ss]]` in seconds.
        mutating func offset() -> Int? {
            let sign = skip("-") ? -1 : 1
            if sign == 1 { _ = skip("+") }
            guard let hours = number() else { return nil }
            var seconds = hours * 3600
            for unit in [60, 1] where skip(":") {
                guard let value = number() else { return nil }
                seconds += value * unit
            }
            return sign * seconds
        }

        /// `,M3.2.0[/2]`, `,J60[/2]` or `,59[/2]`.
        mutating func change() -> Change? {
            guard skip(",") else { return nil }
            var change = Change()
            if skip("M") {
                guard let month = number(), skip("."), let week = number(), skip("."), let weekday = number(),
                    (1...12).contains(month), (1...5).contains(week), (0...6).contains(weekday)
                else { return nil }
                change.day = .monthWeekday(month: month, week: week, weekday: weekday)
            } else if skip("J") {
                guard let day = number(), (1...365).contains(day) else { return nil }
                change.day = .julian(day)
            } else {
                guard let day = number(), (0...365).contains(day) else { return nil }
                change.day = .ordinal(day)
            }
            if skip("/") {
                guard let seconds = offset() else { return nil }
                change.seconds = seconds
            }
            return change
        }
    }
}
