import Testing
import Ticks

@testable import Simulator

/// 2026-11-23 19:00:00 UTC, a Monday, in ns.
private let startNanos: Int64 = 1_795_460_400_000_000_000
private let everything = Instrument.catalogue(atUTC: startNanos / 1_000_000_000, realHours: false)

/// All ticks of a run, by instrument.
private func run(
    _ instruments: [Instrument] = everything, seed: UInt64 = 1, rate: Int? = nil, seconds: Int64, stepNanos: Int64,
    wanted: UInt8 = 0b0101, from: Int64 = startNanos
) -> [[MarketTick]] {
    var market = Market(instruments, seed: seed, ratePerSecond: rate)
    for index in instruments.indices { market.setWanted(wanted, instrument: index) }
    var ticks = [[MarketTick]](repeating: [], count: instruments.count)
    var now = from
    while now < from + seconds * 1_000_000_000 {
        now += stepNanos
        market.advance(nowNanos: now, elapsedNanos: stepNanos) { ticks[$0].append($1) }
    }
    return ticks
}

@Suite struct MarketTests {
    @Test func theSameSeedMakesTheSameMarketInAnyPieces() {
        let coarse = run(seconds: 60, stepNanos: 50_000_000)
        let fine = run(seconds: 60, stepNanos: 3_000_000)
        for (a, b) in zip(coarse, fine) {
            let common = min(a.count, b.count)
            #expect(common > 500)
            // Clumps fall elsewhere, so that seconds may differ; what happens, and in which order, may not.
            #expect(zip(a, b).allSatisfy { $0.body == $1.body && $0.kind == $1.kind && $0.mask == $1.mask })
        }
    }

    @Test func anotherSeedMakesAnotherMarket() {
        let a = run(seed: 1, seconds: 5, stepNanos: 10_000_000)[0].map(\.body)
        let b = run(seed: 2, seconds: 5, stepNanos: 10_000_000)[0].map(\.body)
        #expect(!a.isEmpty && a.prefix(20) != b.prefix(20))
    }

    @Test func tradesLieBetweenTheBestPricesOnTheGrid() {
        for instrument in everything {
            var market = InstrumentMarket(instrument, seed: 7)
            var counts = (reported: 0, unreported: 0, quotes: 0)
            var wrong: [MarketEvent] = []
            for _ in 0..<30_000 {
                let (bid, ask) = (market.bid.price, market.ask.price)
                let event = market.next(day: 0)
                let spread = market.ask.price - market.bid.price
                var isRight = spread > 0 && spread <= instrument.manners.widestSpread * instrument.priceStep
                isRight = isRight && market.bid.size > 0 && market.ask.size > 0
                switch event.kind {
                case .trade(let reported):
                    if reported { counts.reported += 1 } else { counts.unreported += 1 }
                    isRight = isRight && isTrade(event, of: instrument, from: bid, to: ask)
                    isRight = isRight && event.mask.contains(.unreported) == !reported
                case .quote:
                    counts.quotes += 1
                    isRight = isRight && event.midPrice * 2 == market.bid.price + market.ask.price
                }
                if !isRight { wrong.append(event) }
            }
            #expect(wrong.isEmpty)
            #expect(counts.reported > 1_000 && counts.unreported > 20 && counts.quotes > 20_000)
        }
    }

    private func isTrade(_ event: MarketEvent, of instrument: Instrument, from bid: Int64, to ask: Int64) -> Bool {
        let trade = TradeBody(event.body)
        return (bid...ask).contains(trade.price) && trade.price % instrument.priceStep == 0 && trade.size > 0
            && trade.exchange.count <= 9
            && instrument.validExchanges.contains(String(decoding: trade.exchange, as: UTF8.self))
    }

    @Test func weeksLaterPricesAreStillNearHome() {
        var market = InstrumentMarket(everything[1], seed: 3)
        let home = Double(everything[1].manners.homeSteps * everything[1].priceStep)
        for _ in 0..<500_000 { _ = market.next(day: 0) }
        #expect(abs(Double(market.bid.price) - home) / home < 0.2)
    }

    @Test(arguments: [200, 5_000]) func aRateIsHeldOverTheWantedStreams(rate: Int) {
        let ticks = run(rate: rate, seconds: 10, stepNanos: 5_000_000).joined()
        let counted = ticks.filter { $0.kind == .last || $0.kind == .bidAsk }.count
        #expect(abs(counted - rate * 10) <= rate / 5 + 20)
    }

    @Test func minutesDiffer() {
        let ticks = run([everything[0]], seconds: 1_200, stepNanos: 100_000_000)[0]
        let perMinute = Dictionary(grouping: ticks) { $0.seconds / 60 }.values.map(\.count).sorted()
        #expect(perMinute[perMinute.count - 1] > 4 * perMinute[0])
    }

    @Test func aStoppedProcessDoesNotFloodItsClients() {
        var market = Market(everything, seed: 1, ratePerSecond: 1_000)
        for index in everything.indices { market.setWanted(0b0101, instrument: index) }
        var count = 0
        market.advance(nowNanos: startNanos, elapsedNanos: 600_000_000_000) { _, tick in
            if tick.kind == .last || tick.kind == .bidAsk { count += 1 }
        }
        #expect(count > 500 && count <= 1_100)
    }

    @Test func timesNeverFallWhenTheClockIsSetBack() {
        var market = Market(everything, seed: 1, ratePerSecond: 1_000)
        for index in everything.indices { market.setWanted(0b0101, instrument: index) }
        var seconds: [UInt32] = []
        for step in [0, 1, 2, -3_600, -3_599, -3_598] as [Int64] {
            market.advance(nowNanos: startNanos + step * 1_000_000_000, elapsedNanos: 1_000_000_000) { _, tick in
                seconds.append(tick.seconds)
            }
        }
        #expect(seconds.count > 3_000)
        #expect(zip(seconds, seconds.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test func aClosedMarketIsSilent() {
        let real = Instrument.catalogue(atUTC: startNanos / 1_000_000_000, realHours: true)
        // Saturday 2026-11-28 12:00 UTC.
        let saturday: Int64 = 1_795_867_200_000_000_000
        let closed = run(real, seconds: 60, stepNanos: 50_000_000, from: saturday)
        let open = run(real, seconds: 60, stepNanos: 50_000_000)
        #expect(closed.allSatisfy { $0.isEmpty } && open.allSatisfy { !$0.isEmpty })
    }
}
