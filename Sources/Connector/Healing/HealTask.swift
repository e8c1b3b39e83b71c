internal import TickStore
internal import Ticks

/// The healing of one gap: pages of history go in, runs of the ticks that it misses come out. Pure.
///
/// Whole seconds inside the gap are taken as history gives them; seconds of which something is stored have to agree
/// with it. Where they don't, history may be late: the second is asked for again a few times, then left as it is.
/// Source: docs/architecture.md#healing-followed.
struct HealTask {
    /// What has to happen next.
    enum Next: Equatable {
        /// Ask for the page that begins at `pager.asking`.
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

    /// So often a second that can't be had whole is looked at, once an hour, before nothing more is expected of
    /// history.
    static let greatestLooks = 4
    /// Waits before what history did not have (yet) is asked for again; behind the last one it is believed.
    static let retryNanos: [Int64] = [5, 15, 60, 600].map { $0 * 1_000_000_000 }

    let gap: HealGap
    let stored: StoredTicks
    /// Seconds of which something is stored in front of the gap, and behind it.
    private let secondsInFront: Set<Int64>
    private let secondsBehind: Set<Int64>
    var pager: HistoryPager
    /// Ticks healed by this task, given out in runs or not yet.
    private(set) var ticks = 0
    private let from: Int64
    /// The gap's last second.
    private let end: Int64
    /// The last second of this task: the gap's, unless so many ticks are stored that another task has to follow.
    private let through: Int64
    /// The first second that has not been taken.
    private(set) var reached: Int64
    private var runFrom: Int64
    private var buffer: [HealTick] = []
    private var retries = 0
    private var edgeFailed = false
    /// Seconds that can't be had as they were for certain.
    private(set) var doubtfulSeconds: Set<Int64> = []
    /// A run of this task tells of such a second: the gap's verdict has to stand behind it.
    private var hasLookedInVain = false
    /// Some were left out by earlier runs, and are not asked for again.
    private let wereLeftOut: Bool
    /// What is known of the history's unreported trades.
    private(set) var manner: SecondReconciler.Manner
    /// Pages showed that this history has unreported trades, or that it lacks stored ones.
    private var showsUnreported = false
    private var lacksUnreported = false
    /// History has trades that this stream's live ticks are without.
    private var isWithoutUnreported = false
    /// Looks for where history goes on.
    private var probe: HistoryProbe?
    private var hasProbed = false
    /// What history told of the second that its answers end with, before it was waited.
    private var told: [HealTick] = []
    /// History goes on at this second, and the one that it ended with is asked for again; with what was told of that.
    private var next: (second: Int64, told: [HealTick])?
    /// It has been asked, or is being asked, how far history reaches.
    private var (hasLookedAhead, looksAhead) = (false, false)
    /// The gateway said that history has not got the last seconds (2188): what it lacks is asked for again later.
    var isBehind = false

    /// - Precondition: the gap has a last second.
    init(_ gap: HealGap, stored: StoredTicks, manner: SecondReconciler.Manner = .unknown) {
        self.gap = gap
        self.stored = stored
        self.manner = manner
        secondsInFront = Set(stored.front.joined().map(\.second))
        secondsBehind = Set(stored.back.joined().map(\.second))
        var span = gap
        span.from = stored.from ?? gap.from
        span.through = stored.end ?? gap.through
        from = span.from
        end = span.through ?? from
        runFrom = min(gap.resumeSecond, span.resumeSecond)
        let start = max(runFrom, from)
        through = max(start, min(end, stored.through))
        wereLeftOut = gap.leftOut.contains { $0 < start }
        reached = start
        pager = HistoryPager(from: start, through: through)
    }

    /// Works through one page.
    mutating func take(_ page: HistoryPager.Page) -> Step {
        if looksAhead {
            looksAhead = false
            return Step(next: .ask)
        }
        if let step = takeProbe(page) ?? takeEnd(page) { return step }
        showsUnreported = showsUnreported || page.ticks.contains(where: \.isUnreported)
        if let second = page.doubtfulSecond {
            if gap.isOpen { return stop(before: second, page) }
            doubtfulSeconds.insert(second)
        }
        return askAgain(page) ?? work(through: page)
    }

