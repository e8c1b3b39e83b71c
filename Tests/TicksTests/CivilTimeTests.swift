import Testing
import Ticks

@Suite struct CivilTimeTests {
    @Test func everyDayFollowsTheOneBefore() {
        var (year, month, day): (Int64, Int64, Int64) = (1600, 1, 1)
        let first = CivilTime.days(year: 1600, month: 1, day: 1)
        for number in first..<(first + 2 * 146_097) {
            let date = CivilTime(day: number).date
            guard date == (year, month, day), CivilTime(year: year, month: month, day: day)?.day == number else {
                Issue.record("day \(number) is \(date), not \((year, month, day))")
                return
            }
            day += 1
            if day > CivilTime.daysIn(month: month, year: year) { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
    }

    @Test(
        arguments: [
            (2025, 2, 29), (2100, 2, 29), (2025, 4, 31), (2025, 13, 1), (2025, 0, 1), (2025, 1, 0), (-1, 1, 1),
        ] as [(Int64, Int64, Int64)])
    func datesThatDoNotExistAreNone(year: Int64, month: Int64, day: Int64) {
        #expect(CivilTime(year: year, month: month, day: day) == nil)
    }

    @Test func secondsBeforeTheEpochBelongToTheDayBefore() {
        #expect(CivilTime(seconds: -1) == CivilTime(day: -1, secondOfDay: 86_399))
        #expect(CivilTime(seconds: -86_400) == CivilTime(day: -1))
        #expect(CivilTime(seconds: -1).seconds == -1)
    }

    @Test func weekdaysCountFromSunday() {
        #expect(CivilTime(day: 0).weekday == 4)
        #expect(CivilTime(day: -4).weekday == 0)
        #expect(CivilTime(day: -5).weekday == 6)
    }
}
