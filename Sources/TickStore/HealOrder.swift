internal import Ticks

/// Puts ticks that were healed later where their gap is: behind the marker that names the gap, before the live tick that
/// ended it; several runs of one gap in the order of the times that they fill. Where a gap became a longer one since its ticks
/// were destroyed, each run stands behind the marker that it refers to (`HealRun.place`). One thread.
///
/// Which runs there are is found before the first record is given; a run that is written later stays where it was written.
struct HealOrder: ~Copyable {
    /// What to do with records that come in the order of keys.
    enum Placing {
        /// Healed ticks come first: `nextHealed`.
        case healedFirst
        /// So many records belong to a run that stands elsewhere.
        case passOver(Int)
        /// So many may be given.
        case give(Int)
    }

    private struct Plan {
        /// Runs by the key that they stand behind.
        var inserts: [(after: TickKey, keys: ClosedRange<TickKey>)] = []
        var nextInsert = 0
        /// The same runs in the order of their own keys.
        var runs: [ClosedRange<TickKey>] = []
        var nextRun = 0
    }

    /// Records read at a time.
    private static let pageRecords = 8192

    /// Where runs are read from: a recording, or one segment.
    private let history: Box<LogHistory>?
    private let segment: Box<SegmentReader>?
    private var plans: [StreamID: Plan]
    /// The run being given: the next key of it, and its last.
    private var current: (stream: StreamID, next: TickKey, last: TickKey)?
    private var page: [Tick] = []
    private var given = 0
    private let memory = Scratch()

    /// The order of a recording's streams.
    init(stateDirectory: String, _ selection: TickReader.Selection) throws(StoreError) {
        var ledgers = MarkerScan(streams: selection.streams)
        try ledgers.read(stateDirectory: stateDirectory)
        plans = HealOrder.plans(ledgers.ledgers, selection.window)
        history = Box(LogHistory(stateDirectory: stateDirectory))
        segment = nil
    }

    /// The order within one segment; nil for other files, and for a segment whose footer or index is damaged.
    init?(segment path: String, _ selection: TickReader.Selection) throws(StoreError) {
        let reader: SegmentReader
        do throws(StoreError) { reader = try SegmentReader(path) } catch {
            switch error {
            case .notASegment, .damagedSegment: return nil
            default: throw error
            }
        }
        let ledger = GapLedger(stream: reader.stream, [reader.footer.markers])
        plans = HealOrder.plans([reader.stream: ledger], selection.window)
        history = nil
        segment = Box(reader)
    }

    private static func plans(_ ledgers: [StreamID: GapLedger], _ window: TimeWindow) -> [StreamID: Plan] {
        ledgers.compactMapValues { ledger in
            var plan = Plan()
            for gap in ledger.gaps {
                // A run can't fill what lies behind it.
                let runs = gap.runs.filter { $0.first > gap.key && $0.last >= $0.first }
                let order = { (run: HealRun) in (run.place ?? gap.key, run.fromSeconds ?? .min, run.first) }
                for run in runs.sorted(by: { order($0) < order($1) }) {
                    plan.inserts.append((run.place ?? gap.key, run.first...run.last))
                }
            }
            // Runs are written one after the other; if damage makes two overlap, the later one stays where it is.
            var reached = TickKey.zero
            for keys in plan.inserts.map(\.keys).sorted(by: { $0.lowerBound < $1.lowerBound })
            where keys.lowerBound > reached {
                plan.runs.append(keys)
                reached = keys.upperBound
            }
            let kept = Set(plan.runs.map(\.lowerBound))
            plan.inserts.removeAll { !kept.contains($0.keys.lowerBound) }
            return plan.runs.isEmpty ? nil : plan
        }
    }

    /// Says what to do with the next records of a stream; at least one.
    mutating func place(_ stream: StreamID, _ run: UnsafeBufferPointer<Tick>) -> Placing {
        guard var plan = plans[stream] else { return .give(run.count) }
        defer { plans[stream] = plan }
        let key = run[0].key
        while plan.nextRun < plan.runs.count, plan.runs[plan.nextRun].upperBound < key { plan.nextRun += 1 }
        var end = TickKey(rawValue: .max)
        if plan.nextRun < plan.runs.count {
            let keys = plan.runs[plan.nextRun]
            if keys.contains(key) { return .passOver(run.partitionPoint { $0.key <= keys.upperBound }) }
            end = keys.lowerBound
        }
        if plan.nextInsert < plan.inserts.count {
            let insert = plan.inserts[plan.nextInsert]
            if insert.after < key {
                plan.nextInsert += 1
                current = (stream, insert.keys.lowerBound, insert.keys.upperBound)
                return .healedFirst
            }
            end = min(end, insert.after.next)
        }
        return .give(run.partitionPoint { $0.key < end })
    }

    /// At the end of everything: begins a run that has not been given yet. False when there is none.
    mutating func beginRest() -> Bool {
        for stream in plans.keys.sorted() {
            guard let plan = plans[stream], plan.nextInsert < plan.inserts.count else { continue }
            let keys = plan.inserts[plan.nextInsert].keys
            plans[stream]?.nextInsert += 1
            current = (stream, keys.lowerBound, keys.upperBound)
            return true
        }
        return false
    }

    /// The next healed records that are to be given now; nil when there are none.
    mutating func nextHealed(_ window: TimeWindow) throws(StoreError) -> TickReader.Run? {
        while let (stream, _, _) = current {
            while given < page.count {
                var end = given
                while end < page.count, window.contains(page[end]) { end = endOfTick(end) }
                if end > given {
                    let run = copy(given..<end)
                    given = end
                    return TickReader.Run(stream: stream, ticks: run)
                }
                given = endOfTick(given)
            }
            try readPage()
        }
        return nil
    }

    /// Reads on in the current run; ends it when there is nothing more of it.
    private mutating func readPage() throws(StoreError) {
        guard let (stream, next, last) = current else { return }
        page.removeAll(keepingCapacity: true)
        given = 0
        if next <= last {
            var found: [Tick] = []
            if let history {
                let page = try history.value.read(stream, from: next, limit: HealOrder.pageRecords) { found += $0 }
                // The run's beginning may have been removed meanwhile by retention.
                if let gone = page.goneFirst, gone <= last { return current = (stream, gone, last) }
            } else if let segment {
                segment.value.seek(key: next)
                found = try HealOrder.nextSound(segment)
            }
            page = Array(found.prefix { $0.key <= last })
        }
        if let reached = page.last?.key { current = (stream, reached.next, last) } else { current = nil }
    }

    /// The next records of a segment; damaged blocks are passed over (the reader of the whole file reports them).
    private static func nextSound(_ segment: Box<SegmentReader>) throws(StoreError) -> [Tick] {
        while true {
            do throws(StoreError) {
                return Array((try segment.value.next() ?? .init(start: nil, count: 0)).prefix(pageRecords))
            } catch { guard case .damagedSegment = error else { throw error } }
        }
    }

    private func endOfTick(_ index: Int) -> Int {
        var next = index + 1
        while next < page.count, page[next].kindByte == TickKind.more.rawValue { next += 1 }
        return next
    }

    /// Records of the page in memory that stays where it is.
    private func copy(_ range: Range<Int>) -> UnsafeBufferPointer<Tick> {
        let room = memory.room(range.count * Tick.size)
        page[range].withUnsafeBytes { room.copyMemory(from: $0) }
        return UnsafeBufferPointer(room.bindMemory(to: Tick.self))
    }
}
