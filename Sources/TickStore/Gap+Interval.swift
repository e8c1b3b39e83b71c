internal import Ticks

/// When a gap was, as far as clocks can tell.
extension Gap {
    /// The time of the edge where it begins, whatever that of the other is: the gateway's, else the host's.
    var edgeFromNanos: Int64? { before?.timeNanos ?? beganRecvNanos }

    /// The host's time where it begins with no tick before; nil where nothing tells. When a `lost` was written says
    /// nothing of when its keys were numbered.
    public var beganRecvNanos: Int64? { subscribedRecvNanos ?? (beginsLost ? lostSinceNanos : openedRecvNanos) }

    /// Its first marker is a `lost`.
    var beginsLost: Bool { lostKeys?.contains(key) ?? false }

    /// The time of the edge where it ends; nil while it is open.
    var edgeToNanos: Int64? { after?.timeNanos ?? endedRecvNanos }

    /// Both ends, in order. A host's clock that was wrong, or was set, may contradict the gateway's or itself: then the
    /// gateway's time stays and the host's is not told. Where the gateway's times contradict each other (trades that
    /// come late), the host's tell when they are in order.
    var interval: (from: Int64?, to: Int64?) {
        guard let from = edgeFromNanos, let to = edgeToNanos, from > to else { return (edgeFromNanos, edgeToNanos) }
        switch (before?.hasEventTime ?? false, after?.hasEventTime ?? false) {
        case (true, true):
            guard let before, let after, before.tsRecvNanos <= after.tsRecvNanos else { return (nil, nil) }
            return (before.tsRecvNanos, after.tsRecvNanos)
        case (true, false): return (from, nil)
        case (false, true):
            // The gateway's times are whole seconds: in the same one nothing contradicts.
            let second: Int64 = 1_000_000_000
            return (from.floorDivided(by: second) <= to.floorDivided(by: second) ? to : nil, to)
        case (false, false): return (nil, nil)
        }
    }
}
