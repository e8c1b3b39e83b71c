import ServiceKit
import TWS
import TickStore
import Testing
import Ticks

@testable import Connector

@Suite struct HealRecording {
    /// A run of so many quotes of one second.
    private func run(_ count: Int, gap: TickKey, verdict: GapState?, more: [TickBody] = []) -> HealedRun {
        var ticks = (0..<count).map { quote(100, Int64($0)) }
        if !more.isEmpty {
            ticks[0].more = more
            ticks[0].tick.flags.insert(.moreFollows)
        }
        return HealedRun(stream: quotes, gap: gap, from: 100, to: 101, ticks: ticks, verdict: verdict)
    }

    @Test func aRunIsContiguousAndSaysWhatItIs() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        bench.path.openGap(slot, cause: "disconnect")
        try bench.take(message(1))
        let gap = TickKey(epoch: 100, seq: 2)
        let last = bench.path.record(run(600, gap: gap, verdict: .edgeUnreconciled), of: slot)
        try bench.take(message(1))
        bench.path.flush()
        let records = try bench.records(atLeast: 606)
        #expect(records.map(\.seq) == Array(2...607))
        #expect(last == TickKey(epoch: 100, seq: 606))
        let heal = try #require(records[3].marker)
        #expect(heal.event == .heal && heal.ref == gap && heal.code == 600 && heal.text == Array("101".utf8))
        #expect(records[3].tsEventNanos == 100_000_000_000)
        let healed = records[4..<604]
        #expect(healed.allSatisfy { $0.flags == .healed && $0.tsEventNanos == 100_000_000_000 && $0.stream == quotes })
        #expect(healed.map { Int64(bitPattern: $0.body.word0) } == Array(0..<600))
        let end = try #require(records[604].marker)
        #expect(end.event == .healEnd && end.ref == gap && end.code == 600)
        #expect(end.text == Array("edge_unreconcile".utf8) && records[604].tsEventNanos == 101_000_000_000)
        #expect(!records[605].flags.contains(.healed))
        #expect(try bench.journaled(quotes).count == 606)
        #expect(bench.path.counters.healed == 600 && bench.path.slot(slot).ticks == 2, "healed ticks are not live ones")
    }

    @Test func textsOfHealedTicksStayWithTheirTick() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.beginRead(atNanos: someNanos)
        let body = MoreBody(streamKind: .bidAsk, field: .bidPrice, text: Array("1.00000000001".utf8)).body
        _ = bench.path.record(run(2, gap: TickKey(epoch: 1, seq: 1), verdict: nil, more: [body]), of: slot)
        let records = try bench.records(atLeast: 5)
        #expect(records.map(\.kind) == [.marker, .bidAsk, .more, .bidAsk, .marker])
        #expect(records[1].flags == [.healed, .moreFollows] && records[2].flags == .healed && records[2].body == body)
        #expect(records[0].marker?.code == 2, "`more` records are not counted")
        #expect(records[4].marker?.text == Array("more".utf8))
    }

    @Test func aClosedGapIsToldOnceWithItsFirstTick() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        bench.path.openGap(slot, cause: "disconnect")
        bench.path.openGap(slot, cause: "again")
        #expect(bench.path.takeClosedGaps().isEmpty)
        try bench.take(message(1))
        let closed = bench.path.takeClosedGaps()
        #expect(closed == [slot])
        #expect(bench.path.takeClosedGaps().isEmpty)
        let state = bench.path.slot(slot)
        #expect(
            state.closedGap?.gap == TickKey(epoch: 100, seq: 2) && state.closedGap?.after == TickKey(epoch: 100, seq: 4)
        )
        #expect(state.interruptions == 2, "an interruption of what is interrupted counts too")
        bench.path.flush()
        let records = try bench.records(atLeast: 3)
        #expect(records[2].key == state.closedGap?.after && records[2].kind == .bidAsk)
    }

    @Test func closedGapsOfStreamsWithoutHistoryAreNobodysBusiness() throws {
        let mailbox = try HealMailbox(HealSettings())
        for kind in [TickKind.level1, .bidAsk, .rtVolume] { mailbox.noteClosed(StreamID(conId: 7, kind: kind), nil) }
        #expect(mailbox.takeClosed() == [quotes])
    }

    @Test func anAnswerOfWhichAPartDoesNotFitIsNone() throws {
        let mailbox = try HealMailbox(HealSettings())
        for _ in 0...HealMailbox.replyLimit { mailbox.reply(.ticks(serial: 3, [], done: false)) }
        let replies = mailbox.takeReplies()
        #expect(replies.count == HealMailbox.replyLimit)
        guard case .unanswered(serial: 3) = replies.last else {
            Issue.record("the answer has a hole")
            return
        }
    }

    @Test func historyOfAnotherKindIsNoAnswer() throws {
        var bench = try SessionBench()
        bench.session.noteFreshSubscriptions()
        let request = try #require(try bench.subscribe(quotes))
        bench.session.takeHistory(HistoricalTicks(requestId: request, kind: .trades, ticks: [], done: true))
        #expect(bench.session.healing.fronts.isEmpty)
        bench.session.takeHistory(HistoricalTicks(requestId: request, kind: .bidAsk, ticks: [], done: true))
        #expect(bench.session.healing.fronts.count == 1)
        bench.session.healing.open[99] = .init(serial: 4, stream: quotes, kind: .trades, deadlineNanos: .max)
        bench.session.takeHistory(HistoricalTicks(requestId: 99, kind: .bidAsk, ticks: [], done: false))
        #expect(bench.session.healing.open.isEmpty)
        guard case .unanswered(serial: 4) = bench.session.healMail.takeReplies().first else {
            Issue.record("quotes were taken for trades")
            return
        }
    }

    @Test func anEndedStreamStaysEndedBehindARun() throws {
        var bench = try SessionBench()
        let index = try #require(bench.session.subscriptions.index(of: quotes))
        bench.session.path.endStream(bench.session.subscriptions.entries[index].slot)
        bench.session.subscriptions.end(index)
        let key = bench.session.record(run(1, gap: TickKey(epoch: 100, seq: 2), verdict: .healed))
        let records = try bench.journaled(quotes).compactMap { $0 }
        #expect(records.suffix(2).map { $0.marker?.event } == [.healEnd, .unsubscribed])
        #expect(records.suffix(2).first?.key == key)
    }

    @Test func requestTimesAreSpelledInUTC() {
        #expect(GatewaySession.wireTime(1_755_010_923) == "20250812-15:02:03")
    }

    @Test func aDeskForgetsWhatASessionsEndMakesVoid() {
        var desk = HealDesk()
        desk.waiting = [.init(serial: 3, stream: quotes, question: .from(0), aggTrades: false)]
        desk.open = [9: .init(serial: 2, stream: quotes, kind: .bidAsk, deadlineNanos: 10)]
        desk.takeFront(
            HistoricalTicks(requestId: 5, kind: .bidAsk, ticks: [], done: true), slot: 0, gap: .zero, interruptions: 1)
        #expect(desk.takeExpired(nowNanos: 9).isEmpty)
        let serials = desk.takeAll()
        #expect(serials == [2, 3])
        #expect(desk.open.isEmpty && desk.waiting.isEmpty && desk.fronts.isEmpty)
    }
}
