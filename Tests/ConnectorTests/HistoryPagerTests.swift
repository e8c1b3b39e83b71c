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
        let all = ticks(100, 16_484)
        #expect(page(&pager, Array(all.prefix(16_384)), Array(all.suffix(100))).ticks == all)
    }

    @Test func anEndlessAnswerHasABound() {
        var pager = HistoryPager(from: 100, through: 100)
        let isTaken = pager.take(ticks(100, HistoryPager.greatestAnswer))
        let isTooLong = !pager.take(ticks(100, 1))
        #expect(isTaken && isTooLong)
        #expect(page(&pager).ticks.isEmpty, "nothing of it is used")
    }

    @Test func aSecondAsLongAsAPageMayBeCutForGood() {
        var pager = HistoryPager(from: 100, through: 110)
        #expect(page(&pager, ticks(100, 1_000)).cutSecond == 100)
        #expect(page(&pager, ticks(101, 1_001)).cutSecond == nil, "longer than asked for: completed")
        // Filled up with what lies before it: it is asked for again, then believed.
        let filled = page(&pager, ticks(101, 600), ticks(102, 400))
        #expect(filled.ticks.isEmpty && filled.next == .more && pager.start == 102)
        #expect(page(&pager, ticks(102, 700), ticks(103, 700)).ticks.count == 1_400)
    }

    // MARK: - What is told again

    @Test func aPageOfALaterTimeToldAgainLeavesNothingOut() {
        let asked = ticks(103, 542) + ticks(104, 478)
        // Inside what is wanted and behind it: a whole answer and a part of one.
        for later in [ticks(106, 104), ticks(106, 1_300), ticks(109, 50), ticks(106, 600) + ticks(107, 600)] {
            var pager = HistoryPager(from: 103, through: 107)
            let doubtful = page(&pager, later, asked)
            #expect(doubtful.ticks.isEmpty && doubtful.next == .more && pager.start == 103)
            let first = page(&pager, later, asked)
            #expect(first.ticks == asked && first.through == 104 && first.next == .more)
            #expect(pager.start == 105, "nothing was told of it")
            let second = page(&pager, ticks(105, 508) + ticks(106, 488) + ticks(107, 480))
            #expect(second.ticks.count == 1_476 && second.next == .finished)
        }
    }

    /// All pages of a gateway that answers so, as letters.
    private func heal(from: Int64, through: Int64, _ answer: (Int64, Int) -> [[HealTick]]) -> String? {
        var pager = HistoryPager(from: from, through: through)
        var given: [HealTick] = []
        for asked in 0..<100 {
            for message in answer(pager.start, asked) { _ = pager.take(message) }
            let page = pager.finish()
            given += page.ticks
            if page.next != .more { return letters(given + page.rest) }
        }
        Issue.record("it never ends")
        return nil
    }

    @Test func timeThatGoesBackIsToldAgain() {
        let all = quotes("abb", 100) + quotes("cde", 101) + quotes("f", 102)
        // The whole answer twice, in one message and in two.
        #expect(heal(from: 100, through: 102) { _, _ in [all + all] } == "abbcdef")
        #expect(heal(from: 100, through: 102) { _, _ in [all, all] } == "abbcdef")
        // From the middle of a second; the second telling goes on where the first was cut.
        #expect(heal(from: 100, through: 102) { _, _ in [Array(all.prefix(5)), Array(all.dropFirst(2))] } == "abbcdef")
    }

    @Test func secondsInNoOrderComeInOrder() {
        #expect(heal(from: 100, through: 102) { _, _ in [quotes("cd", 102), quotes("ab", 101)] } == "abcd")
    }

    @Test func aPageInFrontOfTheNextOneIsCut() {
        var pager = HistoryPager(from: 100, through: 110)
        _ = page(&pager, ticks(100, 1_200))
        let second = page(&pager, ticks(100, 1_200), ticks(101, 1_100))
        #expect(second.ticks == ticks(101, 1_100) && pager.start == 102)
    }

    @Test func aCutSecondThatIsToldFromThePageBeforeOnIsThereOnce() {
        // 1,000 ticks end in the middle of a second. The next answer has that end, and then the second.
        let end = ticks(101, 300)
        var pager = HistoryPager(from: 100, through: 101)
        _ = page(&pager, ticks(100, 700), end)
        #expect(pager.start == 101)
        let doubtful = page(&pager, end + ticks(101, 700))
        #expect(doubtful.ticks.isEmpty && doubtful.next == .more && pager.start == 101, "it is asked for again")
        #expect(page(&pager, end + ticks(101, 700)).ticks == ticks(101, 700))
    }

    @Test func equalTicksOnBothSidesOfABorderAreKept() {
        // The same every time: a message ends between two equal trades.
        #expect(heal(from: 100, through: 100) { _, _ in [quotes("ab"), quotes("bcd")] } == "abbcd")
        #expect(heal(from: 100, through: 100) { _, _ in [quotes("aaaa")] } == "aaaa")
        // Cut at another place, the second answer has the same ticks.
        #expect(
            heal(from: 100, through: 100) { _, asked in
                asked == 0 ? [quotes("ab"), quotes("ab")] : [quotes("aba"), quotes("b")]
            } == "abab")
    }

    @Test func aMessageThatBringsNothingNewIsARepetition() {
        #expect(heal(from: 100, through: 100) { _, _ in [quotes("abc"), quotes("abc")] } == "abc")
        #expect(heal(from: 100, through: 100) { _, _ in [quotes("abc"), quotes("bc")] } == "abc")
        // It was only once that the gateway did so.
        #expect(
            heal(from: 100, through: 100) { _, asked in
                asked == 0 ? [quotes("abc"), quotes("bcd")] : [quotes("abcd")]
            } == "abcd")
        // So many in a row are no chance, though new ones follow.
        let long = (0..<20).map { quote(100, Int64(97 + $0)) }
        #expect(
            heal(from: 100, through: 100) { _, _ in
                [Array(long.prefix(15)), Array(long.suffix(15))]
            } == letters(long))
    }

    /// A gateway that repeats pages at random, cuts messages anywhere, and has seconds of all lengths with many equal ticks.
    @Test(arguments: 0..<400) func nothingIsLostOrRepeatedWhateverIsToldAgain(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        func below(_ limit: Int) -> Int { Int(random.next() % UInt64(limit)) }
        let seconds = Int64(100)...Int64(100 + below(12))
        let truth = seconds.flatMap { second in
            let count = below(8) == 0 ? 900 + below(900) : below(4) == 0 ? 0 : below(60)
            return (0..<count).map { _ in quote(second, Int64(below(5) == 0 ? below(3) : below(1_000))) }
        }
        let strict = below(3) == 0
        var before: [HealTick] = []
        var pager = HistoryPager(from: seconds.lowerBound, through: seconds.upperBound)
        var given: [HealTick] = []
        for asked in 0..<200 {
            var answer = Array(truth.drop { $0.second < pager.start }.prefix(1_000))
            if !strict, let last = answer.last {
                answer = truth.filter { pager.start <= $0.second && $0.second <= last.second }
            }
            var messages = [answer]
            // Some page or a part of one again, in front of the answer or behind it; never twice for one question.
            if asked % 2 == 0, !answer.isEmpty {
                let source = before.isEmpty || below(2) == 0 ? answer : before
                let from = below(source.count)
                let part = Array(source[from..<(from + 1 + below(source.count - from))])
                if source == answer { messages.append(part) } else { messages.insert(part, at: 0) }
            }
            before = answer
            // Messages end anywhere, also between equal ticks.
            for message in messages {
                let border = below(message.count + 1)
                for part in [message[..<border], message[border...]] { _ = pager.take(Array(part)) }
            }
            let page = pager.finish()
            given += page.ticks
            guard page.next == .more else {
                given += page.rest
                break
            }
        }
        // Of a second as long as a page a gateway that cuts answers strictly tells the beginning only.
        let counts = Dictionary(grouping: truth, by: \.second).mapValues(\.count)
        func whole(_ ticks: [HealTick]) -> [HealTick] { ticks.filter { !strict || counts[$0.second] ?? 0 < 1_000 } }
        for second in seconds {
            let (got, want) = (whole(given).filter { $0.second == second }, whole(truth).filter { $0.second == second })
            #expect(
                got == want, "second \(second) of \(seconds), \(got.count) ticks of \(want.count), strict \(strict)")
        }
    }
}
