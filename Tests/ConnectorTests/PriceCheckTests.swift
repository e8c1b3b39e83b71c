import Testing
import Ticks

@testable import Connector

private let second: Int64 = 1_000_000_000
private let start = someNanos

/// 23385.25 as units, and the like.
private func units(_ price: Double) -> Int64 { FixedPoint.from(price).units }

private func trade(_ price: Double, flags: TickFlags = []) -> Tick {
    Tick(kind: .last, flags: flags, body: TradeBody(price: units(price), size: units(1)).body)
}

private func quote(_ bid: Double, _ ask: Double, bidSize: Double = 1, askSize: Double = 1) -> Tick {
    let body = QuoteBody(
        bidPrice: units(bid), askPrice: units(ask), bidSize: units(bidSize), askSize: units(askSize))
    return Tick(kind: .bidAsk, body: body.body)
}

private func check(step: Double = 0.25) -> PriceCheck {
    var check = PriceCheck()
    check.setStep(units(step))
    return check
}

@Suite struct PriceGridTests {
    @Test(arguments: [1, 2, 3, 5, 250_000_000, 10_000_000, 50_000, 15_625_000, 100, 7, 1 << 40, Int64.max - 1])
    func itHoldsTheMultiplesOfItsStepAndNoOther(step: Int64) {
        let grid = PriceGrid(step: step)
        var random = SplitMix64(seed: UInt64(step))
        for _ in 0..<2_000 {
            let any = Int64(bitPattern: random.next())
            for price in [any, any / step * step, any / step * step &+ 1, any >> 30, (any >> 30) / step * step] {
                #expect(grid.holds(price) == (price % step == 0), "\(price) on the grid of \(step)")
            }
        }
        for price in [0, 1, -1, Int64.max, Int64.min, Int64.min + 1] {
            #expect(grid.holds(price) == (price % step == 0), "\(price) on the grid of \(step)")
        }
    }

    @Test(arguments: [0, -1, Int64.min, Int64.max]) func withoutAStepEveryPriceIsOnIt(step: Int64) {
        let grid = PriceGrid(step: step)
        #expect(grid == .any)
        for price in [0, 1, -7, Int64.max, Int64.min] { #expect(grid.holds(price)) }
    }
}

@Suite struct PriceCheckJudgement {
    @Test func aPriceOffTheGridIsSuspiciousAndNoReference() {
        var check = check()
        #expect(check.take(trade(23_385.25), nowNanos: start) == nil)
        #expect(check.take(trade(23_385.30), nowNanos: start) == .offGrid)
        #expect(check.take(quote(23_385, 23_385.1), nowNanos: start) == .offGrid)
        #expect(check.take(trade(23_385.50), nowNanos: start) == nil)
    }

    /// The constant that a real gateway added to an ES stream.
    @Test func anOffsetIsFarOffForEverySideAndStaysSo() {
        var trades = check()
        var quotes = check()
        #expect(trades.take(trade(5_528.5), nowNanos: start) == nil)
        #expect(quotes.take(quote(5_528.25, 5_528.5), nowNanos: start) == nil)
        for _ in 0..<100 {
            #expect(trades.take(trade(5_528.75 + 445_860_400), nowNanos: start) == .farOff)
            #expect(quotes.take(quote(5_528.25 + 445_860_400, 445_865_928.75), nowNanos: start) == .farOff)
        }
        #expect(trades.take(trade(5_528.25), nowNanos: start) == nil)
        #expect(quotes.take(quote(5_528.25, 445_865_928.75), nowNanos: start) == .farOff)
        #expect(quotes.take(quote(445_865_928.75, 5_528.5), nowNanos: start) == .farOff)
        #expect(quotes.take(quote(5_528.25, 5_528.5), nowNanos: start) == nil)
    }

    @Test func moreThanHalfAndAThousandStepsIsFar() {
        var check = check()
        #expect(check.take(trade(1_000), nowNanos: start) == nil)
        #expect(check.take(trade(1_500), nowNanos: start) == nil)
        #expect(check.take(trade(750), nowNanos: start) == nil)
        #expect(check.take(trade(1_125.25), nowNanos: start) == .farOff)
        #expect(check.take(trade(374.75), nowNanos: start) == .farOff)
        // Below 500 a thousand steps, 250, are more than half.
        #expect(check.take(trade(400), nowNanos: start) == nil)
        #expect(check.take(trade(150), nowNanos: start) == nil)
        #expect(check.take(trade(400.25), nowNanos: start) == .farOff)
    }

