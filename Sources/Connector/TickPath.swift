internal import Messaging
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
        /// Ticks of requests that are over: late words of a cancelled subscription.
        var late: UInt64 = 0
        /// Tick-by-tick messages of a kind that the protocol does not define.
        var unknownKind: UInt64 = 0
        /// Blocks that the journal did not take; the ticks were published all the same.
        var journalFailures: UInt64 = 0
        var publishFailures: UInt64 = 0
    }

    // First on purpose: this compiler's thread sanitizer takes the first field of a struct with a deinit for its address,
    // and fails unless that field is a pointer.
    private let slots: UnsafeMutablePointer<StreamSlot>

    private(set) var epoch: UInt32
    private(set) var counters = Counters()
    /// The text of the journal's last failure; nil while it takes what it is given.
    private(set) var journalFault: String?
    private(set) var slotCount = 0

    private let staging: UnsafeMutablePointer<Tick>
    private let capacity: Int
    private var dirty: UnsafeMutablePointer<Int32>
    private var dirtyCount = 0
    private var pieces: UnsafeMutablePointer<UnsafeRawBufferPointer>

    private var requests = RequestTable()
    private var sessionFlags: TickFlags = []
    private var scratch = Tick(kind: .last)
    private var texts = MoreTexts()
    private var journal: Journal
    private var publisher: Publisher
    private var batch: PublishBatch
    /// The receive time given to the last record; the next is greater.
    private var lastReceivedNanos: Int64 = 0

    /// Begins `epoch` in the journal. Throws when not even its first segment can be made.
    init(
        capacity: Int, epoch: UInt32, journal: consuming Journal, publisher: consuming Publisher
    ) throws(StoreError) {
        var journal = journal
        try journal.begin(epoch: epoch)
        self.capacity = capacity
        self.epoch = epoch
        slots = .allocate(capacity: capacity)
        staging = .allocate(capacity: capacity * TickPath.runCapacity)
        dirty = .allocate(capacity: capacity)
        pieces = .allocate(capacity: capacity)
        batch = PublishBatch(capacity: capacity)
        self.journal = journal
        self.publisher = publisher
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
        slots[slotCount].commonFlags = sessionFlags
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
        for index in 0..<slotCount { slots[index].commonFlags = flags }
    }

    mutating func addCommonFlags(_ flags: TickFlags, of index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].commonFlags.formUnion(flags)
    }

    mutating func removeCommonFlags(_ flags: TickFlags, of index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].commonFlags.subtract(flags)
    }

    /// From now on the answers to `request` are ticks of that stream.
    mutating func bind(request: Int32, to index: Int) { requests.set(request, slot: Int32(index)) }
    mutating func unbind(request: Int32) { requests.remove(request) }
    mutating func unbindAll() { requests.removeAll() }

    // MARK: - Ticks

    /// Begins a read, or a round of other work that may bring markers: the receive time of the first record. Later ones
    /// count up by one nanosecond, and never fall.
    @inline(__always) mutating func beginRead(atNanos now: Int64) {
        lastReceivedNanos = max(now - 1, lastReceivedNanos)
    }

    /// Takes the body of one tick-by-tick message.
    mutating func accept(_ body: UnsafeRawBufferPointer) throws(DecodeError) {
        guard let request = try TickByTickCodec.decode(body, into: &scratch, texts: &texts) else {
            counters.unknownKind &+= 1
            return
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
        if slots[index].needsAttention { closeGap(index) }
        if !texts.isEmpty || Int(slots[index].staged) == TickPath.runCapacity {
            makeRoom(index, records: 1 + texts.recordCount)
        }
        stage(scratch, index)
        counters.ticks &+= 1
        slots[index].ticks &+= 1
        slots[index].lastEventNanos = scratch.tsEventNanos
        if !texts.isEmpty { stageMore(index) }
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
    mutating func mark(_ index: Int, _ event: MarkerEvent, code: Int32 = 0, ref: TickKey = .zero, text: String = "")
        -> TickKey
    {
        precondition(index >= 0 && index < slotCount)
        makeRoom(index, records: 1)
        stage(
            Tick(
                marker: event, of: slots[index].stream, tsRecvNanos: 0, code: code, ref: ref, text: text), index)
        return TickKey(epoch: epoch, seq: slots[index].seq)
    }

    /// From here on ticks of the stream may be missing, until the next one comes. Does nothing while a gap is open.
    mutating func openGap(_ index: Int, cause: String, code: Int32 = 0) {
        guard slot(index).openGap == nil else { return }
        slots[index].openGap = mark(index, .gapOpened, code: code, text: cause)
        slots[index].needsAttention = true
    }

    private mutating func closeGap(_ index: Int) {
        guard let gap = slots[index].openGap else { return }
        mark(index, .gapClosed, ref: gap)
        slots[index].openGap = nil
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
    mutating func begin(epoch: UInt32) {
        precondition(epoch > self.epoch)
        flush()
        self.epoch = epoch
        do throws(StoreError) {
            try journal.begin(epoch: epoch)
        } catch {
            counters.journalFailures &+= 1
            journalFault = "\(error)"
        }
        epochIsUsedUp = false
        for index in 0..<slotCount { slots[index].seq = 0 }
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