    /// What a page ends with is asked for again where history may have had a part of it only; nil: it is whole. It is
    /// when a later tick shows that it is over, or two answers with a wait between them say the same.
    private mutating func askAgain(_ page: HistoryPager.Page) -> Step? {
        guard page.mayGrow, page.rest.isEmpty, let second = page.ticks.last?.second, second == page.through,
            !doubtfulSeconds.contains(second), !isProven(second)
        else { return nil }
        let (before, last) = (page.ticks.filter { $0.second < second }, page.ticks.filter { $0.second == second })
        guard told != last else { return nil }
        guard retries < HealTask.retryNanos.count else {
            if gap.isOpen { return stop(before: second, page) }
            doubtfulSeconds.insert(second)
            return nil
        }
        var step = work(through: .init(ticks: before, through: second - 1, next: .more))
        guard step.next == .ask else { return step }
        pager.ask(again: second, told: last)
        // What follows is told with it.
        if !before.isEmpty, second < through { return step }
        if second < through, !hasLookedAhead {
            (hasLookedAhead, looksAhead) = (true, true)
            pager.look(before: through + 1)
            return step
        }
        told = last
        if let wait = nextRetry() {
            closeRun(into: &step)
            step.next = .retry(waitNanos: wait)
        }
        return step
    }

    /// True when what is stored of the last second proves that history has all that the gap misses of it: what lies
    /// behind the gap has to be there. Of a gap without an end nothing is claimed of its last second: it is asked for
    /// again.
    private func isProven(_ second: Int64) -> Bool {
        guard second == through else { return false }
        return gap.isOpen || stored(second).back.contains { $0.contains { !$0.isUnreported } }
    }

    private mutating func work(through page: HistoryPager.Page) -> Step {
        // One that shows the mark of unreported trades anywhere shows it everywhere.
        if page.ticks.contains(where: \.isUnreported) { manner = .shown }
        var step = Step(next: .ask)
        var index = 0
        for second in seconds(of: page) {
            let start = index
            while index < page.ticks.count, page.ticks[index].second == second { index += 1 }
            let history = Array(page.ticks[start..<index])
            if doubtfulSeconds.contains(second) {
                leaveOut(second, missing(second, ofCut: history), into: &step)
            } else if let missing = reconcile(second, history) {
                take(missing, into: &step)
            } else if let wait = nextRetry() {
                pager.goBack(to: second)
                closeRun(into: &step)
                step.next = .retry(waitNanos: wait)
                return step
            } else if gap.isOpen {
                finish(nil, into: &step)
                return step
            } else {
                doesNotFit(second, into: &step)
                retries = 0
            }
            reached = second + 1
        }
        reached = max(reached, page.through + 1)
        follow(page, into: &step)
        return step
    }

    /// What can't be had for certain is judged when the gap has an end: of one that is open nothing is claimed from
    /// there on.
    private mutating func stop(before second: Int64, _ page: HistoryPager.Page) -> Step {
        var step = work(
            through: .init(ticks: page.ticks.filter { $0.second < second }, through: second - 1, next: .more))
        if step.next == .ask { finish(nil, into: &step) }
        return step
    }

    /// The gateway has answered with an error that ends this: what is there is kept.
    mutating func giveUp(_ verdict: GapState) -> Step {
        var step = Step(next: .finished)
        finish(verdict, into: &step)
        return step
    }

