import TickStore
import Testing
import Ticks

@testable import Connector

/// A made-up history, and a gateway that answers from it with habits of its own.
struct ModelHistory {
    enum Repeats: CaseIterable {
        case never
        /// The whole answer two times, in two messages.
        case twice
        /// The second before, and the first one, in front of the answer.
        case early
    }

    /// In order of time.
    var ticks: [HealTick]
    /// An answer ends at 1,000 ticks, else with the whole second.
    var isStrict = false
    /// The second that a question ends with is in the answer.
    var countsEnd = false
    /// An answer ends with the day of the time that was asked for.
    var dayEnds: [Int64] = []
    /// So does one from behind.
    var endsBothWays = false
    /// Where there is nothing more of the day: the last tick again, or nothing.
    var repeatsLast = false
    var repeats = Repeats.never
    private(set) var questions = 0

    init(_ ticks: [HealTick]) { self.ticks = ticks }

    /// The messages of an answer.
    mutating func answer(_ question: HistoryQuestion) -> [[HealTick]] {
        questions += 1
        let answer: [HealTick]
        switch question {
        case .from(let second): answer = first(from: second)
        case .before(let second): answer = last(before: second + (countsEnd ? 1 : 0))
        }
        return repeats == .twice ? [answer, answer] : [answer]
    }

    private func place(of second: Int64) -> Int {
        var (low, high) = (0, ticks.count)
        while low < high {
            let middle = (low + high) / 2
            if ticks[middle].second < second { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func first(from second: Int64) -> [HealTick] {
        let start = place(of: second)
        let end = dayEnds.first { second < $0 }.map(place) ?? ticks.count
        var stop = min(start + HistoryPager.pageTicks, max(start, end))
        if !isStrict, stop > start {
            while stop < end, ticks[stop].second == ticks[stop - 1].second { stop += 1 }
        }
        let answer = ticks[start..<stop]
        if answer.isEmpty { return repeatsLast ? Array(ticks[..<start].suffix(1)) : [] }
        guard repeats == .early else { return Array(answer) }
        let before = ticks[..<start].last.map { last in ticks[place(of: last.second)..<start] } ?? []
        return before + answer.filter { $0.second == answer.first?.second } + answer
    }

    private func last(before second: Int64) -> [HealTick] {
        let end = place(of: second)
        let begin = endsBothWays ? dayEnds.last { $0 < second }.map(place) ?? 0 : 0
        var start = max(min(begin, end), end - HistoryPager.pageTicks)
        if !isStrict {
            while start > begin, start < end, ticks[start - 1].second == ticks[start].second { start -= 1 }
        }
        return Array(ticks[start..<end])
    }
}

/// Gaps healed from made-up histories: what is healed is exactly what is missing, or the second is named.
struct ModelHistoryTests {
    private struct Outcome {
        var healed: [Int64: [HealTick]] = [:]
        /// Seconds that no run fills.
        var named: Set<Int64> = []
        var verdict: GapState?
    }

    /// Heals a gap behind `front` ticks of its first second and before `back` of its last one; nil: it never ends.
    private func heal(
        _ history: inout ModelHistory, from: Int64, through: Int64, front: Int, back: Int
    ) -> Outcome? {
        let (first, last) = (history.ticks.filter { $0.second == from }, history.ticks.filter { $0.second == through })
        let stored = StoredTicks(front: [Array(first.prefix(front))], back: [Array(last.suffix(back))])
        var task = HealTask(gap(from: from, through: through), stored: stored)
        var outcome = Outcome()
        var runs: [HealedRun] = []
        while history.questions < 2_000 {
            for message in history.answer(task.pager.question) { _ = task.pager.take(message) }
            let step = task.take(task.pager.finish())
            runs += step.runs
            guard step.next == .finished else { continue }
            outcome.verdict = runs.last?.verdict
            outcome.healed = Dictionary(grouping: runs.flatMap(\.ticks), by: \.second)
            let seconds = Set(history.ticks.map(\.second)).filter { from <= $0 && $0 <= through }
            outcome.named = seconds.filter { second in !runs.contains { $0.from <= second && second < $0.to } }
            return outcome
        }
        return nil
    }

    private struct Market {
        var ticks: [HealTick] = []
        var ends: [Int64] = []
    }

    /// A few days with sessions of all lengths, of which some span midnight, and few
    /// seconds with ticks: up to 3,000 of them.
    private func market(_ random: inout SplitMix64, days: Int, isDense: Bool, values: Int) -> Market {
        var market = Market()
        let atMidnight = random.below(3) == 0
        for day in 0..<Int64(days) {
            // A week-end, perhaps.
            if days > 2, day == 1, random.below(2) == 0 { continue }
            let start = 86_400 * (10 + day) + Int64(random.below(16)) * 3_600
            let length = isDense ? 50 : Int64(7 + random.below(8)) * 3_600
            for second in Set((0..<(1 + random.below(6))).map { _ in start + Int64(random.below(Int(length))) })
                .sorted()
            where second > market.ticks.last?.second ?? 0 {
                let count: Int
                switch random.below(8) {
                case 0: count = [999, 1_000, 1_001, 1_500, 1_990, 2_000, 3_000][random.below(7)]
                case 1: count = random.below(3_001)
                default: count = 1 + random.below(40)
                }
                market.ticks += (0..<count).map { _ in quote(second, Int64(random.below(values))) }
            }
            market.ends.append(atMidnight ? 86_400 * (11 + day) : start + length)
        }
        return market
    }

    @Test(arguments: 0..<200) func whatIsHealedIsWhatIsMissingOrTheSecondIsNamed(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let values = random.below(4) == 0 ? 2 : 1_000_000
        let repeats = random.below(4) > 0 ? ModelHistory.Repeats.never : [.twice, .early][random.below(2)]
        // Of seconds that stand alone nobody can tell what is told again.
        let isDense = repeats != .never
        let market = market(&random, days: isDense ? 1 : 1 + random.below(4), isDense: isDense, values: values)
        var history = ModelHistory(market.ticks)
        history.isStrict = random.below(2) == 0
        history.countsEnd = random.below(2) == 0
        if random.below(2) == 0 { history.dayEnds = market.ends }
        history.endsBothWays = random.below(3) == 0
        history.repeatsLast = random.below(2) == 0
        history.repeats = repeats
        let seconds = Set(market.ticks.map(\.second)).sorted()
        // Where nothing lies in front, nobody sees that answers begin early.
        let first = repeats == .early ? min(1, seconds.count - 1) : 0
        guard repeats != .early || seconds.count > 1 else { return }
        let from = seconds[first + random.below(seconds.count - first)]
        let through = seconds.filter { $0 >= from }[random.below(seconds.count { $0 >= from })]
        let count = { (second: Int64) in market.ticks.count { $0.second == second } }
        let front = 1 + random.below(min(count(from), 600))
        let back =
            from == through ? random.below(count(through) - front + 1) : 1 + random.below(min(count(through), 600))
        let what =
            "seed \(seed), \(history.isStrict ? "strict" : "completing"), \(history.dayEnds.isEmpty ? "no days" : "days"), "
            + "\(history.repeats), values \(values)"
        guard let outcome = heal(&history, from: from, through: through, front: front, back: back) else {
            Issue.record("\(what): it never ends")
            return
        }
        let named = outcome.named
        #expect(
            outcome.verdict == .healed ? named.isEmpty : !named.isEmpty, "\(what): \(outcome.verdict as Any), \(named)")
        for second in seconds where from <= second && second <= through {
            var missing = market.ticks.filter { $0.second == second }[...]
            if second == from { missing = missing.dropFirst(front) }
            if second == through { missing = missing.dropLast(back) }
            let healed = outcome.healed[second] ?? []
            if named.contains(second) {
                let places = HealPlaces.contains(healed, in: Array(missing))
                #expect(places, "\(what): second \(second) of \(count(second)) has what is not missing")
                // Nothing but length and habits stand in the way.
                let isLong = count(second) > (history.isStrict ? 2_000 - 2 * HistoryAnswer.certainTicks : 3_000)
                #expect(
                    isLong || values == 2 || history.repeats != .never,
                    "\(what): \(second) of \(count(second)) is named")
            } else {
                let isRight = healed == Array(missing)
                #expect(isRight, "\(what): second \(second) of \(count(second)): \(healed.count) healed")
            }
        }
    }

    // MARK: - Seconds that fill an answer

    private func second(of count: Int, values: Int = 1_000_000) -> [HealTick] {
        (0..<count).map { quote(100, Int64($0 * 7_919 % values)) } + [quote(101, 1)]
    }

    @Test(arguments: [1, 999, 1_000, 1_001, 1_500, 1_984]) func aSecondOfUpTo2_000TicksIsHadWhole(count: Int) {
        for (isStrict, countsEnd) in [(true, true), (true, false), (false, true), (false, false)] {
            var history = ModelHistory(second(of: count))
            (history.isStrict, history.countsEnd) = (isStrict, countsEnd)
            let outcome = heal(&history, from: 100, through: 101, front: 0, back: 1)
            #expect(outcome?.verdict == .healed && outcome?.healed[100] == Array(history.ticks.dropLast()))
        }
    }

    @Test(arguments: [1_990, 2_000, 3_000]) func aLongerOneIsNamedAndBothItsEndsAreThere(count: Int) {
        var history = ModelHistory(second(of: count))
        history.isStrict = true
        let outcome = heal(&history, from: 100, through: 101, front: 0, back: 1)
        #expect(outcome?.verdict == .partly && outcome?.named == [100])
        #expect(
            outcome?.healed[100]
                == Array(history.ticks.prefix(1_000) + history.ticks.dropLast().suffix(min(1_000, count - 1_000))))
    }

