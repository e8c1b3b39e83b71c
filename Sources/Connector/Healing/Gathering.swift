internal import Ticks

/// Gathers records as ticks with their `more` records.
struct Gathering {
    private(set) var ticks: [HealTick] = []
    private(set) var keys: [TickKey] = []
    /// `more` records that come now belong to the last tick.
    private(set) var isOpen = false

    mutating func take(_ record: Tick, wants: (Tick) -> Bool) {
        guard let kind = record.kind, kind != .marker else {
            isOpen = false
            return
        }
        if kind == .more {
            if isOpen { ticks[ticks.count - 1].more.append(record.body) }
            return
        }
        isOpen = wants(record)
        guard isOpen else { return }
        ticks.append(HealTick(stored: record))
        keys.append(record.key)
    }

    /// Drops all ticks but those of the latest second, and these too if that is before `from`. True when the first tick
    /// was of an earlier one: then none of it is missing.
    mutating func keepLatestSecond(notBefore from: Int64) -> Bool {
        let seconds = ticks.map(\.second)
        guard let first = seconds.first, let latest = seconds.max() else { return false }
        let kept = seconds.indices.filter { seconds[$0] == latest && latest >= from }
        ticks = kept.map { ticks[$0] }
        keys = kept.map { keys[$0] }
        return first < latest
    }
}
