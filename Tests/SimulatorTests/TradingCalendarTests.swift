import ServiceKit
import Testing
import Ticks

@testable import Simulator

@Suite struct TradingCalendarTests {
    private func utc(_ year: Int64, _ month: Int64, _ day: Int64, _ hour: Int64 = 0, _ minute: Int64 = 0) -> Int64 {
        CivilTime(year: year, month: month, day: day, hour: hour, minute: minute)?.seconds ?? .min
    }

    @Test func daylightTimeBeginsAndEndsOnItsSundays() {
        let zone = MarketZone.eastern
        // 2026-03-08 07:00 UTC is 2:00 standard time; 2026-11-01 06:00 UTC is 2:00 daylight time.
        #expect(zone.offsetSeconds(atUTC: utc(2026, 3, 8, 7) - 1) == -5 * 3_600)
        #expect(zone.offsetSeconds(atUTC: utc(2026, 3, 8, 7)) == -4 * 3_600)
        #expect(zone.offsetSeconds(atUTC: utc(2026, 11, 1, 6) - 1) == -4 * 3_600)
        #expect(zone.offsetSeconds(atUTC: utc(2026, 11, 1, 6)) == -5 * 3_600)
        #expect(MarketZone.central.offsetSeconds(atUTC: utc(2026, 7, 1)) == -5 * 3_600)
        #expect(MarketZone.utc.offsetSeconds(atUTC: utc(2026, 7, 1)) == 0)
    }

    @Test func wallTimesAndUTCAreEachOthersInverse() {
        for zone in MarketZone.allCases {
            let hours = stride(from: utc(2026, 1, 1), to: utc(2027, 1, 1), by: 3_600 * 5)
            #expect(hours.allSatisfy { zone.utc(ofLocal: zone.local(atUTC: $0)) == $0 })
        }
    }

    @Test func hoursAreWrittenAsContractDetailsHaveThem() {
        // Friday 2026-11-27 12:00 in Chicago.
        let text = TradingCalendar.globex.hoursText(fromUTC: utc(2026, 11, 27, 18), zone: .central, liquid: false)
        #expect(
            text == "20261126:1700-20261127:1600;20261128:CLOSED;20261129:CLOSED;20261129:1700-20261130:1600;"
                + "20261130:1700-20261201:1600;20261201:1700-20261202:1600;20261202:1700-20261203:1600")
        let open = TradingCalendar.always.hoursText(fromUTC: utc(2026, 11, 27, 18), zone: .central, liquid: true)
        #expect(open.hasPrefix("20261127:0000-20261128:0000;20261128:0000-20261129:0000;"))
    }

    @Test func sessionsBeginAndEndOnTheirMinute() {
        // Sunday 2026-11-29, 17:00 in Chicago is 23:00 UTC; the daily break is 16:00 to 17:00.
        let globex = TradingCalendar.globex
        #expect(!globex.isOpen(atUTC: utc(2026, 11, 29, 23) - 1, zone: .central))
        #expect(globex.isOpen(atUTC: utc(2026, 11, 29, 23), zone: .central))
        #expect(!globex.isOpen(atUTC: utc(2026, 11, 30, 22), zone: .central))
        #expect(globex.isOpen(atUTC: utc(2026, 11, 30, 22) - 1, zone: .central))
        #expect(!TradingCalendar.equity.isOpen(atUTC: utc(2026, 11, 27, 8, 59), zone: .eastern))
        #expect(TradingCalendar.equity.isOpen(atUTC: utc(2026, 11, 27, 9), zone: .eastern))
    }

    @Test func futuresAreOfTheNextQuarterWithAWeekToGo() {
        func expiry(_ year: Int64, _ month: Int64, _ day: Int64) -> String {
            CivilTime(day: Instrument.nextQuarterlyExpiry(after: utc(year, month, day) / 86_400)).compactDate
        }
        #expect(expiry(2025, 8, 12) == "20250919")
        #expect(expiry(2026, 12, 10) == "20261218")
        #expect(expiry(2026, 12, 11) == "20270319")
    }

    @Test(
        arguments: [
            ("20250812 15:00:00 US/Central", 1_755_028_800), ("20250812-20:00:00", 1_755_028_800),
            ("20250812-20:00:00Z", 1_755_028_800), ("20250812 20:00:00 UTC", 1_755_028_800),
            ("20250812 16:00:00", 1_755_028_800), ("20250112 15:00:00 US/Eastern", 1_736_712_000),
        ] as [(String, Int64)]) func requestTimesAreRead(text: String, seconds: Int64)
    {
        #expect(RequestTime(parsing: text)?.utcSeconds == seconds)
    }

    @Test(arguments: [
        "", "20250812", "20250230 00:00:00 UTC", "20250812 24:00:00 UTC", "20250812 15:00:00 Mars/Base",
        "2025081x-00:00:00",
        "20250812 15:00:00UTC", "20250812-15:00:00 UTC",
    ]) func otherTextsAreNoTimes(text: String) {
        #expect(RequestTime(parsing: text) == nil)
    }

    @Test func whatASimulatedSystemRecordsIsTradedHere() {
        let catalogue = Instrument.catalogue(atUTC: utc(2026, 11, 23), realHours: false)
        for contract in SimulatedMarket.contracts {
            #expect(catalogue.contains { $0.conId == contract.conId && $0.localSymbol.hasPrefix(contract.symbol) })
        }
    }
}
