internal import Ticks

/// The time by which parts of the log get their hours and sealed files get old: the host's clock, as far as it can be
/// believed. Pure; owner: the write thread.
///
/// It goes on with the boot clock. A host's clock that stands elsewhere all of a sudden is not followed before a tick
/// says that it may be: one that was received about now and does not carry the flag `clock bad`, since the connector
/// sets that flag while the gateway's clock speaks against the host's.
public struct LogClock: Sendable {
    /// A clock that is corrected by less is followed without a word.
    private static let slackNanos: Int64 = 600_000_000_000
    /// How near a tick's receive time has to be to now to speak for the clock.
    private static let nearNanos: Int64 = 3_600_000_000_000
    private static let hourNanos: Int64 = 3_600_000_000_000
    /// Without a clock of the years 2020 to 2099 and without files that tell the time the first parts get hours of
    /// 2099: with the first part of a right clock behind them they are sealed as its hour (`SealPlan.hours`).
    private static let believable: ClosedRange<Int64> = 438_288...1_139_567
    private static let unknownHour: Int64 = 1_130_808
    /// A year before the hours whose nanoseconds a 64-bit integer can't hold (2262).
    private static let endOfTime = Int64.max / hourNanos - 366 * 24

    /// What this clock shows, less what the boot clock shows.
    private var offset: Int64
    /// The newest receive time of a live tick without the flag `clock bad`.
    private var goodNanos: Int64?

    /// Begins where the log ends.
    ///
    /// - Parameters:
    ///   - lastHour: of the newest part or sealed file; nil: there is none.
    ///   - newestEventNanos: the newest time of the gateway that is recorded; nil: none.
    public init(lastHour: Int64?, newestEventNanos: Int64?, realNanos: Int64, bootNanos: Int64) {
        let host = realNanos.floorDivided(by: LogClock.hourNanos)
        let event = newestEventNanos?.floorDivided(by: LogClock.hourNanos)
        // The hour of the files is the wrong one where their own ticks are much older, and the clock is not.
        // What no time can be says nothing, whoever gave a file that name.
        let last = lastHour.flatMap { last -> Int64? in
            guard last < LogClock.endOfTime else { return nil }
            return event.map { last > $0 + 24 && host < last && host + 1 >= $0 } ?? false ? nil : last
        }
        let begin: Int64
        if let last {
            let isNear = host >= last && (host <= last + 24 || event.map { host >= $0 && host <= $0 + 24 } ?? false)
            begin = isNear ? realNanos : last * LogClock.hourNanos
        } else {
            begin = LogClock.believable.contains(host) ? realNanos : LogClock.unknownHour * LogClock.hourNanos
        }
        offset = begin &- bootNanos
    }

    /// Notes a live tick: when it was received by the host's clock that nobody has called wrong.
    public mutating func note(goodNanos: Int64) { self.goodNanos = max(self.goodNanos ?? .min, goodNanos) }

    /// The time now.
    public mutating func now(realNanos: Int64, bootNanos: Int64) -> Int64 {
        let isNear = (realNanos &- (bootNanos &+ offset)).magnitude <= UInt64(LogClock.slackNanos)
        let isVouched = goodNanos.map { (realNanos &- $0).magnitude <= UInt64(LogClock.nearNanos) } ?? false
        if isNear || isVouched { offset = realNanos &- bootNanos }
        // A tick of a clock that was ahead would speak for it again when it is reached.
        if let goodNanos, goodNanos > realNanos &+ LogClock.nearNanos { self.goodNanos = nil }
        return bootNanos &+ offset
    }

    /// This clock less the boot clock, for those who have only that.
    public var minusBootNanos: Int64 { offset }
}
