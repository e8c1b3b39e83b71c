/// One way to find what is stored of a second in history: `SecondReconciler` decides which of them counts.
struct TickAlignment {
    /// Which ticks are the same.
    enum Rule {
        /// With the mark of unreported trades; those stored may be missing in history.
        case marked
        /// Whatever their mark says; all that is stored has to be there.
        case unmarked
        /// Whatever their mark says; stored unreported trades may be missing.
        case either
    }

    /// Whether history may have ticks between those of a segment.
    enum Pieces {
        case any
        /// Each segment lies in one piece.
        case all
        /// Those in front lie in one piece at the first place where they lie at all: a later one does not count, since
        /// the first may be theirs, with ticks between.
        case frontAtOnce
    }

    /// Where a segment lies in history, which ticks of history it passes over, and how many of its own it left out.
    private struct Match {
        var range: Range<Int>
        var passedOver: [HealTick] = []
        var leftOut = 0
    }

    let history: [HealTick]
    let rule: Rule
    let pieces: Pieces

    func reconcile(_ stored: SecondReconciler.Stored) -> SecondReconciler.Result? {
        var result = SecondReconciler.Result(missing: [])
        var low = 0
        for segment in stored.front where !segment.isEmpty {
            guard let match = match(segment, low..<history.count, isFront: true) else { return nil }
            result.missing += missed(match.passedOver, in: segment)
            result.note(match.passedOver, in: segment, leftOut: match.leftOut)
            low = match.range.upperBound
        }
        var high = history.count
        var extraBehind: [HealTick] = []
        for segment in stored.back.reversed() where !segment.isEmpty {
            guard low <= high, let match = match(segment, low..<high, isFront: false) else { return nil }
            extraBehind = missed(match.passedOver, in: segment) + extraBehind
            result.note(match.passedOver, in: segment, leftOut: match.leftOut)
            high = match.range.lowerBound
        }
        guard low <= high else { return nil }
        guard let own = places(of: stored.healed, low..<high, fromEnd: false) else { return nil }
        result.leftOut += stored.healed.count - own.count
        result.missing += passedOver(own, low..<high) + extraBehind
        return result
    }

    /// What history has between the ticks of a segment. Unreported trades between those that healed
    /// another gap, when history left them out, have their place in that gap, which says that it
    /// lacks some: here they would be out of order.
    private func missed(_ passedOver: [HealTick], in segment: [HealTick]) -> [HealTick] {
        segment.contains(where: \.isHealed) ? passedOver.filter { !$0.isUnreported } : passedOver
    }

    private func isSame(_ a: HealTick, _ b: HealTick) -> Bool { rule == .marked ? a == b : a.isEqualButForMark(b) }

    /// True for what is stored and may be missing in history.
    private func isOptional(_ tick: HealTick) -> Bool { rule != .unmarked && tick.isUnreported }

    private func match(_ segment: [HealTick], _ range: Range<Int>, isFront: Bool) -> Match? {
        if pieces != .frontAtOnce || !isFront, let block = block(segment, range, fromEnd: !isFront) { return block }
        guard pieces != .all, let places = places(of: segment, range, fromEnd: !isFront) else { return nil }
        guard let first = places.first, let last = places.last else {
            let edge = isFront ? range.lowerBound : range.upperBound
            return Match(range: edge..<edge, leftOut: segment.count)
        }
        let found = first..<(last + 1)
        let match = Match(
            range: found, passedOver: passedOver(places, found), leftOut: segment.count - places.count)
        return pieces == .frontAtOnce && isFront && !match.passedOver.isEmpty ? nil : match
    }

    private func passedOver(_ places: [Int], _ range: Range<Int>) -> [HealTick] {
        var left: [HealTick] = []
        var next = 0
        for index in range {
            if next < places.count, places[next] == index { next += 1 } else { left.append(history[index]) }
        }
        return left
    }

