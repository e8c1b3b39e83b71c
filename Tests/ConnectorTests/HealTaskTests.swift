import TickStore
import Testing
import Ticks

@testable import Connector

struct HealTaskTests {
    private func page(
        _ seconds: [(Int64, String)], through: Int64, _ next: HistoryPager.Next
    ) -> HistoryPager.Page {
        .init(ticks: seconds.flatMap { quotes($0.1, $0.0) }, through: through, next: next)
    }

    /// What follows a page; where it is looked for whether history goes on later, it does not.
    private func end(_ task: inout HealTask, _ page: HistoryPager.Page) -> HealTask.Step {
        let step = task.take(page)
        guard step.next == .ask else { return step }
        let nothing = task.take(
            .init(ticks: [], through: task.pager.start - 1, next: .more, past: quotes("kl", 90)))
        return .init(runs: step.runs + nothing.runs, next: nothing.next)
    }

    private let edges = StoredTicks(front: [quotes("ab", 100)], back: [quotes("yz", 103)])

    @Test func aShortGapIsOneRun() {
        var task = HealTask(gap(), stored: edges)
        let step = task.take(
            page([(100, "abc"), (101, "d"), (103, "xyz")], through: 103, .finished))
        #expect(step.next == .finished)
        #expect(step.runs.count == 1 && letters(step.runs[0].ticks) == "cdx")
        #expect(step.runs[0].from == 100 && step.runs[0].to == 104 && step.runs[0].verdict == .healed)
        #expect(step.runs[0].gap == TickKey(epoch: 1, seq: 50))
    }

    @Test func nothingMissingIsSaidToo() {
        var task = HealTask(gap(), stored: edges)
        let step = task.take(page([(100, "ab"), (103, "yz")], through: 103, .finished))
        #expect(step.runs.count == 1 && step.runs[0].ticks.isEmpty && step.runs[0].verdict == .healed)
    }

    @Test func longGapsAreCutIntoRunsThatFollowEachOther() {
        var task = HealTask(gap(from: 100, through: 140), stored: StoredTicks())
        var runs: [HealedRun] = []
        for second in Int64(100)...140 {
            let ticks = (0..<500).map { quote(second, Int64($0)) }
            let step = task.take(.init(ticks: ticks, through: second, next: second == 140 ? .finished : .more))
            runs += step.runs
        }
        #expect(runs.map(\.ticks.count) == [8_192, 8_192, 4_116])
        #expect(runs.map(\.verdict) == [nil, nil, .healed])
        #expect(runs[0].from == 100 && runs[2].to == 141)
        for (a, b) in zip(runs, runs.dropFirst()) {
            // A second that was cut is in both intervals.
            #expect(b.from == a.to || b.from == a.to - 1)
        }
        #expect(runs.flatMap(\.ticks).map(\.second) == (100...140).flatMap { Array(repeating: $0, count: 500) })
    }

    @Test func lateHistoryIsWaitedForAndThenBelieved() {
        var task = HealTask(gap(), stored: edges)
        var step = task.take(page([(100, "abc")], through: 101, .exhausted))
        #expect(step.next == .retry(waitNanos: 5_000_000_000))
        #expect(letters(step.runs[0].ticks) == "c" && step.runs[0].verdict == nil && step.runs[0].to == 102)
        for wait in HealTask.retryNanos.dropFirst() {
            step = end(&task, page([], through: 101, .exhausted))
            #expect(step == .init(runs: [], next: .retry(waitNanos: wait)))
        }
        step = task.take(page([], through: 101, .exhausted))
        #expect(step.next == .finished && step.runs[0].verdict == .partly, "the last second was never answered")
        #expect(step.runs[0].to == 102)
    }

