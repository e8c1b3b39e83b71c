internal import JSON
internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// Asks the recorder for gaps and for the ticks around them. Owner: the heal thread, which keeps its progress while it
/// waits.
struct StoredTicksReader: ~Copyable {
    /// How long an answer, or a piece of it, may take.
    private static let answerNanos: Int64 = 5_000_000_000
    /// How many keys before a gap's last tick its second may have begun; tried in turn. Keys always rise. Receive times
    /// say nothing: the host's clock may have been ahead, or stand still behind one that was.
    private static let lookBackKeys: [UInt32] = [1_024, 16_384, 262_144, 1_048_576]
    /// A second reaches over so many epochs at most: each connector takes a while to start.
    private static let mostEpochs = 16
    /// For so long ticks of a gap's seconds may come behind later ones, by the ticks' own times; some later ones have
    /// to show it, since a single time may be odd.
    private static let lateSeconds: Int64 = 2
    private static let laterTicks = 8
    /// So many live ticks behind a gap tell when it ended; fewer than half of them with times that can't be mislead
    /// nobody.
    private static let endTicks = 16
    /// Ticks of one second that are held against history, more can't be; healed ones behind the resume point for one
    /// task.
    static let greatestCount = 1_048_576

    /// The recorder does not answer, or not in time: healing waits for it.
    struct NoAnswer: Error {
        var why: String
    }

    /// The recorder answers, but not with all that stands around a gap: that gap waits.
    struct Unreadable: Error {
        var why: String
    }

    private let task: TaskContext
    private var client: ReplayClient
    private let greatestCount: Int

    init(
        _ task: TaskContext, context: Context, paths: Paths, greatestCount: Int = StoredTicksReader.greatestCount
    ) throws(MessagingError) {
        var client = try ReplayClient(in: context)
        try client.connect(Paths.endpoint(paths.historySocket))
        self.task = task
        self.client = client
        self.greatestCount = greatestCount
    }

    // MARK: - Questions

    mutating func gaps(of stream: StreamID) throws -> GapReport {
        guard try client.requestGaps(of: stream) else { throw NoAnswer(why: "not connected") }
        switch try answer() {
        case .gaps(let body):
            let json = try JSONValue(parsing: body, maxBytes: ReplayClient.longestGapsBytes)
            guard let report = GapReport(json, stream: stream) else { throw NoAnswer(why: "a report that is none") }
            return report
        case .error(let why): throw NoAnswer(why: why)
        case .batch, .end, .gone: throw NoAnswer(why: "ticks instead of gaps")
        }
    }

    /// True when a stream's record says that nobody wants it any more.
    mutating func isOver(_ stream: StreamID, at last: TickKey) throws -> Bool {
        var isOver = false
        try read(stream, from: last, limit: 1) { record in
            isOver = record.marker?.event == .unsubscribed
            return false
        }
        return isOver
    }

    /// Gives the stream's records from a point on, in the order of keys, until `take` returns false or there are no
    /// more.
    private mutating func read(
        _ stream: StreamID, from key: TickKey, limit: Int = ReplayRequest.greatestLimit, take: (Tick) -> Bool
    ) throws {
        var start = key
        while true {
            guard try client.request(ReplayRequest(stream: stream, from: .key(start), limit: limit)) else {
                throw NoAnswer(why: "not connected")
            }
            var records = 0
            var wantsMore = true
            var next: TickKey?
            while next == nil, wantsMore {
                switch try answer() {
                case .batch(let ticks):
                    records += ticks.count
                    for tick in ticks where wantsMore { wantsMore = take(tick) }
                case .end(let key): next = key
                case .gone: break
                case .gaps: throw NoAnswer(why: "gaps instead of ticks")
                case .error(let why): throw NoAnswer(why: why)
                }
            }
            guard wantsMore, let next, records > 0 else { return client.cancel() }
            start = next
        }
    }

    private mutating func answer() throws -> ReplayAnswer {
        let deadline = bootNanos() + StoredTicksReader.answerNanos
        while !task.stop.isStopped {
            task.progress.advance()
            if let answer = try client.receive(timeoutMillis: 100) { return answer }
            if bootNanos() > deadline { throw NoAnswer(why: "no answer in time") }
        }
        throw NoAnswer(why: "stopping")
    }

    // MARK: - Ticks around a gap

