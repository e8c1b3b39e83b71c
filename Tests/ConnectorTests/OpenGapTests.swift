import JSON
import TickStore
import Testing
import Ticks

@testable import Connector

/// Gaps that no tick has ended yet, of streams that are subscribed and silent.
@Suite struct OpenGapTests {
    private let second: Int64 = 1_000_000_000
    /// The gateway's time, and the boot clock's.
    private let now: Int64 = 1_000_000_000_000
    private let boot: Int64 = 500_000_000_000

    private var open: HealGap {
        var open = gap(key: 40)
        (open.after, open.through, open.state) = (nil, nil, .open)
        return open
    }

    private func silent(_ request: Int32 = 9, for nanos: Int64) -> HealPositions.Stream {
        .init(
            key: .zero, newestSecond: nil, silence: (request, boot - nanos), ticksPerSecond: 1, isCrypto: false)
    }

    @Test func aSilentStreamsGapIsHealedUpToAMomentAgoOncePerSubscription() {
        var gaps = OpenGaps()
        func view(_ gap: HealGap, _ position: HealPositions.Stream?, later: Int64 = 0) -> HealGap {
            gaps.view(gap, position, nowNanos: now + later * second, bootNanos: boot + later * second)
        }
        let name = HealPlan.TickGap(stream: quotes, key: open.key)
        #expect(view(open, nil) == open, "it is not subscribed")
        #expect(view(open, silent(for: OpenGaps.patienceNanos - 1)) == open, "a tick may come yet")
        let position = silent(for: OpenGaps.patienceNanos)
        let seen = view(open, position)
        #expect(seen.isOpen && seen.through == 989 && seen.after == nil)
        // Its end stays until it is healed that far.
        #expect(view(open, position, later: 30) == seen)
        gaps.noteDone(name)
        #expect(view(open, position, later: 60) == open)
        // A silent stream is subscribed again each few minutes: its history is not asked for as often.
        for (request, later) in [(Int32(10), Int64(300)), (11, 600), (12, 1_799)] {
            #expect(view(open, silent(request, for: OpenGaps.patienceNanos), later: later) == open)
        }
        // What was missed until the next subscription.
        #expect(view(open, silent(12, for: OpenGaps.patienceNanos), later: 1_800).through == 2_789)
        gaps.noteDone(name)
        #expect(view(open, silent(12, for: OpenGaps.patienceNanos), later: 9_000) == open, "once for each")
        let closed = gap(key: 40)
        #expect(view(closed, nil) == closed)
    }

    @Test func aGatewaysTimeBeforeTheGapHealsNothing() {
        var gaps = OpenGaps()
        var late = open
        late.from = 990
        #expect(gaps.view(late, silent(for: 1 << 40), nowNanos: now, bootNanos: boot) == late)
    }

    @Test func eachSubscriptionIsLookedAtOnce() {
        var gaps = OpenGaps()
        let first = gaps.dueNanos(quotes, silent(for: 0))
        #expect(first == boot + OpenGaps.patienceNanos)
        let again = gaps.dueNanos(quotes, silent(for: 0))
        #expect(again == nil)
        let next = gaps.dueNanos(quotes, silent(10, for: 0))
        #expect(next != nil)
    }

    // MARK: - Its healing

    private func task(_ stored: StoredTicks = .init(front: [quotes("ab", 100)]), runs: [HealGap.Run] = []) -> HealTask {
        var view = gap(through: 900, runs: runs, state: .open)
        (view.after, view.isOpen) = (nil, true)
        return HealTask(view, stored: stored)
    }

    private func exhausted(_ rest: [HealTick] = []) -> HistoryPager.Page {
        .init(ticks: [], through: 101, next: .exhausted, rest: rest)
    }

    @Test func noMoreIsClaimedThanHistoryHasShown() {
        var task = task()
        let first = task.take(
            .init(
                ticks: quotes("abc", 100) + quotes("d", 101), through: 101, next: .exhausted, rest: quotes("e", 102)))
        #expect(first.next == .retry(waitNanos: HealTask.retryNanos[0]), "history may be late")
        #expect(first.runs.map(\.to) == [102] && letters(first.runs[0].ticks) == "cd")
        #expect(task.take(exhausted(quotes("e", 102))).next == .ask, "it may go on with another trading day")
        let last = task.take(.init(ticks: [], through: 899, next: .more, past: quotes("d", 101) + quotes("e", 102)))
        #expect(last.next == .finished && last.runs.count == 1 && letters(last.runs[0].ticks) == "e")
        #expect(last.runs[0].from == 102 && last.runs[0].to == 103 && last.runs[0].verdict == nil)
    }

    @Test func whereHistoryHasNothingNewNoRunIsWritten() {
        var task = task()
        let old = HistoryPager.Page(ticks: [], through: 99, next: .exhausted, rest: quotes("ab", 100))
        _ = task.take(old)
        _ = task.take(old)
        let last = task.take(.init(ticks: [], through: 899, next: .more, past: quotes("ab", 100)))
        #expect(last == .init(runs: [], next: .finished))
    }

