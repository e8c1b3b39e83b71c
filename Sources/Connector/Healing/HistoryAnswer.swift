/// The messages of one answer of history, and what they say of each second.
///
/// An answer is in order of time. Where it goes back, a page, or a part of one, is told again; each stretch in order
/// is a pass. Of a pass the seconds between its first and its last one are whole: it came to them from an earlier
/// second, and went on to a later one. The first second of a pass that went back may begin in its middle, and the last
/// one of a pass that another follows may be cut.
///
/// Within one second a repetition shows only where one message ends and the next begins. Whether the
/// ticks behind such a border are those in front of it once more, or as many equal trades, no message
/// says: it is doubtful, and asked for again.
struct HistoryAnswer: Equatable {
    /// So many equal ticks in a row behind a border are no chance.
    static let certainTicks = 8

    /// What an answer says of one second.
    struct Telling: Equatable {
        var second: Int64
        /// As told; where it is told more than once, what all that is told makes together.
        var ticks: [HealTick]
        /// True when it can't be known whether `ticks` are right.
        var isDoubtful = false
        /// The same without what may be told again.
        var merged: [HealTick] = []
        /// Where messages ended in it.
        var borders: [Int] = []
        /// What is told again brings nothing new, or is too long for chance.
        var isCertain = true

        /// The second has been asked for again, and this is the answer: what both answers can mean
        /// is right. Where both say the same, cut at different places, there was no repetition; one
        /// that came twice at the same place is one.
        func resolved(after doubt: Telling?) -> [HealTick] {
            guard let doubt else { return merged }
            if doubt.ticks == ticks { return doubt.borders != borders || !isCertain ? ticks : merged }
            if doubt.merged == ticks { return ticks }
            if doubt.merged == merged || doubt.ticks == merged { return merged }
            return isCertain ? merged : ticks
        }
    }

    private struct Piece {
        var ticks: [HealTick]
        var borders: [Int]
        /// Begins and ends where its second does.
        var isWhole: Bool
        /// Its place in the answer.
        var start: Int
    }

    private(set) var ticks: [HealTick] = []
    /// Where messages end, the last one's end left out.
    private var borders: [Int] = []

    mutating func take(_ message: [HealTick]) {
        if !ticks.isEmpty, !message.isEmpty { borders.append(ticks.count) }
        ticks += message
    }

    /// Ticks of the longest pass, and those of them that were asked for.
    func greatestPass(from start: Int64) -> (all: Int, wanted: Int) {
        let reach = reach(from: start)
        return passes.map { pass in
            (pass.count { ticks[$0].second <= reach }, pass.count { (start...reach).contains(ticks[$0].second) })
        }
        .max { ($0.1, $0.0) < ($1.1, $1.0) } ?? (0, 0)
    }

    /// The last second up to which nothing that was asked for can lie between what is told, `start` at least.
    ///
    /// No tick can be told that lies between `start` and the page's first one. So the pass that begins first has the
    /// page's beginning, and others count if they begin within what is told from there, or in the next second. Another
    /// one is of a page of a later time: what lies between has not been told.
    private func reach(from start: Int64) -> Int64 {
        let spans = passes.compactMap { pass -> (first: Int64, last: Int64)? in
            guard let first = pass.first(where: { ticks[$0].second >= start }) else { return nil }
            return (ticks[first].second, ticks[pass.upperBound - 1].second)
        }
        .sorted { $0.first < $1.first }
        guard var reach = spans.first?.last else { return start }
        for span in spans where span.first - 1 <= reach { reach = max(reach, span.last) }
        return reach
    }

    /// Time never goes back in it.
    var isInOrder: Bool { zip(ticks, ticks.dropFirst()).allSatisfy { $0.second <= $1.second } }

    /// The last second before another one that has ticks.
    func last(before second: Int64) -> Int64? { ticks.lazy.map(\.second).filter { $0 < second }.max() }

    /// The first second from another one on that has ticks.
    func first(from second: Int64) -> Int64? { ticks.lazy.map(\.second).filter { $0 >= second }.min() }

