internal import TickStore
internal import Ticks

/// What is recorded around a gap: the ticks of its two edge seconds, and what earlier runs brought.
struct StoredTicks: Equatable {
    /// Live ticks (and other gaps' healed ones) of the gap's first second that lie in front of it, in segments.
    var front: [[HealTick]] = []
    /// The same of its last second, behind it; also those of seconds between, where time ran backwards.
    var back: [[HealTick]] = []
    /// The gap's first second, which is later than the last tick's in front of it where time ran backwards.
    private(set) var from: Int64
    /// Ticks of earlier runs of this gap, by their second, up to `through`.
    var healed: [Int64: [HealTick]] = [:]
    /// The last second whose healed ticks are all here; what lies behind it is another task's.
    private(set) var through = Int64.max
    private var count = 0

    init(front: [[HealTick]] = [], back: [[HealTick]] = [], from: Int64 = .min) {
        self.front = front
        self.back = back
        self.from = from
    }

    /// Adds a tick of an earlier run. When there are more than `limit`, the latest seconds are left to another task, but
    /// never the two that it begins with: so every task gets on.
    ///
    /// - Parameter start: the second at which healing goes on; ticks before it are not needed.
    mutating func add(healed tick: HealTick, from start: Int64, limit: Int) {
        guard tick.second >= start, tick.second <= through else { return }
        healed[tick.second, default: []].append(tick)
        count += 1
        guard count > limit else { return }
        // Half of them, so that this is seldom done.
        for second in healed.keys.sorted(by: >) where second > start + 1 && count > limit / 2 {
            count -= healed.removeValue(forKey: second)?.count ?? 0
            through = second - 1
        }
    }
}

/// Ticks to be recorded as one run: between a `heal` and a `heal_end` marker, contiguous in the stream's numbers.
struct HealedRun: Equatable {
    /// Ticks of one run at most, so that live ticks never wait long behind it.
    static let capacity = 8_192

    var stream: StreamID
    var gap: TickKey
    /// Unix seconds, the end exclusive.
    var from: Int64
    var to: Int64
    var ticks: [HealTick]
    /// What the gap is after this run; nil: further runs follow.
    var verdict: GapState?
}

/// The healing of one gap: pages of history go in, runs of the ticks that it misses come out. Pure.
///
/// Whole seconds inside the gap are taken as history gives them; seconds of which something is stored have to agree with
/// it. Where they don't, history may be late: the second is asked for again a few times, then left as it is.
/// Source: the design's section 5, heal.
struct HealTask {
    /// What has to happen next.
    enum Next: Equatable {
        /// Ask for the page that begins at `pager.start`.
        case ask
        /// The same, after a wait.
        case retry(waitNanos: Int64)
        /// The last run has been given.
        case finished
    }

    struct Step: Equatable {
        var runs: [HealedRun] = []
        var next: Next
    }

    /// Waits before what history did not have (yet) is asked for again; behind the last one it is believed.
    static let retryNanos: [Int64] = [5, 15, 60, 600].map { $0 * 1_000_000_000 }

    let gap: HealGap
    let stored: StoredTicks
    /// Seconds of which something is stored behind the gap.
    private let secondsBehind: Set<Int64>
    var pager: HistoryPager
    /// Ticks healed by this task, given out in runs or not yet.
    private(set) var ticks = 0
    private let from: Int64
    /// The last second of this task: the gap's, unless so many ticks are stored that another task has to follow.
    private let through: Int64
    /// The first second that has not been taken.
    private(set) var reached: Int64
    private var runFrom: Int64
    private var buffer: [HealTick] = []
    private var retries = 0
    private var edgeFailed = false

    /// - Precondition: the gap is closed.
    init(_ gap: HealGap, stored: StoredTicks) {
        self.gap = gap
        self.stored = stored
        secondsBehind = Set(stored.back.joined().map(\.second))
        from = max(gap.from, stored.from)
        runFrom = gap.resumeSecond
        let start = max(runFrom, from)
        through = max(start, min(gap.through ?? start, stored.through))
        reached = start
        pager = HistoryPager(from: start, through: through)
    }

