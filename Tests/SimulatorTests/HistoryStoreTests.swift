import Testing
import Ticks

@testable import Simulator

/// Ticks with given seconds; the price tells them apart.
private func store(_ seconds: [UInt32], limit: Int = 1_000_000, kind: TickKind = .last) -> HistoryStore {
    var store = HistoryStore(instruments: 2, limitTicks: limit)
    for (index, second) in seconds.enumerated() {
        store.append(
            MarketTick(kind: kind, seconds: second, body: MidPointBody(price: Int64(index)).body), instrument: 1)
    }
    return store
}

private func prices(_ ticks: [MarketTick]) -> [UInt64] { ticks.map(\.body.word0) }

@Suite struct HistoryStoreTests {
    @Test func forwardCompletesTheLastSecond() {
        let store = store([10, 10, 11, 11, 11, 12, 13])
        func ask(_ second: UInt32, _ limit: Int, open: UInt32 = .max) -> [UInt64] {
            prices(store.ticks(instrument: 1, kind: .last, from: second, openSecond: open, limit: limit))
        }
        #expect(ask(0, 1) == [0, 1])
        #expect(ask(10, 2) == [0, 1])
        #expect(ask(10, 3) == [0, 1, 2, 3, 4])
        #expect(ask(11, 1) == [2, 3, 4])
        #expect(ask(12, 1_000) == [5, 6])
        #expect(ask(14, 1_000).isEmpty)
        // The second that still runs is not history.
        #expect(ask(11, 1_000, open: 12) == [2, 3, 4])
        #expect(ask(11, 1_000, open: 11).isEmpty)
    }

    @Test func backwardCompletesTheEarliestSecond() {
        let store = store([10, 10, 11, 11, 11, 12, 13])
        func ask(_ second: UInt32, _ limit: Int, open: UInt32 = .max) -> [UInt64] {
            prices(store.ticks(instrument: 1, kind: .last, through: second, openSecond: open, limit: limit))
        }
        #expect(ask(.max, 1) == [6])
        #expect(ask(.max, 3) == [2, 3, 4, 5, 6])
        #expect(ask(11, 1) == [2, 3, 4])
        #expect(ask(11, 4) == [0, 1, 2, 3, 4])
        #expect(ask(9, 4).isEmpty)
        #expect(ask(.max, 1, open: 13) == [5])
    }

    @Test func pagesJoinWithoutHoleAcrossChunks() {
        let seconds = (0..<20_000).map { UInt32($0 / 7) }
        let store = store(seconds)
        var joined: [UInt64] = []
        var second: UInt32 = 0
        while true {
            let page = store.ticks(instrument: 1, kind: .last, from: second, openSecond: .max, limit: 1_000)
            guard let last = page.last else { break }
            joined += prices(page)
            second = last.seconds + 1
        }
        #expect(joined == Array(0..<20_000))
    }

    @Test func kindsAndInstrumentsAreApart() {
        let store = store([1, 2, 3], kind: .bidAsk)
        #expect(store.ticks(instrument: 1, kind: .last, from: 0, openSecond: .max, limit: 9).isEmpty)
        #expect(store.ticks(instrument: 0, kind: .bidAsk, from: 0, openSecond: .max, limit: 9).isEmpty)
        #expect(store.firstSecond(instrument: 1, kind: .bidAsk) == 1)
        #expect(store.firstSecond(instrument: 0, kind: .bidAsk) == nil)
    }

    @Test func theOldestGoWhenThereIsNoRoom() {
        let store = store((0..<100_000).map { UInt32($0) }, limit: 20_000)
        #expect(store.count <= 20_000 + HistoryStore.chunkTicks && store.count >= 20_000 - HistoryStore.chunkTicks)
        let first = store.firstSecond(instrument: 1, kind: .last)
        #expect(first.map { Int($0) } == 100_000 - store.count)
    }

    @Test func ignoreSizeLeavesOutQuotesWithEqualPrices() {
        var store = HistoryStore(instruments: 1, limitTicks: 100_000)
        let quotes: [(Int64, Int64, Int64)] = [(1, 2, 5), (1, 2, 6), (1, 3, 6), (1, 3, 7), (1, 2, 7)]
        for (index, quote) in quotes.enumerated() {
            let body = QuoteBody(bidPrice: quote.0, askPrice: quote.1, bidSize: quote.2, askSize: 1).body
            store.append(MarketTick(kind: .bidAsk, seconds: UInt32(index), body: body), instrument: 0)
        }
        let forward = store.ticks(
            instrument: 0, kind: .bidAsk, from: 0, openSecond: .max, limit: 100, ignoreSize: true)
        let backward = store.ticks(
            instrument: 0, kind: .bidAsk, through: .max, openSecond: .max, limit: 100, ignoreSize: true)
        #expect(forward.map(\.seconds) == [0, 2, 4] && backward.map(\.seconds) == [0, 2, 4])
    }
}