    func ticks(of second: Int64) -> [HealTick] { ticks.filter { $0.second == second } }

    /// True when one half of a second's ticks is the other, and no message ends between them.
    func isTwice(_ second: Int64) -> Bool {
        let ticks = ticks(of: second)
        let half = ticks.count / 2
        guard half > 0, ticks.count == 2 * half, ticks[..<half].elementsEqual(ticks[half...]) else { return false }
        return !borders.contains { self.ticks[$0].second == second && self.ticks[$0 - 1].second == second }
    }

    /// The same answer without the longest beginning of a second's ticks that comes again behind it.
    func toldOnce(_ second: Int64) -> HistoryAnswer {
        let of = ticks(of: second)
        let again = (0...(of.count / 2)).last { HistoryAnswer.beginsTwice(of, $0) } ?? 0
        return removing(repetitionOf: Array(of[again...])) ?? self
    }

    /// True when so many ticks of a second, or more, may be told twice at its beginning.
    func mayBeginTwice(_ second: Int64, ticks least: Int) -> Bool {
        let of = ticks(of: second)
        guard least <= of.count / 2 else { return false }
        return (least...(of.count / 2)).contains { HistoryAnswer.beginsTwice(of, $0) }
    }

    private static func beginsTwice(_ ticks: [HealTick], _ count: Int) -> Bool {
        ticks[..<count].elementsEqual(ticks[count..<(2 * count)])
    }

    /// The same answer without what it tells of one second in front of `told`, if that is a piece of `told`; nil
    /// when it tells anything else of that second.
    func removing(repetitionOf told: [HealTick]) -> HistoryAnswer? {
        guard let second = told.first?.second, let start = ticks.firstIndex(where: { $0.second == second }),
            let last = ticks.lastIndex(where: { $0.second == second })
        else { return nil }
        let runs = passes.map { ticks[$0].filter { $0.second == second } }.filter { !$0.isEmpty }
        if runs.count > 1 {
            // Each telling is a piece of it, and one is all of it: together they are it.
            return runs.contains(told) && runs.allSatisfy { HistoryAnswer.contains(told[...], $0[...]) } ? self : nil
        }
        let of = ticks[start...last]
        let again = of.dropLast(told.count)
        guard of.allSatisfy({ $0.second == second }), of.suffix(told.count).elementsEqual(told),
            HistoryAnswer.contains(told[...], again)
        else { return nil }
        var answer = self
        answer.ticks.removeSubrange(start..<again.endIndex)
        answer.borders =
            borders.filter { 0 < $0 && $0 <= start } + borders.filter { $0 > again.endIndex }.map { $0 - again.count }
        return answer
    }

    /// The first second from `start` on that is told, of what hangs together with the beginning of the page.
    func firstTold(from start: Int64, asked: Int64) -> Int64? {
        first(from: start).flatMap { $0 <= reach(from: asked) ? $0 : nil }
    }

    /// What is said of the last second.
    func last(from start: Int64, asked: Int64) -> Telling? { tellings(from: start, asked: asked, begun: []).last }

    /// Each second from `start` on, in order, as far as nothing can lie between them.
    ///
    /// - Parameters:
    ///   - asked: where the request began: the page's beginning is behind it.
    ///   - begun: how the second `start` begins, as an answer said that was cut in it.
    func tellings(from start: Int64, asked: Int64, begun: [HealTick]) -> [Telling] {
        let reach = reach(from: asked)
        let beginning = first(from: asked)
        var pieces: [Int64: [Piece]] = [:]
        for (index, pass) in passes.enumerated() {
            var at = pass.lowerBound
            while at < pass.upperBound {
                let second = ticks[at].second
                let end = ticks[at..<pass.upperBound].firstIndex { $0.second != second } ?? pass.upperBound
                let isWhole =
                    (at > pass.lowerBound || index == 0 && second == beginning)
                    && (end < pass.upperBound || index == passes.count - 1)
                if start <= second, second <= reach {
                    var inside = borders.filter { at < $0 && $0 < end }.map { $0 - at }
                    // What an earlier answer ended with of the second, and then the second: told again, perhaps.
                    if second == start, let again = HistoryAnswer.toldAgain(begun, in: ticks[at..<end]),
                        !inside.contains(again)
                    {
                        inside = (inside + [again]).sorted()
                    }
                    pieces[second, default: []].append(
                        Piece(ticks: Array(ticks[at..<end]), borders: inside, isWhole: isWhole, start: at))
                }
                at = end
            }
        }
        return pieces.keys.sorted().map { telling(of: $0, pieces[$0] ?? []) }
    }

