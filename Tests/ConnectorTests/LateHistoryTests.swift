import TickStore
import Testing
import Ticks

@testable import Connector

/// Healing from a history that is late by parts of a second: what it ends with may be a part of a second.
struct LateHistoryTests {
    /// A stream with a tick at each of these times, ms; history has those that lie `lag` back.
    private struct Late {
        var times: [Int64]
        var lag: Int64
        /// Nothing of a later day than that of the second which was asked for.
        var dayEnd: Int64?

        func answer(_ question: HistoryQuestion, at now: Int64) -> [HealTick] {
            var there = times.filter { $0 <= now - lag }
            if let start = question.start {
                there = there.filter { $0 / 1_000 >= start }
                if let dayEnd, start < dayEnd { there = there.filter { $0 / 1_000 < dayEnd } }
                let end = there.prefix(HistoryPager.pageTicks).last.map { $0 / 1_000 }
                return there.filter { $0 / 1_000 <= end ?? 0 }.map(Late.tick)
            }
            there = there.filter { $0 / 1_000 < question.end ?? 0 }
            return there.suffix(HistoryPager.pageTicks).map(Late.tick)
        }

        static func tick(_ time: Int64) -> HealTick { quote(time / 1_000, time) }
    }

    /// What is healed, and how it ends. Each answer takes a while.
    private func heal(_ history: Late, _ task: HealTask, answerMillis: Int64) -> (ticks: [HealTick], runs: [HealedRun])
    {
        var (task, runs) = (task, [HealedRun]())
        var now = (task.gap.through ?? 0) * 1_000 + 3_000
        for _ in 0..<300 {
            now += answerMillis
            _ = task.pager.take(history.answer(task.pager.question, at: now))
            let step = task.take(task.pager.finish())
            runs += step.runs
            if case .retry(let wait) = step.next { now += wait / 1_000_000 }
            if step.next == .finished { return (runs.flatMap(\.ticks), runs) }
        }
        Issue.record("it never ends")
        return ([], [])
    }

    /// - Parameter each: ms between two ticks.
    private func check(each: Int64, lag: Int64, through: Int64 = 130, until end: Int64, dayEnd: Int64? = nil) {
        let truth = Array(stride(from: 100_000 + lag % each, to: end * 1_000, by: Int64.Stride(each)))
        let history = Late(times: truth, lag: lag, dayEnd: dayEnd)
        for answerMillis in [30, 900] {
            let task = HealTask(gap(from: 100, through: through), stored: .init())
            let (ticks, runs) = heal(history, task, answerMillis: Int64(answerMillis))
            guard let verdict = runs.last?.verdict else { return }
            let want = truth.filter { $0 / 1_000 <= through }.map(Late.tick)
            let facts =
                "each \(each) ms, lag \(lag) ms, until \(end), answers in \(answerMillis) ms: \(ticks.count) of \(want.count)"
            #expect(verdict == .healed && ticks == want, "\(verdict), \(facts)")
        }
    }

    @Test(arguments: Array(stride(from: Int64(300), through: 31_000, by: 437))) func nothingOfASecondIsLost(lag: Int64)
    {
        // Sparse, dense, and denser than a page; the market goes on, or ends with the gap or before it.
        for end in [131, 500] {
            check(each: 40, lag: lag, until: Int64(end))
            check(each: 7, lag: lag, until: Int64(end))
        }
    }

    @Test(arguments: [Int64(2_900), 3_400, 5_650, 9_300]) func nothingOfASecondThatFillsAPageIsLost(lag: Int64) {
        for end in [107, 120] {
            let truth = Array(Int64(100_000)..<Int64(end) * 1_000).flatMap { [$0, $0] }
            let task = HealTask(gap(from: 100, through: 106), stored: .init())
            let (ticks, runs) = heal(Late(times: truth, lag: lag), task, answerMillis: 30)
            #expect(runs.last?.verdict == .healed)
            #expect(ticks == truth.filter { $0 < 107_000 }.map(Late.tick), "\(ticks.count) ticks")
        }
    }

    @Test func theEndOfATradingDayIsAskedForAgainOnceTheNextDayIsThere() {
        // The day's last second is late, and the next day's first ones come while it is looked for them.
        for lag in stride(from: Int64(8_000), through: 14_000, by: 250) {
            check(each: 40, lag: lag, until: 500, dayEnd: 121)
        }
    }

