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
