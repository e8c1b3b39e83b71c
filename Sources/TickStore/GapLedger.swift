public import Ticks

/// Every interval without data of one stream, and what became of it: a fold of collectors in the order of keys. Pure.
///
/// A collector may overlap what was folded before: keys that are known are passed over. Gaps beyond the limit are forgotten,
/// the oldest that need nothing more first.
///
/// Source: docs/file-format.md#gaps.
public struct GapLedger: Sendable {
    public let stream: StreamID
    /// In the order of keys; only the last can be open.
    public private(set) var gaps: [Gap] = []
    /// Gaps that were forgotten because there were more than the limit.
    public private(set) var forgotten = 0
    /// Of all that was folded.
    public private(set) var lastKey: TickKey = .zero
    /// The first live tick of all that was folded.
    public private(set) var firstLive: StreamPosition?
    /// The newest live tick of all that was folded.
    public private(set) var lastLive: StreamPosition?

    private let limit: Int
    /// The first key of all that was folded.
    private var firstKey: TickKey?
    /// Live ticks up to this key belong to a subscription that was ended.
    private var endedAt: TickKey = .zero
    /// When that was.
    private var endedRecvNanos: Int64?
    /// When the stream was subscribed for the first time since its last live tick or the end of its subscription.
    private var subscribedRecvNanos: Int64?
    /// The gap whose last run has no end yet.
    private var openRun: TickKey?
    /// Keys of that run are lost.
    private var openRunIsTorn = false
    /// The gap that was opened for such keys alone.
    private var tearGap: TickKey?
    /// Gaps with keys that were destroyed: runs may have been made before that, and then know nothing of them.
    private var destroyedGaps: Set<TickKey> = []

    /// - Parameter limit: gaps kept, at least 1.
    public init(stream: StreamID, limit: Int = .max) {
        self.stream = stream
        self.limit = max(1, limit)
    }

    /// The ledger of what was collected, in the order of keys.
    public init(stream: StreamID, _ collectors: some Sequence<MarkerCollector>) {
        self.init(stream: stream)
        for collector in collectors { fold(collector) }
    }

    /// Goes on with the records that come next in the order of keys.
    public mutating func fold(_ collector: MarkerCollector) {
        guard let newest = collector.lastKey, newest > lastKey else { return }
        let known = lastKey
        let entries = collector.entries
        if firstKey == nil { firstKey = collector.firstKey }
        if firstLive == nil { firstLive = collector.firstLive }
        if let first = collector.firstLive, first.key > known, entries.first.map({ first.key < $0.marker.key }) ?? true
        {
            live(first)
        }
        for (index, entry) in entries.enumerated() {
            if entry.marker.key > known { take(entry) }
            guard let after = entry.after, after.key > known else { continue }
            if index + 1 == entries.count || after.key < entries[index + 1].marker.key { live(after) }
        }
        if let last = collector.lastLive, last.key > lastLive?.key ?? .zero {
            lastLive = last
            subscribedRecvNanos = nil
        }
        lastKey = newest
        extendOpenRun(to: newest)
        forgetOldest()
    }

    // MARK: - One thing after the other

    private mutating func live(_ edge: StreamPosition) {
        endRun(before: edge.key)
        if edge.key > lastLive?.key ?? .zero { lastLive = edge }
        subscribedRecvNanos = nil
        guard let index = openIndex else { return }
        gaps[index].after = edge
    }

