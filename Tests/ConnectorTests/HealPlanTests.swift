import TickStore
import Testing
import Ticks

@testable import Connector

struct HealPlanTests {
    private let second: Int64 = 1_000_000_000

    private func plan(_ gaps: [HealGap]) -> HealPlan {
        var plan = HealPlan()
        plan.update(quotes, gaps) { _ in .min }
        return plan
    }

    @Test func shortGapsComeFirstAndOfEqualOnesTheOldest() {
        let night = gap(from: 0, through: 30_000, key: 10)
        let early = gap(from: 40_000, through: 40_002, key: 20)
        let late = gap(from: 50_000, through: 50_002, key: 30)
        var plan = plan([night, late, early])
        #expect(plan.next(nowNanos: 0) { _ in 10 }?.gap == early)
        plan.remove(.init(stream: quotes, key: early.key))
        #expect(plan.next(nowNanos: 0) { _ in 10 }?.gap == late)
        plan.set(.init(stream: quotes, key: late.key)) { $0.notBeforeNanos = 5 }
        #expect(plan.next(nowNanos: 0) { _ in 10 }?.gap == night)
        #expect(plan.next(nowNanos: 5) { _ in 10 }?.gap == late)
    }

    @Test func shortGapsThatKeepComingNeverStarveALongOne() {
        var plan = HealPlan()
        let night = gap(from: 0, through: 29_999, key: 10)
        var gaps = [night]
        var nightsTurns = 0
        // Before each request another short gap has been added.
        for turn in 0..<60 {
            gaps.append(gap(from: Int64(40_000 + turn), through: Int64(40_001 + turn), key: UInt32(20 + turn)))
            plan.update(quotes, gaps) { _ in .min }
            guard let next = plan.next(nowNanos: 0, ticksPerSecond: { _ in 10 }) else { break }
            plan.noteAsked(next.gap, nowNanos: 0)
            if next.gap == night { nightsTurns += 1 } else { gaps.removeAll { $0 == next.gap } }
        }
        #expect(nightsTurns == 30)
    }

    @Test func whatWasTriedInVainHasNoTurnOfItsOwn() {
        var plan = plan([gap(from: 0, through: 2, key: 10, state: .partly), gap(from: 10, through: 12, key: 20)])
        plan.noteAsked(gap(key: 10), nowNanos: 0)
        #expect(plan.next(nowNanos: 0) { _ in 1 }?.gap.key.seq == 20)
    }

    /// A tick that can't be decoded, every second for a quarter of an hour, and two other gaps meanwhile.
    @Test func undecodableTicksLeaveTheBudgetToOthersAndAreNotForgotten() {
        var plan = HealPlan()
        var gaps: [HealGap] = []
        var asked: [Int64] = []
        var others: [Int64] = []
        for now in 0..<Int64(900) {
            var another = gap(from: now, through: now, key: UInt32(10 + 10 * now))
            another.isUndecodable = now != 300 && now != 301
            gaps.append(another)
            plan.update(quotes, gaps) { _ in .min }
            while let next = plan.next(nowNanos: now * second, ticksPerSecond: { _ in 10 }) {
                plan.noteAsked(next.gap, nowNanos: now * second)
                plan.remove(.init(stream: quotes, key: next.gap.key))
                gaps.removeAll { $0 == next.gap }
                if next.gap.isUndecodable { asked.append(now) } else { others.append(now) }
            }
        }
        #expect(others == [300, 301], "at once")
        #expect(asked.prefix(10) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        #expect(asked.count == 10 + 29, "then one in half a minute")
        #expect(plan.items.count == 900 - 2 - asked.count, "all others wait")
        #expect(plan.nextNanos == 900 * second)
        let pacer = HistoryPacer(requestsPer10Minutes: 60, identicalNanos: 0, perContractIn2Seconds: 6)
        let estimates = plan.estimates(pacer: pacer, nowNanos: 900 * second) { _ in 10 }
        #expect(estimates[0].etaNanos == 0)
        #expect(estimates[1].etaNanos == 30 * second)
    }