    @Test func whatHistoryHasOfItsLastSecondIsTakenInTheEnd() {
        var task = HealTask(gap(), stored: .init(front: [quotes("ab", 100)]))
        let early = HistoryPager.Page(
            ticks: quotes("abc", 100), through: 101, next: .exhausted, rest: quotes("de", 102))
        #expect(task.take(early).next == .retry(waitNanos: HealTask.retryNanos[0]))
        let again = HistoryPager.Page(ticks: [], through: 101, next: .exhausted, rest: quotes("def", 102))
        let step = end(&task, again)
        #expect(step.next == .finished && letters(step.runs.flatMap(\.ticks)) == "def")
        #expect(step.runs.last?.verdict == .healed)
        // Where the last second should be there and never comes, that of the others is not lost.
        var cut = HealTask(gap(), stored: edges)
        _ = cut.take(early)
        for _ in HealTask.retryNanos.dropFirst() { _ = end(&cut, again) }
        let last = cut.take(again)
        #expect(letters(last.runs[0].ticks) == "def" && last.runs[0].verdict == .partly && last.runs[0].to == 103)
        // It is held against what is stored like any other second.
        var first = HealTask(gap(), stored: .init(front: [quotes("ab", 100)]))
        let only = HistoryPager.Page(ticks: [], through: 99, next: .exhausted, rest: quotes("abc", 100))
        _ = first.take(only)
        #expect(letters(end(&first, only).runs[0].ticks) == "c")
    }

    @Test func historyThatComesLateStillHealsAll() {
        var task = HealTask(gap(), stored: edges)
        _ = task.take(page([(100, "abc")], through: 101, .exhausted))
        let step = task.take(page([(102, "d"), (103, "xyz")], through: 103, .finished))
        #expect(letters(step.runs[0].ticks) == "dx" && step.runs[0].verdict == .healed)
        #expect(step.runs[0].from == 102)
    }

    @Test func aSecondThatDoesNotFitIsAskedForAgainAndThenLeftAlone() {
        var task = HealTask(gap(), stored: edges)
        for wait in HealTask.retryNanos {
            let step = task.take(page([(100, "qq"), (101, "c"), (103, "xyz")], through: 103, .finished))
            #expect(step == .init(runs: [], next: .retry(waitNanos: wait)))
            #expect(task.pager.start == 100)
        }
        let step = task.take(page([(100, "qq"), (101, "c"), (103, "xyz")], through: 103, .finished))
        #expect(letters(step.runs.flatMap(\.ticks)) == "cx", "whole seconds and the other edge are healed")
        #expect(step.runs.map(\.verdict) == [nil, .edgeUnreconciled])
        #expect(step.runs.map(\.from) == [100, 101] && step.runs.map(\.to) == [100, 104], "that second is left out")
    }

    @Test func anEndlessAnswerEndsAsPartly() {
        var task = HealTask(gap(), stored: edges)
        _ = task.take(page([(100, "abc")], through: 100, .more))
        for _ in HealTask.retryNanos { _ = end(&task, page([], through: 100, .stuck)) }
        let step = task.take(page([], through: 100, .stuck))
        #expect(step.next == .finished && step.runs[0].verdict == .partly)
    }

    @Test func aGapGoesOnWhereItsRunsEnd() {
        let runs = [
            HealGap.Run(first: .zero, last: .zero, ticks: 8_192, from: 100, to: 102, isWhole: true),
            HealGap.Run(first: .zero, last: .zero, ticks: 3, from: 101, to: 103, isWhole: true),
        ]
        let resumed = gap(runs: runs)
        #expect(resumed.resumeSecond == 102, "the last second may have been cut")
        var stored = edges
        stored.healed = [102: quotes("cd", 102)]
        var task = HealTask(resumed, stored: stored)
        #expect(task.pager.start == 102)
        let step = task.take(page([(102, "cde"), (103, "xyz")], through: 103, .finished))
        #expect(letters(step.runs[0].ticks) == "ex" && step.runs[0].verdict == .healed)
    }

    @Test func aTornRunIsHealedAgainFromTheBeginningWithoutRepeating() {
        let torn = HealGap.Run(first: .zero, last: .zero, ticks: 5, from: 100, to: 104, isWhole: false)
        let resumed = gap(runs: [torn])
        #expect(resumed.resumeSecond == 100)
        var stored = edges
        stored.healed = [100: quotes("c", 100), 101: quotes("d", 101)]
        var task = HealTask(resumed, stored: stored)
        let step = task.take(
            page([(100, "abce"), (101, "df"), (103, "xyz")], through: 103, .finished))
        #expect(letters(step.runs[0].ticks) == "efx")
        #expect(step.runs[0].from == 100 && step.runs[0].to == 104, "the torn interval is covered")
    }

    private func run(_ from: Int64?, _ to: Int64?, whole: Bool = true) -> HealGap.Run {
        .init(first: .zero, last: .zero, ticks: 5, from: from, to: to, isWhole: whole)
    }

