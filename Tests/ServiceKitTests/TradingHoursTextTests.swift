import Foundation
import Testing
import Ticks

@testable import ServiceKit

/// Texts of trading hours as gateways have sent them, and what is wrong with them.
@Suite struct TradingHoursTextTests {
    private func instant(_ text: String) throws -> Int64 {
        try #require(Timestamp.parse(text, shortForms: true)) / 1_000_000_000
    }

    private func hours(_ text: String, _ zone: String = "UTC") throws -> TradingHours {
        try #require(TradingHours(text, zone: try ZoneRules(named: zone)))
    }

    @Test func inTheOldFormAStartBehindItsEndIsThatOfTheEveningBefore() throws {
        let hours = try hours("20261127:1715-1700;20261128:CLOSED", "US/Eastern")
        #expect(hours.isOpen(at: try instant("2026-11-26T22:14:59Z")) == nil, "before all that is listed")
        #expect(hours.isOpen(at: try instant("2026-11-26T22:15:00Z")) == true, "17:15 of the day before")
        #expect(hours.isOpen(at: try instant("2026-11-27T21:59:59Z")) == true)
        #expect(hours.isOpen(at: try instant("2026-11-27T22:00:00Z")) == false)
        #expect(hours.isOpen(at: try instant("2026-11-28T15:00:00Z")) == false)
    }

    @Test func severalSessionsOfAnOldDayKeepTheirOrder() throws {
        let hours = try hours("20261127:1700-1515,1530-1600")
        #expect(hours.sessions.count == 2)
        #expect(hours.isOpen(at: try instant("2026-11-26T18:00:00Z")) == true)
        #expect(hours.isOpen(at: try instant("2026-11-27T15:20:00Z")) == false)
        #expect(hours.isOpen(at: try instant("2026-11-27T15:45:00Z")) == true)
    }

    @Test func midnightIsTheEndOfItsDay() throws {
        for text in ["20261127:1800-0000", "20261127:1800-2400", "20261127:1800-20261128:0000"] {
            let hours = try hours(text)
            #expect(hours.sessions == [try instant("2026-11-27T18:00:00Z")..<(try instant("2026-11-28T00:00:00Z"))])
        }
        #expect(try hours("20261127:0000-0000").sessions[0].count == 86_400)
    }

    @Test(arguments: [
        "20261127:0930-20261127:1600;20261128:CLOSED", "20261127:0930-20261127:1600;20261128:Closed",
        "20261127:0930-1600;20261128:closed", " 20261127:0930 - 1600 ; 20261128 : CLOSED ",
        "20261127:093000-160000;20261128:CLOSED", "20261127:09:30-16:00;20261128:CLOSED",
        "20261127:0930-20261127:16:00:00;20261128:CLOSED;", "20261127:0930-1200,1200-1600;20261128:CLOSED",
        "20261127:0930-1600\t;\n20261128:CLOSED",
    ]) func spellingsOfTheSameDays(text: String) throws {
        let hours = try hours(text)
        #expect(hours.odd.isEmpty)
        for (time, isOpen) in [
            ("2026-11-27T09:29:59Z", false), ("2026-11-27T09:30:00Z", true), ("2026-11-27T15:59:59Z", true),
            ("2026-11-27T16:00:00Z", false), ("2026-11-28T12:00:00Z", false),
        ] { #expect(hours.isOpen(at: try instant(time)) == isOpen, "\(time)") }
    }

    /// Monday to Friday, of which Wednesday is odd: every other day is known, and Wednesday is not "closed".
    @Test(arguments: [
        "20261125:rubbish", "20261125:0930", "20261125:0930-2560", "20261125:", "20261125:0930-20261x25:1600",
        "20261x25:0930-1600",
        "nonsense", "20261125:0930-1600-1700", "20261125:0930-20991125:1600", "20261125:HOLIDAY",
    ]) func oneOddEntryCostsThatDayAndNotTheWeek(entry: String) throws {
        let hours = try hours(
            "20261123:0930-1600;20261124:0930-1600;\(entry);20261126:0930-1600;20261127:0930-1600;20261128:CLOSED")
        #expect(hours.odd == [entry])
        for day in [23, 24, 26, 27] {
            #expect(hours.isOpen(at: try instant("2026-11-\(day)T12:00:00Z")) == true)
        }
        #expect(hours.isOpen(at: try instant("2026-11-25T12:00:00Z")) == nil)
        #expect(hours.isOpen(at: try instant("2026-11-23T20:00:00Z")) == false)
        #expect(hours.isOpen(at: try instant("2026-11-27T08:00:00Z")) == false)
        #expect(hours.isOpen(at: try instant("2026-11-28T12:00:00Z")) == false)
    }

    @Test func whatAnOddOvernightSessionMayHaveCoveredIsNotKnown() throws {
        let text = "20261123:1700-20261124:1600;20261124:1700-20261125;20261125:1700-20261126:1600"
        let hours = try hours(text, "US/Central")
        #expect(hours.isOpen(at: try instant("2026-11-24T21:59:00Z")) == true)
        #expect(hours.isOpen(at: try instant("2026-11-25T03:00:00Z")) == nil)
        #expect(hours.isOpen(at: try instant("2026-11-25T15:00:00Z")) == nil)
        #expect(hours.isOpen(at: try instant("2026-11-25T23:30:00Z")) == true)
        #expect(hours.isOpen(at: try instant("2026-11-26T22:30:00Z")) == nil, "behind all that is listed")
    }

    @Test func theFirstEntryMayBeTheOddOne() throws {
        let hours = try hours("??;20261127:0930-1600;20261128:CLOSED")
        #expect(hours.isOpen(at: try instant("2026-11-26T12:00:00Z")) == nil)
        #expect(hours.isOpen(at: try instant("2026-11-27T12:00:00Z")) == true)
        #expect(hours.isOpen(at: try instant("2026-11-27T20:00:00Z")) == false)
    }
}

@Suite struct ZoneAliasTests {
    @Test func everyNameInTheTablesIsAZoneOfThisMachine() throws {
        let names =
            Set(ZoneAlias.displayNames.values).union(ZoneAlias.legacyNames.values)
        #expect(names.count > 130)
        for name in names { #expect(try ZoneRules(named: name).name == name) }
    }

    @Test func noOldNameIsNeededFromTheDisk() {
        for (old, name) in ZoneAlias.legacyNames {
            #expect(ZoneAlias.name(for: old) == name)
            #expect(ZoneAlias.legacyNames[name] == nil, "\(name) is an old name itself")
        }
    }

    /// Foundation knows the old names; both have the same clocks all through two years.
    @Test func oldNamesHaveTheClocksThatTheyHad() throws {
        for old in ZoneAlias.legacyNames.keys {
            guard let theirs = TimeZone(identifier: old) else { continue }
            let ours = try ZoneRules(named: old)
            for day in 0..<730 {
                let at = Int64(1_735_689_600 + day * 86_400)
                #expect(
                    ours.offsetSeconds(at: at) == theirs.secondsFromGMT(for: Date(timeIntervalSince1970: Double(at))),
                    "\(old) at \(at)")
            }
        }
    }

