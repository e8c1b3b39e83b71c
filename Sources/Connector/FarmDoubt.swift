/// One stream while a farm is down that may be its own: whether its ticks go on as if nothing had happened.
///
/// The gateway names farms, and never says which stream comes from which. A stream that ticks on has lost nothing and gets
/// no gap; one that falls silent has one from its last tick on. A tick right behind the bad news was on its way before it
/// and says nothing. Pure; times are receive times of ticks (ns), which never fall. Lives in the stream's slot: one
/// comparison a tick, and only while there is a doubt.
struct FarmDoubt: Equatable {
    /// Ticks that come so soon after the word were on their way.
    static let stragglerNanos: Int64 = 100_000_000
    /// Silences up to this are no sign, of however busy a stream.
    static let leastLimitNanos: Int64 = 1_500_000_000
    static let greatestLimitNanos: Int64 = 10_000_000_000

    let code: Int32
    private(set) var sinceNanos: Int64
    /// A longer silence is a gap.
    let limitNanos: Int64
    private(set) var lastNanos: Int64
    /// A tick came that was not on its way before.
    private(set) var hasTicked = false
    /// The farm is back: the next tick is the last that is looked at.
    private(set) var isEnding = false

    /// - Parameter ticksPerSecond: the stream's usual rate.
    init(code: Int32, nowNanos: Int64, ticksPerSecond: Double) {
        self.code = code
        sinceNanos = nowNanos
        lastNanos = nowNanos
        let usual = ticksPerSecond > 0 ? 8e9 / ticksPerSecond : Double(FarmDoubt.greatestLimitNanos)
        limitNanos = min(
            max(Int64(min(usual, 1e12)), FarmDoubt.leastLimitNanos), FarmDoubt.greatestLimitNanos)
    }

    /// What a gap is called.
    var cause: String { "tws \(code)" }

    enum Verdict: Equatable {
        /// Nothing is known to be missing.
        case goesOn
        /// The same, and there is nothing to doubt any more.
        case over
        /// Ticks may be missing in front of this one.
        case gap
    }

    /// A tick of the stream has come.
    mutating func tick(atNanos now: Int64) -> Verdict {
        guard now - sinceNanos >= FarmDoubt.stragglerNanos else { return .goesOn }
        guard now - lastNanos <= limitNanos else { return .gap }
        lastNanos = now
        hasTicked = true
        return isEnding ? .over : .goesOn
    }

    /// A farm went down (again) before the stream's next tick.
    mutating func goOn() { isEnding = false }

    /// The same doubt behind a gap that was found.
    func anew(atNanos now: Int64) -> FarmDoubt {
        var next = self
        next.sinceNanos = now
        next.lastNanos = now
        next.hasTicked = false
        return next
    }

    /// The gateway says that a farm is back. True: the stream has not gone on, and has a gap.
    mutating func farmIsBack(atNanos now: Int64) -> Bool {
        isEnding = true
        return !hasTicked || now - lastNanos > limitNanos
    }
}
