import Supervision
import Testing
import Ticks

@Suite struct StreamJudgeTests {
    private static let second: Int64 = 1_000_000_000
    private static let staleWarn: Int64 = 300 * second

    /// Facts of a healthy system at a moment.
    private func facts(_ now: Int64) -> StreamJudge.Facts {
        var facts = StreamJudge.Facts()
        facts.durableHeardNanos = now
        facts.publishedHeardNanos = now
        facts.sessionReady = true
        return facts
    }

    /// A judge that saw a tick every `gap` for `seconds`; returns the time of the last one.
    private func fed(gap: Int64, seconds: Int64) -> (StreamJudge, Int64) {
        var judge = StreamJudge(staleWarnNanos: Self.staleWarn, nowNanos: 0)
        var now: Int64 = 0
        var seq: UInt32 = 0
        while now < seconds * Self.second {
            now += gap
            seq += 1
            judge.observeDurable(TickKey(epoch: 1, seq: seq), nowNanos: now)
        }
        return (judge, now)
    }

    @Test func aLiquidStreamIsLiveThenMuteWithinTenSeconds() {
        let (judge, last) = fed(gap: Self.second / 5, seconds: 120)
        #expect(judge.judge(facts(last), nowNanos: last).state == .live)
        let later = last + 10 * Self.second
        #expect(judge.judge(facts(later), nowNanos: later).state == .mute)
        #expect(judge.judge(facts(last + 7 * Self.second), nowNanos: last + 7 * Self.second).state == .live)
    }

    @Test func markersKeepNoStreamAlive() {
        var (judge, last) = fed(gap: Self.second / 5, seconds: 120)
        let key = judge.durable ?? .zero
        // A gateway that drops the session and takes each new subscription, without a tick.
        for round in 1...10 {
            last += Self.second
            let marker = TickKey(epoch: 1, seq: key.seq + UInt32(round))
            judge.observePublished(marker, nowNanos: last)
            let isNews = judge.observeDurable(marker, isTick: false, nowNanos: last)
            #expect(!isNews)
        }
        #expect(judge.judge(facts(last), nowNanos: last).state == .mute)
        // What they show is that the recorder goes on.
        #expect(judge.durable == TickKey(epoch: 1, seq: key.seq + 10))
        let isNews = judge.observeDurable(TickKey(epoch: 1, seq: key.seq + 11), nowNanos: last)
        #expect(isNews && judge.judge(facts(last), nowNanos: last).state == .live)
    }

