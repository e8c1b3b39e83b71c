import JSON
import TWS
import Testing
import Ticks

@testable import Connector
@testable import Messaging
@testable import ServiceKit

private let second: Int64 = 1_000_000_000

/// What the gateway says about requests and farms, and what becomes of the streams.
@Suite struct GatewayWordsTests {
    /// Both streams are asked for, and pacing holds nothing back.
    private func bench() throws -> SessionBench {
        var bench = try SessionBench(wasRecorded: [])
        bench.session.pacer = RequestPacer(requestsPerSecond: 1_000, tickByTickSpacingNanos: 0)
        _ = try bench.subscribe(quotes)
        return bench
    }

    private func say(_ bench: inout SessionBench, _ code: Int32, _ text: String = "", request: Int32 = -1) {
        bench.session.takeError(ErrorMessage(requestId: request, code: code, text: text))
    }

    private func request(_ bench: borrowing SessionBench, _ stream: StreamID) -> Int32? {
        for entry in bench.session.subscriptions.entries where entry.stream == stream {
            if case .requested(let id, _) = entry.state { return id }
        }
        return nil
    }

    private func asked(_ bench: borrowing SessionBench, _ stream: StreamID) throws -> Int32 {
        let id = request(bench, stream)
        return try #require(id)
    }

    /// Ticks that are received so many milliseconds after the last record.
    private func tick(_ bench: inout SessionBench, _ stream: StreamID, afterMillis: Int64) throws {
        bench.session.path.beginRead(atNanos: bench.session.path.lastReceivedNanos + afterMillis * 1_000_000)
        try bench.take(message(try asked(bench, stream), stream))
    }

    private func wait(_ bench: inout SessionBench, millis: Int64) {
        bench.session.path.beginRead(atNanos: bench.session.path.lastReceivedNanos + millis * 1_000_000)
    }

    private func actions(_ bench: inout SessionBench) -> [Subscriptions.Action] {
        var all: [Subscriptions.Action] = []
        var next: Int32 = 1_000
        while let action = bench.session.subscriptions.next(
            nowNanos: .max,
            request: {
                next += 1
                return next
            }, mayAsk: { _ in true })
        { all.append(action) }
        return all
    }

    // MARK: - Codes with a request's id

    @Test(arguments: [
        (Int32(2_176), "Warning: size rules have changed"), (2_150, "Invalid position trade derived value"),
        (2_187, "x"), (2_188, "Up-to-the-second historical data requires additional subscription for the API."),
        (10_018, "Warning: y"), (77_777, " warning: z"),
    ])
    func aWarningChangesNothing(code: Int32, text: String) throws {
        var bench = try bench()
        let asked = try self.asked(bench, quotes)
        try tick(&bench, quotes, afterMillis: 1)
        say(&bench, code, text, request: asked)
        bench.session.giveUpSilent(nowNanos: bootNanos() + 600 * second)
        #expect(request(bench, quotes) == asked)
        #expect(bench.openGap(quotes) == nil)
        #expect(actions(&bench) == [])
    }

    @Test func aCodeThatNobodyKnowsChangesNothingOnAStreamThatTicks() throws {
        var bench = try bench()
        let asked = try self.asked(bench, quotes)
        try tick(&bench, quotes, afterMillis: 1)
        say(&bench, 10_019, "something", request: asked)
        bench.session.giveUpSilent(nowNanos: bootNanos() + second)
        try tick(&bench, quotes, afterMillis: 1)
        bench.session.giveUpSilent(nowNanos: bootNanos() + 600 * second)
        #expect(request(bench, quotes) == asked)
        #expect(bench.openGap(quotes) == nil)
        bench.session.clearSuspicions()
        #expect(bench.session.subscriptions.entries[0].lastError == nil)
    }