    @Test func haltsAbsentPricesAndEmptySidesAreGood() {
        var check = check()
        #expect(check.take(trade(0, flags: .halted), nowNanos: start) == nil)
        #expect(check.take(trade(23_385.25), nowNanos: start) == nil)
        for tick in [
            trade(0), trade(0, flags: .halted), Tick(kind: .last, body: TradeBody(price: .max, size: 0).body),
            quote(0, 23_385.5), quote(23_385, 0), quote(-1, 23_385.5, bidSize: 0),
            quote(23_385.25, 199_999.99, askSize: 0),
            Tick(kind: .bidAsk, body: QuoteBody(bidPrice: .max, askPrice: .max, bidSize: 1, askSize: 1).body),
        ] {
            #expect(check.take(tick, nowNanos: start) == nil, "\(tick)")
        }
        // None of them has become what others are compared with.
        #expect(check.take(trade(23_385.50), nowNanos: start) == nil)
        #expect(check.take(quote(23_385.50, 23_385.75), nowNanos: start) == nil)
        #expect(check.take(quote(23_385.50, 199_999.75), nowNanos: start) == .farOff)
    }

    @Test func negativePricesAndChangesOfSignAreGood() {
        var spread = check(step: 0.05)
        for price in [0.25, -0.5, -1.25, 0, 12.5, -37.45, -40, -0.05] {
            #expect(spread.take(trade(price), nowNanos: start) == nil, "\(price)")
        }
        var oil = check(step: 0.01)
        for price in [10.01, 5, 0.5, -3, -12, -20, -29, -37.63, -20, -11, -2, 6, 9.06] {
            #expect(oil.take(trade(price), nowNanos: start) == nil, "\(price)")
        }
        #expect(oil.take(trade(-445_860.5), nowNanos: start) == .farOff)
    }

    @Test func theFirstPricesAfterAPauseMayBeAnywhereNear() {
        for open in [23_385.25, 11.5, 40_000, 2_000_000] {
            var check = check()
            #expect(check.take(trade(23_385.25), nowNanos: start) == nil)
            let later = start + PriceCheck.staleNanos
            let isFar = open < 11_000 || open > 36_000
            #expect(check.take(trade(open), nowNanos: later) == (isFar ? .farOff : nil), "\(open)")
            #expect(check.take(trade(open), nowNanos: later + 1) == nil, "\(open)")
            #expect(check.take(trade(open), nowNanos: later + 1) == nil, "\(open)")
        }
        // But not absurdly far.
        var check = check()
        #expect(check.take(trade(5_528.5), nowNanos: start) == nil)
        #expect(check.take(trade(445_865_928.75), nowNanos: start + 3_600 * second) == .farOff)
    }

    @Test func theFirstPriceOfAllIsBelieved() {
        var check = check()
        #expect(check.take(trade(445_865_928.75), nowNanos: start) == nil)
        #expect(check.take(quote(-445_865_928.75, 0.25), nowNanos: start) == .farOff)
    }

    @Test func withoutAStepOnlyDistanceCounts() {
        for step in [0, Int64.max, -1] {
            var check = PriceCheck()
            check.setStep(step)
            #expect(check.take(trade(1.08345), nowNanos: start) == nil)
            #expect(check.take(trade(11.08345), nowNanos: start) == nil)
            #expect(check.take(trade(0.083_450_001), nowNanos: start) == .farOff)
            #expect(check.take(trade(445_860_400), nowNanos: start) == .farOff)
        }
    }

    @Test func unreportedTradesAreFreeOfTheGridButNotOfDistance() {
        var check = check(step: 0.01)
        #expect(check.take(trade(231.85), nowNanos: start) == nil)
        #expect(check.take(trade(231.8512, flags: .unreported), nowNanos: start) == nil)
        #expect(check.take(trade(231.8512), nowNanos: start) == .offGrid)
        #expect(check.take(trade(9_231.85, flags: .unreported), nowNanos: start) == .farOff)
    }

    @Test func extremePricesOverflowNothing() {
        var check = check()
        for price in [Int64.min, Int64.max - 1, 0, Int64.min + 1, 1, -1, Int64.max] {
            let tick = Tick(kind: .last, body: TradeBody(price: price, size: 0).body)
            for now in [start, start + 2 * PriceCheck.staleNanos, Int64.max] { _ = check.take(tick, nowNanos: now) }
        }
        var huge = PriceCheck()
        huge.setStep(1 << 60)
        #expect(huge.take(Tick(kind: .last, body: TradeBody(price: 1 << 60, size: 0).body), nowNanos: start) == nil)
        #expect(huge.take(Tick(kind: .last, body: TradeBody(price: 7 << 60, size: 0).body), nowNanos: start) == nil)
    }

    @Test func ofLevel1OnlyBidAskAndLastAreJudged() {
        var check = check()
        func price(_ field: UInt16, _ value: Double) -> Tick {
            Tick(kind: .level1, body: Level1Body(field: field, value: value).body)
        }
        for tick in [price(1, 23_385.25), price(2, 23_385.5), price(4, 23_385.3), price(9, 3), price(46, 1e18)] {
            #expect(check.take(tick, nowNanos: start) == nil)
        }
        for field: UInt16 in [1, 2, 4] {
            #expect(check.take(price(field, -1), nowNanos: start) == nil)
            #expect(check.take(price(field, 0), nowNanos: start) == nil)
            #expect(check.take(price(field, .nan), nowNanos: start) == nil)
            #expect(check.take(price(field, 445_860_400), nowNanos: start) == .farOff)
        }
        #expect(check.take(price(1, 23_385.3), nowNanos: start) == .offGrid)
        #expect(check.take(price(66, 23_385.25), nowNanos: start) == nil)
    }
}

@Suite struct PriceCheckConsequences {
    private let bad = trade(445_865_928.75)

