/// What is recorded around a gap: the ticks of its two edge seconds, and what earlier runs brought.
struct StoredTicks: Equatable {
    /// Live ticks (and other gaps' healed ones) of the gap's first second that lie in front of it, in segments; also
    /// healed ones of seconds between, where another gap's end was of a wrong time.
    var front: [[HealTick]] = []
    /// The same of its last second, behind it; also those of seconds between, where time ran backwards.
    var back: [[HealTick]] = []
    /// The gap's first second where that is not the last tick's in front of it, since time ran backwards.
    private(set) var from: Int64?
    /// The gap's last second, where the first tick behind it has a time that can't be.
    private(set) var end: Int64?
    /// Ticks of earlier runs of this gap, by their second, up to `through`.
    var healed: [Int64: [HealTick]] = [:]
    /// The last second whose healed ticks are all here; what lies behind it is another task's.
    private(set) var through = Int64.max
    private var count = 0

    init(front: [[HealTick]] = [], back: [[HealTick]] = [], from: Int64? = nil, end: Int64? = nil) {
        self.front = front
        self.back = back
        self.from = from
        self.end = end
    }

    /// Adds a tick of an earlier run. When there are more than `limit`, the latest seconds are left to another task,
    /// but never the two that it begins with: so every task gets on.
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
