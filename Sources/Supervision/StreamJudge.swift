public import Ticks

/// Judges one stream from durable facts: what has been fsynced, what was published, what the gateway granted. Pure; all
/// times are of one clock that never falls.
///
/// How long silence may last is learned from the stream itself: four times its longest recent gap, at least 8 s and at
/// most the configured warning time. Before a minute has been seen it is the warning time.
public struct StreamJudge: Sendable {
    /// What is known about a stream besides its ticks.
    public struct Facts: Sendable, Equatable {
        /// When the recorder last told what is durable; nil: never.
        public var durableHeardNanos: Int64?
        /// True when the session with the gateway is ready; nil: unknown.
        public var sessionReady: Bool?
        /// What the connector says of a session that is not ready.
        public var sessionWhy = ""
        /// Why the stream is not as it was asked for; nil when it is subscribed; `.unknown` when that is not known.
        public var subscription: StreamState?
        /// What the gateway may have sent and is not on disk, in one clause; nil: nothing.
        public var lacking: String?
        /// Nil when the trading hours are not known, which counts as open.
        public var marketOpen: Bool?
        public var inMaintenance = false
        /// The recorder waits for its disk, or says that it fails.
        public var diskFailing = false
        /// What the recorder has been given and has not made durable waits for its disk.
        public var diskIsSlow = false
        /// When the connector last told what it has published; nil: never.
        public var publishedHeardNanos: Int64?
        /// Why ticks wait, where it is not the disk: one clause, empty when nothing is known.
        public var waitCause = ""

        public init() {}
    }

    /// What is to be said of a stream at one moment.
    public struct Judgement: Sendable, Equatable {
        public let state: StreamState
        /// One clause, empty for a live stream.
        public let reason: String
        /// Since the last durable tick; nil: there was none.
        public let silentNanos: Int64?
        /// How long the oldest published record of which no report says that it is durable has been waiting, to half a
        /// second; 0: none waits; nil: not known.
        public let durableLagNanos: Int64?
    }

    /// A fact older than this is no fact any more.
    public static let factLimitNanos: Int64 = 5_000_000_000
    /// A published tick that is not durable after this time degrades.
    public static let lagWarnNanos: Int64 = 2_000_000_000
    /// A published tick that is not durable after this time is a fault.
    public static let lagLimitNanos: Int64 = 5_000_000_000
    public static let liveLimitNanos: Int64 = 10_000_000_000
    static let leastMuteNanos: Int64 = 8_000_000_000
    static let warmUpNanos: Int64 = 60_000_000_000
    static let leastObservations = 20

    public let staleWarnNanos: Int64
    public private(set) var durable: TickKey?
    public private(set) var published: TickKey?
    private let beganNanos: Int64
    /// When the durable key last rose.
    private var advancedNanos: Int64?
    private var lag = DurableLag()
    /// Since when the connector numbers below what is durable: the recorder can take nothing of it.
    private var belowSinceNanos: Int64?
    private var observations = 0
    private var longestGapNanos: Double = 0

    public init(staleWarnNanos: Int64, nowNanos: Int64) {
        self.staleWarnNanos = staleWarnNanos
        beganNanos = nowNanos
    }

    /// The recorder says that everything up to `key` is durable, and nothing beyond. Returns true when a tick is news.
    ///
    /// - Parameter isTick: false for a marker: the connector's own words, such as those of a new subscription, show that the
    ///   recorder keeps going, and nothing of the market.
    @discardableResult public mutating func observeDurable(
        _ key: TickKey, isTick: Bool = true, nowNanos: Int64
    ) -> Bool {
        if let old = durable, key < old {
            // What was durable is gone: somebody wiped files, or they were destroyed. It has to come again.
            durable = key
            lag.unsettle(upTo: old, nowNanos: nowNanos)
            return false
        }
        guard key > durable ?? .zero else { return false }
        // The first sight is no arrival: the tick may be days old.
        let isFirst = durable == nil
        durable = key
        lag.settle(key)
        noteOrder(nowNanos)
        guard isTick else { return false }
        if let last = advancedNanos {
            observations += 1
            // Half of a long gap is forgotten with every half hour.
            let age = Double(nowNanos - last)
            longestGapNanos = max(longestGapNanos * (1 - min(1, age / 2_600e9)), age)
        }
        if !isFirst { advancedNanos = nowNanos }
        return !isFirst
    }

    /// The connector says that it has published up to `key`; once a second, also when that is no news.
    public mutating func observePublished(_ key: TickKey, nowNanos: Int64) {
        published = key
        lag.publish(key, durable: durable ?? .zero, nowNanos: nowNanos)
        noteOrder(nowNanos)
    }

    private mutating func noteOrder(_ nowNanos: Int64) {
        guard let published, let durable, published.seq > 0, published.epoch < durable.epoch else {
            belowSinceNanos = nil
            return
        }
        if belowSinceNanos == nil { belowSinceNanos = nowNanos }
    }

    /// How long the stream may be silent before it is called mute.
    public func muteLimitNanos(nowNanos: Int64) -> Int64 {
        guard hasLearned(nowNanos: nowNanos) else { return staleWarnNanos }
        return min(staleWarnNanos, max(Self.leastMuteNanos, Int64(longestGapNanos * 4) + 2_000_000_000))
    }