    /// Takes the history in front of a subscription like a page of the gap's first seconds, if it reaches back beyond
    /// the gap and fits to what is stored.
    ///
    /// Its last two seconds are left to the gateway's answer: the history may end before the live ticks begin, be it in
    /// the same second, and no tick says so. So a gap is never healed from it alone.
    mutating func take(front: [HealTick]) -> [HealedRun] {
        guard gap.runs.isEmpty, let first = front.first, first.second < from, let last = front.map(\.second).max(),
            zip(front, front.dropFirst()).allSatisfy({ $0.second <= $1.second })
        else { return [] }
        let end = min(last - 1, through)
        guard end > from else { return [] }
        let edge = front.filter { $0.second == from }
        // What another gap of this second was healed with may lack trades that this history has: their place is in that
        // gap.
        let fits = SecondReconciler.reconcile(
            edge, stored: .init(front: stored(from).front), manner: manner, inOnePiece: true)
        guard fits != nil else { return [] }
        pager.noteSeen(last)
        pager.goOn(at: end)
        let step = work(
            through: .init(
                ticks: front.filter { from <= $0.second && $0.second < end }, through: end - 1, next: .more))
        // A second that does not fit is the gateway's answer's, which has not been asked for yet.
        if case .retry = step.next { retries = 0 }
        return step.runs
    }

    /// True when a run that was recorded for another gap brought ticks that may be of this gap's seconds: `stored`
    /// lacks them. Of its edge seconds that is usual; of those between where times are not in order.
    func isTouched(by run: HealedRun) -> Bool {
        guard run.stream == gap.stream, run.gap != gap.healingKey, !run.ticks.isEmpty else { return false }
        return run.from <= max(from, end) && from < max(run.to, run.from + 1)
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
        var stored = SecondReconciler.Stored(healed: self.stored.healed[second] ?? [])
        func parts(_ segments: [[HealTick]]) -> [[HealTick]] {
            segments.map { $0.filter { $0.second == second } }.filter { !$0.isEmpty }
        }
        if secondsInFront.contains(second) { stored.front = parts(self.stored.front) }
        if secondsBehind.contains(second) { stored.back = parts(self.stored.back) }
        return stored
    }

    /// What the gap misses in a second; nil: history does not contain what is stored of it.
    private mutating func reconcile(_ second: Int64, _ history: [HealTick]) -> [HealTick]? {
        let stored = stored(second)
        func reconciled() -> SecondReconciler.Result? {
            let ticks = isWithoutUnreported ? history.filter { !$0.isUnreported } : history
            return SecondReconciler.reconcile(ticks, stored: stored, manner: manner)
        }
        guard var result = reconciled() else { return nil }
        // A `last` stream whose live ticks came without trades that history has between them is not given them
        // elsewhere.
        if gap.stream.kind == .last, result.passedUnreported > 0, !stored.hasUnreported {
            isWithoutUnreported = true
            result = reconciled() ?? result
        }
        if manner == .unknown { manner = result.manner }
        if result.manner == .unmarked { showsUnreported = true }
        if result.leftOut > 0 { lacksUnreported = true }
        return result.missing
    }

    private mutating func doesNotFit(_ second: Int64, into step: inout Step) {
        edgeFailed = true
        leaveOut(second, [], into: &step)
    }

    /// What the gap surely misses of a second that is not whole: what is stored has to be how history begins and ends.
    private func missing(_ second: Int64, ofCut history: [HealTick]) -> [HealTick] {
        let stored = stored(second)
        // What there was of it earlier runs have brought.
        guard stored.healed.isEmpty, stored.front.count <= 1, stored.back.count <= 1 else { return [] }
        let (front, back) = (stored.front.first ?? [], stored.back.first ?? [])
        guard front.count + back.count <= history.count, history.starts(with: front),
            history.suffix(back.count).elementsEqual(back)
        else { return [] }
        return Array(history[front.count..<(history.count - back.count)])
    }

