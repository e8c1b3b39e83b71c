internal import Messaging
internal import TWS
internal import TickStore
internal import Ticks

/// The way of every tick: decode, number, stage, append to the journal, publish. Owner: the session thread.
///
/// A read's ticks are staged per stream, up to 256 records each; `flush` then appends all runs to the journal as one
/// block and publishes each run as one message. Nothing here allocates, locks or makes a system call per tick.
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

    // First on purpose: this compiler's thread sanitizer takes the first field of a struct with a deinit for its
    // address, and fails unless that field is a pointer.
    let slots: UnsafeMutablePointer<StreamSlot>

    var epoch: UInt32
    /// Why the epoch was begun: the text of the streams' first markers.
    var epochCause = "start"
    var counters = Counters()
    /// The text of the journal's last failure; nil while it takes what it is given.
    var journalFault: String?
    var slotCount = 0
    /// Suspicious prices ask the session to do something: see `takeAlarm`.
    var hasAlarms = false

    private let staging: UnsafeMutablePointer<Tick>
    let capacity: Int
    private var dirty: UnsafeMutablePointer<Int32>
    var dirtyCount = 0
    var pieces: UnsafeMutablePointer<UnsafeRawBufferPointer>

    var requests = RequestTable()
    var sessionFlags: TickFlags = []
    /// `clockBad` while the host's clock is known to be wrong, whatever the session.
    var hostFlags: TickFlags = []
    var scratch = Tick(kind: .last)
    private var texts = MoreTexts()
    var journal: Journal
    var reach = JournalReach()
    var publisher: Publisher
    var endpoints: FeedEndpoints
    private var batch: PublishBatch
    /// The receive time given to the last record; the next is greater.
    var lastReceivedNanos: Int64 = 0
    /// The boot clock at the last read: what silences are measured with. Receive times stand still behind a clock that
    /// was set back, and jump ahead with one that was set.
    var steadyNanos: Int64 = 0
    /// Slots whose gap was closed since the last look.
    var closedGaps: [Int] = []

    /// Begins `epoch` in the journal. A journal that has no room for a segment is a fault, and no reason not to
    /// publish.
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

    /// Numbers a record and puts it behind the stream's staged ones; there is room.
    @inline(__always) mutating func stage(_ tick: Tick, _ index: Int) {
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
    mutating func makeRoom(_ index: Int, records: Int) {
        if Int(slots[index].staged) + records > TickPath.runCapacity { flush() }
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
    var epochIsUsedUp = false
}
