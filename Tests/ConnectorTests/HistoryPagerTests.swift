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
        #expect(first.ticks.isEmpty && first.next == .more && pager.question == .before(101))
        let behind = page(&pager, ticks(100, 1_000))
        #expect(behind.ticks.count == 1_000 && behind.through == 100 && behind.next == .more)
        #expect(behind.doubtfulSecond == nil && pager.start == 101 && pager.question == .from(101))
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
        _ = page(&pager, ticks(100, 1_000))
        #expect(page(&pager, []).doubtfulSecond == 100, "from behind it is not had")
        #expect(page(&pager, ticks(101, 1_001)).doubtfulSecond == nil, "longer than asked for: completed")
        // Filled up with what lies before it: it is asked for again, then believed.
        let filled = page(&pager, ticks(101, 600), ticks(102, 400))
        #expect(filled.ticks.isEmpty && filled.next == .more && pager.start == 102 && pager.asking == 101)
        let led = page(&pager, ticks(101, 1_001), ticks(102, 700), ticks(103, 700))
        #expect(led.ticks.count == 1_400 && led.next == .more && pager.start == 104 && pager.asking == 103)
    }

    // MARK: - What is told again

    @Test func aPageOfALaterTimeToldAgainLeavesNothingOut() {
        let asked = ticks(103, 542) + ticks(104, 478)
        // Inside what is wanted and behind it: a whole answer and a part of one.
        let middle = Array(ticks(105, 508).suffix(300)) + ticks(106, 488)
        for later in [ticks(106, 104), ticks(106, 1_300), ticks(109, 50), ticks(106, 600) + ticks(107, 600), middle] {
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
            for message in answer(pager.asking, asked) { _ = pager.take(message) }
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
        #expect(second.ticks.isEmpty && second.next == .more && pager.start == 101 && pager.asking == 100)
        // From there on the answer does not come to an end of 101.
        let led = page(&pager, ticks(100, 1_200), ticks(101, 1_100))
        #expect(led.ticks.isEmpty && led.next == .more && pager.asking == 101)
        let agreed = page(&pager, ticks(100, 1_200), ticks(101, 1_100))
        #expect(agreed.ticks == ticks(101, 1_100) && pager.start == 102)
    }

    // MARK: - Answers that begin early

    /// An answer of a gateway that begins `early` seconds with ticks before what it was asked for, and tells `again`
    /// ticks of the first second behind that twice.
    private func early(_ truth: [HealTick], _ asking: Int64, seconds: Int = 1, again: Int = .max, strict: Bool = false)
        -> [HealTick]
    {
        let before = truth.filter { $0.second < asking }
        let first = Set(before.map(\.second)).sorted().suffix(seconds).first ?? asking
        var asked = Array(truth.drop { $0.second < asking }.prefix(HistoryPager.pageTicks))
        if !strict, let last = asked.last { asked = truth.filter { asking <= $0.second && $0.second <= last.second } }
        let told = asked.filter { $0.second == asked.first?.second }
        return before.filter { first <= $0.second } + told.prefix(again) + asked
    }

    @Test func anAnswerThatBeginsEarlyAndTellsItsFirstSecondTwiceIsThereOnce() {
        let truth = quotes("xy", 97) + quotes("z", 98) + quotes("abaa", 100) + quotes("cc", 103) + quotes("d", 104)
        #expect(heal(from: 99, through: 104) { asking, _ in [early(truth, asking)] } == "abaaccd")
        #expect(heal(from: 100, through: 104) { asking, _ in [early(truth, asking)] } == "abaaccd")
        #expect(
            heal(from: 100, through: 104) { asking, _ in [early(truth, asking, seconds: 2, again: 1)] } == "abaaccd")
        // Without telling anything twice.
        #expect(heal(from: 100, through: 104) { asking, _ in [early(truth, asking, again: 0)] } == "abaaccd")
        #expect(heal(from: 103, through: 104) { asking, _ in [early(truth, asking, seconds: 9)] } == "ccd")
    }

    @Test func aSecondThatOnlyADoubtfulBeginningTellsIsNamed() {
        // The second before fills an answer, so that one from there on never comes to what is wanted.
        let truth = ticks(99, 1_200) + quotes("ab", 100) + quotes("c", 101)
        var pager = HistoryPager(from: 100, through: 101)
        var asked: [Int64] = []
        for _ in 0..<3 {
            asked.append(pager.asking)
            _ = pager.take(early(truth, pager.asking))
            let page = pager.finish()
            #expect(page.doubtfulSecond == (page.next == .more ? nil : 100))
            #expect(page.ticks == (page.next == .more ? [] : quotes("ab", 100) + quotes("c", 101)), "never twice")
        }
        #expect(asked == [100, 99, 100])
    }

    @Test func aLaterPagesEndInFrontOfAFullOneIsNoSecondOfIt() {
        var pager = HistoryPager(from: 100, through: 110)
        // A part of an older page in front.
        _ = page(&pager, ticks(97, 10) + ticks(100, 700) + ticks(101, 400))
        #expect(pager.asking == 97)
        // From there on the page does not come to what is wanted. In front of it is the end of the last one.
        let later = Array(ticks(101, 400).suffix(8)) + ticks(102, 50)
        let led = page(&pager, later, ticks(97, 10) + ticks(98, 600) + ticks(99, 500))
        #expect(led.ticks.isEmpty && led.next == .more && pager.start == 100 && pager.asking == 100)
    }

    @Test func aFirstSecondThatIsToldTwiceWithoutASignIsThereOnce() {
        // Nothing in the second before: the answer begins where it should.
        let truth = quotes("x", 50) + quotes("ab", 100) + quotes("cc", 180) + quotes("d", 181)
        func twice(_ asking: Int64) -> [HealTick] {
            let asked = truth.filter { $0.second >= asking }
            return asked.filter { $0.second == asked.first?.second } + asked
        }
        #expect(heal(from: 100, through: 181) { asking, _ in [twice(asking)] } == "abccd")
        #expect(heal(from: 101, through: 181) { asking, _ in [twice(asking)] } == "ccd")
        // Equal trades are no repetition, and then the gateway is believed.
        let equal = quotes("aa", 100) + quotes("bb", 180)
        #expect(heal(from: 100, through: 180) { asking, _ in [equal.filter { $0.second >= asking }] } == "aabb")
        var asked: [Int64] = []
        var pager = HistoryPager(from: 180, through: 180)
        while asked.count < 9 {
            asked.append(pager.asking)
            _ = pager.take(equal.filter { $0.second >= pager.asking } + quotes("c", 181))
            if pager.finish().next == .finished { break }
        }
        #expect(asked == [180, 179, 120, -3_420])
    }

    /// Gateways whose every answer begins early, with seconds of all lengths and many equal ticks.
    @Test(arguments: 0..<300) func nothingIsLostOrRepeatedWhereAnswersBeginEarly(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        func below(_ limit: Int) -> Int { Int(random.next() % UInt64(limit)) }
        let seconds = Int64(98)...Int64(102 + below(12))
        let truth = seconds.flatMap { second in
            let count = below(8) == 0 ? 900 + below(900) : below(3) == 0 ? 0 : below(60)
            return (0..<count).map { _ in quote(second, Int64(below(3) == 0 ? below(3) : below(1_000))) }
        }
        // Of a history that has nothing in front nobody sees that it begins early.
        guard truth.contains(where: { $0.second < 100 }) else { return }
        let strict = below(3) == 0
        let (reach, again) = (1 + below(3), below(2) == 0 ? Int.max : below(5))
        var pager = HistoryPager(from: 100, through: seconds.upperBound)
        var given: [HealTick] = []
        var doubtful: Set<Int64> = []
        for _ in 0..<200 {
            let behind = pager.question.end.map { end in Array(truth.filter { $0.second < end }.suffix(1_000)) }
            let answer = behind ?? early(truth, pager.asking, seconds: reach, again: again, strict: strict)
            let border = below(answer.count + 1)
            for part in [answer[..<border], answer[border...]] { _ = pager.take(Array(part)) }
            let page = pager.finish()
            given += page.ticks
            if let second = page.doubtfulSecond { doubtful.insert(second) }
            guard page.next == .more else {
                given += page.rest
                break
            }
        }
        for second in seconds where second >= 100 && !doubtful.contains(second) {
            let (got, want) = (given.filter { $0.second == second }, truth.filter { $0.second == second })
            #expect(
                got == want, "second \(second) of \(seconds), \(got.count) ticks of \(want.count), strict \(strict)")
        }
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

    /// A gateway that repeats pages at random, cuts messages anywhere, and has
    /// seconds of all lengths with many equal ticks.
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
            var answer = Array(truth.drop { $0.second < pager.asking }.prefix(1_000))
            if !strict, let last = answer.last {
                answer = truth.filter { pager.asking <= $0.second && $0.second <= last.second }
            }
            if let end = pager.question.end { answer = truth.filter { $0.second < end }.suffix(1_000) }
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