    @Test func onlyGapsThatWantHealingAreKept() {
        var open = gap(key: 40)
        open.through = nil
        var plan = plan([gap(key: 10), open, gap(key: 20, state: .healed), gap(key: 30, state: .partly)])
        #expect(plan.items.keys.map(\.key.seq).sorted() == [10, 30])
        plan.update(quotes, [gap(key: 30, state: .healed)]) { _ in .min }
        #expect(plan.items.isEmpty)
    }

    @Test func anotherLookKeepsWhatIsKnownOfAGap() {
        var plan = plan([gap(key: 10)])
        let name = HealPlan.TickGap(stream: quotes, key: gap(key: 10).key)
        plan.set(name) { $0.notBeforeNanos = 77 }
        plan.update(quotes, [gap(key: 10)]) { _ in .min }
        #expect(plan.items[name]?.notBeforeNanos == 77)
    }

    @Test func theQueueForetellsWhenEachGapIsHealed() {
        let pacer = HistoryPacer(requestsPer10Minutes: 60, identicalNanos: 0, perContractIn2Seconds: 6)
        // 30,000 s at 10 quotes a second: 300 pages, each counting twice.
        let plan = plan([gap(from: 0, through: 29_999, key: 10), gap(from: 40_000, through: 40_002, key: 20)])
        let estimates = plan.estimates(pacer: pacer, nowNanos: 0) { _ in 10 }
        #expect(estimates.map(\.key.seq) == [20, 10])
        #expect(estimates[0].etaNanos == 0)
        #expect((6_000 * second..<6_100 * second).contains(estimates[1].etaNanos ?? 0))
    }

    @Test func theOpenRequestHoldsUpAll() {
        var pacer = HistoryPacer(requestsPer10Minutes: 2, identicalNanos: 0, perContractIn2Seconds: 6)
        pacer.noteSent(.init(contract: quotes.contract, whatToShow: "BID_ASK", question: .from(0)), nowNanos: 0)
        let plan = plan([gap(from: 0, through: 2, key: 10)])
        func eta(_ now: Int64, busyUntil: Int64) -> Int64? {
            plan.estimates(pacer: pacer, nowNanos: now, busyUntilNanos: busyUntil) { _ in 10 }[0].etaNanos
        }
        // The pace alone, whose window ends meanwhile; then the wait alone.
        #expect(eta(0, busyUntil: 60 * second) == 600 * second + second / 2)
        #expect(eta(590 * second, busyUntil: 640 * second) == 50 * second)
        #expect(eta(600 * second, busyUntil: 640 * second) == 40 * second, "it falls")
        #expect(eta(650 * second, busyUntil: .min) == 0)
    }

    @Test func whatWasTriedInVainHasNoEstimate() {
        let pacer = HistoryPacer(requestsPer10Minutes: 2, identicalNanos: 0, perContractIn2Seconds: 6)
        let partly = gap(from: 0, through: 2, key: 10, state: .partly)
        let (failed, night) = (gap(from: 100, through: 102, key: 20), gap(from: 200, through: 399, key: 30))
        var plan = plan([partly, failed, night])
        plan.set(.init(stream: quotes, key: failed.key)) { item in
            item.notBeforeNanos = 5 * second
            item.isRetried = true
        }
        func estimates() -> [HealPlan.Estimate] {
            plan.estimates(pacer: pacer, nowNanos: 0, busyUntilNanos: second) { _ in 1 }
        }
        // What was tried in vain holds up nobody.
        #expect(estimates().map(\.key) == [failed.key, night.key, partly.key])
        #expect(estimates().map(\.etaNanos) == [nil, 600 * second + second / 2, nil])
        plan.set(.init(stream: quotes, key: failed.key)) { $0.isRetried = false }
        #expect(estimates()[0].etaNanos == 5 * second)
        // Nor can it be told while no clock says when its last second is over.
        plan.set(.init(stream: quotes, key: failed.key)) { $0.isUntimed = true }
        #expect(estimates()[0].etaNanos == nil)
    }

