/// When the last second of a gap may be asked for. Pure.
///
/// It has to be over, and for a while, since history and the stream's own ticks may be late. The host's real-time
/// clock has no say: it may be any. What tells that a second is over is a later tick of the stream, the gateway's
/// clock, and the boot clock: a second of which a tick was there had begun by then. Whatever is wrong, the wait
/// ends, but for times that no tick can have.
struct LastSecond {
    private static let nanos: Int64 = 1_000_000_000
    /// With a later tick of the stream the second has to be over for so long.
    static let settleNanos = 2 * nanos
    /// Without one: the gateway may be late, but not by more before its session is given up.
    static let quietNanos = 10 * nanos
    /// The gateway's clock says that the second has not come yet: that clock is wrong, or the tick's
    /// time is, and the next tick may tell which.
    static let disputedNanos = 60 * nanos
    /// A tick so far ahead of the gateway's clock has no time that could be waited for or asked for.
    static let farSeconds: Int64 = 31 * 86_400
    /// A stream that has gone on so far below the second has shown that its tick's time was odd.
    static let oddSeconds: Int64 = 60

    /// Unix seconds.
    let second: Int64
    /// Of the stream's newest live tick; nil: it has brought none yet.
    let newest: Int64?
    /// For how long the gap has been known to be closed, by the boot clock.
    let knownForNanos: Int64

    /// A later tick of the stream was there.
    var isOver: Bool { newest.map { $0 > second } ?? false }

    /// True when nothing but the tick itself says that the second has come: what is found then only
    /// counts as long as the stream stays silent.
    func isUnproven(gatewayNanos now: Int64?) -> Bool {
        !isOver && (now.map { aheadNanos(of: $0) > LastSecond.quietNanos } ?? true)
    }

    /// True when no clock tells how long the wait will be.
    func isUntimed(gatewayNanos now: Int64?) -> Bool { isOdd(now) || isUnproven(gatewayNanos: now) }

    /// How long to wait, as far as a wait goes; 0: the second may be asked for.
    ///
    /// - Parameter gatewayNanos: the gateway's time; nil: it has told none.
    func waitNanos(gatewayNanos now: Int64?) -> Int64 {
        if let newest, newest > second + 3 * LastSecond.settleNanos / LastSecond.nanos { return 0 }
        let settle = isOver ? LastSecond.settleNanos : LastSecond.quietNanos
        // Without a later tick: the second may have begun when its tick was there.
        let begun = isOver ? 0 : LastSecond.nanos - knownForNanos
        var wait = begun + settle - (isOver ? knownForNanos : 0)
        if isOdd(now) {
            wait = Healer.refreshNanos
        } else if isUnproven(gatewayNanos: now), now != nil {
            wait = LastSecond.disputedNanos - knownForNanos
        }
        if let now { wait = min(wait, max(begun, aheadNanos(of: now) + settle)) }
        // The next tick may make it shorter.
        return min(max(0, wait), isOver || isOdd(now) ? Healer.refreshNanos : LastSecond.nanos)
    }

    private func isOdd(_ now: Int64?) -> Bool {
        guard !isOver else { return false }
        let isPassed = newest.map { $0 < second - LastSecond.oddSeconds } ?? false
        let isFar = now.map { second > $0 / LastSecond.nanos + LastSecond.farSeconds } ?? false
        return isPassed || isFar
    }

    /// How far the second's end is ahead of the gateway's time, as far as it can matter.
    private func aheadNanos(of now: Int64) -> Int64 {
        (min(max(second, 0), now / LastSecond.nanos + LastSecond.farSeconds) + 1) * LastSecond.nanos - now
    }
}
