/// Holds what is stored of one second against what the gateway's history says of it.
///
/// Stored are: segments of live ticks in front of the gap and behind it (each without a hole in it; other gaps lie between
/// them), and what earlier runs healed of this gap. All of them in order must be found in history in order; what is between
/// the last one in front and the first one behind is what the gap misses.
///
/// Segments are looked for in one piece first, those in front as early as possible, those behind as late as possible. Where
/// equal ticks leave more than one way, every way gives the same sequence of ticks.
/// Source: the design's section 5, heal; TWS protocol, same-second semantics of historical ticks.
enum SecondReconciler {
    /// What is stored of one second.
    struct Stored: Equatable {
        /// Segments in front of the gap, in order of time.
        var front: [[HealTick]] = []
        /// What earlier runs of this gap brought, in order.
        var healed: [HealTick] = []
        /// Segments behind the gap, in order of time.
        var back: [[HealTick]] = []

        var isEmpty: Bool { front.isEmpty && healed.isEmpty && back.isEmpty }
    }

    /// The ticks that the gap misses in this second, in order; nil when history does not contain what is stored: then
    /// nothing can be said about the second.
    ///
    /// - Parameter inOnePiece: nil also when history has ticks between those of a segment in front.
    static func missing(in history: [HealTick], stored: Stored, inOnePiece: Bool = false) -> [HealTick]? {
        guard !stored.isEmpty else { return history }
        var extra: [HealTick] = []
        var low = 0
        for segment in stored.front where !segment.isEmpty {
            let range = low..<history.count
            // A later place where it lies in one piece does not count: the earliest may be its own, with ticks between.
            let found =
                inOnePiece
                ? subsequence(segment, in: history, range, fromEnd: false)
                : match(segment, in: history, range, fromEnd: false)
            guard let match = found, match.passedOver.isEmpty || !inOnePiece else { return nil }
            extra += match.passedOver
            low = match.range.upperBound
        }
        var high = history.count
        var extraBehind: [HealTick] = []
        for segment in stored.back.reversed() where !segment.isEmpty {
            guard low <= high, let match = match(segment, in: history, low..<high, fromEnd: true) else { return nil }
            extraBehind = match.passedOver + extraBehind
            high = match.range.lowerBound
        }
        guard low <= high else { return nil }
        guard let missing = difference(history[low..<high], stored.healed) else { return nil }
        return extra + missing + extraBehind
    }

    /// Where a segment lies in history, and which ticks of history it passes over.
    private struct Match {
        var range: Range<Int>
        var passedOver: [HealTick] = []
    }

    private static func match(
        _ segment: [HealTick], in history: [HealTick], _ range: Range<Int>, fromEnd: Bool
    ) -> Match? {
        guard segment.count <= range.count else { return nil }
        if let block = block(segment, in: history, range, fromEnd: fromEnd) { return block }
        return subsequence(segment, in: history, range, fromEnd: fromEnd)
    }

    /// The first (or last) place where the segment lies in one piece.
    private static func block(
        _ segment: [HealTick], in history: [HealTick], _ range: Range<Int>, fromEnd: Bool
    ) -> Match? {
        let starts = range.lowerBound...(range.upperBound - segment.count)
        func lies(at start: Int) -> Bool {
            var index = 0
            while index < segment.count, history[start + index] == segment[index] { index += 1 }
            return index == segment.count
        }
        let start = fromEnd ? starts.last { lies(at: $0) } : starts.first { lies(at: $0) }
        return start.map { Match(range: $0..<($0 + segment.count)) }
    }

    /// The first (or last) way to find the segment's ticks in order, with others between them.
    private static func subsequence(
        _ segment: [HealTick], in history: [HealTick], _ range: Range<Int>, fromEnd: Bool
    ) -> Match? {
        var places: [Int] = []
        places.reserveCapacity(segment.count)
        if fromEnd {
            var wanted = segment.count - 1
            for index in range.reversed() where wanted >= 0 && history[index] == segment[wanted] {
                places.append(index)
                wanted -= 1
            }
            places.reverse()
        } else {
            var wanted = 0
            for index in range where wanted < segment.count && history[index] == segment[wanted] {
                places.append(index)
                wanted += 1
            }
        }
        guard places.count == segment.count, let first = places.first, let last = places.last else { return nil }
        var match = Match(range: first..<(last + 1))
        var next = 0
        for index in match.range {
            if places[next] == index { next += 1 } else { match.passedOver.append(history[index]) }
        }
        return match
    }

    /// What is left of `ticks` without `healed`, which must be an ordered subsequence of it.
    private static func difference(_ ticks: ArraySlice<HealTick>, _ healed: [HealTick]) -> [HealTick]? {
        var left: [HealTick] = []
        var next = 0
        for tick in ticks {
            if next < healed.count, tick == healed[next] { next += 1 } else { left.append(tick) }
        }
        return next == healed.count ? left : nil
    }
}