    @Test func aTornRunCostsNoMoreThanItsInterval() {
        func resume(_ runs: [HealGap.Run]) -> Int64 { gap(from: 100, through: 900, runs: runs).resumeSecond }
        let torn = run(200, 300, whole: false)
        // What came before it stays; the second in front of it may have been cut.
        #expect(resume([run(100, 200), torn]) == 199)
        // The connector that wrote it did not know, and went on.
        #expect(resume([run(100, 200), torn, run(300, 700)]) == 199)
        // Healed again in part, then in whole: on behind everything.
        #expect(resume([run(100, 200), torn, run(300, 700), run(199, 250)]) == 249)
        #expect(resume([run(100, 200), torn, run(300, 700), run(199, 250), run(249, 300)]) == 699)
        #expect(resume([run(100, 200), torn, run(199, 400), run(400, 500, whole: false)]) == 399)
        // Of one whose beginning is lost nobody knows what it was to fill.
        #expect(resume([run(100, 200), run(nil, 300, whole: false), run(300, 700)]) == 100)
        #expect(resume([run(100, 200), run(nil, 300, whole: false), run(100, 700)]) == 699)
        #expect(resume([run(100, 200), run(200, nil, whole: false), run(199, 900)]) == 899)
        // Even one of no length is nothing without another behind it.
        #expect(resume([run(100, 100, whole: false)]) == 100)
    }

    @Test func moreHealedTicksThanOneTaskHoldsAreSeveralTasks() {
        let torn = gap(from: 100, through: 140, runs: [run(100, 102, whole: false), run(102, 141)])
        var stored = StoredTicks()
        // As runs bring them, not all in the order of time.
        for second in [139, 130] + [Int64](100...120) {
            for _ in 0..<10 { stored.add(healed: quote(second, 1), from: 100, limit: 100) }
        }
        #expect(stored.healed.values.reduce(0) { $0 + $1.count } <= 100)
        #expect(stored.through < 120)
        #expect(stored.healed.keys.sorted() == Array(100...stored.through), "of those seconds it has all")
        var task = HealTask(torn, stored: stored)
        let history = (100...stored.through).flatMap { second in (0..<11).map { _ in quote(second, 1) } }
        let step = task.take(.init(ticks: history, through: stored.through, next: .finished))
        #expect(step.next == .finished && step.runs.count == 1)
        #expect(step.runs[0].verdict == nil && step.runs[0].from == 100 && step.runs[0].to == stored.through + 1)
        #expect(step.runs[0].ticks.map(\.second) == Array(100...stored.through), "one of each second was missing")
        // The torn run is healed now: the next task looks at the end alone, and says so.
        let next = gap(from: 100, through: 140, runs: torn.runs + [run(100, stored.through + 1)])
        #expect(next.resumeSecond == 140)
        var last = HealTask(next, stored: StoredTicks())
        let end = last.take(.init(ticks: [], through: 140, next: .finished))
        #expect(end.runs.last?.verdict == .healed)
        // Two seconds are kept however many ticks they have.
        var dense = StoredTicks()
        for second in Int64(100)...103 {
            for _ in 0..<60 { dense.add(healed: quote(second, 1), from: 100, limit: 100) }
        }
        #expect(dense.through == 101 && dense.healed.mapValues(\.count) == [100: 60, 101: 60])
    }

    @Test func aSecondThatDoesNotFitIsNotTheEndOfAGapOfSeveralTasks() {
        var stored = edges
        for second in Int64(100)...103 {
            for _ in 0..<60 { stored.add(healed: quote(second, 1), from: 100, limit: 100) }
        }
        var task = HealTask(gap(runs: [run(100, 104, whole: false)]), stored: stored)
        for _ in HealTask.retryNanos { _ = task.take(page([(100, "qq")], through: 101, .finished)) }
        var step = task.take(page([(100, "qq")], through: 101, .finished))
        for _ in HealTask.retryNanos { step = task.take(page([], through: 101, .finished)) }
        #expect(step.next == .finished && step.runs.last?.from == 101 && step.runs.last?.to == 101, "left out")
        #expect(step.runs.last?.verdict == nil, "the rest is another task's")
        // Which begins behind it.
        let left = [run(100, 104, whole: false), run(100, 100, whole: true), run(101, 101, whole: true)]
        #expect(gap(runs: left).resumeSecond == 101 && gap(runs: left, state: .partly).resumeSecond == 100)
    }

