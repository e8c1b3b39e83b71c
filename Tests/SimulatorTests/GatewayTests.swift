import Foundation
import TWS
import Testing
import Ticks

private let mnq = Contract(conId: 711_280_073, exchange: "CME")
private let future = Contract(conId: 620_731_015, exchange: "CME")
private let apple = Contract(conId: 265_598, exchange: "SMART")
private let euro = Contract(conId: 12_087_792, exchange: "IDEALPRO")

/// The built program and clients that follow a script.
@Suite(.serialized) struct GatewayTests {
    @Test(arguments: [157, 163, 164, 166, 176, 182, 187, 194, 200]) func everyVersionLogsInAndLooksUp(version: Int)
        throws
    {
        let gateway = try SimulatorProcess(["--max-version", "\(version)"])
        let client = try ScriptedClient(port: gateway.port, clientId: 7)
        #expect(client.version == version)
        #expect(try client.next() == .managedAccounts(["SIM000001"]))
        #expect(try client.next() == .nextValidId(1))
        #expect(try client.waitForError(code: 2_158).requestId == -1)
        client.request(
            .contractData(ContractDataRequest(requestId: 3, contract: Contract(symbol: "MNQ", secType: "FUT"))))
        let details = try client.wait { message in
            if case .contractData(3, let details) = message { details } else { nil }
        }
        #expect(details.contract.conId == 711_280_073 && details.minTick == 250_000_000)
        #expect(details.timeZoneId == "US/Central" && details.tradingHours.split(separator: ";").count == 7)
        #expect(try client.next() == .contractDataEnd(requestId: 3))
        #expect(gateway.stop() == 0)
    }

    @Test func startUpQuestionsAreAnsweredAndUnknownOnesDoNotHurt() throws {
        let gateway = try SimulatorProcess([])
        let client = try ScriptedClient(port: gateway.port, clientId: 0)
        _ = try client.waitForError(code: 2_158)
        for request in [
            ClientRequest.positions, .autoOpenOrders(bind: true), .openOrders, .completedOrders(apiOnly: false),
            .accountUpdates(subscribe: true, account: "SIM000001"),
            .accountUpdatesMulti(requestId: 4, account: "SIM000001", modelCode: "", ledgerAndNLV: false),
            .executions(requestId: 5, filter: ["0", "", "", "", "", "", ""]), .other(id: 91, fields: ["26"]),
            .setServerLogLevel(5), .matchingSymbols(requestId: 6, pattern: "aapl"), .ids(count: -1),
        ] {
            client.request(request)
        }
        #expect(try client.next() == .positionEnd)
        #expect(try client.next() == .openOrderEnd)
        #expect(try client.next() == .completedOrdersEnd)
        #expect(try client.wait { if case .accountUpdateTime(let text) = $0 { text.count } else { nil } } == 5)
        #expect(try client.next() == .accountDownloadEnd(account: "SIM000001"))
        #expect(try client.next() == .accountUpdateMultiEnd(requestId: 4))
        #expect(try client.next() == .executionDataEnd(requestId: 5))
        let samples = try client.wait { if case .symbolSamples(6, let samples) = $0 { samples } else { nil } }
        #expect(samples.map(\.conId) == [265_598])
        #expect(try client.next() == .nextValidId(1))
    }

