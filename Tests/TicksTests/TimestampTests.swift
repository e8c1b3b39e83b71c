import Testing
import Ticks

@Suite struct TimestampTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000000000Z"), (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_755_029_494_976_232_000, "2025-08-12T20:11:34.976232000Z"),
        (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
        (Int64.max, "2262-04-11T23:47:16.854775807Z"), (Int64.min + 1_000_000_000, "1677-09-21T00:12:44.145224192Z"),
    ])
    func timesReadBackExactly(nanos: Int64, text: String) {
        #expect(Timestamp.text(nanos) == text)
        #expect(Timestamp.parse(text) == nanos)
    }

    @Test func theLowestNumberHasAText() { #expect(Timestamp.text(.min) == "1677-09-21T00:12:43.145224192Z") }

    @Test func decimalsAreCutNotRounded() {
        #expect(Timestamp.text(999_999_999, digits: 0) == "1970-01-01T00:00:00Z")
        #expect(Timestamp.text(999_999_999, digits: 3) == "1970-01-01T00:00:00.999Z")
    }

    @Test(arguments: [
        ("2025-08-12T17:00:00+02:00", 1_755_010_800_000_000_000), ("2025-08-12 15:00:00.5z", 1_755_010_800_500_000_000),
        ("2025-08-12t10:30:00.1234567891-04:30", 1_755_010_800_123_456_789),
    ])
    func offsetsAndFractionsAreRead(text: String, nanos: Int64) { #expect(Timestamp.parse(text) == nanos) }

    @Test(arguments: [
        "", "now", "2025-13-12T15:00:00Z", "2025-02-29T15:00:00Z", "2025-8-12T15:00:00Z", "2025-08-12T24:00:00Z",
        "2025-08-12T15:60:00Z", "2025-08-12T15:00:60Z", "2025-08-12T15:00:00.Z", "2025-08-12T15:00:00Zx",
        "2025-08-12T15:00:00+1:00", "2025-08-12T15:00:00+25:00", "2025-08-12T15:00:00+02:00Z", "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z", "2025-00-10T00:00:00Z", "2025-01-00T00:00:00Z",
    ])
    func otherTextsAreNoTime(text: String) {
        #expect(Timestamp.parse(text) == nil)
        #expect(Timestamp.parse(text, shortForms: true) == nil)
    }

    @Test(arguments: [
        ("2025-08-12", "2025-08-12T00:00:00Z"), ("2025-08-12 20:11", "2025-08-12T20:11:00Z"),
        ("2025-08-12T20:11:34.5", "2025-08-12T20:11:34.5Z"), ("2025-08-12T20:11+02:00", "2025-08-12T18:11:00Z"),
    ])
    func shortFormsAreReadWhereTheyAreWelcome(text: String, whole: String) {
        #expect(Timestamp.parse(text) == nil)
        #expect(Timestamp.parse(text, shortForms: true) == Timestamp.parse(whole))
        #expect(Timestamp.parse(whole) != nil)
    }

    @Test func everyDayOfFiveCenturiesReadsBack() {
        let wrong = (Int64(-100_000)...100_000).map { $0 * 86_400_000_000_000 }
            .filter { Timestamp.parse(Timestamp.text($0)) != $0 }
        #expect(wrong.isEmpty)
    }
}