    @Test(arguments: [
        ("Central Standard Time", "America/Chicago"), ("Central Daylight Time", "America/Chicago"),
        ("CENTRAL STANDARD TIME", "America/Chicago"), ("China Standard Time", "Asia/Shanghai"),
        ("British Summer Time", "Europe/London"), ("GMT Standard Time", "Europe/London"),
        ("W. Europe Standard Time", "Europe/Berlin"), ("Central European Summer Time", "Europe/Warsaw"),
        ("E. South America Standard Time", "America/Sao_Paulo"), ("AUS Eastern Standard Time", "Australia/Sydney"),
        ("Pacific Standard Time (Mexico)", "America/Tijuana"), ("Hong Kong Time", "Asia/Hong_Kong"),
        ("Korea Standard Time", "Asia/Seoul"), ("KST", "Asia/Seoul"), ("Tokyo Standard Time", "Asia/Tokyo"),
        ("Russia Time Zone 3", "Europe/Samara"), ("EST (Eastern Standard Time)", "America/New_York"),
        (" US/Central ", "America/Chicago"), ("UTC", "Etc/UTC"), ("Coordinated Universal Time", "Etc/UTC"),
    ]) func namesOfOtherSystemsAreKnown(given: String, name: String) throws {
        #expect(ZoneAlias.name(for: given) == name)
        #expect(try ZoneRules(named: given).name == name)
    }

    @Test(arguments: [
        ("GMT+08:00", 8 * 3600), ("GMT-5", -5 * 3600), ("UTC+0530", 19_800), ("+09:00", 9 * 3600), ("UTC+12", 43_200),
        ("GMT+8", 8 * 3600), ("UTC -03:30", -12_600), ("GMT-0", 0),
    ]) func fixedOffsetsAreWhatPeopleMean(given: String, seconds: Int) throws {
        let zone = try ZoneRules(named: given)
        #expect(zone.offsetSeconds(at: 0) == seconds && zone.offsetSeconds(at: 1_800_000_000) == seconds)
        #expect(zone.instant(wall: 1_800_000_000) == 1_800_000_000 - Int64(seconds))
    }

    @Test(arguments: [
        "Central", "Standard Time", "Time", "Nowhere Standard Time", "GMT+25", "GMT+8:5", "GMT+08:60", "GMT++8", "+",
        "-",
        "UTC+08:00:00", "GMT+123456", "Central Standard",
    ]) func whatNamesNoZoneIsAnError(name: String) {
        #expect(throws: ZoneRules.Failure.self) { try ZoneRules(named: name) }
    }
}
