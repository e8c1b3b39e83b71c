import JSON
import TWS
import Testing
import Ticks

@testable import Connector
@testable import Messaging
@testable import ServiceKit

private let second: Int64 = 1_000_000_000
private let day = ContractID(conId: 265_598)
private let night = ContractID(conId: 265_598, source: 1)

/// One contract at two venues: two contracts to everything.
@Suite struct VenueTests {
    private let configured = [
        TrackedContract(conId: 265_598, symbol: "AAPL", exchange: "SMART", ticks: [.bidAsk, .last]),
        TrackedContract(conId: 265_598, symbol: "AAPL", exchange: "OVERNIGHT", source: 1, ticks: [.bidAsk, .last]),
    ]

    private func bench() throws -> SessionBench {
        var bench = try SessionBench(wasRecorded: [], contracts: configured)
        bench.session.pacer = RequestPacer(requestsPerSecond: 1_000, tickByTickSpacingNanos: 0)
        _ = try bench.subscribe(StreamID(day, .bidAsk))
        return bench
    }

    private func request(_ bench: inout SessionBench, _ stream: StreamID) throws -> Int32 {
        let request = try bench.subscribe(stream)
        return try #require(request)
    }

    private func wire(_ bench: borrowing SessionBench, _ stream: StreamID) throws -> Contract {
        let index = bench.session.subscriptions.index(of: stream)
        return bench.session.wireContract(of: bench.session.subscriptions.entries[try #require(index)])
    }

    private func knows(_ bench: borrowing SessionBench, _ contract: ContractID) -> Bool {
        bench.session.knowsVenue(contract)
    }

    private func waits(_ bench: borrowing SessionBench, _ stream: StreamID) -> Bool {
        bench.session.waitsForExchange(stream, nowNanos: 0)
    }

    private func define(_ bench: inout SessionBench, _ contract: ContractID, minTick: Int64, exchange: String) throws {
        let (found, request) = (bench.session.definitionSchedule.next(nowNanos: 0), Int32(500 + Int32(contract.source)))
        #expect(found == contract)
        bench.session.definitionSchedule.sent(request, contract: contract, nowNanos: bootNanos())
        var details = InstrumentDetails()
        details.contract = Contract(conId: contract.conId, symbol: "AAPL", exchange: exchange)
        details.minTick = minTick
        bench.session.takeDetails(details, request: request)
        bench.session.endOfDetails(request)
    }

    private func tick(_ bench: inout SessionBench, _ stream: StreamID, afterMillis: Int64) throws {
        bench.session.path.beginRead(atNanos: bench.session.path.lastReceivedNanos + afterMillis * 1_000_000)
        try bench.take(message(try request(&bench, stream), stream))
    }

    private func reply(_ bench: inout SessionBench, _ contract: TrackedContract) throws -> ControlReply {
        let token = ControlToken(routing: [1], hasDelimiter: false, id: .null)
        #expect(bench.mailbox.post(.subscribe(contract, token: token)))
        bench.session.carryOutCommands()
        return try #require(bench.mailbox.takeReplies().first?.1)
    }

    @Test func eachVenueIsAskedForUnderItsOwnExchangeAndHasALineOfItsOwn() throws {
        let bench = try bench()
        #expect(
            bench.session.subscriptions.entries.map(\.stream.description) == [
                "265598.bid_ask", "265598.last", "265598.bid_ask@1", "265598.last@1",
            ])
        for kind in [TickKind.bidAsk, .last] {
            #expect(try wire(bench, StreamID(day, kind)).exchange == "SMART")
            #expect(try wire(bench, StreamID(night, kind)).exchange == "OVERNIGHT")
        }
        let few = try SessionBench(lines: 3, wasRecorded: [], contracts: configured)
        #expect(few.session.subscriptions.entries.map { $0.state == .noLine } == [false, false, false, true])
    }

    @Test func eachVenueHasADefinitionAndAPriceGridOfItsOwn() throws {
        var bench = try bench()
        try define(&bench, day, minTick: 10_000_000, exchange: "SMART")
        try define(&bench, night, minTick: 50_000_000, exchange: "OVERNIGHT")
        #expect(bench.session.definitions[day]?["min_tick"]?.string == "0.01")
        let json = try #require(bench.session.definitions[night])
        #expect(json["min_tick"]?.string == "0.05" && json["source"]?.integer == 1)
        #expect(json["configured_exchange"]?.string == "OVERNIGHT" && json["con_id"]?.integer == 265_598)
        let topics = bench.session.definitions.takeDue(nowNanos: .max).map(\.0.description).sorted()
        #expect(topics == ["definition.265598", "definition.265598@1"])
        // Five cents are on both grids, one cent is off the night's alone.
        for (contract, suspicious) in [(day, 0), (night, 1)] as [(ContractID, UInt64)] {
            let stream = StreamID(contract, .bidAsk)
            let request = try request(&bench, stream)
            for text in ["187.05", "187.01"] {
                try bench.take(Array("99\0\(request)\03\01795000000\0\(text)\0\(text)\01\01\00\0".utf8))
            }
            let index = bench.session.subscriptions.index(of: stream)
            let slot = bench.session.subscriptions.entries[try #require(index)].slot
            #expect(bench.session.path.slot(slot).prices.total == suspicious, "\(stream)")
        }
    }

    /// Each venue may have a farm of its own: the day's ticks are no proof that the night's come.
    @Test func whatTicksOnAtOneVenueSaysNothingOfTheOther() throws {
        var bench = try bench()
        let (busy, sibling) = (StreamID(day, .bidAsk), StreamID(day, .last))
        for stream in [sibling, StreamID(night, .bidAsk), StreamID(night, .last)] {
            try tick(&bench, stream, afterMillis: 1)
        }
        for _ in 0..<20 { try tick(&bench, busy, afterMillis: 100) }
        bench.session.takeError(
            ErrorMessage(requestId: -1, code: 2103, text: "Market data farm connection is broken:usfarm"))
        for _ in 0..<120 { try tick(&bench, busy, afterMillis: 100) }
        bench.session.takeError(
            ErrorMessage(requestId: -1, code: 2104, text: "Market data farm connection is OK:usfarm"))
        func doubted(_ contract: ContractID, _ kind: TickKind) -> Bool {
            guard let index = bench.session.subscriptions.index(of: StreamID(contract, kind)) else { return false }
            let slot = bench.session.path.slot(bench.session.subscriptions.entries[index].slot)
            return slot.doubt != nil || slot.openGap != nil
        }
        #expect(!doubted(day, .last), "its quotes speak for it")
        #expect(doubted(night, .last) && doubted(night, .bidAsk))
    }

    @Test func aCommandMixesNoTwoVenuesInOneStream() throws {
        var bench = try SessionBench(lines: 20, wasRecorded: [], contracts: [configured[0]])
        let other = TrackedContract(conId: 265_598, symbol: "AAPL", exchange: "OVERNIGHT", ticks: [.allLast])
        guard case .failure(let why) = try reply(&bench, other) else {
            Issue.record("ticks of two venues under one source")
            return
        }
        #expect(why.contains("SMART") && why.contains("`source`"))
        // Without an exchange the known one is meant, and so it is by its name.
        for (exchange, kind) in [(nil, TickKind.allLast), ("SMART", .midPoint)] {
            let more = TrackedContract(conId: 265_598, symbol: "AAPL", exchange: exchange, ticks: [kind])
            guard case .success = try reply(&bench, more) else {
                Issue.record("\(kind) was refused")
                continue
            }
            #expect(try wire(bench, StreamID(day, kind)).exchange == "SMART")
        }
        // What has left the configuration still is what it was.
        bench.session.takeKept(["configured_exchange": "IBEOS"], night)
        var beside = other
        beside.source = 1
        guard case .failure = try reply(&bench, beside) else {
            Issue.record("two venues under the source of one that left")
            return
        }
        beside.source = 2
        guard case .success = try reply(&bench, beside) else {
            Issue.record("a venue with a source of its own was refused")
            return
        }
        let third = StreamID(ContractID(conId: 265_598, source: 2), .allLast)
        #expect(try wire(bench, third).exchange == "OVERNIGHT")
    }

    /// A venue that left the configuration is known from its kept definition alone, and healed from no other one's
    /// history.
    @Test func aVenueThatLeftTheConfigurationIsNotTakenForAnother() throws {
        let gone = StreamID(night, .last)
        var bench = try SessionBench(wasRecorded: [gone, StreamID(day, .last)], contracts: [configured[0]])
        #expect(knows(bench, day) && !knows(bench, night))
        #expect(waits(bench, gone) == true, "what was kept is being read")
        try define(&bench, day, minTick: 10_000_000, exchange: "SMART")
        #expect(bench.session.definitionSchedule.next(nowNanos: 0) == nil, "whose definition, nobody knows yet")
        bench.session.takeKept(
            ["configured_exchange": "OVERNIGHT", "configured_symbol": "A", "exchange": "SMART"], night)
        #expect(knows(bench, night) && !waits(bench, gone))
        #expect(try wire(bench, gone).exchange == "OVERNIGHT")
        // The gateway is asked for that venue's, and what the configuration said is not forgotten.
        #expect(bench.session.askedExchange(night) == "OVERNIGHT")
        try define(&bench, night, minTick: 10_000_000, exchange: "OVERNIGHT")
        #expect(bench.session.definitions[night]?["configured_exchange"]?.string == "OVERNIGHT")
        #expect(bench.session.definitions[night]?["configured_symbol"]?.string == "A")
        // Nothing is kept: no history is asked for, since it might be another venue's.
        var lost = try SessionBench(wasRecorded: [gone], contracts: [configured[0]])
        lost.session.takeKept(nil, night)
        #expect(!knows(lost, night) && knows(lost, day))
        // An entry that names no exchange any more does not mean the one that it named: the gateway is asked.
        let unnamed = TrackedContract(conId: 265_598, symbol: "AAPL", ticks: [.last])
        var other = try SessionBench(wasRecorded: [], contracts: [unnamed])
        other.session.takeKept(["configured_exchange": "OVERNIGHT", "exchange": "OVERNIGHT"], day)
        #expect(other.session.exchange(unnamed) == nil)
        try define(&other, day, minTick: 10_000_000, exchange: "SMART")
        #expect(other.session.exchange(unnamed) == "SMART")
    }

    /// The day's history comes although a farm is down, which is no reason to ask for the night's.
    @Test func aVenuesHistoryIsHeldByItself() {
        var farms = HistoryFarms()
        farms.broken("ushmds", nowNanos: 0)
        farms.sent(day, nowNanos: 60 * second)
        farms.answered(day, sentAtNanos: 60 * second)
        farms.sent(night, nowNanos: 60 * second)
        farms.failed(night, nowNanos: 61 * second)
        #expect(!farms.isHeld(day, nowNanos: 62 * second) && farms.isHeld(night, nowNanos: 62 * second))
    }

    /// What one contract's history waits for holds up no other's.
    @Test func aContractThatWaitsForItsExchangeLeavesTheOthersAlone() throws {
        let unknown = TrackedContract(conId: 9, symbol: "ODD", exchange: nil, ticks: [.bidAsk])
        let known = TrackedContract(conId: quotes.conId, symbol: "MNQ", exchange: "CME", ticks: [.bidAsk])
        var bench = try SessionBench(contracts: [unknown, known])
        let other = StreamID(conId: 9, kind: .bidAsk)
        let now = bootNanos()
        let waits = bench.session.waitsForExchange(other, nowNanos: now)
        #expect(waits)
        let positions = bench.session.healPositions
        #expect(positions.streams[other]?.isWaiting == true && positions.streams[quotes]?.isWaiting == false)
        for (serial, stream) in [other, quotes].enumerated() {
            bench.session.healing.waiting.append(
                .init(serial: UInt64(serial), stream: stream, question: .from(1_795_000_000), aggTrades: false))
        }
        bench.session.sendHistoryRequests(nowNanos: now)
        let (waiting, open) = (
            bench.session.healing.waiting.map(\.serial), bench.session.healing.open.values.map(\.serial)
        )
        #expect(waiting == [0] && open == [1])
    }
}
