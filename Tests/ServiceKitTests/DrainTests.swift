import Testing

@testable import ServiceKit

/// How long a stop waits for what has to be written.
@Suite struct DrainTests {
    private static let second: Int64 = 1_000_000_000

    private func look(_ left: UInt64?, _ progress: UInt64, over: Bool = false) -> Drain.Look {
        Drain.Look(isOver: over, left: left, progress: progress)
    }

    @Test func whoGetsOnIsWaitedForHoweverLongItTakes() {
        var watch = DrainWatch(nowNanos: 0)
        for round in UInt64(1)...200 {
            #expect(watch.take(look(1000 - round, round), nowNanos: Int64(round) * 9 * Self.second) == .goOn)
        }
        #expect(watch.take(look(0, 201, over: true), nowNanos: 1800 * Self.second) == .done)
    }

    @Test func whoStandsStillIsGivenUpAfterTenSeconds() {
        var watch = DrainWatch(nowNanos: 0)
        #expect(watch.take(look(500, 7), nowNanos: Self.second) == .goOn)
        #expect(watch.take(look(400, 7), nowNanos: 10 * Self.second) == .goOn)
        #expect(watch.take(look(400, 7), nowNanos: 11 * Self.second) == .failed(why: "nothing became durable for 10 s"))
    }

    @Test func anEndThatLeavesSomethingIsNoSuccess() {
        var watch = DrainWatch(nowNanos: 0)
        #expect(watch.take(look(1, 1, over: true), nowNanos: 1) == .failed(why: "the disk did not take them"))
        #expect(watch.take(look(nil, 1, over: true), nowNanos: 1) == .failed(why: "the disk did not take them"))
    }

    @Test func whatHoldsItUpIsSaid() {
        var watch = DrainWatch(nowNanos: 0)
        func look(over: Bool) -> Drain.Look { Drain.Look(isOver: over, left: nil, progress: 1, fault: "no journal") }
        #expect(watch.take(look(over: false), nowNanos: 1) == .goOn)
        #expect(watch.take(look(over: true), nowNanos: 2) == .failed(why: "no journal"))
        #expect(
            watch.take(look(over: false), nowNanos: 11 * Self.second)
                == .failed(why: "no journal, and nothing became durable for 10 s"))
    }

    @Test func theSameSignalToldTwiceIsNoSecondOne() {
        let watch = DrainWatch(nowNanos: 5 * Self.second)
        #expect(!watch.isSecond(signalAtNanos: 5 * Self.second + 900_000_000))
        #expect(watch.isSecond(signalAtNanos: 6 * Self.second))
    }

    @Test func thousandsAreGrouped() {
        #expect([0, 999, 1000, 1_234_567].map(grouped) == ["0", "999", "1,000", "1,234,567"])
    }
}
