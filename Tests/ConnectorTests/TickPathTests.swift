import Foundation
import Messaging
import TWS
import Testing
import TickStore
import Ticks

@testable import Connector

@Suite struct TickPathNumbers {
    @Test func numbersCountFromOnePerStreamAndReceiveTimesRiseStrictly() throws {
        var bench = try Bench()
        let quoteSlot = try bench.add(quotes)
        let tradeSlot = try bench.add(trades)
        bench.path.bind(request: 1, to: quoteSlot)
        bench.path.bind(request: 2, to: tradeSlot)
        // The second read's clock has fallen back by a second.
        for now in [someNanos, someNanos - 1_000_000_000] {
            bench.path.beginRead(atNanos: now)
            for _ in 0..<3 {
                try bench.take(message(1))
                try bench.take(message(2, trades))
            }
        }
        bench.path.flush()
        let records = try bench.records(atLeast: 12)
        #expect(records.filter { $0.stream == quotes }.map(\.seq) == Array(2...7))
        #expect(records.filter { $0.stream == trades }.map(\.seq) == Array(2...7))
        #expect(records.allSatisfy { $0.epoch == 100 })
        // Two times are those of the records that begin the epoch.
        #expect(Set(records.map(\.tsRecvNanos)).isSubset(of: Set(someNanos..<(someNanos + 14))) && records.count == 12)
        for stream in [quotes, trades] {
            let times = records.filter { $0.stream == stream }.map(\.tsRecvNanos)
            #expect(times == times.sorted())
        }
    }

    @Test func aMessageHasAtMost256RecordsAndTheJournalHasThemAll() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        for price in 1...600 { try bench.take(message(1, price: Int64(price))) }
        bench.path.flush()
        var sizes: [Int] = []
        var published: [Tick] = []
        while published.count < 601 {
            let message = try bench.nextMessage()
            #expect(message.topic == "tick.7.bid_ask")
            sizes.append(message.records.count)
            published += message.records
        }
        #expect(sizes == [256, 256, 89])
        #expect(published.map(\.seq) == Array(1...601))
        #expect(try bench.journaledWithChain(quotes) == published)
    }

    @Test(arguments: 250...258) func aTickAndItsMoreRecordsStayInOneMessage(ticksBefore: Int) throws {
        var bench = try Bench()
        let slot = try bench.add(trades)
        bench.path.bind(request: 1, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        for _ in 0..<ticksBefore { try bench.take(message(1, trades)) }
        // 10 bytes in the record, 90 in four more.
        try bench.take(message(1, trades, exchange: String(repeating: "X", count: 100)))
        bench.path.flush()
        var seen = 0
        while seen < ticksBefore + 6 {
            let records = try bench.nextMessage().records
            #expect(records.count <= 256)
            #expect(records.first?.kind != .more)
            #expect(records.last?.flags.contains(.moreFollows) == false)
            seen += records.count
        }
        #expect(seen == ticksBefore + 6)
        #expect(try bench.journaledWithChain(trades).map(\.seq) == Array(1...UInt32(seen)))
    }

    @Test func anEpochBeginsTheNumbersAnew() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        try bench.take(message(1))
        try bench.take(message(1))
        bench.path.begin(epoch: 200, cause: "epoch used up")
        try bench.take(message(1))
        bench.path.flush()
        let keys = try bench.records(atLeast: 3).map(\.key)
        #expect(
            keys == [TickKey(epoch: 100, seq: 2), TickKey(epoch: 100, seq: 3), TickKey(epoch: 200, seq: 2)])
        #expect(try bench.journaled(quotes).map(\.key) == keys)
    }

    @Test func aJournalThatTakesNothingStillLetsTicksThrough() async {
        await #expect(processExitsWith: .success) {
            var bench = try Bench()
            let slot = try bench.add(quotes)
            bench.path.bind(request: 1, to: slot)
            bench.path.beginRead(atNanos: someNanos)
            // No write into a file reaches beyond its first bytes any more.
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 16, rlim_max: rlim_t.max)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            try bench.take(message(1))
            bench.path.flush()
            #expect(try bench.records(atLeast: 1).map(\.seq) == [2])
            #expect(bench.path.counters.journalFailures == 1)
            #expect(bench.path.journalFault != nil)
            limit.rlim_cur = 1 << 30
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            try bench.take(message(1))
            bench.path.flush()
            #expect(try bench.records(atLeast: 1).map(\.seq) == [3])
            #expect(bench.path.journalFault == nil)
            #expect(try bench.journaled(quotes).map(\.seq) == [3])
        }
    }
}