    /// The last second in which a gap can miss ticks: that of the first tick behind it, unless that one's time is far
    /// from where the stream then was. A gateway's or an exchange's time was wrong then, or a trade was told late.
    mutating func end(of gap: HealGap) throws -> Int64? {
        guard let through = gap.through, let after = gap.after else { return gap.through }
        var behind: [(second: Int64, receivedNanos: Int64)] = []
        var gathering = Gathering()
        try read(gap.stream, from: after.key, limit: 8 * StoredTicksReader.endTicks) { tick in
            gathering.take(tick) { live in
                if let second = live.liveSecond { behind.append((second, live.tsRecvNanos)) }
                return false
            }
            return behind.count < StoredTicksReader.endTicks
        }
        guard behind.count >= StoredTicksReader.laterTicks else {
            guard after.second + LastSecond.oddSeconds < gap.from else { return through }
            throw Unreadable(why: "the first tick behind it has a time before it, and few ticks follow")
        }
        // Of a stream whose times rise it is no earlier than the first one. A slow stream's is later, and came as much
        // later.
        let went = behind.sorted { $0.second < $1.second }[behind.count / 2]
        let passed = (went.receivedNanos - after.receivedNanos) / 1_000_000_000
        let (rise, odd) = (went.second - after.second, UInt64(LastSecond.oddSeconds))
        // Times of the gateway that are near each other are not odd, whatever the host's clock did between them.
        guard rise.magnitude <= odd || (rise - passed).magnitude <= odd else { return went.second }
        // Then it is the last one in front whose time can't be.
        return gap.from - after.second > LastSecond.oddSeconds ? after.second : through
    }

    /// What is stored of the gap's edge seconds, what of those between is stored elsewhere since times are not in
    /// order, and what earlier runs brought from the resume point on. All of it, or an error.
    ///
    /// - Parameters:
    ///   - end: the gap's last second, as `end(of:)` tells it.
    ///   - all: every gap of the stream, in any order: each parts the live ticks around it.
    mutating func stored(around gap: HealGap, until end: Int64?, among all: [HealGap]) throws -> StoredTicks {
        let resume = gap.resumeSecond
        var gap = gap
        gap.through = end
        var front = Gathering()
        if let before = gap.before {
            // One that is ahead of all that follows does not tell where the gap begins: what lies in front of it does.
            if let end, before.second - end > LastSecond.oddSeconds { gap.from = .min }
            front = try readFront(gap, before)
            if gap.from == .min { gap.from = front.ticks.last?.second ?? end ?? before.second }
        }
        // Nothing is missing before the latest second in front, though the last tick may be of an earlier one.
        if let latest = front.ticks.last?.second { gap.from = latest }
        let span = gap.from...max(gap.from, end ?? gap.from)
        var seconds = SecondParts(gaps: all, around: gap)
        seconds.addLive(front)
        if let after = gap.after { seconds.addLive(try readBack(gap, after)) }
        for other in all where other.key != gap.key {
            for run in other.runs where run.mayHold(span) {
                let place = run.place ?? other.key
                try readRun(run, of: other.stream) {
                    if span.contains($0.second) { seconds.addHealed($0, place: place) }
                }
            }
        }
        let joined = try addOlder(gap, to: &seconds)
        var stored = StoredTicks(front: seconds.front, back: seconds.back, from: gap.from, end: end)
        let (start, limit) = (max(min(resume, gap.resumeSecond), gap.from), greatestCount)
        let runs = gap.runs.sorted { ($0.place ?? gap.key, $0.first) < ($1.place ?? gap.key, $1.first) }
        for run in runs where run.to ?? .max >= start && run.from ?? .min <= stored.through {
            let joined = joined[run.first] ?? []
            try readRun(run, of: gap.stream) {
                if !joined.contains($0.second) { stored.add(healed: $0, from: start, limit: limit) }
            }
        }
        return stored
    }

    /// Runs from before ticks in front of them were destroyed: all that is missing lies in front of them. So in their
    /// first second, and in the gap's edges, they stand behind it like live ticks.
    ///
    /// - Returns: those seconds, by the run's first key.
    private mutating func addOlder(_ gap: HealGap, to seconds: inout SecondParts) throws -> [TickKey: Set<Int64>] {
        var joined: [TickKey: Set<Int64>] = [:]
        for run in gap.runs {
            guard let place = run.place, place > gap.healingKey else { continue }
            var wanted: Set = [gap.from, gap.through ?? gap.from]
            var isFirst = true
            try readRun(run, of: gap.stream) { tick in
                if isFirst { wanted.insert(tick.second) }
                isFirst = false
                if wanted.contains(tick.second) { seconds.addHealed(tick, place: place) }
            }
            joined[run.first] = wanted
        }
        return joined
    }

    /// The first live ticks behind a gap, at most so many.
    mutating func live(behind gap: HealGap, limit: Int) throws -> [HealTick] {
        guard let after = gap.after else { return [] }
        var gathering = Gathering()
        try read(gap.stream, from: after.key) { tick in
            guard gathering.ticks.count < limit || tick.kindByte == TickKind.more.rawValue else { return false }
            gathering.take(tick) { !$0.flags.contains(.healed) }
            return true
        }
        return gathering.ticks
    }

