internal import Messaging
internal import Ticks

/// One stream's numbering and staging: what the session thread touches for every tick of it.
struct StreamSlot {
    let stream: StreamID
    let topic: Topic
    /// The last number given out in this epoch.
    var seq: UInt32 = 0
    /// Records in the stream's staging run.
    var staged: Int32 = 0
    /// Flags that every record of the stream carries now (`simulated`, `delayed`).
    var commonFlags: TickFlags = []
    /// The next tick must not simply be appended: a gap is open.
    var needsAttention = false

    // For the control socket and the judge; not on the wire.
    var lastEventNanos = Tick.noEventTime
    var lastReceivedNanos: Int64 = 0
    var ticks: UInt64 = 0
    /// The key of the `gap_opened` marker, while one is open.
    var openGap: TickKey?

    init(_ stream: StreamID) {
        self.stream = stream
        topic = Topic(stream.topic)
    }
}

/// Which slot the ticks of a request belong to. Request ids only rise; those of ended subscriptions lead nowhere.
struct RequestTable {
    static let none: Int32 = -1
    private var slots: [Int32] = []
    /// The request id of `slots[0]`.
    private var base: Int32 = 0

    /// The slot, or `none` for a request that is over or never was.
    @inline(__always) func slot(of request: Int32) -> Int32 {
        let index = Int(request) - Int(base)
        return index >= 0 && index < slots.count ? slots[index] : RequestTable.none
    }

    mutating func set(_ request: Int32, slot: Int32) {
        let known = slots.contains { $0 != RequestTable.none }
        if !known {
            slots.removeAll(keepingCapacity: true)
            base = request
        }
        precondition(request >= base, "request ids only rise")
        while Int(request - base) >= slots.count { slots.append(RequestTable.none) }
        slots[Int(request - base)] = slot
    }

    mutating func remove(_ request: Int32) {
        let index = Int(request) - Int(base)
        if index >= 0, index < slots.count { slots[index] = RequestTable.none }
    }

    mutating func removeAll() { for index in slots.indices { slots[index] = RequestTable.none } }
}