    @Test func healedTicksThatHistoryDoesNotHaveAreNotRepeated() {
        var stored = edges
        stored.healed = [101: quotes("q", 101)]
        var task = HealTask(gap(), stored: stored)
        let step = task.take(page([(100, "ab"), (103, "yz")], through: 103, .finished))
        #expect(step.next == .retry(waitNanos: HealTask.retryNanos[0]))
    }

    // MARK: - Unreported trades: capital letters

    private func tradePage(_ seconds: [(Int64, String)], kind: TickKind) -> HistoryPager.Page {
        .init(ticks: seconds.flatMap { tradeTicks($0.1, $0.0, kind: kind) }, through: 103, next: .finished)
    }

    private func heal(
        _ kind: TickKind, front: String, back: String, healed: [Int64: String] = [:], _ history: [(Int64, String)]
    ) -> (ticks: String?, verdict: GapState?) {
        var stored = StoredTicks(
            front: [tradeTicks(front, 100, kind: kind)], back: [tradeTicks(back, 103, kind: kind)])
        stored.healed = healed.reduce(into: [:]) { $0[$1.key] = tradeTicks($1.value, $1.key, kind: kind) }
        let isTorn = HealGap.Run(first: .zero, last: .zero, ticks: 5, from: 100, to: 104, isWhole: false)
        let gap = gap(stream: StreamID(conId: 7, kind: kind), runs: healed.isEmpty ? [] : [isTorn])
        var task = HealTask(gap, stored: stored)
        let step = task.take(tradePage(history, kind: kind))
        return (tradeLetters(step.runs.flatMap(\.ticks)), step.runs.last?.verdict)
    }

    @Test(arguments: [TickKind.last, .allLast])
    func storedUnreportedTradesNeedNotBeInHistory(kind: TickKind) {
        let healed = heal(kind, front: "aO", back: "Oz", [(100, "ab"), (101, "c"), (103, "yz")])
        #expect(healed.ticks == "bcy" && healed.verdict == .subset, "the history leaves out what the stream has")
    }

    @Test(arguments: [TickKind.last, .allLast])
    func storedUnreportedTradesThatHistoryHasAreNotRepeated(kind: TickKind) {
        let healed = heal(kind, front: "aOb", back: "Pz", [(100, "aObQ"), (101, "cR"), (103, "yPz")])
        #expect(healed.ticks == "QcRy" && healed.verdict == .healed)
        let unmarked = heal(kind, front: "aOb", back: "Pz", [(100, "aobq"), (101, "c"), (103, "ypz")])
        #expect(unmarked.ticks == "qcy" && unmarked.verdict == .healed)
    }

    @Test func allLastOfAHistoryWithoutUnreportedTradesIsASubset() {
        #expect(heal(.allLast, front: "a", back: "z", [(100, "ab"), (103, "z")]).verdict == .subset)
        #expect(heal(.last, front: "a", back: "z", [(100, "ab"), (103, "z")]).verdict == .healed)
    }

    @Test func whatOneSecondTeachesCountsForTheOthers() {
        // The mark was shown: o behind the gap is another trade than the stored O.
        #expect(heal(.allLast, front: "aO", back: "Oz", [(100, "aO"), (103, "yoz")]).ticks == "yo")
        // Unreported trades are left out: the same.
        #expect(heal(.allLast, front: "aOb", back: "Oz", [(100, "ab"), (103, "yoz")]).ticks == "yo")
        // The mark is never shown, but what has it is there.
        #expect(heal(.allLast, front: "aOb", back: "Oz", [(100, "aob"), (103, "yoz")]).ticks == "y")
    }

    @Test func tradesThatAStreamIsWithoutAreNotGivenToIt() {
        // Between its live ticks history has O, which did not come: this gateway keeps such trades from `last`.
        let without = heal(.last, front: "ab", back: "z", [(100, "aObcP"), (101, "Qd"), (103, "yRz")])
        #expect(without.ticks == "cdy" && without.verdict == .healed)
        // Nothing says so here: what history has is missing.
        #expect(heal(.last, front: "ab", back: "z", [(100, "abP"), (103, "z")]).ticks == "P")
        // To `all_last` they belong.
        #expect(heal(.allLast, front: "ab", back: "z", [(100, "aOb"), (103, "z")]).ticks == "O")
    }

