import TickStore
import Testing
import Ticks

@testable import Connector

/// Made-up trades of one second, recorded but for some gaps, and healed from every kind of history: each trade that
/// history can give is there once, and none twice.
struct AnyHistoryTests {
    enum History: CaseIterable {
        /// All trades, the unreported ones with their mark.
        case all
        /// All trades, and no mark.
        case unmarked
        /// Without the unreported ones.
        case reported
    }

    private struct Part {
        var ticks: [HealTick]
        var isGap: Bool
    }

    /// What was recorded and what was not, in turns; few prices and sizes, so that many trades are equal.
    private func parts(_ random: inout SplitMix64, ownConditions: Bool) -> [Part] {
        let prices = 1 + random.below(6)
        return (0..<(3 + 2 * random.below(3))).map { index in
            let count = index % 2 == 0 ? 1 + random.below(12) : random.below(8)
            let ticks = (0..<count).map { _ in
                let isUnreported = random.below(3) == 0
                let conditions = isUnreported ? Int64(random.below(2)) + (ownConditions ? 1 : 0) : 0
                return HealTick(
                    stored: Tick(
                        tsEventNanos: 100_000_000_000, kind: .allLast, flags: isUnreported ? .unreported : [],
                        body: TickBody(Int64(random.below(prices)), Int64(1 + random.below(2)), 0, conditions)))
            }
            return Part(ticks: ticks, isGap: index % 2 == 1)
        }
    }

    private func history(_ truth: [HealTick], _ kind: History) -> [HealTick] {
        switch kind {
        case .all: truth
        case .reported: truth.filter { !$0.isUnreported }
        case .unmarked: truth.map { $0.with { $0.remove(.unreported) } }
        }
    }

    /// Heals the gaps one after the other, as the healer does. Nil: history was found not to fit.
    private func heal(
        _ parts: [Part], _ history: [HealTick], _ manner: SecondReconciler.Manner, _ order: [Int]
    ) -> [HealTick]? {
        var stored = parts.map { $0.isGap ? [] : $0.ticks }
        for gap in order {
            let (front, back) = (stored[..<gap], stored[(gap + 1)...])
            let found = SecondReconciler.reconcile(
                history, stored: .init(front: front.filter { !$0.isEmpty }, back: back.filter { !$0.isEmpty }),
                manner: manner)
            guard let found else { return nil }
            stored[gap] = found.missing.map { $0.with { $0.insert(.healed) } }
        }
        return stored.flatMap(\.self)
    }

    private func check(
        _ seed: UInt64, ownConditions: Bool, _ kind: History, _ manner: SecondReconciler.Manner
    ) {
        var random = SplitMix64(seed: seed)
        let parts = parts(&random, ownConditions: ownConditions)
        let history = history(parts.flatMap(\.ticks), kind)
        let gaps = parts.indices.filter { parts[$0].isGap }.shuffled(using: &random)
        guard let healed = heal(parts, history, manner, gaps) else {
            Issue.record("seed \(seed), \(kind): history does not fit")
            return
        }
        let wanted = parts.flatMap { part in
            part.isGap && kind == .reported ? part.ticks.filter { !$0.isUnreported } : part.ticks
        }
        // What history leaves out has no place in it: there the order of what is missing can't be known to the end.
        let (got, right) =
            kind == .reported
            ? (healed.map(\.words).sorted(), wanted.map(\.words).sorted())
            : (healed.map(\.words), wanted.map(\.words))
        #expect(got == right, "seed \(seed), \(kind)")
    }

    /// Unreported trades have conditions of their own, as odd lots have: nothing has to be known of the history.
    @Test(arguments: History.allCases, 0..<200)
    func eachTradeIsThereOnce(history: History, seed: Int) {
        check(UInt64(seed), ownConditions: true, history, .unknown)
    }

    /// Nothing but the mark may tell them from others: what is known of the history decides.
    @Test(
        arguments: [(History.all, SecondReconciler.Manner.shown), (.unmarked, .unmarked), (.reported, .leftOut)],
        0..<200)
    func eachTradeIsThereOnceThoughOthersAreEqual(known: (History, SecondReconciler.Manner), seed: Int) {
        check(UInt64(seed), ownConditions: false, known.0, known.1)
    }
}

extension SplitMix64 {
    fileprivate mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}

extension HealTick {
    fileprivate func with(_ change: (inout TickFlags) -> Void) -> HealTick {
        var tick = self
        change(&tick.tick.flags)
        return tick
    }

    /// Price, size and conditions.
    fileprivate var words: String { "\(tick.body.word0) \(tick.body.word1) \(tick.body.word3)" }
}
