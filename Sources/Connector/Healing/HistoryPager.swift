/// Pages through the gateway's history of one stream, from a second to a second, without missing or repeating one.
///
/// A request asks for up to 1,000 ticks from the start of a second; the answer completes the last tick's second, so that it
/// may be longer, and may come in several messages. The next request begins with the second behind it: asking from the last
/// tick's second again, as its time suggests, never ends where an answer is one second alone. Pure.
/// Source: TWS protocol, historical ticks and same-second semantics.
struct HistoryPager {
    /// What a request asks for.
    static let pageTicks = 1_000
    /// The most ticks of one answer; more in one second than this can't be had.
    static let greatestAnswer = 262_144

    /// What follows a page.
    enum Next: Equatable {
        /// Everything up to the last wanted second is there.
        case finished
        /// Ask again, from `start`.
        case more
        /// History ends before the last wanted second, for now.
        case exhausted
        /// The answer had ticks, but none at or after the second that was asked for.
        case stuck
    }

    struct Page {
        /// In order of time, of whole seconds alone.
        var ticks: [HealTick]
        /// Everything that history has up to this second, itself included, has been given.
        var through: Int64
        var next: Next
        /// Ticks of the answer's last second, where that may not be whole yet.
        var rest: [HealTick] = []
    }

    /// The first second that has not been given: where the next request begins.
    private(set) var start: Int64
    /// The last second wanted.
    let through: Int64
    /// Ticks that came for other seconds than those that were asked for.
    private(set) var cutTicks = 0
    private var answer: [HealTick] = []

    init(from start: Int64, through: Int64) {
        self.start = start
        self.through = through
    }

    /// Takes one message of the answer; false when the answer is longer than any can be.
    mutating func take(_ ticks: [HealTick]) -> Bool {
        guard answer.count + ticks.count <= HistoryPager.greatestAnswer else {
            answer = []
            return false
        }
        answer += ticks
        return true
    }

    /// Forgets what came of an answer that will not be completed.
    mutating func giveUpAnswer() { answer = [] }

    /// Begins again at a second that was given, or could not be used.
    mutating func goBack(to second: Int64) { start = min(start, second) }

    /// The answer is complete.
    mutating func finish() -> Page {
        let count = answer.count
        let wanted = HistoryPager.inOrder(answer).filter { $0.second >= start }
        answer = []
        cutTicks += count - wanted.count
        guard let last = wanted.last?.second, let first = wanted.first?.second else {
            return Page(ticks: [], through: start - 1, next: count == 0 ? .exhausted : .stuck)
        }
        if last > through {
            let given = wanted.filter { $0.second <= through }
            cutTicks += wanted.count - given.count
            start = through + 1
            return Page(ticks: given, through: through, next: .finished)
        }
        if count < HistoryPager.pageTicks {
            // The end of what history has: more of its last second may come yet, unless that is the last one wanted.
            let complete = last == through ? last : last - 1
            return page(wanted, through: complete, next: last == through ? .finished : .exhausted)
        }
        // Exactly as many as asked for: the last second may have been cut after all; it is asked for again.
        if count == HistoryPager.pageTicks, first < last { return page(wanted, through: last - 1, next: .more) }
        return page(wanted, through: last, next: last == through ? .finished : .more)
    }

    private mutating func page(_ ticks: [HealTick], through: Int64, next: Next) -> Page {
        start = through + 1
        return Page(
            ticks: ticks.filter { $0.second <= through }, through: through, next: next,
            rest: ticks.filter { $0.second > through })
    }

    /// Answers are in order of time; one that is not is sorted, ticks of one second keeping theirs.
    private static func inOrder(_ ticks: [HealTick]) -> [HealTick] {
        guard zip(ticks, ticks.dropFirst()).contains(where: { $0.second > $1.second }) else { return ticks }
        return ticks.enumerated().sorted { ($0.element.second, $0.offset) < ($1.element.second, $1.offset) }
            .map(\.element)
    }
}
