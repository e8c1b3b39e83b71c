public import Ticks

/// Where a late join puts its records: each stream's in the order of its keys, each once.
public protocol JoinSink: ~Copyable {
    /// Takes records of one stream; valid during the call.
    mutating func give(_ records: UnsafeBufferPointer<Tick>, of stream: StreamID)
}

/// Joins streams late, without a hole and without a repeat: the decisions, apart from the sockets.
///
/// The caller subscribes and hands over what comes live (`live`), which is held back at first. For each stream
/// pages are asked for (`nextFetch`), from the recorder's history until that has nothing more, then from the
/// connector's replay, until a page reaches the first live record that is held. Then what is held is given,
/// and from then on what comes. A later jump in the live keys (the live feed may drop), or a new epoch, is
/// asked for in the same way, replay first.
///
/// At most `holdBytes` are held for all streams together. When that is full, what comes newest is dropped and its keys
/// are noted, so it is paged in when the held records have been given: a reader
/// slower than the feed reads files instead.
///
/// Records that neither server can give are said (`Notice.missing`) after `dryLimitNanos` and passed over. One thread;
/// times are of one clock that never falls.
///
/// Source: docs/feed-protocol.md#joining-late-without-a-hole.
public struct LateJoin {
    /// The two servers of pages.
    public enum Source: Sendable, Hashable, CaseIterable {
        case history
        case replay

        var other: Source { self == .history ? .replay : .history }
    }

    /// A page to ask for.
    public struct Fetch: Sendable, Equatable {
        public let source: Source
        public let request: ReplayRequest
    }

    /// Something to tell the user.
    public enum Notice: Sendable, Equatable {
        /// The keys between these two can't be had; `after` is nil at the stream's beginning.
        case missing(StreamID, after: TickKey?, next: TickKey)
        /// A server does not answer; the other one is asked alone until it does.
        case away(Source)
    }

    /// What was given and what was not, since the beginning.
    public struct Counters: Sendable, Equatable {
        public var given: UInt64 = 0
        /// Records that were known already.
        public var repeats: UInt64 = 0
        /// Live records dropped because the hold was full; they come with a page.
        public var heldDropped: UInt64 = 0
        /// Messages and pages that broke the feed's rules.
        public var malformed: UInt64 = 0
    }

    /// The bound of what is held: docs/decisions.md#late-joining-holds-64-mib.
    public static let defaultHoldBytes = 64 << 20
    /// How long both servers may have nothing although something is missing, before that is said and passed over.
    public static let dryLimitNanos: Int64 = 2_000_000_000
    /// How long a server may fail before the other is asked instead.
    public static let awayNanos: Int64 = 5_000_000_000
    /// How long to wait before asking again when nobody answered, or nothing new was there.
    public static let retryNanos: Int64 = 50_000_000
    /// Records of a page while several streams take turns.
    static let sharedPageLimit = 8192

    let sinceNanos: Int64
    let holdBytes: Int
    public private(set) var heldBytes = 0
    public private(set) var counters = Counters()
    private(set) var streams: [JoinedStream] = []
    private var slotOf: [StreamID: Int] = [:]
    private var queue: [Int] = []
    private var open: Open?
    private var epoch: UInt32 = 0
    private var failingSinceNanos: [Source: Int64] = [:]
    private var awaySaid: Set<Source> = []
    private var notices: [Notice] = []
    /// So long ago that a server counts as away at once.
    private static let knownAway = Int64.min / 2

    /// The page that is being asked for.
    private struct Open {
        let slot: Int
        let source: Source
        var gave = false
    }

    /// - Parameter sinceNanos: the first record of each stream is the first one received then or later.
    public init(sinceNanos: Int64, holdBytes: Int = LateJoin.defaultHoldBytes) {
        self.sinceNanos = sinceNanos
        self.holdBytes = holdBytes
    }

    /// True when every stream that is known has reached what is live.
    public var isLive: Bool { streams.allSatisfy { $0.isLive && !$0.hasHole } }

    /// What is to be said, once.
    public mutating func takeNotices() -> [Notice] {
        defer { notices.removeAll() }
        return notices
    }

    // MARK: - Streams

    /// A stream exists: it is joined. Any number of times.
    public mutating func announce(_ stream: StreamID) { _ = slot(of: stream) }

    private mutating func slot(of stream: StreamID) -> Int {
        if let slot = slotOf[stream] { return slot }
        let slot = streams.count
        streams.append(JoinedStream(stream, askingFirst: .history))
        slotOf[stream] = slot
        ask(slot)
        return slot
    }

    /// A connector of this epoch lives. A new one means that the old epoch's tail is complete in its journal: every
    /// stream asks for it, also one that never ticks again.
    public mutating func announce(epoch: UInt32) {
        guard epoch > self.epoch else { return }
        self.epoch = epoch
        failingSinceNanos[.replay] = nil
        for slot in streams.indices where streams[slot].last.map({ $0.epoch < epoch }) ?? true {
            ask(slot, source: .replay)
        }
    }

