import JSON
import ServiceKit
import Supervision
import Testing
import Ticks

@testable import Watchdog

@Suite struct FacesTests {
    /// A snapshot of one contract with two streams in the given states.
    private func snapshot(_ bidAsk: StreamState, _ last: StreamState, up: Bool = true) -> Snapshot {
        var snapshot = Snapshot()
        snapshot.bootNanos = bootNanos()
        snapshot.wallNanos = realNanos()
        let contract = TrackedContract(conId: 711_280_073, symbol: "MNQ")
        snapshot.contracts = [(ContractID(conId: contract.conId), contract)]
        snapshot.sessionReady = true
        snapshot.session = "ready"
        snapshot.staleWarnNanos = 300_000_000_000
        for name in ["ib-recorder", "ib-connector"] {
            var service = Snapshot.Service()
            service.name = name
            service.state = up ? "running" : "down"
            service.isUp = up
            snapshot.services.append(service)
        }
        for (kind, state) in [(TickKind.bidAsk, bidAsk), (.last, last)] {
            snapshot.streams.append(
                Snapshot.Stream(
                    id: StreamID(conId: 711_280_073, kind: kind), symbol: "MNQ", required: true, state: state,
                    reason: "",
                    silentNanos: 1_000_000, durableLagNanos: 1_260_000_000,
                    durable: TickKey(epoch: 7, seq: 40), published: TickKey(epoch: 7, seq: 42),
                    tsEventNanos: 1_755_029_494_000_000_000, tsRecvNanos: 1_755_029_494_976_232_000,
                    ticksPerSecond: 12.34))
        }
        snapshot.health = HealthModel(
            services: snapshot.services.map { .init(name: $0.name, isUp: $0.isUp, state: $0.state) },
            sessionReady: true,
            inMaintenance: false,
            streams: snapshot.streams.map { .init(id: $0.id, required: true, state: $0.state, reason: "") })
        return snapshot
    }

    @Test func backgroundStatusHasTheSeedsShape() throws {
        let page = Faces.backgroundStatus(snapshot(.live, .mute), nowNanos: bootNanos())
        #expect(page.status == 200)
        #expect(page.body["enabled"]?.bool == true)
        #expect(page.body["timestamp"]?.string?.hasSuffix("Z") == true)
        let status = try #require(page.body["status"])
        #expect(status["running"]?.bool == true && status["tws_connected"]?.bool == true)
        #expect(status["total_contracts"]?.integer == 1 && status["active_contracts"]?.integer == 1)
        #expect(status["total_streams"]?.integer == 1, "only what durable facts call well")
        let contract = try #require(status["contracts"]?["711280073"])
        #expect(contract["symbol"]?.string == "MNQ" && contract["enabled"]?.bool == true)
        #expect(contract["expected_tick_types"] == ["bid_ask", "last"])
        #expect(contract["active_tick_types"] == ["bid_ask"])
        #expect(contract["stream_count"]?.integer == 1 && contract["buffer_hours"]?.integer == 24)
        let config = try #require(page.body["config"])
        for key in ["max_tracked_contracts", "tracked_contracts_count"] {
            #expect(config[key]?.integer != nil, "\(key)")
        }
    }

    /// One contract at two venues: each page has both, told apart, and neither has the other's streams.
    @Test func theVenuesOfAContractAreContractsOfTheirOwn() throws {
        var both = snapshot(.live, .live)
        let night = TrackedContract(conId: 711_280_073, symbol: "MNQ", exchange: "OVERNIGHT", source: 1)
        let id = ContractID(conId: night.conId, source: 1)
        both.contracts.append((id, night))
        for var stream in both.streams {
            stream.id = StreamID(id, stream.id.kind)
            (stream.exchange, stream.state) = ("OVERNIGHT", .mute)
            both.streams.append(stream)
        }
        let now = bootNanos()
        let status = try #require(Faces.backgroundStatus(both, nowNanos: now).body["status"]?["contracts"])
        #expect(status["711280073"]?["active_tick_types"] == ["bid_ask", "last"])
        #expect(status["711280073@1"]?["active_tick_types"] == [])
        #expect(status["711280073@1"]?["expected_tick_types"] == ["bid_ask", "last"])
        let health = try #require(Faces.backgroundHealth(both, nowNanos: now).body["contracts"])
        #expect(health["711280073"]?["status"]?.string == "HEALTHY")
        #expect(health["711280073@1"]?["status"]?.string == "UNHEALTHY")
        #expect(health["711280073@1"]?["exchange"]?.string == "OVERNIGHT")
        let streams = try #require(Faces.health(both, nowNanos: now).body["streams"])
        #expect(streams["711280073.last"]?["exchange"] == .null)
        #expect(streams["711280073.last@1"]?["exchange"]?.string == "OVERNIGHT")
    }

    @Test func healthIs503ForAMuteStreamAnd200OtherwiseAsTheModelSays() {
        let well = Faces.health(snapshot(.live, .quiet), nowNanos: bootNanos())
        #expect(well.status == 200 && well.body["status"]?.string == "healthy")
        #expect(well.body["background_streaming"]?["status"]?.string == "running")
        let degraded = Faces.health(snapshot(.live, .delayed), nowNanos: bootNanos())
        #expect(degraded.status == 200 && degraded.body["status"]?.string == "degraded")
        let mute = Faces.health(snapshot(.live, .mute), nowNanos: bootNanos())
        #expect(mute.status == 503 && mute.body["status"]?.string == "unhealthy")
        #expect(mute.body["reasons"] == ["711280073.last is mute"])
        #expect(Faces.health(snapshot(.live, .live, up: false), nowNanos: bootNanos()).status == 503)
    }