    /// All trades that history has are stored ones; `all_last` has others too.
    private var isSubset: Bool { gap.stream.kind == .allLast }

    /// Works through one page.
    mutating func take(_ page: HistoryPager.Page) -> Step {
        var step = Step(next: .ask)
        var index = 0
        for second in seconds(of: page) {
            let start = index
            while index < page.ticks.count, page.ticks[index].second == second { index += 1 }
            let history = Array(page.ticks[start..<index])
            if let missing = SecondReconciler.missing(in: history, stored: stored(second)) {
                take(missing, into: &step)
            } else if let wait = nextRetry() {
                pager.goBack(to: second)
                closeRun(into: &step)
                step.next = .retry(waitNanos: wait)
                return step
            } else {
                edgeFailed = true
                retries = 0
            }
            reached = second + 1
        }
        reached = max(reached, page.through + 1)
        follow(page, into: &step)
        return step
    }

    /// The gateway has answered with an error that ends this: what is there is kept.
    mutating func giveUp(_ verdict: GapState) -> Step {
        var step = Step(next: .finished)
        finish(verdict, into: &step)
        return step
    }

    /// The history in front of a subscription, whose next tick was the gap's `after`: heals the gap without a request, if it
    /// reaches back beyond the gap and fits to what is stored. Nil when it does not.
    ///
    /// It has to reach the second of the first live tick: a history that is late ends before.
    ///
    /// - Parameter live: the first stored ticks behind the gap. When the history ends as they begin, nobody can say whether
    ///   those ticks came twice: the gateway is asked then.
    static func heal(_ gap: HealGap, stored: StoredTicks, front: [HealTick], live: [HealTick]) -> [HealedRun]? {
        let from = max(gap.from, stored.from)
        guard gap.runs.isEmpty, let through = gap.through, let first = front.first, first.second < from,
            let last = front.last, last.second == through, !overlap(front, live),
            stored.back.joined().allSatisfy({ $0.second == through })
        else { return nil }
        guard zip(front, front.dropFirst()).allSatisfy({ $0.second <= $1.second }) else { return nil }
        let edge = front.filter { $0.second == from }
        // What another gap of this second was healed with may lack trades that this history has: their place is in that gap.
        guard
            let missing = SecondReconciler.missing(
                in: edge, stored: .init(front: stored.front), inOnePiece: true)
        else { return nil }
        let ticks = missing + front.filter { $0.second > from }
        let isSubset = gap.stream.kind == .allLast && !front.contains(where: \.isUnreported)
        guard ticks.count <= HealedRun.capacity else { return nil }
        return [
            HealedRun(
                stream: gap.stream, gap: gap.key, from: gap.from, to: through + 1, ticks: ticks,
                verdict: isSubset ? .subset : .healed)
        ]
    }

    /// True when some end of `front` is how `live` begins.
    private static func overlap(_ front: [HealTick], _ live: [HealTick]) -> Bool {
        let longest = min(front.count, live.count)
        guard longest > 0 else { return false }
        return (1...longest).contains { count in
            front[(front.count - count)...].elementsEqual(live[..<count])
        }
    }

    /// True when a run that was recorded for another gap brought ticks that may be of this gap's edge seconds: `stored` lacks
    /// them.
    func isTouched(by run: HealedRun) -> Bool {
        guard run.stream == gap.stream, run.gap != gap.key, !run.ticks.isEmpty else { return false }
        return [from, gap.through ?? from].contains { run.from <= $0 && $0 < run.to }
    }

    // MARK: - Seconds

    /// The seconds of a page that have to be looked at: those with ticks, and those with something stored.
    private func seconds(of page: HistoryPager.Page) -> [Int64] {
        guard page.through >= reached else { return [] }
        let range = reached...page.through
        var seconds = Set(page.ticks.map(\.second))
        for second in [from, through] + stored.healed.keys where range.contains(second) {
            if !stored(second).isEmpty { seconds.insert(second) }
        }
        return seconds.sorted()
    }

