internal import Messaging
internal import ServiceKit
internal import TWS
internal import TickStore
internal import Ticks

/// The way of every tick: decode, number, stage, append to the journal, publish. Owner: the session thread.
///
/// A read's ticks are staged per stream, up to 256 records each; `flush` then appends all runs to the journal as one block
/// and publishes each run as one message. Nothing here allocates, locks or makes a system call per tick.
struct TickPath: ~Copyable {
    /// Records of one published message, at most.
    static let runCapacity = 256
    /// At this number a stream's epoch is used up, well below the last possible one.
    static let highestSeq = UInt32.max - 1_000_000

    struct Counters {
        var ticks: UInt64 = 0
        /// Those of them that are values of a frozen market: they show of nothing that it lives.
        var frozen: UInt64 = 0
        /// Ticks of requests that are over: late words of a cancelled subscription.
        var late: UInt64 = 0
        /// Tick-by-tick messages of a kind that the protocol does not define.
        var unknownKind: UInt64 = 0
        /// Blocks that the journal did not take; the ticks were published all the same.
        var journalFailures: UInt64 = 0
        var publishFailures: UInt64 = 0
        /// Ticks taken from the gateway's history, and the runs that they came in.
        var healed: UInt64 = 0
        var healRuns: UInt64 = 0
        /// Ticks whose price can hardly be true; they were recorded all the same.
        var suspicious: UInt64 = 0
    }

    // First on purpose: this compiler's thread sanitizer takes the first field of a struct with a deinit for its address,
    // and fails unless that field is a pointer.
    private let slots: UnsafeMutablePointer<StreamSlot>

    private(set) var epoch: UInt32
    /// Why the epoch was begun: the text of the streams' first markers.
    private var epochCause = "start"
    private(set) var counters = Counters()
    /// The text of the journal's last failure; nil while it takes what it is given.
    private(set) var journalFault: String?
    private(set) var slotCount = 0
    /// Suspicious prices ask the session to do something: see `takeAlarm`.
    private(set) var hasAlarms = false

    private let staging: UnsafeMutablePointer<Tick>
    private let capacity: Int
    private var dirty: UnsafeMutablePointer<Int32>
    private var dirtyCount = 0
    private var pieces: UnsafeMutablePointer<UnsafeRawBufferPointer>

    private var requests = RequestTable()
    private var sessionFlags: TickFlags = []
    /// `clockBad` while the host's clock is known to be wrong, whatever the session.
    private var hostFlags: TickFlags = []
    private var scratch = Tick(kind: .last)
    private var texts = MoreTexts()
    private var journal: Journal
    private var reach = JournalReach()
    private var publisher: Publisher
    private var endpoints: FeedEndpoints
    private var batch: PublishBatch
    /// The receive time given to the last record; the next is greater.
    private(set) var lastReceivedNanos: Int64 = 0
    /// The boot clock at the last read: what silences are measured with. Receive times stand still behind a clock that was set back,
    /// and jump ahead with one that was set.
    private(set) var steadyNanos: Int64 = 0
    /// Slots whose gap was closed since the last look.
    private var closedGaps: [Int] = []

    /// Begins `epoch` in the journal. A journal that has no room for a segment is a fault, and no reason not to publish.
    init(
        capacity: Int, epoch: UInt32, journal: consuming Journal, publisher: consuming Publisher,
        endpoints: FeedEndpoints = FeedEndpoints([])
    ) {
        var journal = journal
        do throws(StoreError) { try journal.begin(epoch: epoch) } catch { journalFault = "\(error)" }
        self.capacity = capacity
        self.epoch = epoch
        slots = .allocate(capacity: capacity)
        staging = .allocate(capacity: capacity * TickPath.runCapacity)
        dirty = .allocate(capacity: capacity)
        pieces = .allocate(capacity: capacity)
        batch = PublishBatch(capacity: capacity)
        self.journal = journal
        self.publisher = publisher
        self.endpoints = endpoints
    }

    deinit {
        slots.deinitialize(count: slotCount)
        slots.deallocate()
        staging.deallocate()
        dirty.deallocate()
        pieces.deallocate()
    }

    // MARK: - Streams and requests