    @Test func aCodeThatNobodyKnowsIsTheAnswerOnlyIfNothingElseFollows() throws {
        var bench = try bench()
        let (first, other) = (try asked(bench, quotes), try asked(bench, trades))
        say(&bench, 77_777, "something", request: first)
        say(&bench, 77_777, "something", request: other)
        #expect(bench.session.subscriptions.entries[0].lastError?.code == 77_777)
        try tick(&bench, trades, afterMillis: 1)
        bench.session.giveUpSilent(nowNanos: bootNanos() + 9 * second)
        #expect(request(bench, quotes) == first)
        bench.session.giveUpSilent(nowNanos: bootNanos() + 11 * second)
        #expect(request(bench, quotes) == nil && request(bench, trades) == other)
        // What is given up is cancelled first.
        #expect(actions(&bench) == [.cancel(entry: 0, request: first), .subscribe(entry: 0, request: 1_001)])
        #expect(try bench.journaled(quotes).compactMap { $0?.words }.last == "gapOpened tws 77777")
        // Nothing but a code came: that is what health shows.
        bench.session.publishStatus(nowNanos: bootNanos())
        let shown = bench.session.status.streams["streams"]?[quotes.description]
        #expect(shown?["state"]?.string == "not_subscribed")
        #expect(shown?["reason"]?.string?.contains("77777") == true)
    }

    @Test(arguments: [354, 10_190, 10_189, 322, 200, 300] as [Int32])
    func whatTheGatewayRefusesIsCancelledBeforeItIsAskedForAgain(code: Int32) throws {
        var bench = try bench()
        let asked = try self.asked(bench, quotes)
        say(&bench, code, "no", request: asked)
        #expect(request(bench, quotes) == nil)
        #expect(actions(&bench).prefix(2) == [.cancel(entry: 0, request: asked), .subscribe(entry: 0, request: 1_001)])
    }

    @Test func theLevel1StreamOutlivesTheWarningOfItsMissingSubscription() throws {
        var bench = try bench()
        let stream = StreamID(conId: 7, kind: .level1)
        let contract = bench.session.subscriptions.entries[0].contract
        _ = bench.session.addStream(stream, contract, .level1, wasRecorded: [])
        let asked = try #require(try bench.subscribe(stream) as Int32?)
        say(&bench, 10_089, "Requested market data requires additional subscription for API.", request: asked)
        #expect(request(bench, stream) == asked)
    }

    @Test func aWarningInFrontOfContractDataDoesNotThrowThemAway() throws {
        var bench = try bench()
        let next = bench.session.definitionSchedule.next(nowNanos: 0)
        let contract = try #require(next)
        bench.session.definitionSchedule.sent(500, contract: contract, nowNanos: bootNanos())
        say(&bench, 2_176, "Warning: size rules have changed", request: 500)
        say(&bench, 77_777, "something", request: 500)
        var details = InstrumentDetails()
        details.contract.conId = contract.conId
        details.minTick = 250_000_000
        bench.session.takeDetails(details, request: 500)
        #expect(bench.session.definitions[contract]?["min_tick"]?.string == "0.25")
    }

    @Test func aLookupOutlivesWarningsAndWaitsBehindACodeThatNobodyKnows() throws {
        var bench = try bench()
        let token = ControlToken(routing: [1], hasDelimiter: false, id: .null)
        for request: Int32 in [600, 601] {
            var lookup = ContractLookup(token: token, deadlineNanos: bootNanos() + 15 * second)
            lookup.openRequests = [request]
            bench.session.lookups.append(lookup)
        }
        say(&bench, 2_176, "Warning: size rules have changed", request: 600)
        say(&bench, 77_777, "something", request: 601)
        #expect(bench.session.lookups.count == 2)
        bench.session.takeDetails(InstrumentDetails(), request: 600)
        bench.session.endOfDetails(600)
        bench.session.expireLookups(nowNanos: bootNanos() + 6 * second)
        #expect(bench.session.lookups.isEmpty)
        var answers: [Bool] = []
        for (_, reply) in bench.mailbox.takeReplies() {
            if case .success = reply { answers.append(true) } else { answers.append(false) }
        }
        #expect(answers == [true, false])
    }

    // MARK: - Farms

    @Test func aFlapOfAFarmThatNoStreamUsesMakesNoGap() throws {
        var bench = try bench()
        for _ in 0..<20 { try tick(&bench, quotes, afterMillis: 100) }
        for flap in 0..<10 {
            say(&bench, 2103, "Market data farm connection is broken:usbond")
            for _ in 0..<10 { try tick(&bench, quotes, afterMillis: 100) }
            say(&bench, 2104, "Market data farm connection is OK:usbond")
            for _ in 0..<10 { try tick(&bench, quotes, afterMillis: 100) }
            #expect(bench.session.path.slot(0).doubt == nil)
            // Trades, which are rare, are of the same contract: its quotes speak for them.
            if flap == 0 { try tick(&bench, trades, afterMillis: 1) }
        }
        bench.session.giveUpSilent(nowNanos: bootNanos() + second)
        bench.session.giveUpSilent(nowNanos: bootNanos() + 40 * second)
        let words = try bench.journaled(quotes).compactMap { $0?.words }
        #expect(words == ["subscribed "])
        #expect(try bench.journaled(trades).compactMap { $0?.words } == ["subscribed "])
        #expect(actions(&bench) == [])
    }