    @Test func whatWasSentAndIsNotOnDiskIsRedWhileTheStreamTicks() {
        let (judge, last) = fed(gap: Self.second / 5, seconds: 120)
        var lacking = facts(last)
        lacking.lacking = "ticks of 10:00:01"
        let judgement = judge.judge(lacking, nowNanos: last)
        #expect(
            judgement.state == .healing && judgement.reason == "ticks of 10:00:01" && judgement.state.health == .down)
        #expect(judgement.state.isRecorded && judgement.silentNanos == 0 && judgement.durableLagNanos == 0)
        let later = last + 20 * Self.second
        lacking = facts(later)
        lacking.lacking = "ticks of 10:00:01"
        #expect(judge.judge(lacking, nowNanos: later).state == .mute, "what is worse is said")
        lacking.marketOpen = false
        #expect(judge.judge(lacking, nowNanos: later).state == .healing, "a closed market sends it no more")
        lacking.lacking = nil
        #expect(judge.judge(lacking, nowNanos: later).state == .closed)
    }

    @Test func aConnectorThatDoesNotSayWhatIsMissingIsNotBelieved() {
        let (judge, last) = fed(gap: Self.second / 5, seconds: 120)
        var silent = facts(last)
        silent.subscription = .unknown
        #expect(judge.judge(silent, nowNanos: last).state == .unknown)
    }

    @Test func aSlowStreamMayBeQuiet() {
        let (judge, last) = fed(gap: 20 * Self.second, seconds: 1200)
        let later = last + 60 * Self.second
        #expect(judge.judge(facts(later), nowNanos: later).state == .quiet)
        let far = last + 100 * Self.second
        #expect(judge.judge(facts(far), nowNanos: far).state == .mute)
    }

    @Test func theWarningTimeIsTheOuterBound() {
        let (judge, last) = fed(gap: 200 * Self.second, seconds: 6000)
        #expect(judge.muteLimitNanos(nowNanos: last) == Self.staleWarn)
    }

    @Test func aClosedMarketIsNoFaultAndUnknownHoursAreOpen() {
        let (judge, last) = fed(gap: Self.second, seconds: 120)
        let later = last + 3600 * Self.second
        var closed = facts(later)
        closed.marketOpen = false
        #expect(judge.judge(closed, nowNanos: later).state == .closed)
        #expect(judge.judge(facts(later), nowNanos: later).state == .mute)
    }

    @Test func nothingIsReportedFromMemory() {
        let (judge, last) = fed(gap: Self.second, seconds: 120)
        #expect(judge.judge(facts(last), nowNanos: last + 6 * Self.second).state == .unknown)
        var never = facts(last)
        never.durableHeardNanos = nil
        #expect(judge.judge(never, nowNanos: last).state == .unknown)
    }

    @Test func withoutASessionTheRecorderIsNotBlamed() {
        let silence = "the recorder does not say what is durable"
        var facts = StreamJudge.Facts()
        facts.sessionReady = false
        let judge = StreamJudge(staleWarnNanos: Self.staleWarn, nowNanos: 0)
        let judgement = judge.judge(facts, nowNanos: Self.second)
        #expect(judgement.state == .unknown)
        #expect(judgement.reason == "nothing received: no session with the gateway")
        facts.sessionReady = nil
        #expect(judge.judge(facts, nowNanos: Self.second).reason == silence)
        facts.sessionReady = true
        #expect(judge.judge(facts, nowNanos: Self.second).reason == silence)
        // Something is recorded: a recorder that is silent about it is at fault, session or not.
        let (fed, last) = fed(gap: Self.second, seconds: 120)
        facts.sessionReady = false
        #expect(fed.judge(facts, nowNanos: last).reason == silence)
    }

    @Test func whatTheGatewaySaysComesFirst() {
        let (judge, last) = fed(gap: Self.second, seconds: 120)
        for state in [StreamState.noLine, .noPermission, .competingSession, .farmDown, .delayed, .notSubscribed] {
            var facts = facts(last)
            facts.subscription = state
            #expect(judge.judge(facts, nowNanos: last).state == state)
        }
        var noSession = facts(last)
        noSession.sessionReady = false
        #expect(judge.judge(noSession, nowNanos: last).state == .notSubscribed)
        noSession.inMaintenance = true
        #expect(judge.judge(noSession, nowNanos: last).state == .maintenance)
    }

    /// Values that go on coming change nothing; by night they are what a closed market has.
    @Test func frozenValuesAreNoProofOfLife() {
        let (judge, last) = fed(gap: Self.second, seconds: 120)
        var facts = facts(last)
        facts.subscription = .frozen
        for open in [nil, true] {
            facts.marketOpen = open
            #expect(judge.judge(facts, nowNanos: last).state == .frozen)
        }
        facts.marketOpen = false
        #expect(judge.judge(facts, nowNanos: last).state == .closed)
        facts.subscription = nil
        #expect(judge.judge(facts, nowNanos: last).state == .live)
    }

    @Test func theFirstSightOfAnOldTickIsNoArrival() {
        var judge = StreamJudge(staleWarnNanos: Self.staleWarn, nowNanos: 0)
        #expect(judge.observeDurable(TickKey(epoch: 1, seq: 9), nowNanos: 1) == false)
        #expect(judge.judge(facts(2), nowNanos: 2).state == .unknown)
        #expect(judge.observeDurable(TickKey(epoch: 1, seq: 10), nowNanos: 3) == true)
        #expect(judge.judge(facts(4), nowNanos: 4).state == .live)
        #expect(judge.observeDurable(TickKey(epoch: 1, seq: 10), nowNanos: 5) == false, "the same key is no news")
    }

    @Test func nothingIsCalledUsualBeforeItIsLearned() {
        var judge = StreamJudge(staleWarnNanos: Self.staleWarn, nowNanos: 0)
        for (key, at) in [(1, 1), (2, 2)] as [(UInt32, Int64)] {
            judge.observePublished(TickKey(epoch: 1, seq: key), nowNanos: at)
            judge.observeDurable(TickKey(epoch: 1, seq: key), nowNanos: at)
        }
        let later = 15 * Self.second
        let judgement = judge.judge(facts(later), nowNanos: later)
        #expect(judgement.state == .quiet && judgement.reason == "no tick for 14 s")
    }

    @Test func aStreamThatNeverHadATickIsUnknownThenMute() {
        let judge = StreamJudge(staleWarnNanos: Self.staleWarn, nowNanos: 0)
        #expect(judge.judge(facts(Self.second), nowNanos: Self.second).state == .unknown)
        let late = Self.staleWarn + 1
        #expect(judge.judge(facts(late), nowNanos: late).state == .mute)
    }
}

