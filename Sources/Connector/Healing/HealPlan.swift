internal import TickStore
internal import Ticks

/// Which gap is healed next, and when each will be, as far as that can be told. Pure.
///
/// Requests go in turns to the shortest gap and to the oldest one. Most gaps are of seconds and want one request: an
/// interruption of a night must not keep them waiting; nor may short ones that keep coming starve a long one, which has
/// every second request once it is the oldest. Of equally short ones the oldest is first.
///
/// A gateway that sends nonsense again and again opens a gap with each such tick, and must not use up the history
/// budget: for these gaps a few requests may go out at once, then one in half a minute, whatever streams they are of.
/// All of them wait for their turn, however long that takes.
struct HealPlan {
    struct Item: Equatable {
        var gap: HealGap
        /// Not before this time (boot clock): its last second is to be over, or history was late, or refused.
        var notBeforeNanos: Int64 = .min
        /// Ticks healed so far, in runs that are recorded or on their way.
        var ticks = 0
        /// The first second that is still to be asked for.
        var reached: Int64
        /// Requests answered so far.
        var pages = 0
        /// Tried and refused for lack of permission: not counted as waiting.
        var isRefused = false
        /// The last request failed, or history did not have it yet: how often it takes, nobody can tell.
        var isRetried = false
        /// Nothing tells yet when its last second will be over.
        var isUntimed = false
        /// Since when the gap is known with this end, by the boot clock.
        var knownAtNanos: Int64 = 0

        /// The older, the less.
        var age: (Int64, TickGap) { (gap.through ?? .max, name) }
        var name: TickGap { TickGap(stream: gap.stream, key: gap.key) }

        /// Tried in vain, by this connector or one before it.
        var isVain: Bool { isRefused || gap.state == .partly }
    }

    /// For the operator: one gap's place in the queue.
    struct Estimate: Equatable {
        var stream: StreamID
        var key: TickKey
        var ticks: Int
        /// Nil: it was tried in vain and is tried again.
        var etaNanos: Int64?
    }

    /// Gaps that are looked after at one time; the others follow when these are done. Those that were tried in vain
    /// give up their place to gaps that were not tried yet.
    static let limit = 4_096

    private(set) var items: [TickGap: Item] = [:]
    /// Requests for gaps of undecodable ticks: so many at once, and one more each time this has passed.
    static let undecodableAtOnce: Int64 = 10
    static let undecodableNanos: Int64 = 30_000_000_000

    /// When those sent so far are paid for; nil: none was sent.
    private var undecodablePaidNanos: Int64?
    /// The next request is the oldest gap's.
    private var isOldestsTurn = false

    /// A gap's name: keys are only unique within a stream.
    struct TickGap: Hashable, Comparable {
        var stream: StreamID
        var key: TickKey

        static func < (a: TickGap, b: TickGap) -> Bool { (a.key, a.stream) < (b.key, b.stream) }
    }

    /// The recorder's present word on a stream's gaps: those that need healing are kept or added, others forgotten.
    ///
    /// - Parameter nowNanos: boot clock.
    mutating func update(
        _ stream: StreamID, _ gaps: [HealGap], nowNanos: Int64 = 0, notBeforeNanos: (HealGap) -> Int64
    ) {
        var wanted: Set<TickGap> = []
        var spare: [TickGap]?
        for gap in gaps where gap.through != nil && (gap.state == .pending || gap.state == .partly || gap.isOpen) {
            let name = TickGap(stream: stream, key: gap.key)
            wanted.insert(name)
            if let item = items[name], item.gap.isSameTask(as: gap) {
                items[name]?.gap = gap
            } else if items.count < HealPlan.limit || (gap.state == .pending && makeRoom(&spare)) {
                items[name] = Item(
                    gap: gap, notBeforeNanos: notBeforeNanos(gap), ticks: gap.runs.reduce(0) { $0 + $1.ticks },
                    reached: gap.resumeSecond, knownAtNanos: nowNanos)
            }
        }
        for name in items.keys where name.stream == stream && !wanted.contains(name) { items[name] = nil }
    }

    /// Forgets the gap that was tried in vain and waits longest; false when there is none. The recorder names it again.
    ///
    /// - Parameter spare: such gaps, the one that waits longest last; nil: not looked for yet.
    private mutating func makeRoom(_ spare: inout [TickGap]?) -> Bool {
        var names =
            spare
            ?? items.filter(\.value.isVain)
            .sorted { ($0.value.notBeforeNanos, $0.key) < ($1.value.notBeforeNanos, $1.key) }.map(\.key)
        defer { spare = names }
        guard let name = names.popLast() else { return false }
        items[name] = nil
        return true
    }

    mutating func set(_ name: TickGap, _ change: (inout Item) -> Void) {
        guard var item = items[name] else { return }
        change(&item)
        items[name] = item
    }

    mutating func remove(_ name: TickGap) { items[name] = nil }

