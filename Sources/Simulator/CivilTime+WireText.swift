internal import Ticks

/// Dates and times as TWS writes them.
extension CivilTime {
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

    private func digits(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}