@Suite struct TickPathStreams {
    @Test func ticksOfUnboundRequestsAreCountedAndDropped() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        bench.path.unbind(request: 1)
        bench.path.bind(request: 2, to: slot)
        try bench.take(message(1))
        try bench.take(message(2))
        #expect(bench.path.counters.late == 1)
        bench.path.unbindAll()
        try bench.take(message(2))
        #expect(bench.path.counters.late == 2)
        #expect(bench.path.slot(slot).ticks == 1)
    }

    @Test func aTickOfAnotherKindThanAskedForIsAFault() throws {
        var bench = try Bench()
        let slot = try bench.add(trades)
        bench.path.bind(request: 1, to: slot)
        #expect(throws: DecodeError.self) { try bench.take(message(1, quotes)) }
        #expect(bench.path.slot(slot).seq == 0)
    }

    @Test func theFirstTickAfterAGapClosesItWithItsKey() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        try bench.take(message(1))
        bench.path.openGap(slot, cause: "disconnect")
        bench.path.openGap(slot, cause: "tws 1100", code: 1100)
        try bench.take(message(1))
        try bench.take(message(1))
        bench.path.flush()
        let records = try bench.records(atLeast: 5)
        #expect(records.map { $0.marker?.event } == [nil, .gapOpened, .gapClosed, nil, nil])
        #expect(records[1].marker?.text == Array("disconnect".utf8))
        #expect(records[2].marker?.ref == records[1].key)
        #expect(bench.path.slot(slot).openGap == nil)
    }

    /// What a gateway had sent before it fell silent comes behind the silence, and
    /// must not close the gap that follows it.
    @Test func stragglersOfASilenceAreInFrontOfItsGap() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        try bench.take(message(1))
        bench.path.noteSilence(slot, untilNanos: someNanos + 1_750_000_000)
        #expect(bench.path.slot(slot).openGap == nil)
        try bench.take(message(1))
        try bench.take(message(1, secondsLater: 1))
        try bench.take(message(1, secondsLater: 4))
        try bench.take(message(1, secondsLater: 4))
        bench.path.flush()
        let records = try bench.records(atLeast: 7)
        #expect(records.map { $0.marker?.event } == [nil, nil, nil, .gapOpened, .gapClosed, nil, nil])
        #expect(records[3].marker?.text == Array("gateway silent".utf8))
    }

    @Test func anEndOfTheSessionDuringASilenceOpensItsOwnGapAlone() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        try bench.take(message(1))
        bench.path.noteSilence(slot, untilNanos: someNanos)
        bench.path.openGap(slot, cause: "disconnect")
        for _ in 0..<2 { try bench.take(message(1, secondsLater: 9)) }
        bench.path.flush()
        let records = try bench.records(atLeast: 5)
        #expect(records.map { $0.marker?.event } == [nil, .gapOpened, .gapClosed, nil, nil])
    }

    @Test func aGapThatClosesAtAFullRunGoesOutBeforeItsTick() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        for _ in 0..<253 { try bench.take(message(1)) }
        bench.path.openGap(slot, cause: "disconnect")
        try bench.take(message(1))
        bench.path.flush()
        let records = try bench.records(atLeast: 256)
        #expect(records.map(\.seq) == Array(2...257))
        #expect(records[254].marker?.event == .gapClosed)
    }

    /// A stream of the `subscribe` command is added in the middle of a session: without the flag the recorder would
    /// take its ticks for real ones in a simulated recording, and end.
    @Test func aStreamAddedDuringASessionCarriesTheSessionsFlags() throws {
        var bench = try Bench()
        bench.path.beginSession(flags: .simulated)
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        bench.path.addCommonFlags(.delayed, of: slot)
        try bench.take(message(1))
        bench.path.removeCommonFlags(.delayed, of: slot)
        try bench.take(message(1))
        bench.path.beginSession(flags: [])
        try bench.take(message(1))
        bench.path.flush()
        #expect(try bench.records(atLeast: 3).map(\.flags) == [[.simulated, .delayed], .simulated, []])
    }

    @Test func frozenTicksCloseNoGap() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        try bench.take(message(1))
        let isNews = bench.path.setMarketData(.frozen, of: slot)
        let isNewsAgain = bench.path.setMarketData(.frozen, of: slot)
        #expect(isNews && !isNewsAgain)
        try bench.take(message(1))
        #expect(bench.path.slot(slot).openGap != nil)
        let isThaw = bench.path.setMarketData([], of: slot)
        #expect(isThaw)
        try bench.take(message(1))
        #expect(bench.path.slot(slot).openGap == nil)
        bench.path.flush()
        let records = try bench.records(atLeast: 5)
        #expect(records.map { $0.marker?.event } == [nil, .gapOpened, nil, .gapClosed, nil])
        #expect(records.map { $0.flags.contains(.frozen) } == [false, true, true, false, false])
    }

    @Test func aNewRequestHasLiveDataUntilItIsToldOtherwise() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        _ = bench.path.setMarketData([.delayed, .frozen], of: slot)
        bench.path.bind(request: 2, to: slot)
        #expect(bench.path.slot(slot).commonFlags.isEmpty)
    }

    @Test func onlyLevel1IsFrozen() {
        #expect(MarketDataType.delayedFrozen.flags(isLevel1: true) == [.delayed, .frozen])
        #expect(MarketDataType.delayedFrozen.flags(isLevel1: false) == .delayed)
        #expect(MarketDataType.frozen.flags(isLevel1: false) == [])
        #expect(MarketDataType(rawValue: 5) == nil)
    }

    @Test func moreStreamsThanRoomAreRefused() throws {
        var bench = try Bench()
        for id in 1...8 { #expect(bench.path.addStream(StreamID(conId: Int32(id), kind: .last)) != nil) }
        #expect(bench.path.addStream(StreamID(conId: 9, kind: .last)) == nil)
    }
}