    @Test func theTruthIsWhatTheSocketTook() throws {
        let gateway = try SimulatorProcess(["--rate", "4000", "--truth", "$DIR/truth.csv"])
        let client = try ScriptedClient(port: gateway.port, clientId: 1)
        let kinds = TickByTickKind.allCases
        for (index, kind) in kinds.enumerated() {
            client.request(.tickByTick(TickByTickRequest(requestId: Int32(index), contract: apple, kind: kind)))
        }
        var received = kinds.map { _ in [Tick]() }
        func keep(_ message: ServerMessage) {
            if case .tickByTick(let requestId, let tick, _) = message { received[Int(requestId)].append(tick) }
        }
        while received.contains(where: { $0.count < 200 }) { keep(try #require(try client.next())) }
        #expect(gateway.stop() == 0)
        while let message = try client.next() { keep(message) }
        let rows = try csvRows(gateway.path("truth.csv"))
        for (kind, ticks) in zip(kinds, received) {
            let own = rows.filter { $0[0] == "265598.\(kind.tickKind.name)" }
            #expect(own.count == ticks.count)
            #expect(zip(own, ticks).allSatisfy { row, tick in isSame(row, tick) })
        }
    }

    @Test func refusalsNameTheirRequest() throws {
        let gateway = try SimulatorProcess([])
        let client = try ScriptedClient(port: gateway.port, clientId: 1)
        client.request(
            .tickByTick(TickByTickRequest(requestId: 5, contract: Contract(conId: 1, exchange: "CME"), kind: .last)))
        #expect(try client.waitForError(code: 200).requestId == 5)
        client.request(
            .tickByTick(
                TickByTickRequest(requestId: 6, contract: Contract(conId: 265_598, exchange: "CME"), kind: .last)))
        #expect(try client.waitForError(code: 200).requestId == 6)
        client.request(.contractData(ContractDataRequest(requestId: 7, contract: Contract(symbol: "NOPE"))))
        #expect(try client.waitForError(code: 200).requestId == 7)
        client.request(.cancelTickByTick(requestId: 8))
        #expect(try client.waitForError(code: 300).requestId == 8)
        client.request(.tickByTick(TickByTickRequest(requestId: 9, contract: apple, kind: .last)))
        client.request(.tickByTick(TickByTickRequest(requestId: 9, contract: mnq, kind: .last)))
        #expect(try client.waitForError(code: 322).requestId == 9)
        client.request(
            .historicalTicks(
                HistoricalTicksRequest(requestId: 10, contract: apple, startDateTime: "now", whatToShow: "TRADES")))
        #expect(try client.waitForError(code: 10_314).requestId == 10)
        // A field that is no number is answered; the connection goes on.
        client.send([0, 0, 0, 5, 0x39, 0x38, 0, 0x78, 0])
        #expect(try client.waitForError(code: 320).requestId == -1)
        let other = try ScriptedClient(port: gateway.port, clientId: 1)
        #expect(try other.waitForError(code: 326).requestId == -1)
        #expect(try other.next() == nil)
        client.request(.currentTime)
        _ = try client.wait { if case .currentTime(let seconds) = $0 { seconds } else { nil } }
    }

    @Test(
        arguments: [
            Array("GET / HTTP/1.1\r\n\r\n".utf8), Handshake.prefix + [0, 0, 0, 0], Handshake.prefix + [0xFF, 0, 0, 0],
            Handshake.prefix + [0, 0, 0, 3, 0x76, 0x31, 0x78], Handshake.clientHello(versions: 201...225),
            Handshake.clientHello(versions: 1...156), Handshake.clientHello() + [0, 0, 0, 1, 0x39],
            Handshake.clientHello() + [0, 0, 0, 5, 0x34, 0x39, 0, 0x31, 0],
        ] as [[UInt8]]) func badInputEndsThatClientAlone(bytes: [UInt8]) throws
    {
        let gateway = try SimulatorProcess([])
        let good = try ScriptedClient(port: gateway.port, clientId: 1)
        _ = try good.waitForError(code: 2_158)
        let bad = try ScriptedClient(port: gateway.port)
        bad.send(bytes)
        try bad.waitForEnd()
        good.request(.currentTime)
        _ = try good.wait { if case .currentTime(let seconds) = $0 { seconds } else { nil } }
    }

    @Test func aRequestInPiecesOfOneByteIsOneRequest() throws {
        let gateway = try SimulatorProcess([])
        #expect(try gateway.control("fragment 1") == "ok")
        let client = try ScriptedClient(port: gateway.port)
        for byte in Handshake.clientHello() { client.send([byte]) }
        let greeting = try #require(try client.nextBody())
        #expect(greeting.starts(with: Array("200\0".utf8)))
        for byte in [0, 0, 0, 8, 0x37, 0x31, 0, 0x32, 0, 0x37, 0, 0] as [UInt8] { client.send([byte]) }
        #expect(try client.next() == .managedAccounts(["SIM000001"]))
    }

    @Test func historyIsWhatTheMarketDidAndJoinsTheLiveTicks() throws {
        let gateway = try SimulatorProcess(["--rate", "500", "--warm-up", "300", "--history", "$DIR/history.csv"])
        let client = try ScriptedClient(port: gateway.port, clientId: 1)
        client.request(
            .tickByTick(TickByTickRequest(requestId: 1, contract: future, kind: .bidAsk, numberOfTicks: 100)))
        var ticks: [Tick] = try client.wait { message in
            if case .historicalTicks(let answer) = message, answer.requestId == 1 {
                answer.ticks.map(\.tick)
            } else {
                nil
            }
        }
        #expect(ticks.count >= 100)
        while ticks.count < 500 {
            ticks.append(try client.wait { if case .tickByTick(1, let tick, _) = $0 { tick } else { nil } })
        }
        client.request(
            .historicalTicks(
                HistoricalTicksRequest(
                    requestId: 2, contract: future, startDateTime: "20200101-00:00:00", whatToShow: "TRADES")))
        let past = try client.wait { message in
            if case .historicalTicks(let answer) = message, answer.requestId == 2 { answer } else { nil }
        }
        #expect(past.done && past.ticks.count >= 100)
        #expect(gateway.stop() == 0)
        let rows = try csvRows(gateway.path("history.csv"))
        let quotes = rows.filter { $0[0] == "620731015.bid_ask" }
        // The first of them, then without hole or repeat.
        let start = try #require(
            quotes.indices.first { at in
                at + ticks.count <= quotes.count && isSame(quotes[at], ticks[0]) && isSame(quotes[at + 1], ticks[1])
                    && isSame(quotes[at + 2], ticks[2]) && isSame(quotes[at + 3], ticks[3])
            })
        #expect(zip(quotes[start...], ticks).allSatisfy { isSame($0, $1) })
        let trades = rows.filter { $0[0] == "620731015.last" }
        #expect(zip(trades, past.ticks).allSatisfy { isSame($0, $1.tick) })
    }

    @Test(arguments: [(200, 162), (160, 160)])
    func belowVersion163SizesAreWholeAndAnyExchangeFindsTheReplay(offered: Int, spoken: Int) throws {
        let path = NSTemporaryDirectory() + "replay-\(UUID().uuidString).csv"
        try """
        ts_ns,kind,price,size,bid_price,ask_price,bid_size,ask_size
        1719878281000000000,last,9.5,0.25,,,,
        1719878281000000000,bid_ask,,,9.25,9.5,2.75,0
        1719878282000000000,last,9.5,7,,,,
        1719878283000000000,last,9.5,1.5,,,,

        """.write(toFile: path, atomically: true, encoding: .utf8)
        defer { unlink(path) }
        let gateway = try SimulatorProcess([
            "--replay", path, "--con-id", "4242", "--speed", "0", "--truth", "$DIR/truth.csv", "--max-version",
            "\(offered)",
        ])
        let client = try ScriptedClient(port: gateway.port, clientId: 1, versions: 157...spoken)
        #expect(client.version == spoken)
        let contract = Contract(conId: 4242, symbol: "ODD", secType: "CRYPTO", exchange: "PAXOS")
        for (index, kind) in [TickByTickKind.last, .bidAsk].enumerated() {
            client.request(.tickByTick(TickByTickRequest(requestId: Int32(index), contract: contract, kind: kind)))
        }
        var ticks: [Tick] = []
        while ticks.count < 4 {
            ticks.append(try client.wait { if case .tickByTick(_, let tick, _) = $0 { tick } else { nil } })
        }
        client.request(
            .historicalTicks(
                HistoricalTicksRequest(
                    requestId: 9, contract: contract, startDateTime: "20240701-00:00:00", whatToShow: "TRADES")))
        let past = try client.wait { message in
            if case .historicalTicks(let answer) = message, answer.requestId == 9 { answer } else { nil }
        }
        #expect(gateway.stop() == 0)
        let one = FixedPoint.unitsPerOne
        #expect(ticks.filter { $0.kind == .last }.map { TradeBody($0.body).size } == [one, 7 * one, one])
        #expect(past.ticks.map { TradeBody($0.tick.body).size } == [one, 7 * one, one])
        let quote = QuoteBody(try #require(ticks.first { $0.kind == .bidAsk }).body)
        #expect(quote.bidSize == 2 * one && quote.askSize == 0)
        let rows = try csvRows(gateway.path("truth.csv")).filter { $0[0] == "4242.last" }
        #expect(zip(rows, ticks.filter { $0.kind == .last }).allSatisfy { isSame($0, $1) })
    }

    @Test func aFileIsReplayedExactly() throws {
        let header = "ts_ns,kind,price,size,bid_price,ask_price,bid_size,ask_size\n"
        var text = header
        for index in 0..<6_000 {
            let time = 1_719_878_281_000_000_000 + index * 1_000_000
            text +=
                index % 3 == 0
                ? "\(time),last,5528.\(index % 4 * 25),\(index + 1),,,,\n"
                : "\(time),bid_ask,,,5528.5,\(5_529 + index).75,29,0.00\(index + 1)\n"
        }
        let path = NSTemporaryDirectory() + "replay-\(UUID().uuidString).csv"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        defer { unlink(path) }
        let gateway = try SimulatorProcess([
            "--replay", path, "--con-id", "77", "--speed", "0", "--truth", "$DIR/truth.csv",
        ])
        let client = try ScriptedClient(port: gateway.port, clientId: 1)
        client.request(.tickByTick(TickByTickRequest(requestId: 1, contract: Contract(conId: 77), kind: .last)))
        client.request(.tickByTick(TickByTickRequest(requestId: 2, contract: Contract(conId: 77), kind: .bidAsk)))
        var ticks: [[Tick]] = [[], []]
        while ticks[0].count + ticks[1].count < 6_000 {
            guard case .tickByTick(let requestId, let tick, _) = try #require(try client.next()) else { continue }
            ticks[Int(requestId) - 1].append(tick)
        }
        #expect(ticks[0].count == 2_000 && ticks[0][1].tsEventNanos == 1_719_878_281_000_000_000)
        #expect(
            ticks[0].map { TradeBody($0.body).size / FixedPoint.unitsPerOne }
                == stride(from: 1, to: 6_000, by: 3).map { $0 })
        #expect(gateway.stop() == 0)
        let rows = try csvRows(gateway.path("truth.csv"))
        let source = text.split(separator: "\n").dropFirst().map {
            $0.split(separator: ",", omittingEmptySubsequences: false)
        }
        #expect(
            rows.map { $0[7] } == source.map { decimal($0[2]) } && rows.map { $0[13] } == source.map { decimal($0[6]) })
        #expect(rows.map { $0[14] } == source.map { decimal($0[7]) })
    }

