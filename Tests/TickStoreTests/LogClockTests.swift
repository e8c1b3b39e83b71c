import Testing
import Ticks

@testable import TickStore

private let second: Int64 = 1_000_000_000
private let hour = 3600 * second
/// 2026-01-01T00.
private let thisHour = someNanos / hour
private let boot = 77 * second
private let years = 420_000_000 * second

private func clock(last: Int64?, event: Int64? = nil, real: Int64 = someNanos) -> LogClock {
    LogClock(lastHour: last, newestEventNanos: event, realNanos: real, bootNanos: boot)
}

@Suite struct LogClockTests {
    /// The last hours that are any time, the first that are none, and the last that a file's name can give.
    @Test(arguments: [2_562_046, 2_562_047, 2_562_048, 70_389_527] as [Int64])
    func anHourThatIsNoTimeSaysNothing(hour last: Int64) {
        var log = clock(last: last)
        let right = log.now(realNanos: someNanos, bootNanos: boot)
        #expect(right == someNanos)
        var known = clock(last: last, event: someNanos)
        let vouched = known.now(realNanos: someNanos, bootNanos: boot)
        #expect(vouched == someNanos)
        var blind = clock(last: last, real: 0)
        let later = blind.now(realNanos: second, bootNanos: boot + second)
        #expect(later > someNanos)
    }

    @Test func aRightClockIsFollowed() {
        var log = clock(last: thisHour - 3)
        let value1 = log.now(realNanos: someNanos, bootNanos: boot)
        #expect(value1 == someNanos)
        // NTP may slew it, and set it by minutes.
        var now = someNanos
        for step in 1...50 as ClosedRange<Int64> {
            now += hour + 599 * second
            let value2 = log.now(realNanos: now, bootNanos: boot + step * hour)
            #expect(value2 == now)
        }
        var first = clock(last: nil)
        let value3 = first.now(realNanos: someNanos, bootNanos: boot)
        #expect(value3 == someNanos)
    }

    /// 2040 for ten seconds, an hour back, a day ahead: time goes on as the boot
    /// clock does, and with the right clock again.
    @Test(arguments: [years, -2 * hour, 25 * hour, -years]) func aJumpIsNotFollowed(by jump: Int64) {
        var log = clock(last: thisHour)
        log.note(goodNanos: someNanos - second)
        let value4 = log.now(realNanos: someNanos, bootNanos: boot)
        #expect(value4 == someNanos)
        for passed in [second, hour, 30 * hour] {
            let now = log.now(realNanos: someNanos + passed + jump, bootNanos: boot + passed)
            #expect(now == someNanos + passed)
        }
        let back = log.now(realNanos: someNanos + 31 * hour, bootNanos: boot + 31 * hour)
        #expect(back == someNanos + 31 * hour)
    }

    /// A tick that does not call the clock wrong says that it may be followed, wherever it stands.
    @Test(arguments: [years, -3 * hour, 25 * hour]) func aTickVouchesForAJump(by jump: Int64) {
        var log = clock(last: thisHour)
        _ = log.now(realNanos: someNanos, bootNanos: boot)
        log.note(goodNanos: someNanos + jump)
        let value5 = log.now(realNanos: someNanos + jump + second, bootNanos: boot)
        #expect(value5 == someNanos + jump + second)
        // It vouches for no other one.
        let third = log.now(realNanos: someNanos + 3 * years, bootNanos: boot + second)
        #expect(third == someNanos + jump + 2 * second)
    }

    @Test func aStartBelievesTheClockADayBeyondTheFiles() {
        func first(_ last: Int64?, event: Int64? = nil, real: Int64) -> Int64 {
            var log = clock(last: last, event: event, real: real)
            return log.now(realNanos: real, bootNanos: boot) / hour
        }
        #expect(first(thisHour, real: someNanos + 24 * hour) == thisHour + 24)
        #expect(first(thisHour, real: someNanos + 25 * hour) == thisHour)
        #expect(first(thisHour, real: someNanos + years) == thisHour)
        #expect(first(thisHour, real: someNanos - 5 * hour) == thisHour)
        // The gateway's newest time speaks for the clock, and against the files' hour.
        #expect(first(thisHour, event: someNanos + 29 * hour, real: someNanos + 30 * hour) == thisHour + 30)
        #expect(first(thisHour + 90_000, event: someNanos - hour, real: someNanos) == thisHour)
        #expect(first(thisHour + 90_000, real: someNanos) == thisHour + 90_000)
        #expect(first(thisHour + 90_000, event: someNanos, real: someNanos - 9 * hour) == thisHour + 90_000)
        // No clock at all, and nothing recorded.
        #expect(first(nil, real: 5 * second) == 1_130_808)
        #expect(first(nil, real: 6_000_000_000 * second) == 1_130_808)
    }

    @Test func aClockThatIsNoneEndsWithTheFirstTickOfARightOne() {
        var log = clock(last: nil, real: 0)
        let value6 = log.now(realNanos: second, bootNanos: boot + second)
        #expect(value6 / hour == 1_130_808)
        let value7 = log.now(realNanos: someNanos, bootNanos: boot + 2 * second)
        #expect(value7 / hour == 1_130_808)
        log.note(goodNanos: someNanos)
        let value8 = log.now(realNanos: someNanos, bootNanos: boot + 2 * second)
        #expect(value8 == someNanos)
        #expect(log.minusBootNanos == someNanos - boot - 2 * second)
    }
}