    @Test func ticksThatRepeatProveNoJoin() {
        for values in [1, 2, 50] {
            var history = ModelHistory((0..<1_800).map { quote(100, Int64($0 % values)) } + [quote(101, 1)])
            history.isStrict = true
            let outcome = heal(&history, from: 100, through: 101, front: 0, back: 1)
            #expect(outcome?.verdict == .partly && outcome?.named == [100], "\(values)")
            #expect(outcome?.healed[100]?.count ?? 0 <= 1_800)
        }
    }

    @Test func aPageThatIsToldInPlaceOfTheEndProvesNothing() {
        var pager = HistoryPager(from: 100, through: 101)
        // An older page, and then what was asked for: this gateway repeats itself.
        _ = pager.take([quote(98, 1), quote(99, 1)])
        _ = pager.finish()
        let front = Array(second(of: 2_500).prefix(1_000))
        _ = pager.take(front)
        #expect(pager.finish().next == .more && pager.question == .before(101))
        _ = pager.take(front)
        #expect(pager.finish().doubtfulSecond == 100)
    }
}

enum HealPlaces {
    /// True when all of `part` are in `whole`, in that order.
    static func contains(_ part: [HealTick], in whole: [HealTick]) -> Bool {
        var rest = whole[...]
        for tick in part {
            guard let index = rest.firstIndex(of: tick) else { return false }
            rest = rest[(index + 1)...]
        }
        return true
    }
}

extension SplitMix64 {
    fileprivate mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}