    private func stored(_ second: Int64) -> SecondReconciler.Stored {
        var stored = SecondReconciler.Stored(healed: inHistory(self.stored.healed[second] ?? []))
        if second == from { stored.front = self.stored.front.map(inHistory).filter { !$0.isEmpty } }
        if secondsBehind.contains(second) {
            stored.back = self.stored.back.map { inHistory($0.filter { $0.second == second }) }.filter { !$0.isEmpty }
        }
        return stored
    }

    private func inHistory(_ ticks: [HealTick]) -> [HealTick] {
        isSubset ? ticks.filter { !$0.isUnreported } : ticks
    }

    private mutating func take(_ missing: [HealTick], into step: inout Step) {
        buffer += missing
        ticks += missing.count
        while buffer.count >= HealedRun.capacity {
            let run = Array(buffer[..<HealedRun.capacity])
            buffer.removeFirst(HealedRun.capacity)
            let last = run[run.count - 1].second
            step.runs.append(self.run(run, to: last + 1, verdict: nil))
            runFrom = buffer.first?.second == last ? last : last + 1
        }
    }

    // MARK: - Ends

    private mutating func follow(_ page: HistoryPager.Page, into step: inout Step) {
        switch page.next {
        case .more: break
        case .finished: finish(success, into: &step)
        case .exhausted:
            // What is stored of the last second proves that history should reach it.
            let isExpected = !stored(through).isEmpty
            if let wait = isExpected ? nextRetry() : retries == 0 ? nextRetry() : nil {
                closeRun(into: &step)
                step.next = .retry(waitNanos: wait)
            } else {
                edgeFailed = edgeFailed || isExpected
                takeRest(page, into: &step)
                finish(success, into: &step)
            }
        case .stuck:
            if let wait = nextRetry() {
                closeRun(into: &step)
                step.next = .retry(waitNanos: wait)
            } else {
                finish(.partly, into: &step)
            }
        }
        if !page.ticks.isEmpty, page.next == .more { retries = 0 }
    }

    /// History has been asked for often enough: what it has of its last second is all.
    private mutating func takeRest(_ page: HistoryPager.Page, into step: inout Step) {
        guard let second = page.rest.first?.second else { return }
        if let missing = SecondReconciler.missing(in: page.rest, stored: stored(second)) {
            take(missing, into: &step)
        } else {
            edgeFailed = true
        }
        reached = second + 1
    }

    private mutating func nextRetry() -> Int64? {
        guard retries < HealTask.retryNanos.count else { return nil }
        retries += 1
        return HealTask.retryNanos[retries - 1]
    }

    /// Nil: what lies behind this task's last second has to be looked at too.
    private var success: GapState? {
        if through < gap.through ?? through { return nil }
        return edgeFailed ? .edgeUnreconciled : isSubset ? .subset : .healed
    }

    /// What has been collected becomes a run now, since it may be a while until more comes.
    mutating func closeRun() -> [HealedRun] {
        var step = Step(next: .ask)
        closeRun(into: &step)
        return step.runs
    }

    private mutating func closeRun(into step: inout Step) {
        guard !buffer.isEmpty else { return }
        let end = max(reached, runFrom + 1)
        step.runs.append(run(buffer, to: end, verdict: nil))
        runFrom = end
        buffer = []
    }

    private mutating func finish(_ verdict: GapState?, into step: inout Step) {
        step.next = .finished
        // A gap that was tried before and brought nothing again stays what its markers say.
        if verdict == gap.state, buffer.isEmpty, ticks == 0 { return }
        // What is tried again later must not be taken for done.
        let end = verdict == .partly ? max(reached, runFrom) : max(through, runFrom) + 1
        step.runs.append(run(buffer, to: end, verdict: verdict))
        buffer = []
    }

    private func run(_ ticks: [HealTick], to: Int64, verdict: GapState?) -> HealedRun {
        HealedRun(stream: gap.stream, gap: gap.key, from: runFrom, to: to, ticks: ticks, verdict: verdict)
    }
}