    /// A second that is not whole, or does not fit: what there is of it is a run that fills no time, so that the gap's
    /// runs leave it out. A gap that is tried again begins there, and a run without ticks tells that it was looked at
    /// again.
    private mutating func leaveOut(_ second: Int64, _ missing: [HealTick], into step: inout Step) {
        let isKnown = gap.leftOut.contains(second)
        if !buffer.isEmpty || !isKnown && runFrom < second {
            step.runs.append(run(buffer, to: second, verdict: nil))
            buffer = []
        }
        runFrom = second
        var rest = missing[...]
        if !isKnown || !rest.isEmpty || gap.vainLooks(at: second) < HealTask.greatestLooks {
            hasLookedInVain = true
            repeat {
                step.runs.append(run(Array(rest.prefix(HealedRun.capacity)), to: second, verdict: nil))
                rest = rest.dropFirst(HealedRun.capacity)
            } while !rest.isEmpty
        }
        ticks += missing.count
        runFrom = second + 1
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
        case .more: passOverFilled(into: &step)
        case .finished: finish(success, into: &step)
        case .exhausted, .stuck:
            if !beginProbe(page, into: &step) { followEnd(page, into: &step) }
        }
        if !page.ticks.isEmpty, page.next == .more { (retries, hasProbed) = (0, false) }
    }

    /// A gap that is tried again is not asked for where earlier runs filled it.
    private mutating func passOverFilled(into step: inout Step) {
        guard gap.state == .partly else { return }
        let wanted = gap.unfilled(from: reached)
        guard wanted > reached else { return }
        closeRun(into: &step)
        guard wanted <= through else { return finish(success, into: &step) }
        (reached, runFrom) = (wanted, wanted)
        pager.jump(to: wanted)
    }

