import TWS
import Testing
import Ticks

private let apple = Contract(conId: 265_598, exchange: "SMART")
private let mnq = Contract(conId: 711_280_073, exchange: "CME")

/// Faults and limits, on the built program.
@Suite(.serialized) struct FaultTests {
    private func isTick(_ message: ServerMessage, _ requestId: Int32) -> Bool? {
        if case .tickByTick(requestId, _, _) = message { true } else { nil }
    }

    /// A gateway with a client that receives quotes of a share as request 1.
    private func running(_ arguments: [String] = []) throws -> (SimulatorProcess, ScriptedClient) {
        let gateway = try SimulatorProcess(["--rate", "500"] + arguments)
        let client = try ScriptedClient(port: gateway.port, clientId: 1)
        client.request(.tickByTick(TickByTickRequest(requestId: 1, contract: apple, kind: .bidAsk)))
        _ = try client.wait { isTick($0, 1) }
        return (gateway, client)
    }

    /// Messages up to the answer of a reqCurrentTime that is sent now.
    private func untilTime(_ client: ScriptedClient) throws -> [ServerMessage] {
        client.request(.currentTime)
        var messages: [ServerMessage] = []
        while let message = try client.next() {
            if case .currentTime = message { return messages }
            messages.append(message)
        }
        throw EndOfConnection()
    }

    @Test(arguments: ["drop", "drop reset"]) func dropEndsEveryConnection(command: String) throws {
        let (gateway, client) = try running()
        #expect(try gateway.control(command) == "ok dropped 1")
        try client.waitForEnd()
        let again = try ScriptedClient(port: gateway.port, clientId: 1)
        #expect(try again.next() == .managedAccounts(["SIM000001"]))
    }

    @Test func whatAStallHidesIsNeverSent() throws {
        let (gateway, client) = try running(["--truth", "$DIR/truth.csv"])
        #expect(try gateway.control("stall") == "ok")
        client.request(.currentTime)
        #expect(try gateway.control("status").contains("stalled=1"))
        #expect(try gateway.control("resume") == "ok")
        var ticks = 1
        _ = try client.wait { message in
            if isTick(message, 1) ?? false { ticks += 1 }
            if case .currentTime = message { return true } else { return nil }
        }
        #expect(gateway.stop() == 0)
        while let message = try client.next() { if isTick(message, 1) ?? false { ticks += 1 } }
        #expect(try csvRows(gateway.path("truth.csv")).count >= ticks)
    }

    @Test func aSilencedStreamIsDeadUntilItIsSubscribedAnew() throws {
        let (gateway, client) = try running()
        #expect(try gateway.control("silence 265598.last").hasPrefix("error"))
        #expect(try gateway.control("silence 265598.bid_ask") == "ok")
        client.request(.tickByTick(TickByTickRequest(requestId: 2, contract: mnq, kind: .bidAsk)))
        // What was on its way may still come; behind the twentieth tick of another stream nothing can.
        for _ in 0..<20 { _ = try client.wait { isTick($0, 2) } }
        for _ in 0..<20 {
            let tick = try client.wait { if case .tickByTick(let requestId, _, _) = $0 { requestId } else { nil } }
            #expect(tick == 2)
        }
        client.request(.cancelTickByTick(requestId: 1))
        client.request(.tickByTick(TickByTickRequest(requestId: 3, contract: apple, kind: .bidAsk)))
        _ = try client.wait { isTick($0, 3) }
    }