    @Test func pagesSoFarCorrectTheEstimate() {
        var plan = plan([gap(from: 0, through: 999, key: 10)])
        let name = HealPlan.TickGap(stream: quotes, key: gap(key: 10).key)
        plan.set(name) { item in
            item.reached = 500
            item.pages = 20
        }
        #expect(plan.items[name].map { plan.requestsLeft($0) { _ in 0.1 } } == 20)
    }

    @Test func aGapThatEndsAtTheEndOfTimeCanBeForetold() {
        let pacer = HistoryPacer(requestsPer10Minutes: 60, identicalNanos: 0, perContractIn2Seconds: 6)
        var plan = plan([gap(from: 1_795_000_000, through: 9_223_372_035, key: 10), gap(key: 20)])
        #expect(plan.estimates(pacer: pacer, nowNanos: .max / 8) { _ in 1_000 }.map(\.key.seq) == [20, 10])
        plan.set(.init(stream: quotes, key: gap(key: 10).key)) { item in
            item.reached += 1
            item.pages = 1_000_000
        }
        #expect(plan.estimates(pacer: pacer, nowNanos: .max / 8) { _ in 1_000 }.map(\.key.seq) == [20, 10])
    }

    @Test func aGapThatIsHealedWhileItIsOpenBeginsAnewWhenItHasAnEnd() {
        var open = gap(key: 40)
        (open.after, open.isOpen, open.state) = (nil, true, .open)
        var plan = plan([open])
        let name = HealPlan.TickGap(stream: quotes, key: open.key)
        #expect(plan.items[name]?.gap == open)
        plan.set(name) { $0.notBeforeNanos = 77 }
        plan.update(quotes, [open], nowNanos: 5) { _ in .min }
        #expect(plan.items[name]?.notBeforeNanos == 77 && plan.items[name]?.knownAtNanos == 0)
        // The same last second, and now it is known to be the last.
        plan.update(quotes, [gap(key: 40)], nowNanos: 9) { _ in .min }
        #expect(plan.items[name]?.notBeforeNanos == .min && plan.items[name]?.knownAtNanos == 9)
    }

    @Test func gapsTriedInVainGiveUpTheirPlace() {
        let vain = (1...UInt32(HealPlan.limit)).map { gap(stream: trades, key: 10 * $0, state: .partly) }
        var plan = HealPlan()
        plan.update(trades, vain) { Int64($0.key.seq) }
        #expect(plan.items.count == HealPlan.limit)
        plan.update(quotes, [gap(key: 7), gap(key: 8, state: .partly)]) { _ in .min }
        #expect(plan.items.count == HealPlan.limit)
        #expect(plan.next(nowNanos: 0) { _ in 1 }?.gap == gap(key: 7))
        #expect(plan.items[.init(stream: trades, key: vain[vain.count - 1].key)] == nil, "it would have waited longest")
        #expect(plan.items[.init(stream: quotes, key: gap(key: 8).key)] == nil)
        // A refused one that is still pending by its markers counts as tried in vain too.
        plan = HealPlan()
        plan.update(trades, vain.map { gap(stream: trades, key: $0.key.seq) }) { _ in .min }
        plan.update(quotes, [gap(key: 7)]) { _ in .min }
        #expect(plan.next(nowNanos: 0) { _ in 1 }?.gap.stream == trades, "they were there first")
        plan.set(.init(stream: trades, key: vain[5].key)) { $0.isRefused = true }
        plan.update(quotes, [gap(key: 7)]) { _ in .min }
        #expect(plan.items[.init(stream: quotes, key: gap(key: 7).key)] != nil)
        #expect(plan.items[.init(stream: trades, key: vain[5].key)] == nil)
    }
}
