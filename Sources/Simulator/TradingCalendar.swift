internal import Ticks

/// When an instrument trades, in its zone's wall time.
///
/// The real ones are the weekly rules without holidays; `always` has a session from midnight to midnight every day.
enum TradingCalendar: Sendable {
    case always
    /// Index futures: from 17:00 of the day before to 16:00, Monday to Friday.
    case globex
    /// United States shares: 4:00 to 20:00, Monday to Friday, the liquid part 9:30 to 16:00.
    case equity
    /// Currencies: from 17:15 of the day before to 17:00, Monday to Friday.
    case currency

    /// The session of a trading day, in local seconds since 1970-01-01; nil when closed.
    func session(ofDay day: Int64, liquid: Bool = false) -> Range<Int64>? {
        let midnight = day * CivilTime.secondsPerDay
        let weekday = CivilTime(day: day).weekday
        guard self == .always || (1...5).contains(weekday) else { return nil }
        switch (self, liquid) {
        case (.always, _): return midnight..<(midnight + CivilTime.secondsPerDay)
        case (.globex, false): return (midnight - 7 * 3_600)..<(midnight + 16 * 3_600)
        case (.globex, true): return (midnight + 8 * 3_600 + 1_800)..<(midnight + 16 * 3_600)
        case (.equity, false): return (midnight + 4 * 3_600)..<(midnight + 20 * 3_600)
        case (.equity, true): return (midnight + 9 * 3_600 + 1_800)..<(midnight + 16 * 3_600)
        case (.currency, _): return (midnight - 7 * 3_600 + 900)..<(midnight + 17 * 3_600)
        }
    }

    func isOpen(atUTC seconds: Int64, zone: MarketZone) -> Bool {
        guard self != .always else { return true }
        let local = zone.local(atUTC: seconds)
        return [local.day, local.day + 1].contains { session(ofDay: $0)?.contains(local.seconds) == true }
    }

    /// The text of contract details for seven days from the one at `utcSeconds`, such as
    /// `20251123:CLOSED;20251123:1700-20251124:1600`.
    func hoursText(fromUTC seconds: Int64, zone: MarketZone, liquid: Bool) -> String {
        let today = zone.local(atUTC: seconds).day
        return (today..<(today + 7)).map { day in
            guard let session = session(ofDay: day, liquid: liquid) else {
                return CivilTime(day: day).compactDate + ":CLOSED"
            }
            return CivilTime(seconds: session.lowerBound).compactMinute + "-"
                + CivilTime(seconds: session.upperBound).compactMinute
        }.joined(separator: ";")
    }
}
