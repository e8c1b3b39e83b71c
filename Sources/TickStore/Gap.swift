public import Ticks

/// What has become of a gap.
public enum GapState: String, Sendable, CaseIterable {
    /// No tick has come since.
    case open
    /// Closed; what is missing in it has not been fetched from the gateway's history yet, or not all of it.
    case pending
    /// All that was missing is there.
    case healed
    /// History had some of it only: not its end, or a second not whole.
    case partly
    /// Healed from a history that leaves out trades which the stream has: unreported ones.
    case subset
    /// History does not contain the stored ticks of a second, or can't give one whole however often it is asked: it stays as it is.
    case edgeUnreconciled = "edge_unreconciled"
    /// The gateway keeps no history of this kind, or has none of this time.
    case noHistory = "no_history"

    /// True when nothing more is going to happen to the gap by itself.
    public var isFinal: Bool { self != .open && self != .pending }

    /// The state that the text of a `heal_end` marker names; nil for `more` (further runs follow) and unknown words.
    /// A marker has room for 16 bytes: a name's first 15 or 16 are as good as the name.
    public init?(markerText: String) {
        let state = GapState.allCases.first {
            $0.rawValue == markerText || (markerText.utf8.count >= 15 && $0.rawValue.hasPrefix(markerText))
        }
        guard let state, state.isFinal else { return nil }
        self = state
    }

    /// How a `heal_end` marker spells the state: at most 16 bytes.
    public var markerText: String { String(rawValue.prefix(16)) }
}

/// The words of gaps that more than one module goes by.
public enum GapCause {
    /// The connector ended in order.
    public static let stopped = "stopped"
    /// A connector has begun; what ended the one before stands in front, if it had time to say so.
    public static let restart = "restart"
}

/// One run of healed ticks, from its `heal` marker to its `heal_end`: contiguous in the stream's numbers.
public struct HealRun: Sendable, Equatable {
    /// Of the `heal` marker; where that is lost, the first key behind the lost range.
    public var first: TickKey
    /// Of the `heal_end` marker; where there is none (yet), the last key that can belong to the run.
    public var last: TickKey
    /// As the markers say: `more` records are not counted. 0 where they are lost.
    public var ticks: Int
    /// The interval that the run fills, Unix seconds, its end exclusive; nil where its marker is lost.
    public var fromSeconds: Int64?
    public var toSeconds: Int64?
    /// False when its end is missing, or something between the markers is lost: the interval counts as not healed.
    public var isWhole: Bool
    /// What the gap is after this run; nil: further runs follow, or the run has no end.
    public var outcome: GapState?
    /// The marker of the gap behind which the ticks stand; nil: the first one.
    public var place: TickKey?

    public init(
        first: TickKey, last: TickKey, ticks: Int, fromSeconds: Int64?, toSeconds: Int64?, isWhole: Bool,
        outcome: GapState?, place: TickKey? = nil
    ) {
        self.first = first
        self.last = last
        self.ticks = ticks
        self.fromSeconds = fromSeconds
        self.toSeconds = toSeconds
        self.isWhole = isWhole
        self.outcome = outcome
        self.place = place
    }

    /// The text of its `heal` marker: the end of its interval, and `+` where it was made for a gap with lost keys. A run that
    /// was made before they were lost may refer to the same key: of a marker that was there.
    public static func text(toSeconds: Int64, knowsLost: Bool) -> String { "\(toSeconds)" + (knowsLost ? "+" : "") }

    /// The end that the text of a `heal` marker tells, if it does, and whether the gap's lost keys were known.
    public static func read(_ text: some StringProtocol) -> (toSeconds: Int64?, knowsLost: Bool) {
        let knowsLost = text.hasSuffix("+")
        return (Int64(knowsLost ? String(text.dropLast()) : String(text)), knowsLost)
    }

    /// It was made for a gap that is a longer one since: all of that is to be healed again, and its ticks are there.
    mutating func forget() {
        (fromSeconds, toSeconds, isWhole, outcome) = (nil, nil, false, nil)
    }
}

/// An interval in which ticks of a stream may be missing, from the last live tick before it to the first one behind it,
/// whenever the interruption was noticed: a stream that died silently lost ticks before anybody saw it.
///
/// Interruptions that follow each other without a live tick between them are one gap, named by the first one's key.
public struct Gap: Sendable, Equatable {
    public var stream: StreamID
    /// The key of its first `gap_opened` or `lost` marker: the gap's name.
    public var key: TickKey
    /// The key of its last such marker. A heal run may refer to any of them.
    public var lastMarkerKey: TickKey
    /// Nil: the stream had no live tick before since it was subscribed, or none is recorded any more.
    public var before: StreamPosition?
    /// Nil: none has come yet, or the subscription was ended before one came.
    public var after: StreamPosition?
    /// When the first marker was written, the host's clock.
    public var openedRecvNanos: Int64
    /// When the stream was subscribed, where no tick came between that and the gap.
    public var subscribedRecvNanos: Int64?
    /// When the subscription was ended by wish while the gap was open.
    public var endedRecvNanos: Int64?
    /// What the markers say, each cause once, in order, such as `stopped, restart`; `lost: journal gone` of lost ranges.
    public var cause: String
    /// The first TWS code among them; 0: none.
    public var code: Int32
    /// Keys that the recorder wrote down as lost: from the first to the last of all such ranges in the gap.
    public var lostKeys: ClosedRange<TickKey>?
    /// Of a gap that begins with lost keys, where no tick and no subscription is known before them: since when they can have
    /// been numbered, ns since the Unix epoch. Nil: nothing tells.
    public var lostSinceNanos: Int64?
    /// In the order of keys.
    public var runs: [HealRun] = []

