internal import ServiceKit
internal import Ticks

extension GatewaySession {
    /// Begins a read, or a round of other work. A clock that jumped since the last one is judged before anything is
    /// stamped with it.
    mutating func beginRead() {
        let now = realNanos()
        if (now &- lastRealNanos).magnitude > UInt64(HostClock.limitNanos) { lookAtClock() }
        lastRealNanos = now
        path.beginRead(atNanos: now, steadyNanos: bootNanos())
    }

    /// Judges the host's clock: once a second, when it jumps, and when the gateway has told its time.
    mutating func lookAtClock() {
        let (now, boot) = (realNanos(), bootNanos())
        if hostClock.look(
            realNanos: now, bootNanos: boot, gatewayNanos: gatewayTime.nowNanos(bootNanos: boot))
        {
            noteVerdict()
        }
        facts.set("CLOCK", clockWord)
        // Receive times never fall within an epoch: after a clock that was ahead they would stand still until it is
        // reached again.
        if !hostClock.isWrong, path.lastReceivedNanos - now > HostClock.limitNanos {
            let before = path.epoch
            beginEpoch(known: before, cause: "clock set back")
            if path.epoch > before { path.resetReceiveTimes(toNanos: now) }
        }
    }

    private mutating func noteVerdict() {
        path.setClockBad(hostClock.isWrong)
        if case .wrong(let why) = hostClock.verdict {
            log(.error, "the host's clock is not believed", ["why": why])
            publishEvent("clock_wrong", text: why)
        } else {
            log(.notice, "the host's clock is believed again")
            publishEvent("clock_right", text: "the host's clock is believed again")
        }
        facts.set("CLOCK", clockWord)
        facts.tellNow()
    }

    private var clockWord: String {
        switch hostClock.verdict {
        case .unproven: "unproven"
        case .right: "ok"
        case .off(let why): "off: \(why)"
        case .wrong(let why): "wrong: \(why)"
        }
    }
}

/// The gateway's clock against ours, from its answers. It goes on with the boot clock, whatever the host's does.
///
/// An answer says what the time was when it was given, and may have been on its way for long: the host was suspended,
/// the process was stopped, the network stood still. So it counts when it came soon behind its question. Answers do not
/// say which question they belong to, and a gateway may leave one out: while more than one is open, two answers have to
/// agree.
struct GatewayTime {
    /// An answer that took longer tells no time.
    static let longestTripNanos: Int64 = 10_000_000_000
    /// Answers are whole seconds. Questions are farther apart, and so are the answers to them that come late together.
    static let agreeNanos: Int64 = 2_000_000_000
    private static let mostQuestions = 16

    /// When the open questions were asked, the boot clock, oldest first.
    private var asked: [Int64] = []
    private var lastAskedNanos: Int64 = 0
    /// Gateway minus boot clock, as an answer said that could not be believed by itself.
    private var unproven: Int64?
    var lastAnswerNanos: Int64 = 0
    /// Gateway minus host at the last answer, nanoseconds; nil before the first one.
    private(set) var offsetNanos: Int64?
    /// Gateway minus boot clock at the last answer; nil before the first one.
    private(set) var minusBootNanos: Int64?

    /// The gateway was asked for its time, at this time of the boot clock. What has been noted is not noted again.
    mutating func noteAsked(bootNanos: Int64) {
        guard bootNanos > lastAskedNanos else { return }
        lastAskedNanos = bootNanos
        asked.append(bootNanos)
        if asked.count > GatewayTime.mostQuestions { asked.removeFirst() }
    }

    /// The session is over: nothing will be answered any more.
    mutating func forgetQuestions() { (asked, unproven) = ([], nil) }

    /// Takes an answer, if it can be believed. One that nobody asked for can't.
    mutating func answer(_ time: Int64, perSecond: Int64, realNanos: Int64, bootNanos: Int64) {
        guard (EpochStore.believable).contains(time / perSecond), let first = asked.first else { return }
        let offset = time * (1_000_000_000 / perSecond) - bootNanos
        let isProven = asked.count == 1 && bootNanos - first <= GatewayTime.longestTripNanos
        let agrees = unproven.map { (offset - $0).magnitude <= UInt64(GatewayTime.agreeNanos) } ?? false
        asked.removeFirst()
        unproven = isProven ? nil : offset
        if isProven || agrees { take(time, perSecond: perSecond, realNanos: realNanos, bootNanos: bootNanos) }
    }

    /// Compares an answer with the host's clocks. One from before 2020 or behind the year 2100 is no time.
    mutating func take(_ time: Int64, perSecond: Int64, realNanos: Int64, bootNanos: Int64) {
        guard (EpochStore.believable).contains(time / perSecond) else { return }
        let nanos = time * (1_000_000_000 / perSecond)
        offsetNanos = nanos - realNanos
        minusBootNanos = nanos - bootNanos
    }

    /// The gateway's time now; nil while it has told none.
    func nowNanos(bootNanos: Int64) -> Int64? { minusBootNanos.map { bootNanos + $0 } }
}