@Suite struct RequestTableTests {
    @Test func onlyLiveRequestsLeadSomewhere() {
        var table = RequestTable()
        table.set(5, slot: 0)
        table.set(6, slot: 1)
        #expect(table.slot(of: 5) == 0 && table.slot(of: 6) == 1)
        for stranger: Int32 in [0, -1, 4, 7, 69, .max, .min] { #expect(table.slot(of: stranger) == RequestTable.none) }
        table.remove(5)
        table.remove(5)
        #expect(table.slot(of: 5) == RequestTable.none && table.slot(of: 6) == 1)
        table.removeAll()
        #expect(table.slot(of: 6) == RequestTable.none)
    }

    /// One stream lives for weeks while others come and go; the memory stays that of the live ones.
    @Test func manyRequestsBesideALongLivedOneCostNothing() {
        var table = RequestTable()
        table.set(1, slot: 0)
        for request: Int32 in 2...100_000 {
            table.set(request, slot: 1)
            #expect(table.slot(of: request) == 1 && table.slot(of: 1) == 0)
            table.remove(request)
        }
        // A far id must not make room for all ids before it.
        table.set(.max, slot: 2)
        #expect(table.slot(of: .max) == 2 && table.slot(of: 1) == 0)
        let mirror = Mirror(reflecting: table).children.compactMap { $0.value as? any Collection }
        #expect(mirror.allSatisfy { $0.count <= 64 })
    }

    @Test func collidingIdsAreToldApartAlsoAfterRemovals() {
        var table = RequestTable()
        var expected: [Int32: Int32] = [:]
        for index: Int32 in 0..<200 {
            table.set(index * 64, slot: index)
            expected[index * 64] = index
            if index % 3 == 2 {
                table.remove((index - 1) * 64)
                expected[(index - 1) * 64] = nil
            }
        }
        for index: Int32 in 0..<200 {
            #expect(table.slot(of: index * 64) == expected[index * 64] ?? RequestTable.none)
        }
    }
}

@Suite struct TickPathPrices {
    @Test func suspiciousTicksAreRecordedUnchangedAndMarkedBehindTheirMoreRecords() throws {
        var bench = try Bench()
        let slot = try bench.add(trades)
        bench.path.setPriceStep(250_000_000, of: slot)
        bench.path.bind(request: 1, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        try bench.take(message(1, trades, price: 5_528))
        // A price that needs no more record, then one with four.
        for exchange in ["CME", String(repeating: "X", count: 100)] {
            try bench.take(message(1, trades, price: 445_865_928, exchange: exchange))
        }
        try bench.take(message(1, trades, price: 5_529))
        bench.path.flush()
        let records = try bench.records(atLeast: 10)
        #expect(records.map(\.seq) == Array(2...11))
        let kinds = records.map { $0.kind }
        #expect(kinds == [.last, .last, .marker, .last, .more, .more, .more, .more, .marker, .last])
        #expect(TradeBody(records[1].body).price == 445_865_928 * 1_000_000_000)
        #expect(records[1].flags == [])
        for (marker, tick, count) in [(2, 1, Int32(1)), (8, 3, 2)] {
            let body = try #require(records[marker].marker)
            #expect(body.event == .suspiciousPrice && body.code == count)
            #expect(body.ref == records[tick].key && body.text == Array("far off".utf8))
        }
        #expect(bench.path.counters.suspicious == 2 && bench.path.slot(slot).prices.total == 2)
    }

    @Test func theSessionIsToldOfABadStreamOnceAndOfNoOther() throws {
        var bench = try Bench()
        let (bad, good) = (try bench.add(trades), try bench.add(quotes))
        bench.path.bind(request: 1, to: bad)
        bench.path.bind(request: 2, to: good)
        bench.path.beginRead(atNanos: someNanos)
        try bench.take(message(1, trades, price: 5_528))
        for _ in 0..<1_000 {
            try bench.take(message(1, trades, price: 445_865_928))
            try bench.take(message(2, price: 5_528))
        }
        let isAlarmed = bench.path.hasAlarms
        #expect(isAlarmed)
        let alarm = bench.path.takeAlarm(bad)
        #expect(alarm?.0.isSuperset(of: [.begins, .resubscribe]) == true && alarm?.1 == .farOff)
        let (ofGood, second) = (bench.path.takeAlarm(good), bench.path.takeAlarm(bad))
        #expect(ofGood == nil && second == nil)
        let isStillAlarmed = bench.path.hasAlarms
        #expect(!isStillAlarmed)
        bench.path.flush()
        // 1,001 trades and ten markers: 1, 2, 4 … 512; and the one that begins the epoch.
        #expect(bench.path.slot(bad).seq == 1_012 && bench.path.slot(good).seq == 1_001)
    }
}

@Suite struct TickPathUndecodable {
    private func poison(_ text: String) throws -> UndecodableMessage {
        let body = text.utf8.map { $0 == 0x7C ? 0 : $0 }
        return body.withUnsafeBytes {
            UndecodableMessage($0, DecodeError(.badNumber, message: 99, field: 4), serverVersion: 200)
        }
    }