    /// The place where the segment lies in one piece: where most of it does, of several the first (or last) one.
    private func block(_ segment: [HealTick], _ range: Range<Int>, fromEnd: Bool) -> Match? {
        let items = fromEnd ? segment.reversed() : segment
        let step = fromEnd ? -1 : 1
        let required = items.count { !isOptional($0) }
        guard required <= range.count else { return nil }
        var best: (start: Int, count: Int)?
        var start = fromEnd ? range.upperBound - 1 : range.lowerBound
        while range.contains(start), best?.count ?? -1 < items.count {
            if let count = length(of: items, from: start, step, range), count > best?.count ?? -1 {
                best = (start, count)
            }
            start += step
        }
        guard var found = best ?? (required == 0 ? (start, 0) : nil) else { return nil }
        // What is not there at all lies at the edge.
        if found.count == 0 { found.start = fromEnd ? range.upperBound - 1 : range.lowerBound }
        let lower = fromEnd ? found.start - found.count + 1 : found.start
        return Match(range: lower..<(lower + found.count), leftOut: items.count - found.count)
    }

    /// How many of the items follow each other in history from a place on; nil when one that has to be there is not.
    private func length(of items: [HealTick], from start: Int, _ step: Int, _ range: Range<Int>) -> Int? {
        var place = start
        var count = 0
        for item in items {
            if range.contains(place), isSame(history[place], item) {
                place += step
                count += 1
            } else if !isOptional(item) {
                return nil
            }
        }
        return count
    }

    /// The first (or last) places in order, of all items that have to be there and of as many others as fit.
    private func places(of items: [HealTick], _ range: Range<Int>, fromEnd: Bool) -> [Int]? {
        if let all = exactPlaces(of: items, range, fromEnd: fromEnd) { return all }
        guard items.contains(where: isOptional) else { return nil }
        let there = items.filter { item in !isOptional(item) || range.contains { isSame(history[$0], item) } }
        if there.count < items.count, let some = exactPlaces(of: there, range, fromEnd: fromEnd) { return some }
        return loosePlaces(of: there, range, fromEnd: fromEnd)
    }

    private func exactPlaces(of items: [HealTick], _ range: Range<Int>, fromEnd: Bool) -> [Int]? {
        guard items.count <= range.count else { return nil }
        var places: [Int] = []
        places.reserveCapacity(items.count)
        if fromEnd {
            var wanted = items.count - 1
            for index in range.reversed() where wanted >= 0 && isSame(history[index], items[wanted]) {
                places.append(index)
                wanted -= 1
            }
            places.reverse()
        } else {
            var wanted = 0
            for index in range where wanted < items.count && isSame(history[index], items[wanted]) {
                places.append(index)
                wanted += 1
            }
        }
        return places.count == items.count ? places : nil
    }

    /// The same where history has only some of the optional ones: between two that
    /// have to be there, those that are found.
    private func loosePlaces(of items: [HealTick], _ range: Range<Int>, fromEnd: Bool) -> [Int]? {
        guard let fixed = exactPlaces(of: items.filter { !isOptional($0) }, range, fromEnd: fromEnd) else { return nil }
        var places: [Int] = []
        var next = range.lowerBound
        var passed = 0
        for item in items {
            guard isOptional(item) else {
                places.append(fixed[passed])
                next = fixed[passed] + 1
                passed += 1
                continue
            }
            let end = passed < fixed.count ? fixed[passed] : range.upperBound
            guard let place = (next..<max(next, end)).first(where: { isSame(history[$0], item) }) else { continue }
            places.append(place)
            next = place + 1
        }
        return places
    }
}

extension SecondReconciler.Result {
    fileprivate mutating func note(_ passedOver: [HealTick], in segment: [HealTick], leftOut count: Int) {
        leftOut += count
        // A run of another gap may come from a history that left them out; live ticks without a hole prove something.
        guard !segment.contains(where: \.isHealed) else { return }
        passedUnreported += passedOver.count(where: \.isUnreported)
    }
}