    /// A new stream's slot, or nil when there are as many streams as there is room for. It carries the session's flags.
    mutating func addStream(_ stream: StreamID) -> Int? {
        guard slotCount < capacity else { return nil }
        (slots + slotCount).initialize(to: StreamSlot(stream))
        slots[slotCount].commonFlags = sessionFlags.union(hostFlags)
        slotCount += 1
        return slotCount - 1
    }

    /// Reads one stream's state.
    func slot(_ index: Int) -> StreamSlot {
        precondition(index >= 0 && index < slotCount)
        return slots[index]
    }

    /// A session begins: from now on every record of every stream, also of those to come, carries these flags.
    mutating func beginSession(flags: TickFlags) {
        sessionFlags = flags
        for index in 0..<slotCount { slots[index].commonFlags = flags.union(hostFlags) }
    }

    /// From now on every record of every stream says whether the host's clock is known to be wrong.
    mutating func setClockBad(_ isBad: Bool) {
        hostFlags = isBad ? .clockBad : []
        for index in 0..<slotCount {
            slots[index].commonFlags.subtract(.clockBad)
            slots[index].commonFlags.formUnion(hostFlags)
        }
    }

    /// A new epoch begins with receive times of a clock that was set back. Nothing is staged.
    mutating func resetReceiveTimes(toNanos now: Int64) {
        precondition(dirtyCount == 0)
        lastReceivedNanos = now - 1
        for index in 0..<slotCount {
            slots[index].prices.forgetTimes()
        }
    }

    /// What is learned later of the session; every record from here on carries it, also those of streams to come.
    mutating func addSessionFlags(_ flags: TickFlags) {
        sessionFlags.formUnion(flags)
        for index in 0..<slotCount { slots[index].commonFlags.formUnion(flags) }
    }