    private func events(_ records: [Tick]) -> [MarkerEvent?] { records.map { $0.marker?.event } }

    @Test(arguments: ["nan", "inf", "1,5", "--", "1e", "0x10"])
    func aTickWhoseNumberIsNoneThrowsAndLeavesTheStreamAsItWas(text: String) throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 4, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        let tick = "99|4|3|1755030000|\(text)|23385.25|6|1|0|".utf8.map { $0 == 0x7C ? 0 : $0 }
        #expect(throws: DecodeError.self) { try bench.take(tick) }
        #expect(bench.path.slot(slot).seq == 0 && bench.path.counters.ticks == 0)
        try bench.take(message(4))
        #expect(bench.path.slot(slot).seq == 2)
    }

    @Test func eachHasAMarkerAndEachThatIsATickOpensAGap() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 4, to: slot)
        for (second, isTick) in [(0, true), (1, true), (59, true), (60, true), (200, false)] {
            bench.path.beginRead(atNanos: someNanos + Int64(second) * 1_000_000_000 + 1_000)
            let text = isTick ? "99|4|3|1755030000|nan|1|1|1|0|" : "58|1|4|x|"
            bench.path.noteUndecodable(slot, try poison(text))
            // Of two that follow each other the second is in the gap of the first.
            if second != 59 { try bench.take(message(4)) }
        }
        bench.path.flush()
        let records = try bench.journaled(quotes)
        #expect(
            events(records) == [
                .gapOpened, .undecodable, .gapClosed, nil, .gapOpened, .undecodable, .gapClosed, nil,
                .gapOpened, .undecodable, .undecodable, .gapClosed, nil, .undecodable, nil,
            ])
        let marker = try #require(records[1].marker)
        #expect(marker.code == 99 && String(decoding: marker.text, as: UTF8.self) == "4:nan|1|1|1|0|")
        #expect(String(decoding: try #require(records[0].marker).text, as: UTF8.self) == "undecodable")
        #expect(bench.path.slot(slot).undecodable == 5)
    }
}