    /// Enough has been seen of the stream to say what is usual for it.
    private func hasLearned(nowNanos: Int64) -> Bool {
        observations >= Self.leastObservations && nowNanos - beganNanos >= Self.warmUpNanos
    }

    /// Since the last durable tick, or since the judge began when there was none.
    public func silenceNanos(nowNanos: Int64) -> Int64 { max(0, nowNanos - (advancedNanos ?? beganNanos)) }

    public func judge(_ facts: Facts, nowNanos: Int64) -> Judgement {
        let judgement = judgeLive(facts, nowNanos: nowNanos)
        guard let lacking = facts.lacking, judgement.state.health != .down else { return judgement }
        return Judgement(
            state: .healing, reason: lacking, silentNanos: judgement.silentNanos,
            durableLagNanos: judgement.durableLagNanos)
    }

    /// The stream as it comes now, whatever is missing of before.
    private func judgeLive(_ facts: Facts, nowNanos: Int64) -> Judgement {
        let silent = advancedNanos.map { max(0, nowNanos - $0) }
        let hearsPublished = facts.publishedHeardNanos.map { nowNanos - $0 <= Self.factLimitNanos } ?? false
        let wait = lag.wait(nowNanos: nowNanos)
        func verdict(_ state: StreamState, _ reason: String = "") -> Judgement {
            Judgement(
                state: state, reason: reason, silentNanos: silent,
                durableLagNanos: Self.lagNanos(wait, isKnown: hearsPublished && facts.durableHeardNanos != nil))
        }
        let noSession = facts.sessionWhy.isEmpty ? "no session with the gateway" : facts.sessionWhy
        if facts.diskFailing { return verdict(.diskFailing, "the recorder waits for its disk") }
        guard let heard = facts.durableHeardNanos, nowNanos - heard <= Self.factLimitNanos else {
            // A recorder that was never given anything has nothing to tell of.
            if facts.sessionReady == false, durable == nil {
                return verdict(.unknown, "nothing received: \(noSession)")
            }
            return verdict(.unknown, "the recorder does not say what is durable")
        }
        if let late = tooLate(wait, facts, nowNanos, verdict) { return late }
        if facts.sessionReady == false {
            return facts.inMaintenance
                ? verdict(.maintenance, "the broker's maintenance window")
                : verdict(.notSubscribed, noSession)
        }
        if let problem = facts.subscription, problem != .unknown {
            // Frozen values are what a closed market has.
            if problem == .frozen, facts.marketOpen == false { return verdict(.closed, "the market is closed") }
            return verdict(problem, problem == .notSubscribed ? "not subscribed at the gateway" : "")
        }
        guard hearsPublished else { return verdict(.unknown, "the connector does not say what it has published") }
        if facts.subscription == .unknown {
            return verdict(.unknown, "the connector does not say whether all that was sent is there")
        }
        switch wait {
        case .none: break
        case .about(let nanos):
            if nanos > Self.lagWarnNanos { return verdict(.lagging, Self.waitText(nanos)) }
        case .atLeast: return verdict(.unknown, "ticks wait to become durable, since when is not known yet")
        }
        guard let silent else { return neverSeen(facts, nowNanos, verdict) }
        let limit = muteLimitNanos(nowNanos: nowNanos)
        if silent <= min(limit, Self.liveLimitNanos) { return verdict(.live) }
        if facts.marketOpen == false { return verdict(.closed, "the market is closed") }
        if silent <= limit {
            let usual = hasLearned(nowNanos: nowNanos) ? ", which is usual here" : ""
            return verdict(.quiet, "no tick for \(silent / 1_000_000_000) s\(usual)")
        }
        return verdict(.mute, "no tick for \(silent / 1_000_000_000) s")
    }

    /// The fault of a stream whose ticks have been waiting for too long; nil when none has.
    private func tooLate(
        _ wait: DurableLag.Wait, _ facts: Facts, _ nowNanos: Int64, _ verdict: (StreamState, String) -> Judgement
    ) -> Judgement? {
        if let since = belowSinceNanos, nowNanos - since > Self.lagLimitNanos {
            return verdict(.behind, "the connector numbers below what is recorded")
        }
        let nanos: Int64
        switch wait {
        case .none: return nil
        case .about(let known), .atLeast(let known): nanos = known
        }
        guard nanos > Self.lagLimitNanos else { return nil }
        if facts.diskIsSlow { return verdict(.diskFailing, Self.waitText(nanos) + ": the disk is too slow for them") }
        return verdict(.behind, Self.waitText(nanos) + (facts.waitCause.isEmpty ? "" : ": " + facts.waitCause))
    }

    private static func waitText(_ nanos: Int64) -> String {
        "ticks have been waiting for \(nanos / 1_000_000_000) s to become durable"
    }

    private static func lagNanos(_ wait: DurableLag.Wait, isKnown: Bool) -> Int64? {
        switch wait {
        case .none: isKnown ? 0 : nil
        case .about(let nanos), .atLeast(let nanos): nanos
        }
    }

    private func neverSeen(
        _ facts: Facts, _ nowNanos: Int64, _ verdict: (StreamState, String) -> Judgement
    ) -> Judgement {
        if facts.marketOpen == false { return verdict(.closed, "the market is closed") }
        guard nowNanos - beganNanos > staleWarnNanos else { return verdict(.unknown, "no durable tick yet") }
        return verdict(.mute, "no tick since the watch began")
    }
}
