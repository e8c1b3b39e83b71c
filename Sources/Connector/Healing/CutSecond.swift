/// A second that fills an answer: what its first ticks and its last ones make together. Pure.
///
/// Times have no parts of a second, so that of a longer one no more can be asked for. Where the second has up to 2,000
/// ticks, the first 1,000 end with what the last 1,000 begin with, and that overlap proves the join. It proves nothing
/// where it is short, or where its ticks come again and again: then they may lie farther apart, and the second is in
/// doubt. What is given then has no tick that the second has not, and none twice.
enum CutSecond {
    struct Join: Equatable {
        var ticks: [HealTick]
        /// The second is whole.
        var isCertain: Bool
    }

    /// - Parameters:
    ///   - front: the first ticks of the second, as many as an answer has.
    ///   - answer: asked for from behind it.
    ///   - isTrusted: this gateway has not been seen to answer with anything but what it was asked for.
    static func join(_ front: [HealTick], _ answer: HistoryAnswer, second: Int64, isTrusted: Bool) -> Join {
        let doubtful = Join(ticks: front, isCertain: false)
        guard answer.isInOrder, let first = answer.ticks.first,
            let telling = answer.tellings(from: second, asked: first.second, begun: []).last,
            telling.second == second, !telling.isDoubtful
        else { return doubtful }
        let back = telling.ticks
        // Completed, or behind an earlier second: it is told from its beginning on.
        if back.count > HistoryPager.pageTicks || back.count < answer.ticks.count {
            let isWhole = back.starts(with: front) && !answer.isTwice(second)
            return isWhole ? Join(ticks: back, isCertain: isTrusted) : doubtful
        }
        guard back.count == HistoryPager.pageTicks else { return doubtful }
        let longest = min(front.count, back.count)
        let common = (1...longest).last { front.suffix($0).elementsEqual(back.prefix($0)) } ?? 0
        return Join(
            ticks: front + back[common...], isCertain: isTrusted && isProof(common, front, back))
    }

    /// True when neither half of an overlap is found anywhere else: then the whole of it is no chance.
    private static func isProof(_ common: Int, _ front: [HealTick], _ back: [HealTick]) -> Bool {
        let half = common / 2
        return half >= HistoryAnswer.certainTicks && isOnce(front.suffix(half), in: front)
            && isOnce(back.prefix(half), in: back)
    }

    private static func isOnce(_ part: ArraySlice<HealTick>, in ticks: [HealTick]) -> Bool {
        (0...(ticks.count - part.count)).count { ticks[$0..<($0 + part.count)].elementsEqual(part) } == 1
    }
}
