public import Ticks

/// A place in a stream: a record's key and its two times. Says how far a stream has come, and where an interval without
/// data begins and ends.
public struct StreamPosition: Sendable, Hashable, BitwiseCopyable {
    public var key: TickKey
    /// `Tick.noEventTime` where the record has none.
    public var tsEventNanos: Int64
    public var tsRecvNanos: Int64

    public init(key: TickKey, tsEventNanos: Int64, tsRecvNanos: Int64) {
        self.key = key
        self.tsEventNanos = tsEventNanos
        self.tsRecvNanos = tsRecvNanos
    }

    public init(_ tick: Tick) {
        self.init(key: tick.key, tsEventNanos: tick.tsEventNanos, tsRecvNanos: tick.tsRecvNanos)
    }

    public var hasEventTime: Bool { tsEventNanos != Tick.noEventTime }

    /// A host's clock that is further from the gateway's is wrong, as the connector judges it.
    private static let wrongClockNanos: UInt64 = 600_000_000_000

    /// True when the record's times are that far apart: of a clock that was wrong, or of delayed data.
    public var isFarFromGateway: Bool {
        guard hasEventTime else { return false }
        let (distance, overflow) = tsEventNanos.subtractingReportingOverflow(tsRecvNanos)
        return overflow || distance.magnitude > StreamPosition.wrongClockNanos
    }

    /// When it came: the time of receipt, or the gateway's where that can't be believed.
    public var believedNanos: Int64 { isFarFromGateway ? tsEventNanos : tsRecvNanos }

    /// The time by which the record counts: the gateway's where it has it, else the host's at the receipt.
    public var timeNanos: Int64 { tsEventNanos == Tick.noEventTime ? tsRecvNanos : tsEventNanos }
}