    @Test func whenItHasAnEndItGoesOnWhereItsRunsEnd() {
        let run = HealGap.Run(first: .zero, last: .zero, ticks: 3, from: 100, to: 103, isWhole: true)
        let closed = gap(through: 1_000, runs: [run])
        var stored = StoredTicks(front: [quotes("ab", 100)], back: [quotes("yz", 1_000)])
        stored.healed = [102: quotes("e", 102)]
        var task = HealTask(closed, stored: stored)
        #expect(task.pager.start == 102)
        let step = task.take(
            .init(ticks: quotes("ef", 102) + quotes("xyz", 1_000), through: 1_000, next: .finished))
        #expect(letters(step.runs[0].ticks) == "fx" && step.runs[0].verdict == .healed)
    }

    @Test func whatCannotBeHadForCertainIsLeftToItsEnd() {
        // A second that an answer was cut in.
        var cut = task()
        var page = HistoryPager.Page(
            ticks: quotes("abc", 100) + quotes("d", 101) + quotes("e", 102), through: 102, next: .more)
        page.doubtfulSecond = 101
        let stopped = cut.take(page)
        #expect(stopped.next == .finished && letters(stopped.runs[0].ticks) == "c" && stopped.runs[0].to == 101)
        // A first second in which history does not have what is stored.
        var strange = task()
        let other = HistoryPager.Page(ticks: quotes("qq", 100) + quotes("c", 101), through: 101, next: .more)
        for wait in HealTask.retryNanos { #expect(strange.take(other).next == .retry(waitNanos: wait)) }
        #expect(strange.take(other) == .init(runs: [], next: .finished))
        // A refusal says nothing of what will be had.
        var refused = task()
        #expect(refused.giveUp(.noHistory) == .init(runs: [], next: .finished))
    }

    @Test func aTickThatComesMeanwhileVoidsTheRun() throws {
        var bench = try SessionBench()
        let request = try #require(try bench.subscribe(quotes))
        let opened = bench.openGap(quotes)
        let gap = try #require(opened)
        func run(_ ticks: UInt64?) -> HealedRun {
            .init(stream: quotes, gap: gap, from: 100, to: 101, ticks: quotes("c"), verdict: nil, liveTicks: ticks)
        }
        let silent = bench.session.record(run(0))
        #expect(silent != nil)
        try bench.take(message(request))
        let late = bench.session.record(run(0))
        #expect(late == nil, "it may be the tick that has come live")
        let (known, any) = (bench.session.record(run(1)), bench.session.record(run(nil)))
        #expect(known != nil && any != nil)
        let healed = try bench.journaled(quotes).compactMap { $0 }.filter { $0.flags.contains(.healed) }
        #expect(healed.count == 3)
    }
}

/// Where a gap begins and ends by the host's clock alone.
@Suite struct GapOfAnotherClockTests {
    private let second: Int64 = 1_000_000_000
    private let market: Int64 = 1_795_000_000

    /// A gap as history tells it; seconds of the market, and how far the host's clock is ahead of it.
    private func gap(
        ahead: Int64, before: Int64? = nil, after: Int64? = nil, ended: Int64? = nil, afterAhead: Int64? = nil
    ) throws -> HealGap {
        func edge(_ at: Int64?, _ shift: Int64 = 0) -> String {
            guard let at else { return "null" }
            let (event, received) = ((market + at) * second, host(at) + shift * second)
            return "{\"key\":\(1 << 32 | at),\"ts_event\":\(event),\"ts_recv\":\(received)}"
        }
        func host(_ at: Int64) -> Int64 { (market + at + ahead) * second }
        let text = """
            {"key":4294967350,"last_marker":4294967350,"state":"pending","cause":"disconnect","code":0,"lost":null,
            "before":\(edge(before)),"after":\(edge(after, afterAhead ?? 0)),"opened":\(host(20)),"subscribed":\(host(10)),
            "ended":\(ended.map { "\(host($0))" } ?? "null"),"runs":[]}
            """
        let report = try JSONValue(parsing: Array(text.utf8), maxBytes: 4_096)
        return HealGap(try #require(Gap(report, stream: quotes)))
    }

    @Test(arguments: [0, -600, 600, -7_200, 7_200, -3 * 86_400, 3 * 86_400] as [Int64])
    func theTickNextToItTellsTheMarketsTime(ahead: Int64) throws {
        let begins = try gap(ahead: ahead, after: 30)
        #expect(begins.from == market + 10 && begins.through == market + 30)
        let ends = try gap(ahead: ahead, before: 5, ended: 40)
        #expect(ends.from == market + 5 && ends.through == market + 39)
    }

    @Test func itNeverBeginsBehindTheTickThatEndsIt() throws {
        // Nothing tells how far apart the clocks are now: the host's was set back in the gap.
        let set = try gap(ahead: 0, after: 3)
        #expect(set.from == market + 3 && set.through == market + 3)
        // Right at the beginning, and two hours behind at the end: what it told at first counts.
        let behind = try gap(ahead: 0, after: 30, afterAhead: -7_200)
        #expect(behind.from == market + 10 && behind.through == market + 30)
    }
}
