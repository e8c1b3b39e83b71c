/// How a stream usually ticks: its longest silence of the last one to two minutes, which tells a silence that is none
/// of its own. Averages don't: they hide bursts and pauses, and remember hours in which there was no market.
///
/// Pure; times are of the boot clock (ns). Lives in the stream's slot: two comparisons a tick.
struct TickRhythm: Equatable {
    /// Silences up to this are no sign, of however busy a stream: a host that is busy makes such.
    static let leastLimitNanos: Int64 = 500_000_000
    /// A longer silence is no rhythm but a pause: what comes after it begins anew.
    static let greatestLimitNanos: Int64 = 10_000_000_000
    /// With fewer ticks nothing is known.
    static let leastTicks: UInt64 = 8
    private static let windowNanos: Int64 = 60_000_000_000

    /// When the last tick came; 0: none came.
    private(set) var lastNanos: Int64 = 0
    private var ticks: UInt64 = 0
    /// In the present window, and in the one before.
    private var longestNanos: Int64 = 0
    private var longestBeforeNanos: Int64 = 0
    private var windowEndNanos: Int64 = 0

    var isKnown: Bool { ticks >= TickRhythm.leastTicks }

    /// A longer silence is not usual for this stream.
    var limitNanos: Int64 {
        guard isKnown else { return TickRhythm.greatestLimitNanos }
        let usual = max(longestNanos, longestBeforeNanos)
        // A stream that began just now has not shown yet what it does.
        let limit = longestBeforeNanos == 0 ? 3 * usual : usual + usual / 2
        return min(max(limit, TickRhythm.leastLimitNanos), TickRhythm.greatestLimitNanos)
    }

    @inline(__always) mutating func tick(atNanos now: Int64) {
        let silence = now &- lastNanos
        lastNanos = now
        ticks &+= 1
        if silence > longestNanos || now >= windowEndNanos { note(silence, now) }
    }

    @inline(never) private mutating func note(_ silence: Int64, _ now: Int64) {
        if silence > TickRhythm.greatestLimitNanos {
            self = TickRhythm()
            lastNanos = now
            ticks = 1
        }
        if now >= windowEndNanos {
            longestBeforeNanos = longestNanos
            longestNanos = 0
            windowEndNanos = now + TickRhythm.windowNanos
        }
        if silence <= TickRhythm.greatestLimitNanos { longestNanos = max(longestNanos, silence) }
    }

    /// What was between the last tick and the one of now is a gap: its length says nothing.
    mutating func skip(toNanos now: Int64) { lastNanos = now }
}
