internal import TWS

/// One stream behind news that its ticks may be missing: whether it goes on as if nothing had happened.
///
/// The gateway names farms, and never says which stream comes from which; it says that it has lost its server, and goes
/// on all the same. A stream that ticks on as usual has lost nothing that anybody could see. One that falls silent has
/// a gap from its last tick on. A tick right behind the news says nothing (`Straggler`): it may close a gap, and the
/// doubt stands. Pure; times are of the boot clock (ns), whatever the host's real-time clock does. Lives in the
/// stream's slot: ticks come here only while there is a doubt.
struct StreamDoubt: Equatable {
    /// A stream that ticks so long after the last news gets its ticks whatever is down.
    static let lastingNanos: Int64 = 60_000_000_000
    /// What has no longer silences ticks often enough to speak for its contract.
    private static let oftenNanos: Int64 = 2_000_000_000

    /// What a gap is called.
    private(set) var cause: String
    private(set) var code: Int32
    /// When the last bad news came.
    private(set) var sinceNanos: Int64
    /// A longer silence is a gap.
    private(set) var limitNanos: Int64
    private(set) var lastNanos: Int64
    /// The news is of every stream: only one without any silence has no gap. Else it may be of other streams.
    private(set) var isCertain: Bool
    /// A tick came that was not on its way before.
    private(set) var hasTicked = false
    /// No gap was found or closed since the last news.
    private var isWhole = true
    /// When good news came behind the bad ones; nil: none has.
    private(set) var backNanos: Int64?

    /// - Parameter rhythm: the stream's. While none is known, silences count from now on.
    init(cause: String, code: Int32, isCertain: Bool, rhythm: TickRhythm, nowNanos: Int64) {
        self.cause = cause
        self.code = code
        self.isCertain = isCertain
        sinceNanos = nowNanos
        limitNanos = rhythm.limitNanos
        lastNanos = rhythm.isKnown ? rhythm.lastNanos : nowNanos
    }

    /// More bad news: what the stream has shown until now says nothing of them. Its silence goes on.
    mutating func badNews(cause: String, code: Int32, isCertain: Bool, rhythm: TickRhythm, nowNanos: Int64) {
        self.cause = cause
        self.code = code
        self.isCertain = self.isCertain || isCertain
        sinceNanos = nowNanos
        limitNanos = rhythm.limitNanos
        hasTicked = false
        isWhole = true
        backNanos = nil
    }

    struct Verdict: Equatable {
        /// Ticks may be missing in front of this one.
        var isGap = false
        /// There is nothing to doubt any more.
        var isOver = false
    }

    /// A tick of the stream has come.
    ///
    /// - Parameter isGapOpen: a gap is written down that ends with this tick.
    mutating func tick(atNanos now: Int64, isGapOpen: Bool) -> Verdict {
        var verdict = Verdict(isGap: !isGapOpen && isLate(now))
        lastNanos = now
        if verdict.isGap || isGapOpen { isWhole = false }
        guard !Straggler.mayBe(atNanos: now, behind: sinceNanos) else { return verdict }
        hasTicked = true
        let isBack = backNanos.map { !Straggler.mayBe(atNanos: now, behind: $0) } ?? false
        verdict.isOver = isBack || now - sinceNanos >= StreamDoubt.lastingNanos
        return verdict
    }

    /// The gateway says that something is back. True: the stream has not gone on, and has a gap. One that has lost
    /// ticks already comes from what was down: then also a silence that would be usual may be a hole.
    ///
    /// - Parameter isEnd: nothing else is down.
    mutating func goodNews(atNanos now: Int64, isEnd: Bool) -> Bool {
        if isEnd { backNanos = now }
        return !hasTicked || isLate(now) || (!isWhole && now - lastNanos > TickRhythm.leastLimitNanos)
    }

    /// The streams of a contract come from one farm. One that ticks often and has gone on shows that it
    /// is not down for those that tick seldom.
    func speaksForContract(atNanos now: Int64) -> Bool {
        !isCertain && isWhole && hasTicked && limitNanos <= StreamDoubt.oftenNanos && !isLate(now)
    }

    /// Another stream may speak for this one: its own silence is no sign.
    func mayBeSpokenFor(atNanos now: Int64) -> Bool {
        !isCertain && !speaksForContract(atNanos: now)
            && (limitNanos == TickRhythm.greatestLimitNanos || !isLate(now))
    }

    private func isLate(_ now: Int64) -> Bool {
        now - lastNanos > (isCertain && !hasTicked ? TickRhythm.leastLimitNanos : limitNanos)
    }
}