    private func started() -> PriceCheck {
        var check = check()
        _ = check.take(trade(5_528.5), nowNanos: start)
        return check
    }

    /// Alarms of `count` ticks, the first at `start`, and then one each `everyNanos`.
    private func alarms(
        _ check: inout PriceCheck, _ tick: Tick, _ count: Int, from start: Int64, everyNanos: Int64 = 1_000
    ) -> [PriceCheck.Alarm] {
        (0..<count).map { index in
            let now = start + Int64(index) * everyNanos
            guard let suspicion = check.take(tick, nowNanos: now) else { return [] }
            return check.note(suspicion, nowNanos: now)
        }
    }

    @Test func aBadStreamGrowsByItsLogarithm() {
        var check = started()
        let alarms = alarms(&check, trade(5_528.3), 10_000, from: start)
        let marks = alarms.indices.filter { alarms[$0].contains(.mark) }.map { $0 + 1 }
        #expect(marks == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192])
        #expect(alarms.filter { $0.contains(.begins) }.count == 1)
        #expect(check.total == 10_000 && check.series == 10_000)
    }

    @Test func aMinuteWithoutOneEndsASeries() {
        var check = started()
        #expect(alarms(&check, bad, 1, from: start) == [[.begins, .mark]])
        #expect(alarms(&check, bad, 1, from: start + PriceCheck.calmNanos) == [.mark])
        #expect(alarms(&check, bad, 1, from: start + 2 * PriceCheck.calmNanos + 1) == [[.begins, .mark]])
        #expect(check.total == 3 && check.series == 1)
    }

    @Test func theEighthInARowSubscribesAnewAndTheNextLevelIsBelieved() {
        var check = started()
        // What was read together with the eighth is still of the old subscription, and believed as little.
        let alarms = alarms(&check, bad, 20, from: start)
        #expect(alarms.indices.filter { alarms[$0].contains(.resubscribe) } == [7])
        check.beginAnew()
        // The new subscription says the same: that is the price now.
        #expect(check.take(bad, nowNanos: start) == nil)
        #expect(check.take(trade(5_528.5), nowNanos: start) == .farOff)
    }

    @Test func singleBadPricesAmongGoodOnesSubscribeNothingAnew() {
        var check = started()
        for _ in 0..<1_000 {
            #expect(!alarms(&check, bad, 1, from: start).contains { $0.contains(.resubscribe) })
            for _ in 0..<4 { _ = check.take(trade(5_528.5), nowNanos: start) }
        }
    }

    @Test func theWaitDoublesUpToAnHourAndPeaceResetsIt() {
        var check = started()
        var times: [Int64] = []
        // Every 20 seconds the price jumps to and fro by a factor of ten thousand: no level holds.
        for second in stride(from: Int64(0), to: 20_000, by: 20) {
            let now = start + second * 1_000_000_000
            for price in [5_528.5, 55_285_000] {
                for alarm in alarms(&check, trade(price), 8, from: now) where alarm.contains(.resubscribe) {
                    times.append(second)
                    check.beginAnew()
                }
            }
        }
        let waits = zip(times.dropFirst(), times).map { $0 - $1 }
        #expect(waits.prefix(7) == [60, 120, 240, 480, 960, 1_920, 3_600])
        #expect(waits.dropFirst(7).allSatisfy { $0 == 3_600 })
        let later = start + 20_000 * second + 3 * 3_600 * second
        _ = check.take(trade(5_528.5), nowNanos: later)
        let again = alarms(&check, trade(5_528_500_000), 8, from: later + 1)
        #expect(again.contains { $0.contains(.resubscribe) })
        _ = check.take(trade(5_528.5), nowNanos: later + 2)
        let soon = alarms(&check, trade(5_528_500_000), 8, from: later + 61 * second)
        #expect(soon.contains { $0.contains(.resubscribe) }, "after peace the wait is a minute again")
    }

    @Test func aGridThatTwoSubscriptionsBreakIsGivenUpUntilAnotherIsDefined() {
        var check = started()
        let off = trade(5_528.3)
        let first = alarms(&check, off, 100, from: start)
        #expect(first.filter { $0.contains(.resubscribe) }.count == 1)
        let second = alarms(&check, off, 100, from: start + PriceCheck.firstDelayNanos + second)
        #expect(second.filter { $0.contains(.gridGivenUp) }.count == 1)
        #expect(second.filter { $0.contains(.resubscribe) }.isEmpty)
        #expect(check.take(off, nowNanos: start) == nil)
        // The definition that was wrong comes every day.
        check.setStep(units(0.25))
        #expect(check.take(off, nowNanos: start) == nil)
        check.setStep(units(0.5))
        #expect(check.take(off, nowNanos: start) == .offGrid)
    }
}