    @Test func aTornRunsUnreportedTradesNeedNotBeInHistory() {
        let torn = heal(.allLast, front: "", back: "", healed: [101: "cO"], [(101, "cd"), (103, "z")])
        #expect(torn.ticks == "dz" && torn.verdict == .subset)
        let again = heal(.allLast, front: "", back: "", healed: [101: "cO"], [(101, "cOd"), (103, "z")])
        #expect(again.ticks == "dz" && again.verdict == .healed)
    }

    // MARK: - Time that runs backwards

    @Test func theLatestSecondInFrontOfAGapIsItsFirst() {
        func gather(_ seconds: [Int64]) -> Gathering {
            var gathering = Gathering()
            for (index, second) in seconds.enumerated() {
                var tick = quote(second, Int64(index)).tick
                tick.key = TickKey(epoch: 1, seq: UInt32(index))
                gathering.take(tick) { _ in true }
            }
            return gathering
        }
        var late = gather([99, 100, 100, 99])
        let isWhole = late.keepLatestSecond(notBefore: 99)
        #expect(isWhole && late.ticks == [quote(100, 1), quote(100, 2)] && late.keys.map(\.seq) == [1, 2])
        var without = gather([100, 100, 0])
        let beginsBefore = without.keepLatestSecond(notBefore: 0)
        #expect(!beginsBefore && without.ticks.count == 2, "more of the second may lie before")
        var early = gather([98, 99])
        _ = early.keepLatestSecond(notBefore: 100)
        #expect(early.ticks.isEmpty && early.keys.isEmpty, "the last tick has no time but that of its receipt")
    }

    @Test func recordedSecondsInFrontOfALateTickAreNotHealed() {
        // The last tick is of second 0.
        let stored = StoredTicks(front: [quotes("ab", 100)], back: [quotes("yz", 103)], from: 100)
        var task = HealTask(gap(from: 0), stored: stored)
        #expect(task.pager.start == 100)
        let step = task.take(page([(100, "abc"), (101, "d"), (103, "xyz")], through: 103, .finished))
        #expect(step.runs.count == 1 && letters(step.runs[0].ticks) == "cdx")
        #expect(step.runs[0].from == 0 && step.runs[0].to == 104, "all of the gap is covered")
        var other = HealTask(gap(from: 0), stored: stored)
        let none = other.take(front: front)
        #expect(none.isEmpty && other.reached == 102)
    }

    @Test func aLateTickBehindAGapIsNotRepeated() {
        let stored = StoredTicks(
            front: [quotes("ab", 100)], back: [quotes("y", 103) + quotes("l", 101) + quotes("z", 103)])
        var task = HealTask(gap(), stored: stored)
        let step = task.take(page([(100, "abc"), (101, "dl"), (103, "xyz")], through: 103, .finished))
        #expect(letters(step.runs[0].ticks) == "cdx" && step.runs[0].verdict == .healed)
        // The same from a subscription's history.
        var other = HealTask(gap(), stored: stored)
        _ = other.take(
            front: quotes("m", 99) + quotes("abc", 100) + quotes("dl", 101) + quotes("w", 102) + quotes("x", 103))
        let runs = other.closeRun()
        #expect(letters(runs.flatMap(\.ticks)) == "cd")
    }

    @Test func whatWasTriedInVainIsNotWrittenAgain() {
        var task = HealTask(gap(state: .partly), stored: edges)
        #expect(task.giveUp(.partly).runs.isEmpty)
        var first = HealTask(gap(), stored: edges)
        let step = first.giveUp(.noHistory)
        #expect(step.runs.count == 1 && step.runs[0].verdict == .noHistory)
    }

    @Test func aGapWhoseBeginningNobodyKnowsIsNotWrittenAgainEachTime() {
        // Its run said that all is there; the gap is `partly`, since nothing tells when it began.
        var healed = run(100, 104)
        healed.outcome = .healed
        var again = HealTask(gap(runs: [healed], state: .partly), stored: edges)
        let none = again.take(page([(103, "yz")], through: 103, .finished))
        #expect(none == .init(runs: [], next: .finished))
        // What has come since is written, and so is another verdict.
        var more = HealTask(gap(runs: [healed], state: .partly), stored: edges)
        #expect(letters(more.take(page([(103, "xyz")], through: 103, .finished)).runs.flatMap(\.ticks)) == "x")
        var other = HealTask(gap(runs: [run(100, 104)], state: .partly), stored: edges)
        #expect(other.take(page([(103, "yz")], through: 103, .finished)).runs.map(\.verdict) == [.healed])
    }