    /// What heal runs refer to: the last of its lost keys, so that a run made before these were lost can be told; else its name.
    public var healingKey: TickKey { lostKeys?.upperBound ?? key }

    /// Where a run stands that was made before keys of the gap were destroyed; nil: ticks in front of it and behind it were.
    ///
    /// - Parameter marker: what the run refers to.
    func place(ofOlder marker: TickKey) -> TickKey? {
        // `lost` has taken its marker's place: what was destroyed lies in front.
        if marker == healingKey { return marker.next }
        return lostKeys?.contains(marker) ?? false ? nil : marker
    }

    /// Causes that are spelled out in `cause`, at most.
    static let maxCauses = 8

    /// Where the interval begins, ns since the Unix epoch; nil where nothing tells, or clocks contradict each other. Never behind
    /// `toNanos`.
    public var fromNanos: Int64? { interval.from }

    /// Where it ends; nil while it is open, or where clocks contradict each other.
    public var toNanos: Int64? { interval.to }

    /// True once a live tick came, or the subscription was ended.
    public var isClosed: Bool { after != nil || endedRecvNanos != nil }

    public var state: GapState {
        guard isClosed else { return .open }
        guard Gap.hasHistory(stream.kind) else { return .noHistory }
        guard let last = runs.last(where: \.isWhole), let outcome = last.outcome, !needsAnotherRun else {
            return .pending
        }
        guard outcome == .healed || outcome == .subset, beginsLost, before == nil, subscribedRecvNanos == nil else {
            return outcome
        }
        return healedFromItsBeginning(outcome)
    }

    /// Lost keys with nothing known before them are healed only if whole runs cover all the time since they can have been
    /// numbered.
    private func healedFromItsBeginning(_ outcome: GapState) -> GapState {
        guard let fromNanos, let toNanos else {
            // Keys from a run's first one on can't be told from a time that is not known; others had something before them once.
            return (lostKeys?.lowerBound.seq ?? 0) > 1 ? outcome : .partly
        }
        let from = fromNanos.floorDivided(by: 1_000_000_000)
        let to = toNanos.floorDivided(by: 1_000_000_000)
        return Gap.covers(runs[...], from..<max(from, to)) ? outcome : .pending
    }

    /// Ticks in whole runs.
    public var healedTicks: Int { runs.reduce(0) { $0 + ($1.isWhole ? $1.ticks : 0) } }

    /// True for the kinds that the gateway keeps a history of ticks of.
    public static func hasHistory(_ kind: TickKind) -> Bool {
        switch kind {
        case .last, .allLast, .bidAsk, .midPoint: true
        case .level1, .depth, .rtVolume, .more, .marker: false
        }
    }

    /// True while some run is not whole and its interval has not been healed again by whole runs behind it.
    private var needsAnotherRun: Bool {
        for (index, run) in runs.enumerated() where !run.isWhole {
            let start = (edgeFromNanos ?? openedRecvNanos).floorDivided(by: 1_000_000_000)
            let from = max(start, run.fromSeconds ?? start)
            guard
                let to = run.toSeconds ?? endSecond,
                Gap.covers(runs[(index + 1)...], from..<max(from, to))
            else { return true }
        }
        return false
    }

    /// The second, exclusive, up to which the gap is to be filled. Of the second in which a subscription ended nobody can say which
    /// ticks came before.
    private var endSecond: Int64? {
        edgeToNanos.map { $0.floorDivided(by: 1_000_000_000) + (after == nil ? 0 : 1) }
    }

    private static func covers(_ runs: ArraySlice<HealRun>, _ wanted: Range<Int64>) -> Bool {
        let intervals = runs.compactMap { run -> (from: Int64, to: Int64)? in
            guard run.isWhole, let from = run.fromSeconds, let to = run.toSeconds else { return nil }
            // A second that is left out has been looked at.
            return (from, max(to, from + 1))
        }
        // Even an interval of no length wants a run behind it.
        return !intervals.isEmpty && reach(of: intervals, from: wanted.lowerBound) >= wanted.upperBound
    }

    /// What of a gap that was not healed whole was not filled: intervals of Unix seconds, their ends exclusive, in order.
    public var unfilled: [Range<Int64>] {
        guard state == .partly || state == .edgeUnreconciled, let end = endSecond else { return [] }
        var reached = (edgeFromNanos ?? openedRecvNanos).floorDivided(by: 1_000_000_000)
        var unfilled: [Range<Int64>] = []
        let filled = runs.compactMap { run -> Range<Int64>? in
            guard run.isWhole, let from = run.fromSeconds, let to = run.toSeconds, from < to else { return nil }
            return from..<to
        }
        for interval in filled.sorted(by: { $0.lowerBound < $1.lowerBound }) where reached < end {
            if reached < interval.lowerBound { unfilled.append(reached..<min(interval.lowerBound, end)) }
            reached = max(reached, interval.upperBound)
        }
        return reached < end ? unfilled + [reached..<end] : unfilled
    }

    /// How far intervals of seconds, their ends exclusive, reach from a second on without a hole.
    public static func reach(of intervals: [(from: Int64, to: Int64)], from start: Int64) -> Int64 {
        var reached = start
        for interval in intervals.sorted(by: { $0.from < $1.from }) where interval.from <= reached {
            reached = max(reached, interval.to)
        }
        return reached
    }

    mutating func addCause(_ text: String) {
        let known = cause.split(separator: ",").map { $0.drop(while: { $0 == " " }) }
        guard !text.isEmpty, !known.contains(Substring(text)) else { return }
        guard known.count < Gap.maxCauses else { return }
        cause += (cause.isEmpty ? "" : ", ") + text
    }
}