    mutating func addCommonFlags(_ flags: TickFlags, of index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].commonFlags.formUnion(flags)
    }

    mutating func removeCommonFlags(_ flags: TickFlags, of index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].commonFlags.subtract(flags)
    }

    /// From here on a stream's data are delayed, frozen, both or neither. Frozen ones fill no gap: one is open until a live
    /// tick comes. True when that is news.
    mutating func setMarketData(_ flags: TickFlags, of index: Int) -> Bool {
        precondition(index >= 0 && index < slotCount)
        let before = slots[index].commonFlags.intersection([.delayed, .frozen])
        slots[index].commonFlags.subtract([.delayed, .frozen])
        slots[index].commonFlags.formUnion(flags)
        if flags.contains(.frozen) { openGap(index, cause: MarketDataType.gapCause) }
        return before != flags
    }

    /// From now on the answers to `request` are ticks of that stream.
    mutating func bind(request: Int32, to index: Int) {
        requests.set(request, slot: Int32(index))
        slots[index].ticksWhenAsked = slots[index].ticks
        // What was said of the last request's data holds no more.
        slots[index].commonFlags.subtract([.delayed, .frozen])
    }
    mutating func unbind(request: Int32) { requests.remove(request) }
    mutating func unbindAll() { requests.removeAll() }

    // MARK: - Ticks

    /// Begins a read, or a round of other work that may bring markers: the receive time of the first record. Later ones
    /// count up by one nanosecond, and never fall.
    @inline(__always) mutating func beginRead(atNanos now: Int64, steadyNanos: Int64) {
        lastReceivedNanos = max(now - 1, lastReceivedNanos)
        self.steadyNanos = steadyNanos
    }

    /// Takes the body of one tick-by-tick message.
    mutating func accept(_ body: UnsafeRawBufferPointer) throws(DecodeError) {
        guard let request = try TickByTickCodec.decode(body, into: &scratch, texts: &texts) else {
            counters.unknownKind &+= 1
            throw DecodeError(.badWord, message: 99, field: 2)
        }
        let index = Int(requests.slot(of: request))
        guard index >= 0 else {
            counters.late &+= 1
            return
        }
        guard scratch.kindByte == slots[index].stream.kind.rawValue else {
            throw DecodeError(.badNumber, message: 99, field: 2)
        }
        stageTick(index)
    }

    /// Takes a record that another decoder made (level 1): its kind, time, flags and body are set.
    mutating func accept(_ tick: Tick, texts: MoreTexts, request: Int32) {
        let index = Int(requests.slot(of: request))
        guard index >= 0, tick.kindByte == slots[index].stream.kind.rawValue else {
            counters.late &+= 1
            return
        }
        scratch = tick
        self.texts = texts
        stageTick(index)
    }

    @inline(__always) private mutating func stageTick(_ index: Int) {
        if slots[index].needsAttention { attend(index) }
        if !texts.isEmpty || Int(slots[index].staged) == TickPath.runCapacity {
            makeRoom(index, records: 1 + texts.recordCount)
        }
        stage(scratch, index)
        let seq = slots[index].seq
        counters.ticks &+= 1
        slots[index].ticks &+= 1
        slots[index].lastEventNanos = scratch.tsEventNanos
        slots[index].rhythm.tick(atNanos: steadyNanos)
        if !texts.isEmpty { stageMore(index) }
        if let suspicion = slots[index].prices.take(scratch, nowNanos: lastReceivedNanos) {
            note(suspicion, of: TickKey(epoch: epoch, seq: seq), index)
        }
    }

    /// The tick stays what it is; what has to be done about it is the session's.
    @inline(never) private mutating func note(_ suspicion: PriceCheck.Suspicion, of key: TickKey, _ index: Int) {
        counters.suspicious &+= 1
        let alarm = slots[index].prices.note(suspicion, nowNanos: lastReceivedNanos)
        if alarm.contains(.mark) {
            let count = Int32(clamping: slots[index].prices.series)
            mark(index, .suspiciousPrice, code: count, ref: key, text: suspicion.text)
        }
        guard !alarm.subtracting(.mark).isEmpty else { return }
        slots[index].alarm.formUnion(alarm)
        slots[index].suspicion = suspicion
        hasAlarms = true
    }

    /// The alarm of a stream, which is over with that; nil when there is none.
    mutating func takeAlarm(_ index: Int) -> (PriceCheck.Alarm, PriceCheck.Suspicion)? {
        precondition(index >= 0 && index < slotCount)
        hasAlarms = false
        guard let suspicion = slots[index].suspicion else { return nil }
        defer {
            slots[index].alarm = []
            slots[index].suspicion = nil
        }
        return (slots[index].alarm, suspicion)
    }

    /// A stream is left for its suspicious prices: what comes next is of another subscription.
    mutating func beginPricesAnew(_ index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].prices.beginAnew()
    }

    /// The smallest price step of a stream's instrument, units of 1e-9; 0: not known.
    mutating func setPriceStep(_ step: Int64, of index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].prices.setStep(step)
    }

    /// Numbers a record and puts it behind the stream's staged ones; there is room.
    @inline(__always) private mutating func stage(_ tick: Tick, _ index: Int) {
        let slot = slots + index
        lastReceivedNanos &+= 1
        slot.pointee.seq &+= 1
        let staged = Int(slot.pointee.staged)
        let record = staging + (index &* TickPath.runCapacity &+ staged)
        record.initialize(to: tick)
        record.pointee.seq = slot.pointee.seq
        record.pointee.epoch = epoch
        record.pointee.tsRecvNanos = lastReceivedNanos
        record.pointee.conId = slot.pointee.stream.conId
        record.pointee.source = slot.pointee.stream.source
        record.pointee.flags.formUnion(slot.pointee.commonFlags)
        slot.pointee.lastReceivedNanos = lastReceivedNanos
        slot.pointee.staged = Int32(staged &+ 1)
        if staged == 0 {
            dirty[dirtyCount] = Int32(index)
            dirtyCount &+= 1
        }
    }

    private mutating func stageMore(_ index: Int) {
        for record in texts.records(after: scratch) { stage(record, index) }
    }

    /// A tick and its `more` records never part: what is staged goes out first when they would not fit behind it.
    private mutating func makeRoom(_ index: Int, records: Int) {
        if Int(slots[index].staged) + records > TickPath.runCapacity { flush() }
    }

    // MARK: - Markers

    /// Puts a marker into the stream's own order. It goes out with the next `flush`.
    @discardableResult
    mutating func mark(
        _ index: Int, _ event: MarkerEvent, code: Int32 = 0, ref: TickKey = .zero, text: String = "",
        tsEventNanos: Int64 = Tick.noEventTime
    ) -> TickKey {
        precondition(index >= 0 && index < slotCount)
        if slots[index].seq == 0 { beginNumbers(index) }
        makeRoom(index, records: 1)
        stage(
            Tick(
                marker: event, of: slots[index].stream, tsEventNanos: tsEventNanos, tsRecvNanos: 0, code: code,
                ref: ref,
                text: text), index)
        return TickKey(epoch: epoch, seq: slots[index].seq)
    }

    /// The stream's first record in this epoch names its last one before, so that nothing can vanish between the two unseen.
    private mutating func beginNumbers(_ index: Int) {
        let stream = slots[index].stream
        let last = journal.lastNumbered(of: stream)
        makeRoom(index, records: 1)
        stage(
            Tick(
                marker: .epochBegun, of: stream, tsRecvNanos: 0,
                code: last?.isCertain ?? true ? 0 : MarkerBody.uncertainEnd, ref: last?.key ?? .zero,
                text: epochCause), index)
    }

    /// From here on ticks of the stream may be missing, until the next one comes. Does nothing while a gap is open.
    mutating func openGap(_ index: Int, cause: String, code: Int32 = 0) {
        precondition(index >= 0 && index < slotCount)
        slots[index].noteBreak(nowNanos: bootNanos())
        slots[index].silentUntilNanos = nil
        guard slot(index).openGap == nil else { return }
        slots[index].openGap = mark(index, .gapOpened, code: code, text: cause)
        slots[index].needsAttention = true
    }

    /// A message of the stream can't be decoded: it is written down as a marker. A tick that is lost so is a gap, each time:
    /// what a gateway that sends nonsense again and again may cost of the history budget is `HealPlan`'s to say.
    mutating func noteUndecodable(_ index: Int, _ message: UndecodableMessage) {
        precondition(index >= 0 && index < slotCount)
        slots[index].undecodable &+= 1
        if message.isTick { openGap(index, cause: MarkerEvent.undecodable.name.description) }
        mark(index, .undecodable, code: message.messageId, text: message.fault)
    }

    /// The gateway is silent and does not answer: ticks of the stream may be missing. The gap is opened by the first tick
    /// that is later than `untilNanos` (event time), since stragglers from before the silence may still come; by what
    /// ends the session, if that comes first.
    mutating func noteSilence(_ index: Int, untilNanos: Int64) {
        precondition(index >= 0 && index < slotCount)
        slots[index].silentUntilNanos = untilNanos
        slots[index].needsAttention = true
    }

    /// Before a tick is staged: begins the stream's numbers, and closes the gap that the tick ends.
    private mutating func attend(_ index: Int) {
        if slots[index].seq == 0 { beginNumbers(index) }
        if let until = slots[index].silentUntilNanos,
            scratch.tsEventNanos == Tick.noEventTime || scratch.tsEventNanos > until
        {
            openGap(index, cause: TickPath.silence)
        }
        // What is frozen is no proof, and fills no gap.
        if slots[index].commonFlags.contains(.frozen) {
            counters.frozen &+= 1
        } else {
            if slots[index].doubt != nil { weighDoubt(index) }
            if slots[index].openGap != nil { closeGap(index) }
        }
        slots[index].heedsNextTick()
    }

    /// Ticks may be missing by the gateway's words: one that comes after too long a silence has a gap in front.
    private mutating func weighDoubt(_ index: Int) {
        guard var doubt = slots[index].doubt else { return }
        let isGapOpen = slots[index].openGap != nil
        let verdict = doubt.tick(atNanos: steadyNanos, isGapOpen: isGapOpen)
        slots[index].doubt = verdict.isOver ? nil : doubt
        if verdict.isGap { openGap(index, cause: doubt.cause, code: doubt.code) }
    }

    /// Ticks of the stream may be missing from now on: its silences count, until it has gone on or is known to be back.
    ///
    /// - Parameter isCertain: the news is of every stream.
    mutating func beginDoubt(_ index: Int, cause: String, code: Int32, isCertain: Bool) {
        precondition(index >= 0 && index < slotCount)
        // What lies between the subscription's history and its first live tick is not known any more.
        slots[index].interruptions &+= 1
        let (now, rhythm) = (steadyNanos, slots[index].rhythm)
        if slots[index].doubt == nil {
            slots[index].doubt = StreamDoubt(
                cause: cause, code: code, isCertain: isCertain, rhythm: rhythm, nowNanos: now)
        } else {
            slots[index].doubt?.badNews(cause: cause, code: code, isCertain: isCertain, rhythm: rhythm, nowNanos: now)
        }
        slots[index].heedsNextTick()
    }

    /// Another stream has shown that the news is not of this one.
    mutating func endDoubt(_ index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].doubt = nil
        slots[index].heedsNextTick()
    }

    /// The session is over: the next one begins without news.
    mutating func endDoubts() {
        for index in 0..<slotCount { endDoubt(index) }
    }

    /// Something is back. A stream that was silent meanwhile has a gap from its last tick on.
    ///
    /// - Parameter isEnd: nothing else is down.
    mutating func noteGoodNews(_ index: Int, isEnd: Bool = true) {
        precondition(index >= 0 && index < slotCount)
        guard var doubt = slots[index].doubt else { return }
        let isGap = doubt.goodNews(atNanos: steadyNanos, isEnd: isEnd)
        slots[index].doubt = doubt
        if isGap { openGap(index, cause: doubt.cause, code: doubt.code) }
    }

    /// The marker's text for a gateway that did not answer.
    static let silence = "gateway silent"

    /// The open gaps' markers are in no file that counts: `openGap` says it anew.
    mutating func forgetGaps() {
        for index in 0..<slotCount {
            slots[index].openGap = nil
            slots[index].heedsNextTick()
        }
    }

    private mutating func closeGap(_ index: Int) {
        guard let gap = slots[index].openGap else { return }
        mark(index, .gapClosed, ref: gap)
        slots[index].openGap = nil
        let after = TickKey(epoch: epoch, seq: slots[index].seq + 1)
        slots[index].closedGap = (gap, after, lastReceivedNanos + 1)
        slots[index].rhythm.skip(toNanos: steadyNanos)
        closedGaps.append(index)
    }

    /// The slots whose gap was closed since the last call, each at most as often as that happened.
    mutating func takeClosedGaps() -> [Int] {
        guard !closedGaps.isEmpty else { return [] }
        defer { closedGaps.removeAll(keepingCapacity: true) }
        return closedGaps
    }

    /// The history in front of the stream's present subscription may serve to heal its gap.
    mutating func setTakesFront(_ takes: Bool, of index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].takesFront = takes
    }

    // MARK: - Healed ticks

    /// Records a run of healed ticks, contiguous in the stream's numbers: `heal`, the ticks, `heal_end`. Returns its last
    /// key. At most 8,192 ticks, well under a millisecond of work.
    mutating func record(_ run: HealedRun, of index: Int) -> TickKey {
        precondition(index >= 0 && index < slotCount)
        let second: Int64 = 1_000_000_000
        let count = Int32(clamping: run.ticks.count)
        // Records of history are not late, however late the live ones are.
        let flags = slots[index].commonFlags
        slots[index].commonFlags.subtract(.delayed)
        mark(index, .heal, code: count, ref: run.gap, text: "\(run.to)", tsEventNanos: run.from * second)
        for item in run.ticks {
            makeRoom(index, records: 1 + item.more.count)
            var tick = item.tick
            tick.flags.insert(.healed)
            stage(tick, index)
            for (position, body) in item.more.enumerated() {
                var more = tick
                more.kindByte = TickKind.more.rawValue
                more.flags = .healed
                if position + 1 < item.more.count { more.flags.insert(.moreFollows) }
                more.body = body
                stage(more, index)
            }
        }
        let key = mark(
            index, .healEnd, code: count, ref: run.gap, text: run.verdict?.markerText ?? "more",
            tsEventNanos: run.to * second)
        slots[index].commonFlags = flags
        counters.healed &+= UInt64(run.ticks.count)
        counters.healRuns &+= 1
        flush()
        return key
    }

    /// The stream is not wanted any more: from here on nothing of it is missing.
    mutating func endStream(_ index: Int) {
        mark(index, .unsubscribed)
        slots[index].openGap = nil
        slots[index].silentUntilNanos = nil
        slots[index].doubt = nil
        slots[index].needsAttention = false
    }

    // MARK: - Out

    /// Appends everything staged to the journal as one block, then publishes it, one message a stream.
    mutating func flush() {
        guard dirtyCount > 0 else { return }
        batch.removeAll()
        var nearTheEnd = false
        for position in 0..<dirtyCount {
            let index = Int(dirty[position])
            let count = Int(slots[index].staged)
            let start = staging + index &* TickPath.runCapacity
            let run = UnsafeRawBufferPointer(start: start, count: count &* Tick.size)
            (pieces + position).initialize(to: run)
            batch.add(slots[index].topic, run)
            slots[index].staged = 0
            nearTheEnd = nearTheEnd || slots[index].seq > TickPath.highestSeq
        }
        append()
        do throws(MessagingError) {
            try publisher.publish(batch)
        } catch {
            counters.publishFailures &+= 1
        }
        dirtyCount = 0
        epochIsUsedUp = epochIsUsedUp || nearTheEnd
    }

    /// A stream has nearly run out of numbers: the session has to begin a new epoch.
    private(set) var epochIsUsedUp = false

    /// What the recorder says to be durable; nil: it never said anything. Once a second.
    mutating func noteDurable(_ keys: [StreamID: TickKey]?) {
        if let keys { journal.noteDurable(keys) }
    }

    /// Once a second: how far back the journal reaches, and how long until a record has to go that is not durable. In seconds
    /// at the present rate; nil: not known, or too long to matter.
    mutating func journalSeconds(nowNanos: Int64) -> (reach: Int64?, left: Int64?) {
        reach.count(appendedBytes: journal.appendedBytes, nowNanos: nowNanos)
        return (reach.seconds(of: journal.reachBytes), reach.seconds(of: journal.bytesBeforeLoss()))
    }

    /// About once a second: files of the journal that somebody has removed are made anew.
    mutating func checkJournal() {
        do throws(StoreError) { try journal.checkFiles() } catch { journalFault = "\(error)" }
    }

    private mutating func append() {
        do throws(StoreError) {
            try journal.append(UnsafeBufferPointer(start: pieces, count: dirtyCount))
            journalFault = nil
        } catch {
            counters.journalFailures &+= 1
            journalFault = "\(error)"
        }
    }

    /// Every stream counts from 1 again, in `epoch`, which is greater than the present one.
    ///
    /// - Parameters:
    ///   - cause: for people; 16 bytes of it are recorded.
    ///   - followsOthers: somebody else used epochs between the two.
    mutating func begin(epoch: UInt32, cause: String, followsOthers: Bool = false) {
        precondition(epoch > self.epoch)
        flush()
        self.epoch = epoch
        epochCause = cause
        do throws(StoreError) {
            try journal.begin(epoch: epoch, followsOthers: followsOthers)
        } catch {
            counters.journalFailures &+= 1
            journalFault = "\(error)"
        }
        epochIsUsedUp = false
        for index in 0..<slotCount {
            slots[index].seq = 0
            slots[index].needsAttention = true
        }
    }

    /// Tries the feed's TCP addresses that are missing.
    mutating func bindEndpoints(nowNanos: Int64) -> [(endpoint: String, fault: String?)] {
        // Out of `self` meanwhile: two of its parts are changed at once.
        var endpoints = self.endpoints
        defer { self.endpoints = endpoints }
        return endpoints.bind(nowNanos: nowNanos) { endpoint throws(MessagingError) in try publisher.bind(endpoint) }
    }

    /// `ok`, or why an address of the feed is missing.
    var endpointsFact: String { endpoints.fact }

    /// As `Socket.restoreFiles`, for the live feed.
    mutating func restoreFeed(nowNanos: Int64) -> [(path: String, fault: String?)] {
        publisher.restoreFiles(nowNanos: nowNanos)
    }

    /// Publishes a message that is not a tick (definitions, events, watermarks).
    mutating func publish(_ topic: Topic, _ payload: [UInt8]) {
        do throws(MessagingError) {
            try publisher.publish(topic, payload)
        } catch {
            counters.publishFailures &+= 1
        }
    }

    /// As `Publisher.receiveSubscriptions`.
    mutating func receiveSubscriptions(
        _ body: (_ subscribed: Bool, _ topic: UnsafeRawBufferPointer) -> Void
    ) throws(MessagingError) {
        try publisher.receiveSubscriptions(body)
    }

    func addPublisher(to poller: inout Poller) -> Poller.Entry { poller.add(publisher) }
}
