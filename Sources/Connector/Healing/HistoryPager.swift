/// Pages through the gateway's history of one stream, from a second to a second, without missing or repeating one.
///
/// A request asks for up to 1,000 ticks from the start of a second; the answer completes the last tick's second, so
/// that it may be longer, and may come in several messages. The next request begins with the second behind it: asking
/// from the last tick's second again, as its time suggests, never ends where an answer is one second alone.
///
/// What was given is never given again: ticks of seconds before `start` are cut. An answer that tells a second more
/// than once (`HistoryAnswer`) does not say by itself which telling is whole. Where they disagree, that second is asked
/// for again, alone at the beginning of a request; what that answer says counts, whatever it is. Equal ticks that
/// follow each other in one telling are as many trades, and all are kept. What an answer begins with is `HistorySeam`'s
/// to judge. A second that fills an answer is asked for from behind too (`CutSecond`). Pure.
/// Source: docs/tws.md#one-second-of-history.
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
        /// A second that can't be had as it was for certain: it fills an answer from its beginning on and one from its
        /// end, and nothing shows that they overlap; or it is only told where an answer begins that may tell its
        /// beginning twice.
        var doubtfulSecond: Int64?
        /// What the answer to `look(before:)` has, in order of time.
        var past: [HealTick] = []
        /// Nothing shows that the second which the answer ends with, the last one of `ticks` or that of `rest`, is over
        /// for history: it may be late, by parts of a second too, and have more of it soon.
        var mayGrow = false
    }

    /// A question from behind.
    private struct Rear {
        /// The second behind all that is asked for.
        var end: Int64
        /// What fills the second before `end`; nil: nothing but what lies there is asked for.
        var front: [HealTick]?
    }

    /// The first second that has not been given.
    private(set) var start: Int64
    /// Where the next request begins: at `start`, or at a second before it, whose ticks are told once more and cut.
    var asking: Int64 { seam.lead ?? start }
    /// What the next request asks for.
    var question: HistoryQuestion {
        rear.map { .before($0.end - (countsEnd ? 1 : 0)) } ?? .from(asking)
    }
    /// The last second wanted.
    let through: Int64
    /// Ticks that came for other seconds than those that were asked for, or came again.
    private(set) var cutTicks = 0
    private var answer = HistoryAnswer()
    /// What an answer said of the second that is asked for again because of it.
    private var doubt: HistoryAnswer.Telling?
    /// The beginning of the second `start`, where an answer was cut in it, or ended with it.
    private var cut: [HealTick] = []
    private var seam = HistorySeam()
    private var rear: Rear?
    /// The second that a question from behind ends with is in the answers.
    private var countsEnd = false
    /// Answers came that were not what was asked for.
    private var isOdd = false
    /// The newest second of which history has shown a tick: those before it are over for it.
    private var newest = Int64.min

    init(from start: Int64, through: Int64) {
        self.start = start
        self.through = through
    }

    /// Takes one message of the answer; false when the answer is longer than any can be.
    mutating func take(_ ticks: [HealTick]) -> Bool {
        guard answer.ticks.count + ticks.count <= HistoryPager.greatestAnswer else {
            answer = HistoryAnswer()
            return false
        }
        answer.take(ticks)
        return true
    }

    /// Forgets what came of an answer that will not be completed.
    mutating func giveUpAnswer() { answer = HistoryAnswer() }

    /// Begins again at a second that was given, or could not be used.
    mutating func goBack(to second: Int64) {
        if second < start { begin(at: second) }
    }

    /// What lies before a second has been had elsewhere.
    mutating func goOn(at second: Int64) {
        if second > start { begin(at: min(second, through)) }
    }

    /// Asks from another second on.
    mutating func jump(to second: Int64) { begin(at: min(second, through)) }

    /// Asks again from a second on that was told, perhaps not whole; `ticks`: what was told of it.
    mutating func ask(again second: Int64, told ticks: [HealTick]) {
        begin(at: second)
        cut = ticks
    }

    /// Asks, once, for what lies before a second.
    mutating func look(before second: Int64) { rear = Rear(end: second) }

    /// History has a tick of this second.
    mutating func noteSeen(_ second: Int64) { newest = max(newest, second) }

    private mutating func begin(at second: Int64) {
        rear = nil
        guard second != start else { return }
        start = second
        doubt = nil
        cut = []
        seam.begin(behind: nil)
    }

    /// The answer is complete.
    mutating func finish() -> Page {
        let answer = self.answer
        self.answer = HistoryAnswer()
        if let latest = answer.ticks.lazy.map(\.second).max() { noteSeen(latest) }
        var page = rear.map { finish($0, answer) } ?? judge(answer)
        if let last = page.rest.last ?? page.ticks.last { page.mayGrow = newest <= last.second }
        return page
    }

    private mutating func judge(_ whole: HistoryAnswer) -> Page {
        var answer = whole
        // A last tick repeated is the end of a day, more are something else.
        isOdd = isOdd || !answer.isInOrder || answer.ticks.count { $0.second < asking } > 1
        var doubtful: Int64?
        switch seam.look(at: answer, from: start, through: through) {
        case .sound: break
        case .askAgain:
            cutTicks += answer.ticks.count
            return Page(ticks: [], through: start - 1, next: .more)
        case .once(let once):
            cutTicks += answer.ticks.count - once.ticks.count
            answer = once
        case .doubtful(let once):
            doubtful = answer.first(from: start)
            cutTicks += answer.ticks.count - once.ticks.count
            answer = once
        }
        let (asked, isLed) = (start, seam.lead != nil)
        var page = finish(answer)
        if let doubtful { page.doubtfulSecond = doubtful }
        if start != asked { seam.begin(behind: answer.last(before: start)) }
        // The ticks before `start` were asked for.
        if isLed, page.next == .stuck { page.next = .exhausted }
        return page
    }

    private mutating func finish(_ answer: HistoryAnswer) -> Page {
        var wanted: [HealTick] = []
        defer { cutTicks += answer.ticks.count - wanted.count }
        for telling in answer.tellings(from: start, asked: asking, begun: cut) {
            if telling.second > through { return finish(wanted) }
            guard telling.isDoubtful else {
                wanted += telling.ticks
                continue
            }
            // Asked for again at the beginning of a request, once; what lies before it is whole.
            if doubt?.second != telling.second || start != telling.second { return ask(telling, again: wanted) }
            wanted += telling.resolved(after: doubt)
        }
        guard let last = wanted.last?.second, let first = wanted.first?.second else {
            return Page(ticks: [], through: start - 1, next: answer.ticks.isEmpty ? .exhausted : .stuck)
        }
        let length = answer.greatestPass(from: asking)
        let isShort = length.wanted < HistoryPager.pageTicks && length.all != HistoryPager.pageTicks
        let isFull =
            [length.all, length.wanted, wanted.count].contains(HistoryPager.pageTicks)
            || seam.isEarly && mayBeCut(answer, length.wanted)
        if isShort {
            // The end of what history has: more of its last second may come yet, unless that is the last one wanted.
            let complete = last == through ? last : last - 1
            return page(wanted, through: complete, next: last == through ? .finished : .exhausted)
        }
        // Exactly as many as asked for: the last second may have been cut after all; it is asked for again.
        if isFull, first < last {
            var page = page(wanted, through: last - 1, next: .more)
            swap(&cut, &page.rest)
            return page
        }
        if isFull, length.wanted < HistoryPager.pageTicks, doubt?.second != last,
            let telling = answer.last(from: start, asked: asking)
        {
            return ask(telling, again: [])
        }
        if wanted.count == HistoryPager.pageTicks, length.all == HistoryPager.pageTicks {
            rear = Rear(end: last + 1, front: wanted)
            return Page(ticks: [], through: start - 1, next: .more)
        }
        return whole(wanted, of: last, isCertain: !isFull)
    }

    /// An answer from behind is complete.
    private mutating func finish(_ rear: Rear, _ answer: HistoryAnswer) -> Page {
        let past = answer.ticks.filter { $0.second < rear.end }
        // This gateway counts the end in: asked a second earlier, it has what is wanted.
        if !countsEnd, answer.ticks.contains(where: { $0.second == rear.end }) {
            countsEnd = true
            // Where all that is asked is what lies before, that has been answered.
            guard rear.front == nil, !past.isEmpty else { return Page(ticks: [], through: start - 1, next: .more) }
        }
        self.rear = nil
        guard let front = rear.front else {
            return Page(ticks: [], through: start - 1, next: .more, past: past.sorted { $0.second < $1.second })
        }
        let second = rear.end - 1
        let join = CutSecond.join(front, answer, second: second, isTrusted: !isOdd)
        return whole(join.ticks, of: second, isCertain: join.isCertain)
    }

    /// A page of one second.
    private mutating func whole(_ ticks: [HealTick], of second: Int64, isCertain: Bool) -> Page {
        var page = page(ticks, through: second, next: second == through ? .finished : .more)
        if !isCertain { page.doubtfulSecond = second }
        return page
    }

    /// Of the ticks of an answer that tells its first second twice the gateway has not counted so many.
    private func mayBeCut(_ answer: HistoryAnswer, _ ticks: Int) -> Bool {
        guard let first = answer.first(from: asking) else { return false }
        return answer.mayBeginTwice(first, ticks: max(1, ticks - HistoryPager.pageTicks))
    }

    /// What lies before a second is given; that one is asked for again.
    private mutating func ask(_ telling: HistoryAnswer.Telling, again ticks: [HealTick]) -> Page {
        (doubt, isOdd) = (telling, true)
        if start != telling.second { cut = [] }
        start = telling.second
        return Page(ticks: ticks, through: telling.second - 1, next: .more)
    }

    /// Everything wanted has come: what lies behind is cut.
    private mutating func finish(_ ticks: [HealTick]) -> Page {
        begin(at: through + 1)
        return Page(ticks: ticks, through: through, next: .finished)
    }

    private mutating func page(_ ticks: [HealTick], through: Int64, next: Next) -> Page {
        begin(at: through + 1)
        return Page(
            ticks: ticks.filter { $0.second <= through }, through: through, next: next,
            rest: ticks.filter { $0.second > through })
    }
}
