import Foundation
import Testing
import Ticks

@testable import ServiceKit

@Suite struct ZoneRulesTests {
    private func instant(_ text: String) throws -> Int64 {
        try #require(Timestamp.parse(text, shortForms: true)) / 1_000_000_000
    }

    /// Every hour of some years in zones of all sorts, as Foundation sees them.
    @Test(arguments: [
        "America/New_York", "America/Chicago", "Europe/Berlin", "Asia/Tokyo", "Australia/Sydney", "Asia/Kolkata", "UTC",
        "America/Sao_Paulo", "Africa/Cairo",
    ]) func offsetsAgreeWithFoundation(name: String) throws {
        let ours = try ZoneRules(named: name)
        let theirs = try #require(TimeZone(identifier: name))
        for year in [1999, 2007, 2024, 2025, 2036] {
            let start = try instant("\(year)-01-01")
            for hour in stride(from: Int64(0), to: 366 * 24, by: 1) {
                let at = start + hour * 3600
                let expected = theirs.secondsFromGMT(for: Date(timeIntervalSince1970: Double(at)))
                guard ours.offsetSeconds(at: at) == expected else {
                    Issue.record("\(name) at \(at): \(ours.offsetSeconds(at: at)), not \(expected)")
                    return
                }
            }
        }
    }

    @Test func theRuleAtTheFilesEndSpeaksForTheFarFuture() throws {
        let zone = try ZoneRules(named: "America/New_York")
        #expect(zone.offsetSeconds(at: try instant("2090-07-01")) == -4 * 3600)
        #expect(zone.offsetSeconds(at: try instant("2090-12-01")) == -5 * 3600)
        let south = try ZoneRules(named: "Australia/Sydney")
        #expect(south.offsetSeconds(at: try instant("2090-01-10")) == 11 * 3600)
        #expect(south.offsetSeconds(at: try instant("2090-07-01")) == 10 * 3600)
    }

    @Test func wallTimesThatComeTwiceOrNeverHaveAnInstant() throws {
        let zone = try ZoneRules(named: "America/New_York")
        #expect(zone.instant(wall: try instant("2025-11-02T01:30:00Z")) == (try instant("2025-11-02T05:30:00Z")))
        #expect(zone.instant(wall: try instant("2025-03-09T02:30:00Z")) == (try instant("2025-03-09T07:30:00Z")))
        #expect(zone.instant(wall: try instant("2025-07-01T09:30:00Z")) == (try instant("2025-07-01T13:30:00Z")))
    }

    @Test(arguments: [
        ("EST", "America/New_York"), ("EST (Eastern Standard Time)", "America/New_York"), ("CTT", "America/Chicago"),
        ("US/Central", "America/Chicago"), ("JST", "Asia/Tokyo"), ("GB-Eire", "Europe/London"), ("KST", "Asia/Seoul"),
        ("Central Standard Time", "America/Chicago"), ("China Standard Time", "Asia/Shanghai"),
        ("EST5EDT", "America/New_York"),
        ("Australia/NSW", "Australia/Sydney"), ("Europe/Berlin", "Europe/Berlin"), ("MET", "Europe/Paris"),
    ]) func theNamesThatTWSUsesAreKnown(given: String, name: String) throws {
        #expect(ZoneAlias.name(for: given) == name)
        #expect(try ZoneRules(named: given).name == name)
    }

    @Test(arguments: ["", "Nowhere/City", "../../etc/passwd", "/etc/passwd", "XYZ"])
    func anUnknownZoneIsAnErrorAndNeverUTC(name: String) {
        #expect(throws: ZoneRules.Failure.self) { try ZoneRules(named: name) }
    }

    @Test func aDamagedFileIsRefusedWherverItIsCut() throws {
        let bytes = try Files.read("/usr/share/zoneinfo/Europe/Berlin", maxBytes: 1 << 20)
        let footer = try #require(bytes.dropLast().lastIndex(of: 0x0A))
        for length in stride(from: 0, to: footer, by: 7) {
            #expect(ZoneRules(name: "x", bytes: Array(bytes[0..<length])) == nil, "cut at \(length)")
        }
    }