    private mutating func take(_ entry: MarkerEntry) {
        guard let marker = entry.marker.marker, let event = marker.event else { return }
        if let before = entry.before, before.key > lastLive?.key ?? .zero {
            lastLive = before
            subscribedRecvNanos = nil
        }
        let text = String(decoding: marker.text, as: UTF8.self)
        switch event {
        case .subscribed:
            endRun(before: entry.marker.key)
            if subscribedRecvNanos == nil, lastLive?.key ?? .zero <= endedAt {
                subscribedRecvNanos = entry.marker.tsRecvNanos
            }
        case .unsubscribed:
            endRun(before: entry.marker.key)
            if let index = openIndex { gaps[index].endedRecvNanos = entry.marker.tsRecvNanos }
            endedAt = entry.marker.key
            endedRecvNanos = entry.marker.tsRecvNanos
            subscribedRecvNanos = nil
        case .gapOpened:
            endRun(before: entry.marker.key)
            open(entry.marker, code: marker.code, cause: text)
        case .lost:
            guard marker.ref <= entry.marker.key else { return }
            // Keys of a run that is under way may be among the lost ones: its end may still come.
            openRunIsTorn = true
            if openIndex == nil { tearGap = openRun == nil ? nil : entry.marker.key }
            open(
                entry.marker, code: marker.code, cause: "lost: " + text,
                lostSinceNanos: beginning(of: marker.ref, lostAt: entry.marker.tsRecvNanos))
            join(lost: marker.ref...entry.marker.key)
            if text == Repair.lostText { destroy() }
        case .heal: begin(entry.marker, marker)
        case .healEnd: end(entry.marker, marker, text)
        case .gapClosed, .twsCode, .halted, .clockStep, .suspiciousPrice, .undecodable, .rerouted, .definitionChanged,
            .epochBegun:
            break
        }
    }

    /// The gap that an interruption would open now; nil while one is open, and when nobody wants the stream any more. Its key
    /// is the last one known: no marker tells of it yet.
    public func interrupted(cause: String) -> Gap? {
        guard openIndex == nil, let before = lastLive, before.key > endedAt else { return nil }
        return Gap(
            stream: stream, key: lastKey, lastMarkerKey: lastKey, before: before, openedRecvNanos: before.tsRecvNanos,
            subscribedRecvNanos: nil, cause: cause, code: 0)
    }

    /// The last gap while no live tick has come since.
    private var openIndex: Int? {
        guard let last = gaps.last, !last.isClosed else { return nil }
        return gaps.count - 1
    }

    /// The second of the Unix epoch from which on an epoch's number can be a time; see `docs/file-format.md`.
    private static let firstEpochSeconds: UInt32 = 1_577_836_800

    /// Since when lost keys can have been numbered: an epoch's number is the second in which it was begun, as far as the clock
    /// was right. Nil: what came before them in their epoch was recorded once, and is not here any more.
    private func beginning(of first: TickKey, lostAt nanos: Int64) -> Int64? {
        let epoch = TickKey(epoch: first.epoch, seq: 1)
        guard first <= epoch || firstKey ?? .zero <= epoch else { return nil }
        let begun = Int64(first.epoch) * 1_000_000_000
        guard first.epoch >= GapLedger.firstEpochSeconds, begun <= nanos else { return endedRecvNanos }
        return max(begun, endedRecvNanos ?? .min)
    }

    private mutating func open(_ marker: Tick, code: Int32, cause: String, lostSinceNanos: Int64? = nil) {
        if let index = openIndex {
            gaps[index].addCause(cause)
            gaps[index].lastMarkerKey = marker.key
            if gaps[index].code == 0 { gaps[index].code = code }
            return
        }
        let before = lastLive.flatMap { $0.key > endedAt ? $0 : nil }
        gaps.append(
            Gap(
                stream: stream, key: marker.key, lastMarkerKey: marker.key, before: before,
                openedRecvNanos: marker.tsRecvNanos, subscribedRecvNanos: subscribedRecvNanos, cause: cause, code: code,
                lostSinceNanos: before == nil && subscribedRecvNanos == nil ? lostSinceNanos : nil))
    }

    private mutating func join(lost range: ClosedRange<TickKey>) {
        guard let index = openIndex else { return }
        let known = gaps[index].lostKeys ?? range
        gaps[index].lostKeys = min(known.lowerBound, range.lowerBound)...max(known.upperBound, range.upperBound)
    }

    /// What was recorded of the open gap, or around it, is gone since: nothing that healed it before counts.
    private mutating func destroy() {
        guard let index = openIndex else { return }
        destroyedGaps.insert(gaps[index].key)
        for run in gaps[index].runs.indices { gaps[index].runs[run].forget() }
    }

    // MARK: - Heal runs