    /// The ticks of the latest second in front of the gap.
    private mutating func readFront(_ gap: HealGap, _ before: HealGap.Edge) throws -> Gathering {
        var last = before.key
        for _ in 0..<StoredTicksReader.mostEpochs {
            // From the epoch's beginning on where it is nearer, and once.
            let backs = StoredTicksReader.lookBackKeys.filter { $0 < last.seq }
            let isShort = backs.count < StoredTicksReader.lookBackKeys.count
            for back in backs.map({ last.seq - $0 }) + (isShort ? [1] : []) {
                var front = try readFront(gap, before, from: TickKey(epoch: last.epoch, seq: back))
                if front.keepLatestSecond(notBefore: gap.from) { return front }
                // More ticks than any second has: there is nothing further back to look for.
                if back == backs.last.map({ last.seq - $0 }), !isShort { return front }
            }
            let beginning = TickKey(epoch: last.epoch, seq: 1)
            guard let earlier = try lastKey(of: gap.stream, below: beginning) else {
                // The stream's first records: there is nothing else in front.
                var front = try readFront(gap, before, from: .zero)
                _ = front.keepLatestSecond(notBefore: gap.from)
                return front
            }
            last = earlier
        }
        // Starts without a tick between them: nothing of that second is further back.
        var front = try readFront(gap, before, from: TickKey(epoch: last.epoch, seq: 1))
        _ = front.keepLatestSecond(notBefore: gap.from)
        return front
    }

    /// The live ticks from a key on up to the gap. One whose end is not there would say that nothing is stored.
    private mutating func readFront(_ gap: HealGap, _ before: HealGap.Edge, from start: TickKey) throws -> Gathering {
        var gathering = Gathering()
        var reached = TickKey.zero
        try read(gap.stream, from: start) { tick in
            guard tick.key <= before.key || (gathering.isOpen && tick.kindByte == TickKind.more.rawValue) else {
                return false
            }
            reached = tick.key
            gathering.take(tick) { $0.liveSecond.map { $0 <= gap.through ?? .max } ?? false }
            return true
        }
        if reached < before.key, let first = try firstKey(of: gap.stream, from: .zero), first <= before.key {
            throw Unreadable(why: "record \(before.key) is not there")
        }
        return gathering
    }

    /// The first record's key from a key on; nil: there is none.
    private mutating func firstKey(of stream: StreamID, from key: TickKey) throws -> TickKey? {
        var first: TickKey?
        try read(stream, from: key, limit: 1) { tick in
            first = tick.key
            return false
        }
        return first
    }

    /// The last record's key below a key, found by halving; nil: there is none.
    private mutating func lastKey(of stream: StreamID, below limit: TickKey) throws -> TickKey? {
        guard var low = try firstKey(of: stream, from: .zero), low < limit else { return nil }
        var high = limit.rawValue
        while high - low.rawValue > 1 {
            let middle = TickKey(rawValue: low.rawValue + (high - low.rawValue) / 2)
            if let found = try firstKey(of: stream, from: middle), found < limit {
                low = found
            } else {
                high = middle.rawValue
            }
        }
        return low
    }

    /// The ticks of the gap's seconds behind it: of its last one, and of others where time runs backwards.
    private mutating func readBack(_ gap: HealGap, _ after: HealGap.Edge) throws -> Gathering {
        let (through, limit) = (gap.through ?? after.second, greatestCount)
        var gathering = Gathering()
        var (later, first) = (0, TickKey?.none)
        try read(gap.stream, from: after.key) { tick in
            first = first ?? tick.key
            gathering.take(tick) { live in
                guard let second = live.liveSecond else { return false }
                if second - StoredTicksReader.lateSeconds > through { later += 1 }
                return gap.from <= second && second <= through
            }
            return later < StoredTicksReader.laterTicks && gathering.ticks.count < limit
        }
        guard first == after.key else { throw Unreadable(why: "record \(after.key) is not there") }
        try checkCount(gathering)
        return gathering
    }

    private mutating func readRun(_ run: HealGap.Run, of stream: StreamID, _ give: (HealTick) -> Void) throws {
        var gathering = Gathering()
        var reached = TickKey.zero
        let limit = greatestCount
        try read(stream, from: run.first) { tick in
            guard tick.key <= run.last else { return false }
            reached = tick.key
            gathering.take(tick) { $0.flags.contains(.healed) }
            return gathering.ticks.count < limit
        }
        try checkCount(gathering)
        // Of one that is not whole the last key is the last that may be its.
        if run.isWhole, reached < run.last { throw Unreadable(why: "record \(run.last) is not there") }
        gathering.ticks.forEach(give)
    }

    private func checkCount(_ gathering: Gathering) throws {
        guard gathering.ticks.count < greatestCount else {
            throw Unreadable(why: "more than \(greatestCount) ticks are of its time")
        }
    }
}

extension Tick {
    /// The second of a live tick that has a time.
    fileprivate var liveSecond: Int64? {
        flags.contains(.healed) || tsEventNanos == Tick.noEventTime ? nil : HealTick(stored: self).second
    }
}

extension HealGap.Run {
    /// False when the run surely brought nothing of those seconds.
    func mayHold(_ seconds: ClosedRange<Int64>) -> Bool {
        (from ?? .min) <= seconds.upperBound && seconds.lowerBound < max(to ?? .max, (from ?? .min) + 1)
    }
}