    @Test(arguments: [false, true]) func anOffsetIsOnTheWireAndInTheTruthButNotInTheMarket(always: Bool) throws {
        let (gateway, client) = try running(["--truth", "$DIR/truth.csv"])
        func price(_ message: ServerMessage, _ requestId: Int32) -> Int64? {
            guard case .tickByTick(requestId, let tick, _) = message else { return nil }
            return QuoteBody(tick.body).bidPrice
        }
        let amount: Int64 = 445_860_400_000_000_000
        #expect(try gateway.control("offset 265598.bid_ask 445860400\(always ? " always" : "")") == "ok")
        _ = try client.wait { price($0, 1).map { $0 > amount } == true ? true : nil }
        client.request(.cancelTickByTick(requestId: 1))
        client.request(.tickByTick(TickByTickRequest(requestId: 2, contract: apple, kind: .bidAsk)))
        let next = try client.wait { price($0, 2) }
        #expect((next > amount) == always, "a new subscription ends it, unless it is always")
        client.request(
            .tickByTick(TickByTickRequest(requestId: 3, contract: apple, kind: .midPoint, numberOfTicks: 10)))
        let recent = try client.wait { message -> Int64? in
            guard case .historicalTicks(let answer) = message else { return nil }
            return answer.ticks.map { MidPointBody($0.tick.body).price }.max()
        }
        #expect(recent < amount)
        #expect(try gateway.control("offset 265598.bid_ask 0") == "ok")
        _ = try client.wait { price($0, 2).map { $0 < amount } == true ? true : nil }
        #expect(gateway.stop() == 0)
        #expect(try csvRows(gateway.path("truth.csv")).contains { $0.joined().contains("4458606") })
    }

    @Test func lostConnectivityStopsTheFlowAndDataLostDropsSubscriptions() throws {
        let (gateway, client) = try running()
        #expect(try gateway.control("error 1100") == "ok told 1")
        #expect(try client.waitForError(code: 1_100).requestId == -1)
        #expect(try untilTime(client).isEmpty)
        #expect(try gateway.control("error 1102") == "ok told 1")
        _ = try client.waitForError(code: 1_102)
        _ = try client.wait { isTick($0, 1) }
        #expect(try gateway.control("error 1101") == "ok told 1")
        _ = try client.waitForError(code: 1_101)
        #expect(try untilTime(client).isEmpty)
        client.request(.cancelTickByTick(requestId: 1))
        _ = try client.waitForError(code: 300)
    }

    @Test func aBrokenFarmSilencesItsInstrumentsAlone() throws {
        let (gateway, client) = try running()
        client.request(.tickByTick(TickByTickRequest(requestId: 2, contract: mnq, kind: .bidAsk)))
        #expect(try gateway.control("error 2103 usfarm") == "ok told 1")
        #expect(try client.waitForError(code: 2_103).text == "Market data farm connection is broken:usfarm")
        for _ in 0..<20 {
            let tick = try client.wait { if case .tickByTick(let requestId, _, _) = $0 { requestId } else { nil } }
            #expect(tick == 2)
        }
        #expect(try gateway.control("error 2104 usfarm") == "ok told 1")
        _ = try client.wait { isTick($0, 1) }
    }

    @Test func aMutedStreamIsSilentUntilUnmuted() throws {
        let (gateway, client) = try running()
        #expect(try gateway.control("mute 265598.bid_ask") == "ok")
        _ = try untilTime(client)
        #expect(try untilTime(client).isEmpty)
        #expect(try gateway.control("mute 1.bid_ask") == "error no instrument 1")
        #expect(try gateway.control("unmute all") == "ok")
        _ = try client.wait { isTick($0, 1) }
    }

    @Test func refusedConnectionsFailAsAtAClosedPort() throws {
        let (gateway, client) = try running()
        #expect(try gateway.control("refuse") == "ok")
        // The command is carried out before the next one is answered.
        _ = try gateway.control("status")
        #expect(throws: ConnectionRefused.self) { try ScriptedClient(port: gateway.port) }
        _ = try client.wait { isTick($0, 1) }
        #expect(try gateway.control("accept") == "ok")
        _ = try gateway.control("status")
        let other = try ScriptedClient(port: gateway.port, clientId: 2)
        #expect(try other.next() == .managedAccounts(["SIM000001"]))
    }

    @Test func rawBytesArriveAsTheyAre() throws {
        let (gateway, client) = try running()
        #expect(try gateway.control("raw 00000006 393900ff0000") == "ok sent 10 bytes to 1")
        var body = try client.nextBody()
        while let found = body, found != [0x39, 0x39, 0, 0xFF, 0, 0] { body = try client.nextBody() }
        #expect(body != nil)
    }