    @Test func givingUpClaimsNoMoreThanWasReached() {
        var task = HealTask(gap(), stored: edges)
        _ = task.take(page([(100, "abc")], through: 101, .more))
        let step = task.giveUp(.partly)
        #expect(step.runs[0].from == 100 && step.runs[0].to == 102 && letters(step.runs[0].ticks) == "c")
    }

    @Test func whatHealsAnotherGapOfItsEdgesMakesATaskVoid() {
        func run(
            _ from: Int64, _ to: Int64, gap: UInt32 = 60, stream: StreamID = quotes, _ ticks: [HealTick]? = nil
        ) -> HealedRun {
            .init(
                stream: stream, gap: TickKey(epoch: 1, seq: gap), from: from, to: to,
                ticks: ticks ?? quotes("c", from), verdict: .healed)
        }
        let task = HealTask(gap(), stored: edges)
        #expect(task.isTouched(by: run(103, 105)) && task.isTouched(by: run(98, 101)))
        #expect(!task.isTouched(by: run(104, 106)) && !task.isTouched(by: run(98, 100)), "other seconds")
        #expect(task.isTouched(by: run(101, 102)), "times are not in order, and nothing of it may be stored twice")
        #expect(!task.isTouched(by: run(103, 105, gap: 50)), "its own run")
        #expect(!task.isTouched(by: run(103, 105, stream: trades)) && !task.isTouched(by: run(103, 105, [])))
    }

    @Test func aSecondThatTheGatewayCutIsNeverHealedWhole() {
        var task = HealTask(gap(), stored: edges)
        var cut = page([(100, "abc"), (101, "d")], through: 101, .more)
        cut.doubtfulSecond = 101
        let first = task.take(cut)
        #expect(first.runs.map(\.from) == [100, 101] && first.runs.map(\.to) == [101, 101], "it is left out")
        #expect(first.runs.map { letters($0.ticks) } == ["c", "d"])
        let step = task.take(page([(103, "xyz")], through: 103, .finished))
        #expect(step.runs[0].verdict == .partly && letters(step.runs[0].ticks) == "x")
        #expect(step.runs[0].from == 102 && task.doubtfulSeconds == [101])
        // Tried again it begins there; with the same answer nothing is written.
        func run(_ run: HealedRun) -> HealGap.Run {
            .init(first: .zero, last: .zero, ticks: run.ticks.count, from: run.from, to: run.to, isWhole: true)
        }
        let runs = (first.runs + step.runs).map(run)
        var stored = edges
        stored.healed = [100: quotes("c", 100), 101: quotes("d", 101), 103: quotes("x", 103)]
        var again = HealTask(gap(runs: runs, state: .partly), stored: stored)
        #expect(again.pager.start == 100)
        let same = again.take(cut)
        #expect(same.next == .finished, "what is filled is not asked for again")
        #expect(same.runs.map(\.ticks) == [[]] && same.runs[0].from == 101 && same.runs[0].to == 101)
        #expect(same.runs[0].verdict == .partly, "without it the gap would be pending")
        // An answer that has it whole fills it.
        var whole = HealTask(gap(runs: runs, state: .partly), stored: stored)
        let healed = whole.take(page([(100, "abc"), (101, "de"), (103, "xyz")], through: 103, .finished))
        #expect(healed.runs.map(\.verdict) == [.healed] && letters(healed.runs[0].ticks) == "e")
        #expect(healed.runs[0].from == 100 && healed.runs[0].to == 104)
        // A run that was written since begins another task behind it, which does not call the gap healed.
        let cutShort =
            first.runs.map(run) + [
                run(.init(stream: .init(conId: 7, kind: .bidAsk), gap: .zero, from: 102, to: 103, ticks: []))
            ]
        var rest = HealTask(gap(runs: cutShort), stored: edges)
        #expect(rest.pager.start == 102)
        #expect(rest.take(page([(103, "xyz")], through: 103, .finished)).runs.last?.verdict == .partly)
    }