    private mutating func begin(_ tick: Tick, _ marker: MarkerBody) {
        endRun(before: tick.key)
        guard let index = gapIndex(marker.ref) else { return }
        let (toSeconds, knowsLost) = HealRun.read(String(decoding: marker.text, as: UTF8.self))
        var run = HealRun(
            first: tick.key, last: tick.key, ticks: max(0, Int(marker.code)),
            fromSeconds: GapLedger.seconds(tick.tsEventNanos), toSeconds: toSeconds, isWhole: false, outcome: nil)
        // A run that knows of the destroyed keys names them; each stands where what it was made for does.
        let isDestroyed = destroyedGaps.contains(gaps[index].key)
        let isOlder = isDestroyed && (marker.ref != gaps[index].healingKey || !knowsLost)
        if isDestroyed { run.place = isOlder ? gaps[index].place(ofOlder: marker.ref) : marker.ref }
        if isOlder { run.forget() }
        gaps[index].runs.append(run)
        openRun = gaps[index].key
        openRunIsTorn = isOlder
        tearGap = nil
    }

    private mutating func end(_ tick: Tick, _ marker: MarkerBody, _ text: String) {
        guard let index = gapIndex(marker.ref) else { return endRun(before: tick.key) }
        if let (gap, run) = openRunIndex, gap == index {
            openRun = nil
            gaps[gap].runs[run].last = tick.key
            gaps[gap].runs[run].isWhole = !openRunIsTorn
            gaps[gap].runs[run].outcome = openRunIsTorn ? nil : GapState(markerText: text)
            forgetTear(in: gaps[gap].runs[run])
            return
        }
        endRun(before: tick.key)
        // Its beginning is lost: what is there of it lies behind the lost range.
        let first = gaps.last?.lostKeys.map(\.upperBound.next) ?? tick.key
        gaps[index].runs.append(
            HealRun(
                first: min(first, tick.key), last: tick.key, ticks: 0, fromSeconds: nil,
                toSeconds: GapLedger.seconds(tick.tsEventNanos), isWhole: false, outcome: nil))
    }

    /// Lost keys that can only have been of one run are no gap of their own: no live tick is missing.
    private mutating func forgetTear(in run: HealRun) {
        guard let tearGap, gaps.last?.key == tearGap, run.first.epoch == run.last.epoch,
            Int(run.last.seq - run.first.seq) == run.ticks + 1
        else { return }
        gaps.removeLast()
        self.tearGap = nil
    }

    /// Something that can't stand inside a run comes: one that has no end is over, and not whole.
    private mutating func endRun(before key: TickKey) {
        guard let (gap, run) = openRunIndex else { return }
        openRun = nil
        let first = gaps[gap].runs[run].first
        gaps[gap].runs[run].last = max(first, min(TickKey(rawValue: key.rawValue - 1), first.endOfEpoch))
    }

    private mutating func extendOpenRun(to key: TickKey) {
        guard let (gap, run) = openRunIndex else { return }
        gaps[gap].runs[run].last = max(gaps[gap].runs[run].first, min(key, gaps[gap].runs[run].first.endOfEpoch))
    }

    private var openRunIndex: (gap: Int, run: Int)? {
        guard let openRun, let gap = gapIndex(openRun), !gaps[gap].runs.isEmpty else { return nil }
        return (gap, gaps[gap].runs.count - 1)
    }

    /// The gap that one of its markers' keys names. A name from before all that is known (files that are gone) can only
    /// mean a first gap whose beginning is not known.
    private func gapIndex(_ ref: TickKey) -> Int? {
        var low = 0
        var high = gaps.count
        while low < high {
            let middle = (low + high) / 2
            if gaps[middle].key <= ref { low = middle + 1 } else { high = middle }
        }
        // Its marker was destroyed.
        if low < gaps.count, destroyedGaps.contains(gaps[low].key), gaps[low].lostKeys?.contains(ref) ?? false {
            return low
        }
        guard low > 0 else { return gaps.first?.before == nil && forgotten == 0 && !gaps.isEmpty ? 0 : nil }
        return gaps[low - 1].lastMarkerKey >= ref ? low - 1 : nil
    }

    /// The second in which a time lies; nil: none is given.
    private static func seconds(_ nanos: Int64) -> Int64? {
        nanos == Tick.noEventTime ? nil : nanos.floorDivided(by: 1_000_000_000)
    }

    private mutating func forgetOldest() {
        while gaps.count > limit {
            let index = gaps.firstIndex { $0.state.isFinal && $0.state != .partly }
            gaps.remove(at: index ?? gaps.firstIndex { $0.state.isFinal } ?? 0)
            forgotten += 1
        }
    }
}
