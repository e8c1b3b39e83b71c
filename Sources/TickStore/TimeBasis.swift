public import Ticks

/// By which of their two times live ticks are selected. Healed ones count by their event time in any case; what has no
/// event time (level 1, markers) by its receive time.
public enum TimeBasis: String, Sendable, CaseIterable {
    /// When they were received; by event time where the host's clock is known to have been wrong (flag 7).
    case receive
    /// The gateway's time.
    case event
}

extension Tick {
    /// The time by which the record is selected and counted, ns since the Unix epoch. A
    /// tick's `more` records go with their tick.
    public func timeNanos(by basis: TimeBasis = .receive) -> Int64 {
        if isPlacedByEvent { return tsEventNanos }
        guard kindByte < TickKind.more.rawValue, tsEventNanos != Tick.noEventTime else { return tsRecvNanos }
        return basis == .event || flags.contains(.clockBad) ? tsEventNanos : tsRecvNanos
    }
}
