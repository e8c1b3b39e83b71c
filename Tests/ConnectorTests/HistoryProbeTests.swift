import Testing
import Ticks

@testable import Connector

/// Where history goes on behind a trading day's end: what answers from behind prove, and what they don't.
@Suite struct HistoryProbeTests {
    private func ticks(_ seconds: ClosedRange<Int64>) -> [HealTick] { seconds.map { quote($0, $0) } }

    private func answer(_ past: [HealTick]) -> HistoryPager.Page {
        HistoryPager.Page(ticks: [], through: 9, next: .more, past: past)
    }

    /// The day ended with second 9; asked for is what lies up to second 15.
    private func probe() -> HistoryProbe { HistoryProbe(behind: 10, through: 15, page: answer([])) }

    @Test func nothingBetweenTwoDaysIsShownByWhatLiesBeforeTheSecondOne() {
        var probe = probe()
        #expect(probe.question == .before(16))
        #expect(probe.take(answer(ticks(7...9) + ticks(13...15))) == .ask)
        #expect(probe.question == .before(13))
        #expect(probe.take(answer(ticks(5...9))) == .goesOn(13))
    }

    @Test func aPageToldAgainInFrontOfAnAnswerIsNoProof() {
        var probe = probe()
        // Of the second day no more than three ticks fit into the answer, and the page before stands in front of them.
        #expect(probe.take(answer(ticks(7...9) + ticks(13...15))) == .ask)
        #expect(probe.take(answer(ticks(7...9) + ticks(11...12))) == .ask)
        #expect(probe.question == .before(11))
        #expect(probe.take(answer(ticks(7...9) + ticks(10...10))) == .goesOn(10))
    }

    @Test func nothingCanLieBeforeTheSecondBehindTheEnd() {
        var probe = probe()
        #expect(probe.take(answer(ticks(8...15))) == .goesOn(10))
    }
}