    @Test func aClientThatDoesNotReadIsDroppedAndTheOthersGoOn() throws {
        let gateway = try SimulatorProcess(["--rate", "30000", "--client-buffer", "1"])
        let slow = try ScriptedClient(port: gateway.port, clientId: 1)
        let quick = try ScriptedClient(port: gateway.port, clientId: 2)
        for (index, contract) in [apple, mnq, Contract(conId: 620_731_015), Contract(conId: 12_087_792)].enumerated() {
            for (at, kind) in TickByTickKind.allCases.enumerated() {
                slow.request(
                    .tickByTick(
                        TickByTickRequest(requestId: Int32(index * 4 + at), contract: contract, kind: kind)))
            }
        }
        quick.request(.tickByTick(TickByTickRequest(requestId: 1, contract: apple, kind: .last)))
        var clients = 2
        var ticks = 0
        // What the kernel keeps for a connection comes on top of the simulator's own buffer.
        while clients == 2, ticks < 300_000 {
            _ = try quick.wait { isTick($0, 1) }
            ticks += 1
            if ticks % 500 == 0 { clients = try gateway.control("status").hasPrefix("ok clients=1 ") ? 1 : 2 }
        }
        #expect(clients == 1)
        _ = try quick.wait { isTick($0, 1) }
    }

    @Test func limitsAreEnforcedOnDemand() throws {
        let gateway = try SimulatorProcess(["--enforce"])
        let client = try ScriptedClient(port: gateway.port, clientId: 1)
        let euro = Contract(conId: 12_087_792, exchange: "IDEALPRO")
        client.request(.tickByTick(TickByTickRequest(requestId: 1, contract: euro, kind: .last)))
        #expect(try client.waitForError(code: 10_189).requestId == 1)
        client.request(.tickByTick(TickByTickRequest(requestId: 2, contract: apple, kind: .last)))
        client.request(.tickByTick(TickByTickRequest(requestId: 3, contract: apple, kind: .bidAsk)))
        #expect(try client.waitForError(code: 10_190).requestId == 3)
        let question = HistoricalTicksRequest(
            requestId: 4, contract: apple, endDateTime: "20991231-00:00:00", numberOfTicks: 10, whatToShow: "TRADES")
        client.request(.historicalTicks(question))
        client.request(.historicalTicks(question))
        #expect(try client.waitForError(code: 162).requestId == 4)
    }

    @Test func theThirdBurstOfMessagesEndsTheConnection() throws {
        let gateway = try SimulatorProcess(["--enforce"])
        let client = try ScriptedClient(port: gateway.port, clientId: 1)
        for _ in 0..<300 { client.request(.setServerLogLevel(1)) }
        for _ in 0..<3 { _ = try client.waitForError(code: 100) }
        try client.waitForEnd()
    }

    @Test func levelOneCarriesQuotesTradesAndSnapshots() throws {
        let gateway = try SimulatorProcess(["--rate", "500"])
        let client = try ScriptedClient(port: gateway.port, clientId: 1)
        client.request(.marketData(MarketDataRequest(requestId: 1, contract: apple, genericTicks: "233")))
        var fields: Set<UInt16> = []
        var sawType = false
        while !fields.isSuperset(of: [0, 1, 2, 3, 4, 5, 6, 7, 8, 14, 45, 48]) {
            switch try #require(try client.next()) {
            case .marketDataType(1, let type): sawType = type == 1
            case .level1(1, _, let tick, _): fields.insert(Level1Body(tick.body).field)
            default: break
            }
        }
        #expect(sawType)
        client.request(.marketData(MarketDataRequest(requestId: 2, contract: mnq, snapshot: true)))
        _ = try client.wait { if case .tickSnapshotEnd(2) = $0 { true } else { nil } }
        client.request(.cancelMarketData(requestId: 2))
        _ = try client.waitForError(code: 300)
    }
}
