internal import Ticks

/// Puts what is stored around a gap, of its own seconds, into segments: between any two there is a gap. Mostly these
/// are its edge seconds; where times are not in order, others too.
struct SecondParts {
    private let gap: HealGap
    private let boundaries: [TickKey]
    private var parts: [Int: [HealTick]] = [:]

    init(gaps: [HealGap], around gap: HealGap) {
        self.gap = gap
        boundaries = Set(gaps.map(\.key) + gaps.flatMap { $0.runs.compactMap(\.place) } + [gap.key, gap.healingKey])
            .sorted()
    }

    /// Segments in front of the gap.
    var front: [[HealTick]] { segments { $0 < own } }
    /// Segments behind it.
    var back: [[HealTick]] { segments { $0 > own } }

    /// Live ticks lie between gaps: even places. What healed a gap lies in it: odd ones.
    mutating func addLive(_ gathering: Gathering) {
        for (tick, key) in zip(gathering.ticks, gathering.keys) { parts[2 * gapsBefore(key), default: []].append(tick) }
    }

    /// - Parameter place: the marker of another gap behind which its run stands, or of this one behind what is healed
    ///   now.
    mutating func addHealed(_ tick: HealTick, place: TickKey) {
        parts[2 * gapsBefore(place) + 1, default: []].append(tick)
    }

    private var own: Int { 2 * gapsBefore(gap.healingKey) + 1 }

    private func gapsBefore(_ key: TickKey) -> Int {
        var low = 0
        var high = boundaries.count
        while low < high {
            let middle = (low + high) / 2
            if boundaries[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func segments(_ holds: (Int) -> Bool) -> [[HealTick]] {
        parts.keys.filter(holds).sorted().compactMap { parts[$0] }
    }
}
