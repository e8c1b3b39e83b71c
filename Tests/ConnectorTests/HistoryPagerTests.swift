import Testing
import Ticks

@testable import Connector

struct HistoryPagerTests {
    /// `count` ticks of a second.
    private func ticks(_ second: Int64, _ count: Int) -> [HealTick] { (0..<count).map { quote(second, Int64($0)) } }

    private func page(_ pager: inout HistoryPager, _ messages: [HealTick]...) -> HistoryPager.Page {
        for message in messages {
            let isTaken = pager.take(message)
            #expect(isTaken)
        }
        return pager.finish()
    }

    @Test func theNextRequestBeginsBehindTheCompletedSecond() {
        var pager = HistoryPager(from: 100, through: 110)
        let first = page(&pager, ticks(100, 700), ticks(101, 500))
        #expect(first.ticks.count == 1_200 && first.through == 101 && first.next == .more)
        #expect(pager.start == 102)
    }

    @Test func exactlyAsManyAsAskedForMayHaveCutTheLastSecond() {
        var pager = HistoryPager(from: 100, through: 110)
        let first = page(&pager, ticks(100, 700), ticks(101, 300))
        #expect(first.ticks.count == 700 && first.through == 100 && first.next == .more)
        #expect(pager.start == 101, "the last second is asked for again")
    }

    @Test func oneSecondAsLongAsAPageDoesNotComeForEver() {
        var pager = HistoryPager(from: 100, through: 110)
        let first = page(&pager, ticks(100, 1_000))
        #expect(first.ticks.count == 1_000 && first.through == 100 && first.next == .more)
        #expect(pager.start == 101)
        let second = page(&pager, ticks(101, 5_000))
        #expect(second.ticks.count == 5_000 && second.through == 101)
    }

    @Test func anAnswerThatNeverAdvancesIsSeen() {
        var pager = HistoryPager(from: 100, through: 110)
        _ = page(&pager, ticks(100, 1_200))
        let again = page(&pager, ticks(100, 1_200))
        #expect(again.ticks.isEmpty && again.next == .stuck)
        #expect(pager.start == 101 && pager.cutTicks == 1_200)
    }

    @Test func ticksBehindTheWantedEndAreCutOff() {
        var pager = HistoryPager(from: 100, through: 101)
        let all = page(&pager, ticks(100, 10), ticks(101, 10), ticks(102, 990))
        #expect(all.ticks.count == 20 && all.through == 101 && all.next == .finished)
        #expect(pager.cutTicks == 990)
    }

    @Test func aShortAnswerIsTheEndOfHistoryForNow() {
        var pager = HistoryPager(from: 100, through: 110)
        let short = page(&pager, ticks(100, 10), ticks(101, 10))
        #expect(short.ticks.count == 10 && short.through == 100, "the last second may still grow")
        #expect(short.next == .exhausted && pager.start == 101 && short.rest == ticks(101, 10))
        let last = page(&pager, ticks(101, 10), ticks(110, 5))
        #expect(last.ticks.count == 15 && last.through == 110 && last.next == .finished)
    }

    @Test func noTicksAreAValidAnswer() {
        var pager = HistoryPager(from: 100, through: 110)
        let none = page(&pager)
        #expect(none.ticks.isEmpty && none.next == .exhausted && none.through == 99)
        #expect(pager.start == 100)
    }

    @Test func severalMessagesAreOneAnswer() {
        var pager = HistoryPager(from: 100, through: 100)
        #expect(page(&pager, ticks(100, 16_384), ticks(100, 100)).ticks.count == 16_484)
    }

    @Test func anEndlessAnswerHasABound() {
        var pager = HistoryPager(from: 100, through: 100)
        let isTaken = pager.take(ticks(100, HistoryPager.greatestAnswer))
        let isTooLong = !pager.take(ticks(100, 1))
        #expect(isTaken && isTooLong)
        #expect(page(&pager).ticks.isEmpty, "nothing of it is used")
    }

    @Test func secondsOutOfOrderAreSortedWithoutMixingTheirTicks() {
        var pager = HistoryPager(from: 100, through: 102)
        let sorted = page(&pager, quotes("cd", 102), quotes("ab", 101))
        #expect(letters(sorted.ticks) == "abcd")
    }
}