    /// The quotes fell silent too: they speak for nobody, whatever they did in an earlier outage.
    @Test func whatWentOnThroughOneOutageSaysNothingInTheNext() throws {
        var bench = try bench()
        for _ in 0..<20 { try tick(&bench, quotes, afterMillis: 100) }
        say(&bench, 2103, "Market data farm connection is broken:usfarm")
        for _ in 0..<120 { try tick(&bench, quotes, afterMillis: 100) }
        say(&bench, 2104, "Market data farm connection is OK:usfarm")
        for _ in 0..<600 { try tick(&bench, quotes, afterMillis: 100) }
        #expect(bench.openGap(quotes) == nil && bench.openGap(trades) == nil)
        say(&bench, 2103, "Market data farm connection is broken:usfarm")
        try tick(&bench, quotes, afterMillis: 150)
        wait(&bench, millis: 8_000)
        say(&bench, 2104, "Market data farm connection is OK:usfarm")
        #expect(bench.openGap(quotes) != nil && bench.openGap(trades) != nil)
    }

    /// 10197 is as certain as a lost link, and its gap as easily closed by a late tick.
    @Test(arguments: [(10_197, "No market data during competing live session"), (1_100, "")] as [(Int32, String)])
    func aLateTickBehindAnInterruptionOfAllHidesNoHole(code: Int32, text: String) throws {
        var bench = try bench()
        for _ in 0..<20 { try tick(&bench, quotes, afterMillis: 100) }
        if code == 1_100 {
            bench.session.drive([.suspended(code: code)])
        } else {
            say(&bench, code, text)
        }
        try tick(&bench, quotes, afterMillis: 50)
        #expect(bench.openGap(quotes) == nil && bench.openGap(trades) != nil)
        if code == 1_100 { bench.session.drive([.recovered(code: code)]) }
        try tick(&bench, quotes, afterMillis: 9_000)
        let cause = "gapOpened tws \(code)"
        #expect(
            try bench.journaled(quotes).compactMap { $0?.words } == [
                "subscribed ", cause, "gapClosed ", cause, "gapClosed ",
            ])
    }

    @Test(arguments: [
        (Int32(2104), "Market data farm connection is OK:usfarm"),
        (2104, "Market data farm connection is OK:usfarm.nj"),
        (2104, "Verbindung zur Marktdatenfarm ist in Ordnung"),
        (2108, "Market data farm connection is inactive but should be available upon demand.usfarm"),
        (2119, "Market data farm is connecting:usfarm"), (2104, "Market data farm connection is OK:eufarm"),
    ])
    func aSilentStreamIsAskedForSoonAfterTheNextWordOfAnyFarm(code: Int32, text: String) throws {
        var bench = try bench()
        let asked = try self.asked(bench, quotes)
        for _ in 0..<20 { try tick(&bench, quotes, afterMillis: 50) }
        say(&bench, 2103, "Market data farm connection is broken:usfarm")
        bench.session.giveUpSilent(nowNanos: bootNanos() + second)
        wait(&bench, millis: 3_000)
        say(&bench, code, text)
        bench.session.giveUpSilent(nowNanos: bootNanos() + 4 * second)
        #expect(request(bench, quotes) == asked)
        bench.session.giveUpSilent(nowNanos: bootNanos() + 6 * second)
        #expect(request(bench, quotes) == nil && bench.openGap(quotes) != nil)
        #expect(actions(&bench).contains(.cancel(entry: 0, request: asked)))
    }

    @Test func aSilentStreamIsAskedForWithoutAnyWord() throws {
        var bench = try bench()
        let (asked, other) = (try self.asked(bench, quotes), try self.asked(bench, trades))
        for _ in 0..<20 {
            try tick(&bench, quotes, afterMillis: 50)
            try tick(&bench, trades, afterMillis: 50)
        }
        say(&bench, 2119, "Market data farm is connecting:usfarm")
        bench.session.giveUpSilent(nowNanos: bootNanos() + second)
        try tick(&bench, trades, afterMillis: 500)
        bench.session.giveUpSilent(nowNanos: bootNanos() + 9 * second)
        #expect(request(bench, quotes) == asked)
        bench.session.giveUpSilent(nowNanos: bootNanos() + 11 * second)
        #expect(request(bench, quotes) == nil && request(bench, trades) == other)
        #expect(bench.openGap(trades) == nil)
    }

    @Test func whatComesBackWithoutAWordHasAGapInFront() throws {
        var bench = try bench()
        for _ in 0..<20 { try tick(&bench, quotes, afterMillis: 50) }
        say(&bench, 2103, "Market data farm connection is broken:usfarm")
        try tick(&bench, quotes, afterMillis: 20)
        try tick(&bench, quotes, afterMillis: 4_000)
        let words = try bench.journaled(quotes).compactMap { $0?.words }
        #expect(words == ["subscribed ", "gapOpened tws 2103", "gapClosed "])
        try tick(&bench, quotes, afterMillis: 50)
        #expect(bench.openGap(quotes) == nil)
    }

    @Test func theGatewayThatForgotEverythingIsAskedForEverythingAnew() throws {
        var bench = try bench()
        let (asked, other) = (try self.asked(bench, quotes), try self.asked(bench, trades))
        bench.session.resubscribeAll()
        #expect(
            Set(actions(&bench).map { "\($0)" })
                == Set(
                    [
                        Subscriptions.Action.cancel(entry: 0, request: asked), .cancel(entry: 1, request: other),
                        .subscribe(entry: 0, request: 1_001), .subscribe(entry: 1, request: 1_002),
                    ].map { "\($0)" }))
    }

    // MARK: - History and definitions

    @Test func aHistoryFarmThatDoesNotMatterHoldsHealingForAMinuteOnly() throws {
        var bench = try bench()
        say(&bench, 2105, "HMDS data farm connection is broken:fundfarm")
        say(&bench, 2106, "HMDS data farm connection is OK:ushmds")
        var isHeld = bench.session.isHistoryHeld(7)
        #expect(isHeld)
        let sent = bootNanos() + 61 * second
        #expect(bench.session.historyFarms.isHeld(7, nowNanos: sent) == false)
        bench.session.status.update(heals: ["heals": [["stream": .string(quotes.description)]]])
        #expect(bench.session.healingHold?.contains("fundfarm down since 20") == true)
        bench.session.healing.open[70] = .init(
            serial: 1, stream: quotes, kind: .bidAsk, deadlineNanos: .max, sentAtNanos: sent)
        bench.session.takeHistory(HistoricalTicks(requestId: 70, kind: .bidAsk, ticks: [], done: true))
        isHeld = bench.session.isHistoryHeld(7)
        #expect(isHeld, "nothing came")
        bench.session.healing.open[71] = .init(
            serial: 1, stream: quotes, kind: .bidAsk, deadlineNanos: .max, sentAtNanos: sent)
        let tick = HistoricalTick(tick: Tick(kind: .bidAsk))
        bench.session.takeHistory(HistoricalTicks(requestId: 71, kind: .bidAsk, ticks: [tick], done: true))
        isHeld = bench.session.isHistoryHeld(7)
        #expect(!isHeld && bench.session.healingHold == nil)
    }

    @Test func whatTheFarmOfDefinitionsCouldNotTellIsAskedForWhenItIsBack() throws {
        var bench = try bench()
        let next = bench.session.definitionSchedule.next(nowNanos: 0)
        let contract = try #require(next)
        bench.session.definitionSchedule.sent(500, contract: contract, nowNanos: bootNanos())
        let asked = try self.asked(bench, quotes)
        say(&bench, 2157, "Sec-def data farm connection is broken:secdefil")
        say(&bench, 200, "No security definition has been found for the request", request: 500)
        say(&bench, 200, "No security definition has been found for the request", request: asked)
        #expect(bench.session.definitionSchedule.next(nowNanos: bootNanos()) == nil)
        say(&bench, 2158, "Sec-def data farm connection is OK:secdefil")
        #expect(bench.session.definitionSchedule.next(nowNanos: bootNanos()) == contract)
        #expect(bench.session.subscriptions.entries[0].state == .wanted(notBeforeNanos: 0))
    }
}