    /// How many ticks with which an earlier answer ended stand in front of all that it had of their second.
    private static func toldAgain(_ begun: [HealTick], in ticks: ArraySlice<HealTick>) -> Int? {
        guard let first = begun.first else { return nil }
        return (0..<begun.count).lazy.map { begun.count - $0 }.first { count in
            // The beginning of `begun` is looked for first: mostly it is not there.
            ticks.count >= count + begun.count && ticks[ticks.startIndex + count] == first
                && ticks.dropFirst(count).starts(with: begun) && ticks.starts(with: begun.suffix(count))
        }
    }

    /// Stretches in order of time.
    private var passes: [Range<Int>] {
        var passes: [Range<Int>] = []
        var start = 0
        for index in ticks.indices.dropFirst() where ticks[index].second < ticks[index - 1].second {
            passes.append(start..<index)
            start = index
        }
        return ticks.isEmpty ? [] : passes + [start..<ticks.count]
    }

    private func telling(of second: Int64, _ pieces: [Piece]) -> Telling {
        if let only = pieces.first, pieces.count == 1 {
            var telling = Telling(second: second, ticks: only.ticks, merged: only.ticks, borders: only.borders)
            telling.isDoubtful = !only.isWhole
            dedupe(&telling, only)
            return telling
        }
        let merged = pieces.map(\.ticks).reduce([], HistoryAnswer.merge)
        // A whole telling that has all that the others say, or the same told every time, is right.
        let isSaid = pieces.contains { $0.isWhole && $0.ticks == merged }
        let isSame = pieces.allSatisfy { $0.ticks == merged }
        return Telling(second: second, ticks: merged, isDoubtful: !isSaid && !isSame, merged: merged)
    }

    /// Looks for what is told again behind a border of messages.
    private func dedupe(_ telling: inout Telling, _ piece: Piece) {
        guard !piece.borders.isEmpty else { return }
        var merged: [HealTick] = []
        for (from, to) in zip([0] + piece.borders, piece.borders + [piece.ticks.count]) {
            let part = Array(piece.ticks[from..<to])
            let together = HistoryAnswer.merge(merged, part)
            let again = merged.count + part.count - together.count
            if again > 0 {
                telling.isDoubtful = true
                let isAll = again == part.count && bringsNothingNew(at: piece.start + from)
                if again < HistoryAnswer.certainTicks, !isAll { telling.isCertain = false }
            }
            merged = together
        }
        telling.merged = merged
    }

    /// True when the message that begins there says what is said already, and nothing else.
    private func bringsNothingNew(at start: Int) -> Bool {
        let end = borders.first { $0 > start } ?? ticks.count
        return HistoryAnswer.contains(ticks[..<start], ticks[start..<end])
    }

    /// Two tellings of one second as one: what both have is there once.
    static func merge(_ a: [HealTick], _ b: [HealTick]) -> [HealTick] {
        if contains(a[...], b[...]) { return a }
        if contains(b[...], a[...]) { return b }
        let longest = min(a.count, b.count)
        let common = (1...longest).last { a[(a.count - $0)...].elementsEqual(b[..<$0]) } ?? 0
        return a + b[common...]
    }

    /// True when `whole` has `part` in one piece.
    private static func contains(_ whole: ArraySlice<HealTick>, _ part: ArraySlice<HealTick>) -> Bool {
        guard part.count <= whole.count else { return false }
        return (whole.startIndex...(whole.endIndex - part.count)).contains { start in
            whole[start..<(start + part.count)].elementsEqual(part)
        }
    }
}
