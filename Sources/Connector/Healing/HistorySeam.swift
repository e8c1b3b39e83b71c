/// Where an answer of history begins, and whether the first second that is wanted of it can be believed. Pure.
///
/// An answer that begins before the second that was asked for may tell the first one behind it twice, in order of time
/// and without a border: nothing in it says so. What lies between an answer's first second and its last one is told
/// once. So such a second is asked for once more, from an earlier one with ticks on (`lead`), and a gateway that has
/// begun too early is always asked so. A first second of which one half repeats the other is looked at in the same way,
/// until one turned out to be of equal trades.
struct HistorySeam {
    enum Verdict: Equatable {
        case sound
        /// Nothing is taken of this answer; the next request begins at `lead`, or at what is wanted.
        case askAgain
        /// Two answers agree on this one.
        case once(HistoryAnswer)
        /// What can't be repetition; there may be more of the first second.
        case doubtful(HistoryAnswer)
    }

    private enum Manner {
        case unknown
        /// Answers begin where they should, and tell it once.
        case exact
        case early
    }

    /// How many seconds before `start` the asking begins, one after the other,
    /// where no earlier second with ticks is known.
    static let steps: [Int64] = [1, 60, 3_600]

    /// The second at which the next request begins; nil: with what is wanted.
    private(set) var lead: Int64?
    private var manner = Manner.unknown
    /// What an answer tells of its first second, until another answer has proven it.
    private var suspect: [HealTick] = []
    private var stepsDone = 0
    /// The second of `start`, when asking from before it did not help.
    private var refused: Int64?
    /// The ticks of one second with which an answer ended that was full with what lies before.
    private var told: [HealTick] = []

    var isEarly: Bool { manner == .early }

    /// Other seconds are wanted than before.
    ///
    /// - Parameter second: the last one before them that has ticks, where that is known.
    mutating func begin(behind second: Int64?) {
        lead = manner == .early ? second : nil
        (suspect, stepsDone) = ([], 0)
    }

    /// Looks at an answer.
    ///
    /// - Parameter start: the first second that is wanted.
    mutating func look(at answer: HistoryAnswer, from start: Int64, through: Int64) -> Verdict {
        let told = answer.firstTold(from: start, asked: lead ?? start)
        guard let first = told, first <= through else {
            guard let lead, told == nil, HistorySeam.isFull(answer, from: lead) else { return .sound }
            return giveUp(start, [])
        }
        if let lead { return look(at: answer, from: start, lead: lead, first: first) }
        let isRefused = refused == start
        if isRefused, let once = answer.removing(repetitionOf: self.told) { return .once(once) }
        if answer.ticks[0].second < start {
            manner = .early
        } else if manner == .exact || !answer.isTwice(first) {
            return .sound
        }
        // Nothing but equal ticks speaks against it: these are more likely than such a gateway.
        if isRefused { return manner == .early ? .doubtful(answer.toldOnce(first)) : .sound }
        suspect = answer.ticks(of: first)
        let before = answer.last(before: start)
        lead = before ?? start - HistorySeam.steps[0]
        stepsDone = before == nil ? 1 : HistorySeam.steps.count
        return .askAgain
    }

    private mutating func look(at answer: HistoryAnswer, from start: Int64, lead: Int64, first: Int64) -> Verdict {
        // What is in doubt for another reason is asked for again for that.
        guard let telling = answer.tellings(from: first, asked: lead, begun: []).first, !telling.isDoubtful else {
            return .sound
        }
        let ticks = telling.ticks
        guard answer.ticks.contains(where: { lead <= $0.second && $0.second < start }) else {
            guard stepsDone < HistorySeam.steps.count else { return giveUp(start, []) }
            self.lead = start - HistorySeam.steps[stepsDone]
            stepsDone += 1
            return .askAgain
        }
        if HistorySeam.isFull(answer, from: lead), answer.firstTold(from: first + 1, asked: lead) == nil {
            return giveUp(start, ticks)
        }
        if !suspect.isEmpty, manner == .unknown { manner = ticks == suspect ? .exact : .early }
        suspect = []
        return .sound
    }

    private mutating func giveUp(_ start: Int64, _ ticks: [HealTick]) -> Verdict {
        (lead, refused, told) = (nil, start, ticks)
        return .askAgain
    }

    private static func isFull(_ answer: HistoryAnswer, from lead: Int64) -> Bool {
        answer.greatestPass(from: lead).wanted >= HistoryPager.pageTicks
    }
}