    @Test func aSecondThatIsNeverHadWholeIsLookedAtSomeTimesAndThenGivenUp() {
        // Of a long gap two seconds can't be had whole.
        let doubtful: [Int64] = [105, 180]
        var (runs, state) = ([HealGap.Run](), GapState.pending)
        var (asked, stored) = ([Int](), edges)
        stored.back = [quotes("yz", 300)]
        for _ in 0..<20 where !(state == .edgeUnreconciled) {
            var task = HealTask(gap(through: 300, runs: runs, state: state), stored: stored)
            asked.append(0)
            var isSaid = true
            while asked[asked.count - 1] < 300 {
                asked[asked.count - 1] += 1
                let start = task.pager.start
                var page = HistoryPager.Page(
                    ticks: quotes(start == 100 ? "ab" : start == 300 ? "yz" : "c", start), through: start,
                    next: start == 300 ? .finished : .more)
                if doubtful.contains(start) { (page.ticks, page.doubtfulSecond) = (quotes("d", start), start) }
                task.pager.goOn(at: start + 1)
                let step = task.take(page)
                for run in step.runs {
                    for tick in run.ticks { stored.healed[tick.second, default: []].append(tick) }
                    runs.append(
                        .init(
                            first: .zero, last: .zero, ticks: run.ticks.count, from: run.from, to: run.to, isWhole: true
                        ))
                    isSaid = run.verdict != nil
                    if let verdict = run.verdict { state = verdict }
                }
                if step.next == .finished { break }
            }
            #expect(isSaid, "without a verdict behind its last run the gap would be pending")
        }
        #expect(state == .edgeUnreconciled)
        #expect(asked.count == HealTask.greatestLooks + 1, "the first one brought something: \(asked)")
        #expect(
            asked[0] == 201 && asked.dropFirst().allSatisfy { $0 <= 5 }, "the rest is not asked for again: \(asked)")
        #expect(gap(through: 300, runs: runs).leftOut == Set(doubtful))
    }

    @Test func aSecondThatWasLeftOutIsLookedAtAgainSoonAndThenEachHour() {
        let second: Int64 = 1_000_000_000
        let brought = HealGap.Run(first: .zero, last: .zero, ticks: 7, from: 101, to: 101, isWhole: true)
        var vain = brought
        vain.ticks = 0
        func wait(_ runs: HealGap.Run...) -> Int64 {
            gap(runs: [run(100, 101)] + runs, state: .partly).untilNextLookNanos / second
        }
        #expect(wait(brought) == 20 && wait(brought, vain) == 300 && wait(brought, vain, vain) == 3_600)
        #expect(wait() == 3_600, "history has not got there: nothing tells when it will")
    }

    @Test func aSecondThatBringsMoreIsNotGivenUp() {
        let looks = (0..<HealTask.greatestLooks).map { _ in run(101, 101) }
        let vain = looks.map {
            HealGap.Run(first: $0.first, last: $0.last, ticks: 0, from: 101, to: 101, isWhole: true)
        }
        let runs = [run(100, 101)] + vain + [run(102, 104)]
        var stored = edges
        stored.healed = [100: quotes("c", 100)]
        var cut = page([(100, "abc"), (101, "d")], through: 101, .more)
        cut.doubtfulSecond = 101
        var task = HealTask(gap(runs: runs, state: .partly), stored: stored)
        let step = task.take(cut)
        #expect(letters(step.runs.flatMap(\.ticks)) == "d" && step.runs.last?.verdict == .partly)
        stored.healed[101] = quotes("d", 101)
        var last = HealTask(gap(runs: runs, state: .partly), stored: stored)
        #expect(last.take(cut).runs.map(\.verdict) == [.edgeUnreconciled])
    }

    @Test func whatHistoryLacksForNowIsAskedForAgainLater() {
        var task = HealTask(gap(), stored: .init(front: [quotes("ab", 100)]))
        task.isBehind = true
        _ = task.take(page([(100, "abc")], through: 101, .more))
        for wait in HealTask.retryNanos {
            let step = end(&task, page([], through: 101, .exhausted))
            #expect(step.next == .retry(waitNanos: wait))
        }
        let step = task.take(page([], through: 101, .exhausted))
        #expect(step.next == .finished && step.runs.last?.verdict == .partly, "not what there is, for good")
        #expect(step.runs.last?.to == 102)
    }

    @Test func historyThatEndsWithATradingDayGoesOnBehindIt() {
        // Days end at 1,000 and 50,000; the second one has nothing before 3,000 and behind 40,000.
        let days = [Int64(0)..<1_000, 3_000..<40_000, 60_000..<90_001]
        let ends: [Int64] = [1_000, 50_000, .max]
        let history = stride(from: Int64(100), through: 90_000, by: 100).filter { second in
            days.contains { $0.contains(second) }
        }
        func answer(_ question: HistoryQuestion) -> [HealTick] {
            guard let start = question.start else {
                return history.filter { $0 < question.end ?? 0 }.suffix(1_000).map { quote($0, 1) }
            }
            let end = ends.first { start < $0 } ?? .max
            let answer = history.filter { start <= $0 && $0 < end }
            // Where there is no other, the last tick is repeated.
            return (answer.isEmpty ? history.filter { $0 < start }.suffix(1) : answer[...]).map { quote($0, 1) }
        }
        var task = HealTask(gap(from: 100, through: 90_000), stored: .init(back: [[quote(90_000, 1)]]))
        var healed: [HealTick] = []
        var (asked, waits) = (0, 0)
        while asked < 200 {
            asked += 1
            _ = task.pager.take(answer(task.pager.question))
            let step = task.take(task.pager.finish())
            healed += step.runs.flatMap(\.ticks)
            if case .retry = step.next { waits += 1 }
            if step.next == .finished {
                #expect(step.runs.last?.verdict == .healed && step.runs.last?.to == 90_001)
                break
            }
        }
        #expect(healed.map(\.second) == history.dropLast())
        #expect(asked < 60 && waits == 2, "\(asked) requests")
    }

    @Test func historyThatIsLateIsWaitedForAllTheSame() {
        var task = HealTask(gap(), stored: edges)
        var waits = 0
        for _ in 0..<20 {
            _ = task.pager.take(task.pager.start <= 100 ? quotes("abc", 100) : [])
            let step = task.take(task.pager.finish())
            if case .retry = step.next { waits += 1 }
            if step.next == .finished {
                #expect(step.runs.last?.verdict == .partly)
                break
            }
        }
        #expect(waits == HealTask.retryNanos.count)
    }

    // MARK: - The history in front of a subscription

    private let front = quotes("m", 99) + quotes("abc", 100) + quotes("d", 101) + quotes("w", 102) + quotes("x", 103)

    @Test func theSubscriptionsHistoryHealsAllButItsSeam() {
        var task = HealTask(gap(), stored: edges)
        let runs = task.take(front: front)
        #expect(runs.isEmpty && task.reached == 102 && task.pager.start == 102, "its last two seconds are asked for")
        // The gateway has one tick between them that was not in front of the subscription.
        let step = task.take(page([(102, "w"), (103, "xvyz")], through: 103, .finished))
        #expect(letters(step.runs[0].ticks) == "cdwxv" && step.runs[0].verdict == .healed)
        #expect(step.runs[0].from == 100 && step.runs[0].to == 104)
    }

    @Test func whatASubscriptionBroughtIsKeptWhereHistoryIsRefused() {
        var task = HealTask(gap(), stored: edges)
        _ = task.take(front: front)
        let step = task.giveUp(.partly)
        #expect(letters(step.runs[0].ticks) == "cd" && step.runs[0].to == 102 && step.runs[0].verdict == .partly)
    }

    @Test func aSubscriptionsHistoryThatEndsBeforeTheLiveTicksProvesNothingOfTheSeam() {
        // It ends in the second before the first live tick's, or long before.
        for count in [front.count - 1, front.count - 2] {
            var task = HealTask(gap(), stored: edges)
            _ = task.take(front: Array(front.prefix(count)))
            #expect(task.reached <= 102 && task.pager.start == task.reached)
        }
    }

    @Test func aSubscriptionsHistoryThatDoesNotFitIsNotUsed() {
        func reached(_ front: [HealTick], stored: StoredTicks? = nil) -> Int64 {
            var task = HealTask(gap(), stored: stored ?? edges)
            let runs = task.take(front: front) + task.closeRun()
            #expect(runs.isEmpty)
            return task.reached
        }
        #expect(reached(Array(front.dropFirst())) == 100, "its first second may be cut")
        #expect(reached(front, stored: .init(front: [quotes("qq", 100)])) == 100, "it does not fit")
        #expect(reached(front, stored: .init(front: [quotes("ac", 100)])) == 100, "it has ticks of another gap's place")
        #expect(reached(front.reversed()) == 100)
        #expect(reached([]) == 100)
    }
}
