internal import TickStore
internal import Ticks

/// Which streams lack ticks that the gateway may have sent: those that were on their way when a subscription broke off.
/// Pure.
///
/// What a gateway sent to nobody is missing as well, and to heal a night takes hours. Here counts what it had sent: up
/// to the second in which a gap's last subscription broke off. Health is not green before that is on disk, or a verdict
/// says why not.
struct InFlight {
    /// How often a stream's subscription has broken off since the start, and the second in which it last did.
    struct Breaks: Sendable, Equatable {
        var count: UInt32
        /// Unix second by the gateway's clock, behind which nothing was sent; nil: it has told no time yet.
        var second: Int64?
    }

    /// What is known of a stream.
    struct Word: Sendable, Equatable {
        /// The breaks that it takes in.
        var breaks: UInt32
        /// The seconds of which ticks are not on disk yet, the first that is to be asked for and the last; nil: none.
        var missing: ClosedRange<Int64>?
    }

    /// What `judge` has to know of a gap beside the recorder's report.
    struct Progress {
        /// The first second that is still to be asked for; nil: as the report has it.
        var reached: Int64?
        /// It is open, and history has been asked as far as it goes.
        var hasLooked = false
    }

    /// With `--simulate` each start has a market of its own: what the one before had sent, nobody has any more.
    let isSimulated: Bool
    /// A gap's marker is durable when the key is, which was the stream's newest when the break was first seen.
    private var seen: [StreamID: (breaks: Breaks, key: TickKey)] = [:]
    /// The last second in which something of a gap can have been sent.
    private var ends: [HealPlan.TickGap: Int64] = [:]
    private(set) var words: [StreamID: Word] = [:]

    init(isSimulated: Bool = false) { self.isSimulated = isSimulated }

    /// True when the stream has broken off since the last call: its gaps are to be asked for.
    mutating func note(_ stream: StreamID, _ breaks: Breaks, newest: TickKey) -> Bool {
        guard seen[stream]?.breaks != breaks else { return false }
        let isNews = seen[stream]?.breaks.count != breaks.count
        seen[stream] = (breaks, isNews ? newest : seen[stream]?.key ?? newest)
        return isNews
    }

    /// True when a report up to this key may not have the gap of the last break yet.
    func awaits(_ stream: StreamID, _ durable: TickKey) -> Bool { seen[stream].map { durable < $0.key } ?? false }

    /// True while not all breaks are judged, or something is missing.
    func isInDoubt(_ stream: StreamID) -> Bool {
        guard let word = words[stream] else { return seen[stream].map { $0.breaks.count > 0 } ?? false }
        return word.missing != nil || word.breaks != seen[stream]?.breaks.count
    }

    /// Judges a stream by all its gaps.
    ///
    /// - Parameter durable: all records up to this key are in the report that the gaps are of.
    mutating func judge(
        _ stream: StreamID, _ gaps: [HealGap], durable: TickKey, progress: (HealGap) -> Progress
    ) {
        guard let (breaks, key) = seen[stream], durable >= key else { return }
        var missing: ClosedRange<Int64>?
        var known: [HealPlan.TickGap: Int64] = [:]
        for gap in gaps where gap.state == .pending || gap.state == .open {
            let name = HealPlan.TickGap(stream: stream, key: gap.key)
            let end = end(of: gap, breaks, epoch: key.epoch)
            known[name] = end
            let progress = progress(gap)
            // What never had a tick and has none now has nothing that history could be held against.
            guard gap.state == .pending || gap.before != nil && !progress.hasLooked else { continue }
            guard !isSimulated || gap.key.epoch == key.epoch else { continue }
            let reached = progress.reached ?? gap.resumeSecond
            let last = min(end, gap.through ?? .max)
            guard reached <= last else { continue }
            missing = min(reached, missing?.lowerBound ?? reached)...max(last, missing?.upperBound ?? last)
        }
        for name in ends.keys where name.stream == stream && known[name] == nil { ends[name] = nil }
        ends.merge(known) { $1 }
        words[stream] = Word(breaks: breaks.count, missing: missing)
    }

    private func end(of gap: HealGap, _ breaks: Breaks, epoch: UInt32) -> Int64 {
        // All of these were sent.
        guard !gap.isLost, !gap.isUndecodable else { return .max }
        let isOpen = gap.after == nil
        if !isOpen, let known = ends[HealPlan.TickGap(stream: gap.stream, key: gap.key)] { return known }
        if gap.key.epoch == epoch || isOpen && breaks.count > 1 { return breaks.second ?? .max }
        // Where nothing else happened, nothing was subscribed between the stop and the next start.
        return gap.stoppedSecond ?? .max
    }
}