    /// The connector's newest number of a stream: what it says exists and has not come was dropped on the way.
    public mutating func watermark(epoch: UInt32, stream: StreamID, seq: UInt32) {
        announce(epoch: epoch)
        let slot = slot(of: stream)
        let key = TickKey(epoch: epoch, seq: seq)
        guard seq > 0, key > streams[slot].highest else { return }
        streams[slot].highest = key
        if streams[slot].isLive { ask(slot, source: .replay) }
    }

    // MARK: - Live

    /// Takes one message of the live feed: gives it, holds it, or drops what is known already.
    public mutating func live(_ records: UnsafeBufferPointer<Tick>, sink: inout some JoinSink & ~Copyable) {
        guard let first = records.first, let stream = first.stream, stream.hasRun(records) else {
            counters.malformed += 1
            return
        }
        announce(epoch: first.epoch)
        let slot = slot(of: stream)
        if streams[slot].isLive, streams[slot].held.isEmpty, streams[slot].last?.next == first.key {
            give(records, slot, &sink)
            return
        }
        hold(records, slot)
        guard streams[slot].isLive else { return }
        giveHeld(slot, &sink)
        if streams[slot].hasHole, streams[slot].request == .none { ask(slot, source: .replay) }
    }

    private mutating func hold(_ records: UnsafeBufferPointer<Tick>, _ slot: Int) {
        let known = max(streams[slot].last ?? .zero, streams[slot].held.last?.last ?? .zero)
        let skip = records.firstIndex { $0.key > known } ?? records.count
        counters.repeats += UInt64(skip)
        guard skip < records.count else { return }
        streams[slot].highest = max(streams[slot].highest, records[records.count - 1].key)
        let bytes = (records.count - skip) * Tick.size
        guard heldBytes + bytes <= holdBytes else {
            counters.heldDropped += UInt64(records.count - skip)
            return
        }
        heldBytes += bytes
        let fresh = Array(records[skip...])
        if let end = streams[slot].held.indices.last, streams[slot].held[end].last.next == fresh[0].key {
            streams[slot].held[end].records.append(contentsOf: fresh)
        } else {
            streams[slot].held.append(JoinedStream.Run(records: fresh))
        }
    }

    // MARK: - Pages

    /// The next page to ask for, if it is time and none is open. The answer goes to `fetched`, `gone` and `ended`, or
    /// `failed`.
    public mutating func nextFetch(nowNanos: Int64) -> Fetch? {
        guard open == nil else { return nil }
        // The stream that is furthest behind, so that several streams come roughly in the order of time.
        var place: Int?
        var oldest = Int64.max
        for (index, slot) in queue.enumerated() where streams[slot].waitUntilNanos <= nowNanos {
            guard place == nil || streams[slot].lastReceivedNanos < oldest else { continue }
            place = index
            oldest = streams[slot].lastReceivedNanos
        }
        guard let place else { return nil }
        let slot = queue.remove(at: place)
        let source = streams[slot].source
        streams[slot].request = .open
        streams[slot].asksAgain = false
        open = Open(slot: slot, source: source)
        let limit = streams.count > 1 ? LateJoin.sharedPageLimit : ReplayRequest.greatestLimit
        let from: ReplayStart = streams[slot].last.map { .key($0.next) } ?? .time(nanos: sinceNanos)
        return Fetch(source: source, request: ReplayRequest(stream: streams[slot].stream, from: from, limit: limit))
    }

    /// When `nextFetch` will have something; nil when nothing is wanted or a page is open.
    public var nextFetchNanos: Int64? { open == nil ? queue.map { streams[$0].waitUntilNanos }.min() : nil }

    /// Records of the open page. False: the rest of it is of no use; the caller gives it up and calls `ended`.
    public mutating func fetched(
        _ records: UnsafeBufferPointer<Tick>, sink: inout some JoinSink & ~Copyable
    ) -> Bool {
        guard let slot = open?.slot, streams[slot].stream.hasRisingKeys(records) else {
            counters.malformed += 1
            return false
        }
        let start = streams[slot].last.map { last in records.firstIndex { $0.key > last } ?? records.count } ?? 0
        counters.repeats += UInt64(start)
        var last = streams[slot].last
        var end = start
        while end < records.count, last.map({ JoinedStream.follows(records[end], $0) }) ?? true {
            last = records[end].key
            end += 1
        }
        if end > start {
            open?.gave = true
            give(UnsafeBufferPointer(rebasing: records[start..<end]), slot, &sink)
        }
        guard end < records.count else { return true }
        noteGone(records[end].key, slot)
        return false
    }