    @Test func anOutageIsNotCalledRunning() {
        func words(_ snapshot: Snapshot) -> (String?, Bool?) {
            let now = bootNanos()
            return (
                Faces.health(snapshot, nowNanos: now).body["background_streaming"]?["status"]?.string,
                Faces.backgroundStatus(snapshot, nowNanos: now).body["status"]?["running"]?.bool
            )
        }
        #expect(words(snapshot(.live, .mute)) == ("running", true))
        #expect(words(snapshot(.closed, .closed)) == ("running", true))
        #expect(words(snapshot(.noPermission, .mute)) == ("stopped", false), "not one stream is recorded")
        for ready in [false, nil] {
            var outage = snapshot(.quiet, .quiet)
            outage.sessionReady = ready
            #expect(words(outage) == ("stopped", false))
        }
        #expect(words(snapshot(.live, .live, up: false)) == ("stopped", false))
    }

    /// Where the judge goes by the connector's word, the connector's reason is
    /// shown, which has the gateway's own words.
    @Test func aRefusalIsShownInTheGatewaysWords() {
        let judge = StreamJudge(staleWarnNanos: 300_000_000_000, nowNanos: 0)
        var facts = StreamJudge.Facts()
        facts.durableHeardNanos = 0
        facts.sessionReady = true
        let said = "TWS says 200: No security definition has been found for the request"
        for state in [StreamState.notSubscribed, .noLine, .noPermission, .competingSession] {
            facts.subscription = state
            let judgement = judge.judge(facts, nowNanos: 1)
            #expect(judgement.state == state && Judge.reason(judgement, facts, said) == said)
        }
        facts.subscription = .notSubscribed
        let nothing = judge.judge(facts, nowNanos: 1)
        #expect(Judge.reason(nothing, facts, "") == "not subscribed at the gateway")
        facts.sessionReady = false
        let outage = judge.judge(facts, nowNanos: 1)
        #expect(Judge.reason(outage, facts, said) == outage.reason, "without a session old words are no reason")
    }

    @Test func aJudgeThatStandsStillMakesEveryPageRed() {
        let later = bootNanos() + 6_000_000_000
        let snapshot = snapshot(.live, .live)
        #expect(Faces.live(snapshot, nowNanos: bootNanos()).status == 200)
        #expect(Faces.live(snapshot, nowNanos: later).status == 503)
        #expect(Faces.health(snapshot, nowNanos: later).status == 503)
        let status = Faces.backgroundStatus(snapshot, nowNanos: later).body["status"]
        #expect(status?["running"]?.bool == false && status?["total_streams"]?.integer == 0)
        #expect(Faces.backgroundHealth(snapshot, nowNanos: later).status == 503)
        #expect(Faces.live(Snapshot(), nowNanos: bootNanos()).status == 503, "before the first round")
    }

    @Test func backgroundHealthUsesTheOriginalsWords() {
        let page = Faces.backgroundHealth(snapshot(.live, .mute), nowNanos: bootNanos())
        #expect(page.status == 503 && page.body["overall_status"]?.string == "UNHEALTHY")
        #expect(page.body["contracts"]?["711280073"]?["status"]?.string == "UNHEALTHY")
        #expect(page.body["summary"]?["unhealthy"]?.integer == 1)
        let closed = Faces.backgroundHealth(snapshot(.closed, .closed), nowNanos: bootNanos())
        #expect(closed.status == 200)
        #expect(closed.body["contracts"]?["711280073"]?["status"]?.string == "OFF_HOURS")
    }

    @Test func statusTellsLagAndKeys() throws {
        let status = Faces.status(snapshot(.live, .live), http: HTTPAddress(host: "127.0.0.1", port: 1))
        #expect(status["health"]?.string == "healthy")
        let stream = try #require(status["streams"]?["711280073.bid_ask"])
        #expect(stream["lag"]?.integer == 2)
        #expect(stream["durable"] == [7, 40] && stream["published"] == [7, 42])
        #expect(stream["ts_recv"]?.string == "2025-08-12T20:11:34.976232Z")
        #expect(stream["ticks_per_second"]?.double == 12.3)
    }

    @Test func aLagOverTwoEpochsIsNotANumber() {
        var stream = snapshot(.live, .live).streams[0]
        stream.published = TickKey(epoch: 8, seq: 3)
        #expect(stream.lag == nil)
    }

    @Test(
        arguments: [
            ("subscribed", nil), ("pending", .notSubscribed), ("no_line", .noLine),
            ("competing_session", .competingSession),
            ("nonsense", .unknown),
        ] as [(String, StreamState?)]) func theConnectorsWordsAreUnderstood(word: String, state: StreamState?)
    {
        #expect(streamProblem(word) == state)
    }

    @Test func pressureIsReadFromTheKernelsText() {
        let text = "some avg10=55.00 avg60=1.00 avg300=0.00 total=1\nfull avg10=12.50 avg60=0.00 avg300=0.00 total=1\n"
        #expect(Pressure.full(parsing: text) == 12.5)
        #expect(Pressure.full(parsing: "nonsense") == 0)
        #expect((1...3).contains(Pressure.stretch()))
    }
}
