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
    /// The next tick must not simply be appended: it is the first of its epoch, a gap is open, or may be found.
    var needsAttention = true

    // For the control socket and the judge; not on the wire.
    var lastEventNanos = Tick.noEventTime
    var lastReceivedNanos: Int64 = 0
    var ticks: UInt64 = 0
    /// The key of the `gap_opened` marker, while one is open.
    var openGap: TickKey?

    /// The gateway was silent for so long that ticks may be missing: event times up to this one (ns since the Unix epoch)
    /// are those of stragglers from before, the first later one comes behind the gap. Nil: it was not silent.
    var silentUntilNanos: Int64?

    /// Ticks of the stream may be missing, by the gateway's words; nil: nothing says so.
    var doubt: StreamDoubt?
    /// How it usually ticks.
    var rhythm = TickRhythm()
    /// Ticks when the present request was bound to the stream.
    var ticksWhenAsked: UInt64 = 0

    /// The present request has brought data.
    var hasData: Bool { ticks != ticksWhenAsked }

    /// Unix second of the newest live tick; nil: none, or it has no time.
    var newestSecond: Int64? {
        lastEventNanos == Tick.noEventTime ? nil : lastEventNanos.floorDivided(by: 1_000_000_000)
    }

    /// How often the stream broke off, as `openGap` was told, also while a gap was open; and when it last did (boot clock).
    private(set) var breaks: UInt32 = 0
    private(set) var brokeOffAtNanos: Int64 = 0
    /// The same, and each doubt.
    var interruptions: UInt32 = 0
    /// The gap that was closed last: its `gap_opened` marker, the key of the first tick behind it, and when that came.
    var closedGap: (gap: TickKey, after: TickKey, receivedNanos: Int64)?
    /// The subscription's history may serve to heal the open gap.
    var takesFront = false

    /// Messages that could not be decoded.
    var undecodable: UInt64 = 0

    /// Whether the prices can be true.
    var prices = PriceCheck()
    /// What the last suspicious tick asks the session to do.
    var alarm: PriceCheck.Alarm = []
    var suspicion: PriceCheck.Suspicion?

    mutating func noteBreak(nowNanos: Int64) {
        breaks &+= 1
        brokeOffAtNanos = nowNanos
        interruptions &+= 1
    }

    /// Whether the next tick needs attention, by what is known now.
    mutating func heedsNextTick() {
        needsAttention = seq == 0 || openGap != nil || silentUntilNanos != nil || doubt != nil
    }

    init(_ stream: StreamID) {
        self.stream = stream
        topic = Topic(stream.topic)
    }
}
