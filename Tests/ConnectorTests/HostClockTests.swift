import Messaging
import TWS
import Testing
import Ticks

@testable import Connector
@testable import ServiceKit

private let second: Int64 = 1_000_000_000
private let hour = 3600 * second
/// 2026-11-18, an hour after boot.
private let real: Int64 = 1_795_000_000 * second
private let boot = hour

@Suite struct HostClockTests {
    @Test func withoutAGatewayNothingIsKnownUntilTheClockJumps() {
        var clock = HostClock()
        #expect(clock.verdict == .unproven)
        let value9 = clock.look(realNanos: real, bootNanos: boot, gatewayNanos: nil)
        #expect(!value9)
        // It drifts, or is slewed by NTP, however far in the end.
        for step in 1...20 as ClosedRange<Int64> {
            let look = clock.look(
                realNanos: real + step * (hour + 300 * second), bootNanos: boot + step * hour, gatewayNanos: nil)
            #expect(!look && clock.verdict == .unproven)
        }
        let (now, up) = (real + 20 * (hour + 300 * second), boot + 20 * hour)
        let value10 = clock.look(realNanos: now + 420_000_000 * second, bootNanos: up, gatewayNanos: nil)
        #expect(value10)
        #expect(clock.isWrong)
        let value11 = clock.look(realNanos: now - hour, bootNanos: up, gatewayNanos: nil)
        #expect(!value11)
        #expect(clock.isWrong)
        let value12 = clock.look(realNanos: now + second, bootNanos: up + second, gatewayNanos: nil)
        #expect(value12)
        #expect(clock.verdict == .unproven)
    }

    @Test(arguments: [
        (420_000_000 * second, "4861 d 2 h ahead of"), (-hour, "1 h 0 min behind"),
        (86_400 * second, "1 d 0 h ahead of"),
        (-601 * second, "10 min behind"),
    ])
    func theGatewaysTimeDecides(ahead: Int64, words: String) {
        var clock = HostClock()
        let value13 = clock.look(realNanos: real, bootNanos: boot, gatewayNanos: real + 2 * second)
        #expect(!value13)
        #expect(clock.verdict == .right)
        let value14 = clock.look(realNanos: real + ahead, bootNanos: boot, gatewayNanos: real)
        #expect(value14)
        #expect(clock.verdict == .wrong("the host's clock is \(words) the gateway's"))
        // Believed, and said, up to ten minutes.
        for (offset, words) in [(-600 * second, "10 min behind"), (61 * second, "1 min ahead of")] {
            let isNews = clock.look(realNanos: real + offset, bootNanos: boot, gatewayNanos: real)
            #expect(isNews == (offset < 0) && clock.verdict == .off("the host's clock is \(words) the gateway's"))
        }
        let isWrongAgain = clock.look(realNanos: real + ahead, bootNanos: boot, gatewayNanos: real)
        #expect(isWrongAgain)
        let value15 = clock.look(realNanos: real - 60 * second, bootNanos: boot, gatewayNanos: real)
        #expect(value15)
        #expect(clock.verdict == .right)
    }

    @Test func aDoubtFromTheStartLastsUntilTheGatewaySpeaks() {
        var clock = HostClock(doubt: "no")
        #expect(clock.verdict == .wrong("no"))
        let value16 = clock.look(realNanos: real, bootNanos: boot, gatewayNanos: nil)
        #expect(!value16)
        #expect(clock.verdict == .wrong("no"))
        let value17 = clock.look(realNanos: real, bootNanos: boot, gatewayNanos: real)
        #expect(value17)
        #expect(clock.verdict == .right)
    }

    @Test func theGatewaysTimeGoesOnWithTheBootClock() {
        var time = GatewayTime()
        #expect(time.nowNanos(bootNanos: 1) == nil)
        for nonsense in [0, -1, 4_102_444_800, .max] as [Int64] {
            time.take(nonsense, perSecond: 1, realNanos: 5 * second, bootNanos: boot)
        }
        #expect(time.nowNanos(bootNanos: 1) == nil)
        time.take(1_795_000_000_500, perSecond: 1000, realNanos: real, bootNanos: boot)
        #expect(time.offsetNanos == second / 2)
        #expect(time.nowNanos(bootNanos: boot + 7) == real + second / 2 + 7)
    }
}

@Suite struct SessionClockTests {
    /// Flags, receive times and epochs of a session whose clock is set ahead and back.
    @Test func aClockThatWasAheadLeavesItsMarkAndNothingElse() throws {
        var bench = try SessionBench()
        let now = realNanos()
        let epoch = bench.session.path.epoch
        bench.session.gatewayTime.take(now / 1_000_000, perSecond: 1000, realNanos: now, bootNanos: bootNanos())
        bench.session.lookAtClock()
        #expect(bench.session.hostClock.verdict == .right)
        let request = try #require(try bench.subscribe(quotes))
        try bench.take(message(request, secondsLater: 0))
        // As if the clock had been in 2040 for a while: what it stamped lies ahead of what it shows now.
        bench.session.path.beginRead(atNanos: now + 420_000_000 * second)
        bench.session.path.setClockBad(true)
        try bench.take(message(request, secondsLater: 1))
        bench.session.path.setClockBad(false)
        bench.session.lookAtClock()
        #expect(bench.session.path.epoch > epoch)
        bench.session.beginRead()
        try bench.take(message(request, secondsLater: 2))
        let ticks = try bench.journaled(quotes).compactMap { $0 }.filter { $0.kind == .bidAsk }
        #expect(ticks.map { $0.flags.contains(.clockBad) } == [false, true, false])
        #expect(ticks[1].tsRecvNanos >= now + 420_000_000 * second)
        #expect(ticks[2].tsRecvNanos < now + hour)
        #expect(ticks[2].key == TickKey(epoch: bench.session.path.epoch, seq: 2))
    }

    /// No gateway has told its time, and all ticks are of times that the host's clock has not come to for days.
    @Test func aSilenceOfAGatewayAheadOfTheHostBeginsWithItsLastTick() throws {
        var bench = try SessionBench()
        let request = try #require(try bench.subscribe(quotes))
        let days = 30 * 86_400 + (realNanos() - someNanos) / second
        try bench.take(message(request, secondsLater: days))
        bench.session.noteSilence()
        let index = try #require(bench.session.subscriptions.index(of: quotes))
        let slot = bench.session.path.slot(bench.session.subscriptions.entries[index].slot)
        let until = try #require(slot.silentUntilNanos)
        #expect(until >= slot.lastEventNanos && until < slot.lastEventNanos + 600 * second)
    }
}