@Suite struct HealthModelTests {
    private let id = StreamID(conId: 1, kind: .last)
    private let up = [HealthModel.Service(name: "ib-recorder", isUp: true, state: "running")]

    private func model(_ state: StreamState, required: Bool = true, session: Bool? = true) -> HealthModel {
        HealthModel(
            services: up, sessionReady: session, inMaintenance: false,
            streams: [
                .init(id: id, required: required, state: state, reason: "why"),
                .init(id: StreamID(conId: 2, kind: .last), required: true, state: .live, reason: ""),
            ])
    }

    @Test(arguments: StreamState.allCases) func everyStateHasTheStatusOfTheDesign(state: StreamState) {
        let healthy: Set<StreamState> = [.live, .quiet, .closed, .halted, .expired]
        let degraded: Set<StreamState> = [.delayed, .lagging, .maintenance]
        let model = model(state)
        #expect(model.httpStatus == (healthy.contains(state) || degraded.contains(state) ? 200 : 503))
        #expect(model.overall == (healthy.contains(state) ? .healthy : degraded.contains(state) ? .degraded : .down))
    }

    @Test func aContractThatIsNotRequiredDoesNotCount() {
        #expect(model(.mute, required: false).overall == .healthy)
        #expect(model(.mute).reasons == ["1.last is mute: why"])
    }

    @Test func noSessionNoServiceAndNoStreamAreDown() {
        #expect(model(.live, session: false).httpStatus == 503)
        #expect(model(.live, session: nil).httpStatus == 503)
        let dead = HealthModel(
            services: [.init(name: "ib-connector", isUp: false, state: "down")], sessionReady: true,
            inMaintenance: false,
            streams: [.init(id: id, required: true, state: .live, reason: "")])
        #expect(dead.reasons == ["ib-connector is down"])
        #expect(HealthModel(services: up, sessionReady: true, inMaintenance: false, streams: []).httpStatus == 503)
    }

    @Test func aWarningIsSaidAndDegrades() {
        let model = HealthModel(
            services: up, sessionReady: true, inMaintenance: false, warnings: ["sealing is failing: no space"],
            streams: [.init(id: id, required: true, state: .live, reason: "")])
        #expect((model.overall, model.httpStatus) == (.degraded, 200))
        #expect(model.reasons == ["sealing is failing: no space"])
    }

    @Test func theWorstReasonComesFirst() {
        let model = HealthModel(
            services: up, sessionReady: true, inMaintenance: false,
            streams: [
                .init(id: id, required: true, state: .delayed, reason: ""),
                .init(id: StreamID(conId: 2, kind: .last), required: true, state: .mute, reason: ""),
            ])
        #expect(model.reasons == ["2.last is mute", "1.last is delayed"])
    }
}
