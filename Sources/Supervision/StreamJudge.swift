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
        /// Why the stream is not as it was asked for; nil when it is subscribed; `.unknown` when that is not known.
        public var subscription: StreamState?
        /// Nil when the trading hours are not known, which counts as open.
        public var marketOpen: Bool?
        public var inMaintenance = false
        /// The recorder waits for its disk, or says that it fails.
        public var diskFailing = false

        public init() {}
    }

    public struct Judgement: Sendable, Equatable {
        public let state: StreamState
        /// One clause, empty for a live stream.
        public let reason: String
        /// Since the last durable tick; nil: there was none.
        public let silentNanos: Int64?
    }

    /// A fact older than this is no fact any more.
    public static let factLimitNanos: Int64 = 5_000_000_000
    /// Published ticks become durable within this.
    public static let commitLimitNanos: Int64 = 5_000_000_000
    static let liveLimitNanos: Int64 = 10_000_000_000
    static let leastMuteNanos: Int64 = 8_000_000_000
    static let warmUpNanos: Int64 = 60_000_000_000
    static let leastObservations = 20

    public let staleWarnNanos: Int64
    public private(set) var durable: TickKey?
    public private(set) var published: TickKey?
    private let beganNanos: Int64
    /// When the durable key last rose.
    private var advancedNanos: Int64?
    /// Since when something published is not durable.
    private var behindSinceNanos: Int64?
    private var observations = 0
    private var longestGapNanos: Double = 0

    public init(staleWarnNanos: Int64, nowNanos: Int64) {
        self.staleWarnNanos = staleWarnNanos
        beganNanos = nowNanos
    }

    /// The recorder says that everything up to `key` is durable. Returns true when a tick is news.
    ///
    /// - Parameter isTick: false for a marker: the connector's own words, such as those of a new subscription, show that the
    ///   recorder keeps going, and nothing of the market.
    @discardableResult public mutating func observeDurable(
        _ key: TickKey, isTick: Bool = true, nowNanos: Int64
    ) -> Bool {
        guard key > durable ?? .zero else { return false }
        // The first sight is no arrival: the tick may be days old.
        let isFirst = durable == nil
        durable = key
        guard isTick else {
            behindSinceNanos = nil
            updateBehind(nowNanos)
            return false
        }
        if let last = advancedNanos {
            observations += 1
            // Half of a long gap is forgotten with every half hour.
            let age = Double(nowNanos - last)
            longestGapNanos = max(longestGapNanos * (1 - min(1, age / 2_600e9)), age)
        }
        if !isFirst { advancedNanos = nowNanos }
        updateBehind(nowNanos)
        return !isFirst
    }

    /// The connector says that it has published up to `key`.
    public mutating func observePublished(_ key: TickKey, nowNanos: Int64) {
        published = key
        updateBehind(nowNanos)
    }

    private mutating func updateBehind(_ nowNanos: Int64) {
        guard let published, published.seq > 0, published > durable ?? .zero else {
            behindSinceNanos = nil
            return
        }
        // A durable tick shows that the recorder keeps going; then being behind begins anew.
        if behindSinceNanos == nil || advancedNanos == nowNanos { behindSinceNanos = nowNanos }
    }

    /// How long the stream may be silent before it is called mute.
    public func muteLimitNanos(nowNanos: Int64) -> Int64 {
        guard observations >= Self.leastObservations, nowNanos - beganNanos >= Self.warmUpNanos else {
            return staleWarnNanos
        }
        return min(staleWarnNanos, max(Self.leastMuteNanos, Int64(longestGapNanos * 4) + 2_000_000_000))
    }

    /// Since the last durable tick, or since the judge began when there was none.
    public func silenceNanos(nowNanos: Int64) -> Int64 { max(0, nowNanos - (advancedNanos ?? beganNanos)) }

    public func judge(_ facts: Facts, nowNanos: Int64) -> Judgement {
        let silent = advancedNanos.map { max(0, nowNanos - $0) }
        func verdict(_ state: StreamState, _ reason: String = "") -> Judgement {
            Judgement(state: state, reason: reason, silentNanos: silent)
        }
        if facts.diskFailing { return verdict(.diskFailing, "the recorder waits for its disk") }
        guard let heard = facts.durableHeardNanos, nowNanos - heard <= Self.factLimitNanos else {
            // A recorder that was never given anything has nothing to tell of.
            if facts.sessionReady == false, durable == nil {
                return verdict(.unknown, "nothing received: no session with the gateway")
            }
            return verdict(.unknown, "the recorder does not say what is durable")
        }
        if facts.sessionReady == false {
            return facts.inMaintenance
                ? verdict(.maintenance, "the broker's maintenance window")
                : verdict(.notSubscribed, "no session with the gateway")
        }
        if let problem = facts.subscription, problem != .unknown {
            return verdict(problem, problem == .notSubscribed ? "not subscribed at the gateway" : "")
        }
        if let behind = behindSinceNanos, nowNanos - behind > Self.commitLimitNanos {
            return verdict(.diskFailing, "ticks arrive and do not become durable")
        }
        guard let silent else { return neverSeen(facts, nowNanos, verdict) }
        let limit = muteLimitNanos(nowNanos: nowNanos)
        if silent <= min(limit, Self.liveLimitNanos) { return verdict(.live) }
        if facts.marketOpen == false { return verdict(.closed, "the market is closed") }
        if silent <= limit { return verdict(.quiet, "no tick for \(silent / 1_000_000_000) s, which is usual here") }
        return verdict(.mute, "no tick for \(silent / 1_000_000_000) s")
    }

    private func neverSeen(
        _ facts: Facts, _ nowNanos: Int64, _ verdict: (StreamState, String) -> Judgement
    ) -> Judgement {
        if facts.marketOpen == false { return verdict(.closed, "the market is closed") }
        guard nowNanos - beganNanos > staleWarnNanos else { return verdict(.unknown, "no durable tick yet") }
        return verdict(.mute, "no tick since the watch began")
    }
}