    /// History ends before the last second wanted, for now or for good.
    private mutating func followEnd(_ page: HistoryPager.Page, into step: inout Step) {
        switch page.next {
        case .more, .finished: break
        case .exhausted:
            // What is stored of the last second proves that history should reach it.
            let isExpected = isBehind || !stored(through).isEmpty
            let isLate = isExpected || page.mayGrow && page.rest != told
            told = page.rest
            if let wait = isLate || retries == 0 ? nextRetry() : nil {
                closeRun(into: &step)
                step.next = .retry(waitNanos: wait)
            } else if isLate {
                // What it has of its last second may not be all, and is asked for again.
                if !isBehind { takeRest(page.rest, into: &step) }
                finish(.partly, into: &step)
            } else {
                takeRest(page.rest, into: &step)
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
    }

    /// Waiting brought nothing: perhaps history goes on behind the end of a trading day. True: that is asked for, once.
    private mutating func beginProbe(_ page: HistoryPager.Page, into step: inout Step) -> Bool {
        guard retries > 0, !hasProbed, reached < through else { return false }
        let end = page.rest.first.map { $0.second + 1 } ?? reached
        let begun = HistoryProbe(behind: end, through: through, page: page)
        (probe, hasProbed) = (begun, true)
        ask(begun.question)
        closeRun(into: &step)
        return true
    }

    private mutating func ask(_ question: HistoryQuestion) {
        switch question {
        case .from(let second): pager.jump(to: second)
        case .before(let second): pager.look(before: second)
        }
    }

    /// Nil: nothing is looked for.
    private mutating func takeProbe(_ page: HistoryPager.Page) -> Step? {
        guard var probe else { return nil }
        var step = Step(next: .ask)
        switch probe.take(page) {
        case .ask:
            self.probe = probe
            ask(probe.question)
        case .goesOn(let second):
            self.probe = nil
            if probe.page.mayGrow, let end = probe.page.rest.first?.second {
                // There may be more of it than there was then, and now it is over.
                next = (second, probe.page.rest)
                pager.ask(again: end, told: probe.page.rest)
            } else {
                goOn(at: second, behind: probe.page.rest, into: &step)
            }
        case .nothing:
            self.probe = nil
            pager.jump(to: reached)
            followEnd(probe.page, into: &step)
        }
        return step
    }

    /// History goes on at a second, behind what it had when it ended.
    private mutating func goOn(at second: Int64, behind rest: [HealTick], into step: inout Step) {
        // Asked from where nothing comes the same would be found again.
        if second > reached { (retries, hasProbed) = (0, false) }
        guard takeRest(rest, into: &step) else { return finish(nil, into: &step) }
        reached = max(reached, second)
        pager.jump(to: reached)
    }

    /// The second that history ended with, asked for again since it goes on later; nil: nothing is, or it goes on by
    /// itself.
    private mutating func takeEnd(_ page: HistoryPager.Page) -> Step? {
        guard let next, page.doubtfulSecond == nil else {
            self.next = nil
            return nil
        }
        var step = Step(next: .ask)
        switch page.next {
        // The same is asked for once more.
        case .more where page.ticks.isEmpty: return step
        case .more, .finished:
            self.next = nil
            return nil
        case .exhausted, .stuck:
            self.next = nil
            let second = next.told[0].second
            guard page.through < second else { return nil }
            let isTold = page.rest.first?.second == second
            if !isTold, gap.isOpen {
                finish(nil, into: &step)
                return step
            }
            if !isTold {
                // It is not told any more: what it was is not certain.
                doubtfulSeconds.insert(second)
                leaveOut(second, missing(second, ofCut: next.told), into: &step)
            }
            goOn(at: next.second, behind: isTold ? page.rest : [], into: &step)
            return step
        }
    }

    /// History has been asked for often enough: what it has of its last second is all. False: it does not fit, and is
    /// judged when the gap has an end.
    @discardableResult private mutating func takeRest(_ rest: [HealTick], into step: inout Step) -> Bool {
        guard let second = rest.first?.second else { return true }
        if let missing = reconcile(second, rest) {
            take(missing, into: &step)
        } else if gap.isOpen {
            return false
        } else {
            doesNotFit(second, into: &step)
        }
        reached = second + 1
        return true
    }

    private mutating func nextRetry() -> Int64? {
        guard retries < HealTask.retryNanos.count else { return nil }
        retries += 1
        return HealTask.retryNanos[retries - 1]
    }

    /// Nil: what lies behind this task's last second has to be looked at too.
    private var success: GapState? {
        if through < end { return nil }
        if edgeFailed { return .edgeUnreconciled }
        if wereLeftOut || !doubtfulSeconds.isEmpty { return isHopeless ? .edgeUnreconciled : .partly }
        return lacksUnreported || (gap.stream.kind == .allLast && !showsUnreported) ? .subset : .healed
    }

    /// Every second that was not whole has been looked at often enough, and brought nothing more.
    private var isHopeless: Bool {
        !wereLeftOut && ticks == 0 && doubtfulSeconds.allSatisfy { gap.vainLooks(at: $0) + 1 >= HealTask.greatestLooks }
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
        // Of a gap without an end no more is claimed than history has shown.
        if gap.isOpen { return closeRun(into: &step) }
        // A gap that was tried before and brought nothing again stays what its markers say; also where these say more
        // than is believed of it, since nobody knows when it began.
        let isSaid = verdict == gap.state || gap.state == .partly && verdict == gap.outcome
        if isSaid, buffer.isEmpty, ticks == 0, !hasLookedInVain { return }
        // What is tried again later must not be taken for done. Else all of the gap is, whatever the time of what ended
        // it.
        let last = through < self.end ? through : max(through, gap.through ?? through)
        let end = max(verdict == .partly ? reached : last + 1, runFrom)
        if end == runFrom, buffer.isEmpty, let last = step.runs.indices.last, step.runs[last].verdict == nil {
            step.runs[last].verdict = verdict
        } else {
            // One that fills no time would say that a second was left out.
            let isEmpty = end == runFrom && verdict != .partly
            step.runs.append(run(buffer, to: isEmpty ? end + 1 : end, verdict: verdict))
        }
        buffer = []
    }

    private func run(_ ticks: [HealTick], to: Int64, verdict: GapState?) -> HealedRun {
        HealedRun(
            stream: gap.stream, gap: gap.healingKey, knowsLost: gap.isLost, from: runFrom, to: to, ticks: ticks,
            verdict: verdict)
    }
}
