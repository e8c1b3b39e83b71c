/// Whether the host's real-time clock can be believed, by the gateway's word, by
/// the boot clock and by the epochs before.
///
/// While it can't, every record carries the flag `clock bad`, health is degraded, and no epoch is taken
/// from it. Pure; owner: the session thread.
struct HostClock {
    /// A difference above this is a clock that is wrong, not one that drifts.
    static let limitNanos: Int64 = 600_000_000_000
    /// Above this it is believed and said: no clock that is kept right is so far off.
    static let noticeNanos: Int64 = 60_000_000_000

    enum Verdict: Equatable {
        /// Nobody has said anything against it, and no gateway has told its time.
        case unproven
        /// The gateway's clock says nearly the same.
        case right
        /// It is further off than a clock that is kept right, and believed all the same. A sentence as below.
        case off(String)
        /// The text is a whole sentence for people, without an end.
        case wrong(String)
    }

    private(set) var verdict: Verdict
    /// Why the clock was not believed at the start; until a gateway tells its time.
    private let doubt: String?
    /// Real time minus boot time when the clock was last believed; nil when it never was.
    private var believedOffset: Int64?

    /// - doubt: a sentence why the clock can't be believed from the start on.
    init(doubt: String? = nil) {
        self.doubt = doubt
        verdict = doubt.map { .wrong($0) } ?? .unproven
    }

    var isWrong: Bool { if case .wrong = verdict { true } else { false } }

    /// Judges the clock anew. True when it turned wrong, or is wrong no more.
    ///
    /// - gatewayNanos: the gateway's time now, nil while none has told it.
    mutating func look(realNanos: Int64, bootNanos: Int64, gatewayNanos: Int64?) -> Bool {
        let wasWrong = isWrong
        let offset = realNanos - bootNanos
        if let gatewayNanos {
            let ahead = realNanos - gatewayNanos
            let words = "the host's clock is \(HostClock.text(ahead)) the gateway's"
            verdict =
                ahead.magnitude <= UInt64(HostClock.noticeNanos)
                ? .right : ahead.magnitude <= UInt64(HostClock.limitNanos) ? .off(words) : .wrong(words)
        } else if let believed = believedOffset {
            let step = offset - believed
            verdict =
                step.magnitude <= UInt64(HostClock.limitNanos)
                ? .unproven
                : .wrong(
                    "the host's clock was set \(HostClock.text(step)) what it showed; no gateway has told its time")
        } else if doubt == nil {
            verdict = .unproven
        }
        // What drifts, or is slewed by NTP, is believed all the time.
        if !isWrong { believedOffset = offset }
        return isWrong != wasWrong
    }

    /// Such as `13 d 4 h ahead of`.
    private static func text(_ nanos: Int64) -> String {
        // The gateway tells whole seconds.
        let minutes = (nanos.magnitude + 30_000_000_000) / 60_000_000_000
        let (days, hours) = (minutes / 1440, minutes / 60 % 24)
        let length = days > 0 ? "\(days) d \(hours) h" : hours > 0 ? "\(hours) h \(minutes % 60) min" : "\(minutes) min"
        return nanos > 0 ? "\(length) ahead of" : "\(length) behind"
    }
}
