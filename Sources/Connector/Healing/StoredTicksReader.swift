internal import JSON
internal import Messaging
internal import ServiceKit
internal import TickStore
internal import Ticks

/// Asks the recorder for gaps and for the ticks around them. Owner: the heal thread, which keeps its progress while it waits.
struct StoredTicksReader: ~Copyable {
    /// How long an answer, or a piece of it, may take.
    private static let answerNanos: Int64 = 5_000_000_000
    /// How many keys before a gap's last tick its second may have begun; tried in turn. Keys always rise. Receive times say
    /// nothing: the host's clock may have been ahead, or stand still behind one that was.
    private static let lookBackKeys: [UInt32] = [1_024, 16_384, 262_144, 1_048_576]
    /// A second reaches over so many epochs at most: each connector takes a while to start.
    private static let mostEpochs = 16
    /// For so long ticks of a gap's seconds may come behind later ones, by the ticks' own times; some later ones have to show
    /// it, since a single time may be odd.
    private static let lateSeconds: Int64 = 2
    private static let laterTicks = 8
    /// Ticks of one second that are held against history, more can't be; healed ones behind the resume point for one task.
    private static let greatestCount = 1_048_576

    /// The recorder does not answer, or not in time: healing waits for it.
    struct NoAnswer: Error {
        var why: String
    }

    /// The recorder answers, but not with what stands in front of a gap: that gap waits.
    struct Unreadable: Error {
        var why: String
    }

    private let task: TaskContext
    private var client: ReplayClient

    init(_ task: TaskContext, context: Context, paths: Paths) throws(MessagingError) {
        var client = try ReplayClient(in: context)
        try client.connect(Paths.endpoint(paths.historySocket))
        self.task = task
        self.client = client
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

    /// Gives the stream's records from a point on, in the order of keys, until `take` returns false or there are no more.
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

    /// What is stored of the gap's edge seconds, and what earlier runs brought from the resume point on.
    ///
    /// - Parameter all: every gap of the stream, in any order: each parts the live ticks around it.
    mutating func stored(around gap: HealGap, among all: [HealGap]) throws -> StoredTicks {
        let resume = gap.resumeSecond
        var gap = gap
        var front = Gathering()
        if let before = gap.before { front = try readFront(gap, before) }
        // Nothing is missing before the latest second in front, though the last tick may be of an earlier one.
        if let latest = front.ticks.last?.second { gap.from = latest }
        var seconds = SecondParts(gaps: all, around: gap)
        seconds.addLive(front)
        if let after = gap.after { seconds.addLive(try readBack(gap, after)) }
        for other in all where other.key != gap.key {
            for run in other.runs where run.mayHold(gap.from) || run.mayHold(gap.through ?? gap.from) {
                try readRun(run, of: other.stream) { seconds.addHealed($0, of: other.key) }
            }
        }
        var stored = StoredTicks(front: seconds.front, back: seconds.back, from: gap.from)
        let start = max(resume, gap.from)
        for run in gap.runs where run.to ?? .max >= start && run.from ?? .min <= stored.through {
            try readRun(run, of: gap.stream) {
                stored.add(healed: $0, from: start, limit: StoredTicksReader.greatestCount)
            }
        }
        return stored
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
        let through = gap.through ?? after.second
        var gathering = Gathering()
        var later = 0
        try read(gap.stream, from: after.key) { tick in
            gathering.take(tick) { live in
                guard let second = live.liveSecond else { return false }
                if second - StoredTicksReader.lateSeconds > through { later += 1 }
                return gap.from <= second && second <= through
            }
            return later < StoredTicksReader.laterTicks && gathering.ticks.count < StoredTicksReader.greatestCount
        }
        return gathering
    }

    private mutating func readRun(_ run: HealGap.Run, of stream: StreamID, _ give: (HealTick) -> Void) throws {
        var gathering = Gathering()
        try read(stream, from: run.first) { tick in
            guard tick.key <= run.last else { return false }
            gathering.take(tick) { $0.flags.contains(.healed) }
            return gathering.ticks.count < StoredTicksReader.greatestCount
        }
        gathering.ticks.forEach(give)
    }
}

extension Tick {
    /// The second of a live tick that has a time.
    fileprivate var liveSecond: Int64? {
        flags.contains(.healed) || tsEventNanos == Tick.noEventTime ? nil : HealTick(stored: self).second
    }
}

extension HealGap.Run {
    /// False when the run surely brought nothing of that second.
    func mayHold(_ second: Int64) -> Bool {
        (from ?? .min) <= second && second < max(to ?? .max, (from ?? .min) + 1)
    }
}