    /// A decimal without trailing zeros.
    private func decimal(_ text: Substring) -> Substring {
        guard text.contains(".") else { return text }
        var rest = text
        while rest.last == "0" { rest.removeLast() }
        return rest.last == "." ? rest.dropLast() : rest
    }

    @Test func programsEndWithTheirStatus() throws {
        let gateway = try SimulatorProcess([])
        func status(_ arguments: [String]) throws -> Int32 {
            let process = Process()
            process.executableURL = SimulatorProcess.executable
            process.arguments = arguments
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            return process.terminationStatus
        }
        #expect(try status(["--help"]) == 0)
        #expect(try status(["--version"]) == 0)
        #expect(try status(["--nonsense"]) == 64)
        #expect(try status(["--port", "0", "--replay", "/nonexistent.csv"]) == 66)
        #expect(try status(["--port", "\(gateway.port)"]) == 74)
        #expect(try status(["--port", "0", "--truth", "/nonexistent/truth.csv"]) == 74)
        #expect(gateway.stop() == 0)
        #expect(!FileManager.default.fileExists(atPath: gateway.controlPath))
    }
}

/// Rows of a CSV file without quotes, header left out, as fields.
func csvRows(_ path: String) throws -> [[Substring]] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").dropFirst().map {
        $0.split(separator: ",", omittingEmptySubsequences: false)
    }
}

/// Whether a row says what a decoded tick says.
func isSame(_ row: [Substring], _ tick: Tick) -> Bool {
    guard row.count == 22, let flags = UInt16(row[6]), flags & 3 == tick.flags.rawValue & 3,
        row[3].hasSuffix(".000000000Z")
    else { return false }
    switch tick.kind {
    case .last, .allLast:
        let trade = TradeBody(tick.body)
        return row[7] == FixedPoint.text(trade.price) && row[8] == FixedPoint.text(trade.size)
            && Array(row[9].utf8) == trade.exchange && Array(row[10].utf8) == trade.conditions
    case .bidAsk:
        let quote = QuoteBody(tick.body)
        return row[11] == FixedPoint.text(quote.bidPrice) && row[12] == FixedPoint.text(quote.askPrice)
            && row[13] == FixedPoint.text(quote.bidSize) && row[14] == FixedPoint.text(quote.askSize)
    case .midPoint: return row[7] == FixedPoint.text(MidPointBody(tick.body).price)
    default: return false
    }
}
