import Testing

@testable import ServiceKit

@Suite struct ValueTextTests {
    @Test(
        arguments: [
            ("100ms", 100_000_000), ("15s", 15_000_000_000), ("5m", 300_000_000_000), ("0.5s", 500_000_000), ("0", 0),
            ("1h 30m", 5_400_000_000_000), ("7d", 604_800_000_000_000),
        ] as [(String, Int64)]) func durationsAreRead(text: String, nanos: Int64)
    {
        #expect(DurationText.parse(text) == nanos)
    }

    @Test(arguments: ["", "15", "s", "-1s", "1x", "0.0000000001s", "99999999999d", "1s2", " ", "1..5s"])
    func otherTextsAreNoDuration(text: String) { #expect(DurationText.parse(text) == nil) }

    @Test(
        arguments: [
            ("64MiB", 64 << 20), ("10GB", 10_000_000_000), ("4096", 4096), ("1.5KiB", 1536), ("2 TiB", 2 << 40),
        ] as [(String, Int64)]) func sizesAreRead(text: String, bytes: Int64)
    { #expect(SizeText.parse(text) == bytes) }

    @Test(arguments: ["", "MiB", "-1", "1XB", "9999999999TiB", "0.3B"])
    func otherTextsAreNoSize(text: String) { #expect(SizeText.parse(text) == nil) }

    @Test func textsReadBack() {
        for nanos: Int64 in [0, 1, 1500, 100_000_000, 15_000_000_000, 86_400_000_000_000, 604_800_000_000_000] {
            #expect(DurationText.parse(DurationText.text(nanos)) == nanos)
        }
        for bytes: Int64 in [0, 1, 1000, 1536, 256 << 20, 10_000_000_000, 3 << 40] {
            #expect(SizeText.parse(SizeText.text(bytes)) == bytes)
        }
        #expect(DurationText.text(86_400_000_000_000) == "24h")
    }

    @Test(arguments: [
        "daily 00:15-01:45 America/New_York", "Fri 23:00-Sat 03:00 America/New_York", "Sun 01:00-02:00 Asia/Hong_Kong",
    ]) func maintenanceWindowsReadBack(text: String) { #expect(MaintenanceWindow(text)?.description == text) }

    @Test(arguments: [
        "", "daily", "daily 1:00-2:00", "daily 25:00-02:00 UTC", "Foo 01:00-02:00 UTC", "daily 01:00-01:00 UTC",
        "daily 01:00-02:00 a;b",
    ]) func otherTextsAreNoWindow(text: String) { #expect(MaintenanceWindow(text) == nil) }
}