    @Test(arguments: [
        "EST", "EST5EDT", "EST5EDT,M13.1.0,M11.1.0", "EST5EDT,M3.2.0", "<+08-8", "E5", "EST5EDT,M3.2.0,M11.1.0x",
    ])
    func badRulesAreRefused(text: String) { #expect(PosixZoneRule(text) == nil) }
}

@Suite struct TradingHoursTests {
    private func instant(_ text: String) throws -> Int64 {
        try #require(Timestamp.parse(text, shortForms: true)) / 1_000_000_000
    }

    @Test func theNewFormTellsOpenClosedAndUnknown() throws {
        let zone = try ZoneRules(named: "US/Central")
        let hours = try #require(
            TradingHours("20250812:1700-20250813:1600;20250813:1700-20250814:1600;20250816:CLOSED", zone: zone))
        #expect(hours.isOpen(at: try instant("2025-08-12T22:00:00Z")) == true, "17:00 in Chicago")
        #expect(hours.isOpen(at: try instant("2025-08-13T20:59:59Z")) == true)
        #expect(hours.isOpen(at: try instant("2025-08-13T21:30:00Z")) == false, "the daily break")
        #expect(hours.isOpen(at: try instant("2025-08-15T12:00:00Z")) == false, "a day left out between listed ones")
        #expect(hours.isOpen(at: try instant("2025-08-16T12:00:00Z")) == false)
        #expect(hours.isOpen(at: try instant("2025-08-17T22:30:00Z")) == nil, "behind the last day nothing is known")
        #expect(hours.isOpen(at: try instant("2025-08-11T12:00:00Z")) == nil)
    }

    @Test func theOldFormAndOddEndsAreRead() throws {
        let zone = try ZoneRules(named: "EST5EDT")
        let old = try #require(TradingHours("20090507:0700-1830,1830-2330;20090508:CLOSED", zone: zone))
        #expect(old.sessions.count == 2)
        #expect(old.isOpen(at: try instant("2009-05-07T11:00:00Z")) == true)
        #expect(old.isOpen(at: try instant("2009-05-08T16:00:00Z")) == false)
        let odd = try #require(TradingHours("20170621:1700-20170621:1515", zone: zone))
        #expect(odd.sessions[0].upperBound - odd.sessions[0].lowerBound == 22 * 3600 + 15 * 60)
    }

    @Test(arguments: [
        "", "CLOSED", "20250812", "20251312:CLOSED", "20250812:1700", "20250812:17-18", "20250812:2500-2600", ";",
    ])
    func otherTextsAreNoHours(text: String) throws {
        #expect(TradingHours(text, zone: try ZoneRules(named: "UTC")) == nil)
    }

    @Test func theSessionOfTheClockChangeIsAnHourShorter() throws {
        let zone = try ZoneRules(named: "America/New_York")
        let hours = try #require(TradingHours("20250308:1800-20250309:1800", zone: zone))
        #expect(hours.sessions[0].upperBound - hours.sessions[0].lowerBound == 23 * 3600)
    }

    @Test func maintenanceWindowsFollowTheirZone() throws {
        let zone = try ZoneRules(named: "America/New_York")
        let daily = MaintenanceWindow.northAmerica[0]
        #expect(daily.contains(try instant("2025-08-13T04:15:00Z"), zone: zone))
        #expect(!daily.contains(try instant("2025-08-13T05:45:00Z"), zone: zone))
        #expect(daily.contains(try instant("2025-12-13T05:15:00Z"), zone: zone), "winter time")
        let weekend = MaintenanceWindow.northAmerica[1]
        #expect(weekend.contains(try instant("2025-08-16T03:00:00Z"), zone: zone), "Friday 23:00")
        #expect(weekend.contains(try instant("2025-08-16T06:59:00Z"), zone: zone))
        #expect(!weekend.contains(try instant("2025-08-16T07:00:00Z"), zone: zone), "Saturday 03:00")
        #expect(!weekend.contains(try instant("2025-08-15T03:00:00Z"), zone: zone))
        let overnight = try #require(MaintenanceWindow("daily 23:45-00:45 UTC"))
        let utc = try ZoneRules(named: "UTC")
        #expect(overnight.contains(try instant("2025-08-16T00:10:00Z"), zone: utc))
        #expect(!overnight.contains(try instant("2025-08-16T01:00:00Z"), zone: utc))
    }
}