    /// A gateway that has a part of its last answer in front of the next one, in one message: what is asked for again
    /// is there once.
    @Test(arguments: 1...40) func theEndOfThePageBeforeInFrontOfItIsNotTakenTwice(part: Int) {
        let truth = (Int64(100)...104).flatMap { second in (0..<430).map { quote(second, Int64($0)) } }
        var task = HealTask(gap(from: 100, through: 104), stored: .init(back: [[quote(104, 429)]]))
        var (given, before) = ([HealTick](), [HealTick]())
        for _ in 0..<60 {
            let question = task.pager.question
            var answer = truth.filter { $0.second < question.end ?? .max }.suffix(question.end == nil ? .max : 1_000)
            if let start = question.start {
                let all = truth.filter { $0.second >= start }
                let end = all.prefix(HistoryPager.pageTicks).last?.second ?? start
                answer = all.filter { $0.second <= end }[...]
            }
            _ = task.pager.take(before.suffix(max(1, before.count * part / 40)) + answer)
            before = Array(answer)
            let step = task.take(task.pager.finish())
            given += step.runs.flatMap(\.ticks)
            if step.next == .finished { break }
        }
        let want = truth.dropLast()
        #expect(given.elementsEqual(want), "\(given.count) of \(want.count)")
    }

    @Test func whatDoesNotFitInFrontOfTheNextDayIsLeftToAnOpenGapsEnd() {
        var open = gap(through: 900, state: .open)
        (open.after, open.isOpen) = (nil, true)
        var task = HealTask(open, stored: .init(front: [quotes("ab", 100)]))
        let end = HistoryPager.Page(ticks: [], through: 99, next: .exhausted, rest: quotes("qq", 100))
        _ = task.take(end)
        _ = task.take(end)
        func take(_ past: [HealTick]) -> HealTask.Step {
            task.take(.init(ticks: [], through: 99, next: .more, past: past))
        }
        #expect(take(quotes("m", 90) + quotes("c", 500)) == .init(next: .ask))
        #expect(take(quotes("lm", 90)) == .init(next: .finished))
    }

    @Test func aSecondThatIsNotToldAnyMoreIsNamed() {
        var task = HealTask(gap(from: 100, through: 103), stored: .init(back: [quotes("z", 103)]))
        let late = HistoryPager.Page(
            ticks: quotes("a", 100), through: 100, next: .exhausted, rest: quotes("b", 101), mayGrow: true)
        _ = task.take(late)
        _ = task.take(.init(ticks: [], through: 100, next: .exhausted, rest: quotes("b", 101), mayGrow: true))
        // Looked for: history goes on in the next second.
        let found = task.take(.init(ticks: [], through: 100, next: .more, past: quotes("a", 100) + quotes("c", 102)))
        #expect(found.next == .ask && task.pager.question == .from(101), "it is over now, and asked for again")
        let none = task.take(.init(ticks: [], through: 100, next: .exhausted))
        #expect(none.next == .ask && none.runs.contains { $0.from == 101 && $0.to == 101 })
        let end = task.take(.init(ticks: quotes("cz", 103), through: 103, next: .finished))
        #expect(end.runs.last?.verdict == .partly)
    }

    @Test func whatIsStoredBehindTheGapProvesItsLastSecond() {
        var pager = HistoryPager(from: 100, through: 103)
        _ = pager.take(quotes("ab", 100) + quotes("cyz", 103))
        let page = pager.finish()
        #expect(page.mayGrow && page.next == .finished)
        var proven = HealTask(gap(), stored: .init(back: [quotes("yz", 103)]))
        #expect(proven.take(page).next == .finished)
        // An unreported trade alone proves nothing: history may leave it out. Nor does nothing.
        for back in [[], [tradeTicks("O", 103)]] {
            var unproven = HealTask(gap(), stored: .init(back: back))
            #expect(unproven.take(page).next == .retry(waitNanos: HealTask.retryNanos[0]))
            #expect(unproven.pager.question == .from(103))
        }
        // A later tick that history has shown before.
        var seen = HistoryPager(from: 100, through: 103)
        seen.noteSeen(104)
        _ = seen.take(quotes("cyz", 103))
        #expect(!seen.finish().mayGrow)
    }

    @Test func whatNeverSaysTheSameTwiceIsNamed() {
        var task = HealTask(gap(), stored: .init())
        var text = "a"
        for _ in HealTask.retryNanos {
            let step = task.take(.init(ticks: quotes(text, 103), through: 103, next: .finished, mayGrow: true))
            #expect(step.runs.isEmpty)
            text += "a"
        }
        let last = task.take(.init(ticks: quotes(text, 103), through: 103, next: .finished, mayGrow: true))
        #expect(last.next == .finished && last.runs.last?.verdict == .partly)
        #expect(last.runs.contains { $0.from == 103 && $0.to == 103 }, "it is left out")
    }
}
