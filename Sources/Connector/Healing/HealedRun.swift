internal import TickStore
internal import Ticks

/// Ticks to be recorded as one run: between a `heal` and a `heal_end` marker, contiguous in the stream's numbers.
struct HealedRun: Equatable {
    /// Ticks of one run at most, so that live ticks never wait long behind it.
    static let capacity = 8_192

    var stream: StreamID
    /// The gap's `healingKey`.
    var gap: TickKey
    /// The gap's lost keys are known.
    var knowsLost = false
    /// Unix seconds, the end exclusive.
    var from: Int64
    var to: Int64
    var ticks: [HealTick]
    /// What the gap is after this run; nil: further runs follow.
    var verdict: GapState?
    /// Recorded only as long as the stream has had so many live ticks since the start: one more may be among those of
    /// the run. Nil: all that the run can have was known.
    var liveTicks: UInt64?
}