    /// The server of the open page no longer has the wanted key; the first that it has.
    public mutating func gone(first: TickKey) {
        if let slot = open?.slot { noteGone(first, slot) }
    }

    private mutating func noteGone(_ first: TickKey, _ slot: Int) {
        guard first > streams[slot].last ?? .zero else { return }
        streams[slot].firstElsewhere = min(streams[slot].firstElsewhere ?? first, first)
    }

    /// The open page is over.
    public mutating func ended(sink: inout some JoinSink & ~Copyable, nowNanos: Int64) {
        guard let page = closePage() else { return }
        failingSinceNanos[page.source] = nil
        conclude(page, &sink, nowNanos: nowNanos)
    }

    /// Nobody answered the open page, or not by the rules: it is asked for again, or the other server is.
    public mutating func failed(sink: inout some JoinSink & ~Copyable, nowNanos: Int64) {
        guard let page = closePage() else { return }
        let since = failingSinceNanos[page.source] ?? nowNanos
        failingSinceNanos[page.source] = since
        guard nowNanos - since >= LateJoin.awayNanos else {
            ask(page.slot, notBeforeNanos: nowNanos + LateJoin.retryNanos)
            return
        }
        if since > LateJoin.knownAway, awaySaid.insert(page.source).inserted { notices.append(.away(page.source)) }
        conclude(page, &sink, nowNanos: nowNanos)
    }

    /// The caller knows that a server does not run: its first failure to answer is enough.
    public mutating func isAway(_ source: Source) { failingSinceNanos[source] = LateJoin.knownAway }

    private mutating func closePage() -> Open? {
        guard let page = open else { return nil }
        open = nil
        streams[page.slot].request = .none
        return page
    }

    // MARK: - Decisions

    /// After a page: goes live, or asks for the next one.
    private mutating func conclude(_ page: Open, _ sink: inout some JoinSink & ~Copyable, nowNanos: Int64) {
        let slot = page.slot
        giveHeld(slot, &sink)
        if !page.gave, !streams[slot].asksAgain { streams[slot].exhausted.insert(page.source) }
        switch streams[slot].standing {
        case .live: streams[slot].isLive = true
        case .behind:
            if streams[slot].exhausted.contains(page.source) { streams[slot].source = page.source.other }
            ask(slot)
        case .dry:
            let since = streams[slot].dryNanos ?? nowNanos
            streams[slot].dryNanos = since
            if nowNanos - since >= LateJoin.dryLimitNanos { passOver(slot, &sink) }
            guard streams[slot].standing != .live else {
                streams[slot].isLive = true
                return
            }
            streams[slot].exhausted.removeAll()
            ask(slot, notBeforeNanos: nowNanos + LateJoin.retryNanos)
        }
    }

    /// Neither server has what is missing: says so, and goes on behind it.
    private mutating func passOver(_ slot: Int, _ sink: inout some JoinSink & ~Copyable) {
        let stream = streams[slot]
        let next = [stream.firstElsewhere, stream.held.first?.first].compactMap { $0 }.min() ?? stream.highest.next
        notices.append(.missing(stream.stream, after: stream.last, next: next))
        streams[slot].last = TickKey(rawValue: next.rawValue - 1)
        streams[slot].firstElsewhere = nil
        streams[slot].dryNanos = nil
        giveHeld(slot, &sink)
    }

    /// Gives the held records that have become next; those that a page has given are forgotten.
    private mutating func giveHeld(_ slot: Int, _ sink: inout some JoinSink & ~Copyable) {
        while let run = streams[slot].held.first {
            let last = streams[slot].last ?? .zero
            let known = run.first > last ? 0 : run.records.firstIndex { $0.key > last } ?? run.records.count
            guard known > 0 || streams[slot].heldIsNext else { return }
            streams[slot].held.removeFirst()
            heldBytes -= run.records.count * Tick.size
            counters.repeats += UInt64(known)
            guard known < run.records.count else { continue }
            streams[slot].hasReachedLive = true
            run.records.withUnsafeBufferPointer { give(UnsafeBufferPointer(rebasing: $0[known...]), slot, &sink) }
        }
    }

    private mutating func give(
        _ records: UnsafeBufferPointer<Tick>, _ slot: Int, _ sink: inout some JoinSink & ~Copyable
    ) {
        counters.given += UInt64(records.count)
        streams[slot].gave(records[records.count - 1])
        sink.give(records, of: streams[slot].stream)
    }

    /// Queues a page of a stream, of `source` if no page is wanted of it yet.
    private mutating func ask(_ slot: Int, source: Source? = nil, notBeforeNanos: Int64 = .min) {
        guard streams[slot].request == .none else {
            streams[slot].asksAgain = true
            return
        }
        if let source { streams[slot].source = source }
        streams[slot].waitUntilNanos = notBeforeNanos
        streams[slot].request = .queued
        queue.append(slot)
    }
}