    /// A request for the gap goes out: the next one is of the other kind.
    mutating func noteAsked(_ gap: HealGap, nowNanos now: Int64) {
        isOldestsTurn.toggle()
        if gap.isUndecodable {
            undecodablePaidNanos = max(undecodablePaidNanos ?? .min, now) + HealPlan.undecodableNanos
        }
    }

    /// When the gap's turn may come, as far as it is not others that it waits for.
    ///
    /// - Parameter requests: for gaps of undecodable ticks that go before it.
    private func dueNanos(_ item: Item, behind requests: Int = 0) -> Int64 {
        guard item.gap.isUndecodable, let paid = undecodablePaidNanos else { return item.notBeforeNanos }
        let free = paid - (HealPlan.undecodableAtOnce - 1) * HealPlan.undecodableNanos
        // Beyond 19 years it does not matter any more, and must not overflow.
        return max(item.notBeforeNanos, free + Int64(min(requests, 20_000_000)) * HealPlan.undecodableNanos)
    }

    /// The gap to work on now.
    func next(nowNanos now: Int64, ticksPerSecond: (StreamID) -> Double) -> Item? {
        let due = items.values.filter { dueNanos($0) <= now }
        // What was tried in vain has no age: it would be the oldest for ever.
        if isOldestsTurn, let oldest = due.filter({ !$0.isVain }).min(by: { $0.age < $1.age }) { return oldest }
        return due.map { ($0, requestsLeft($0, ticksPerSecond)) }.min { ($0.1, $0.0.name) < ($1.1, $1.0.name) }?.0
    }

    /// When something is to be done, at the earliest.
    var nextNanos: Int64? { items.values.map { dueNanos($0) }.min() }

    /// Requests that a gap will take: by its own pages so far, else by the stream's usual rate.
    func requestsLeft(_ item: Item, _ ticksPerSecond: (StreamID) -> Double) -> Int {
        let left = Double(max(1, (item.gap.through ?? item.reached) - item.reached + 1))
        let done = Double(item.reached - item.gap.resumeSecond)
        if item.pages >= 3, done > 0 { return max(1, Int(min(left * Double(item.pages) / done, 1e9).rounded(.up))) }
        let ticks = left * ticksPerSecond(item.gap.stream)
        return max(1, Int(min(ticks / Double(HistoryPager.pageTicks), 1e9).rounded(.up)))
    }

    /// The queue in its order, each with the time until it is healed if nothing
    /// else comes. What was tried in vain is last.
    ///
    /// - Parameter busyUntilNanos: one request is open at a time; the present one
    ///   holds up all until then, at the latest.
    func estimates(
        pacer: HistoryPacer, nowNanos now: Int64, busyUntilNanos: Int64 = .min, ticksPerSecond: (StreamID) -> Double
    ) -> [Estimate] {
        let counts = items.values.map { (item: $0, requests: requestsLeft($0, ticksPerSecond)) }
        let order = counts.sorted { a, b in
            (a.item.isVain ? 1 : 0, a.requests, a.item.name) < (b.item.isVain ? 1 : 0, b.requests, b.item.name)
        }
        let units = HealPlan.units(of: order)
        var undecodable = 0
        return zip(order, units).map { entry, units in
            let item = entry.item
            let due = dueNanos(item, behind: undecodable)
            if item.gap.isUndecodable { undecodable += entry.requests }
            let paced = pacer.availableNanos(units: units, nowNanos: now)
            let isUntold = item.isVain || item.isRetried || item.isUntimed
            return Estimate(
                stream: item.gap.stream, key: item.gap.key, ticks: item.ticks,
                etaNanos: isUntold ? nil : max(paced, due, busyUntilNanos) - now)
        }
    }

    /// The units of the gateway's budget that are used up when each gap is healed, requests going in turns
    /// to the first of them and to the oldest.
    private static func units(of order: [(item: Item, requests: Int)]) -> [Int] {
        let costs = order.map { $0.item.gap.stream.kind == .bidAsk ? 2 : 1 }
        var left = order.map(\.requests)
        var done = left.map { _ in 0 }
        var used = 0
        let ages = order.indices.sorted { a, b in
            let (left, right) = (order[a].item, order[b].item)
            return left.isVain == right.isVain ? left.age < right.age : right.isVain
        }
        var oldest = 0
        for short in order.indices {
            while left[short] > 0 {
                while left[ages[oldest]] == 0 { oldest += 1 }
                let old = ages[oldest]
                // What was tried in vain holds up nobody.
                let isTurn = old != short && !order[old].item.isVain
                let turns = isTurn ? min(left[short], left[old]) : left[short]
                used += turns * costs[short]
                left[short] -= turns
                if left[short] == 0 { done[short] = used }
                guard isTurn else { continue }
                used += turns * costs[old]
                left[old] -= turns
                if left[old] == 0 { done[old] = used }
            }
        }
        return done
    }
}
