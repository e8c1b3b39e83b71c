import JSON
import TWS
import Testing
import Ticks

@testable import Connector
@testable import Messaging
@testable import ServiceKit

/// What interrupts a stream is in its own order, in an epoch that counts, until a tick ends it.
@Suite struct InterruptionTests {
    @Test func numberingAnewOpensTheGapsOfStreamsThatAreNotSubscribedYet() throws {
        var bench = try SessionBench()
        bench.session.renumber(above: 4_000_000_000)
        let epoch = bench.session.path.epoch
        #expect(epoch == 4_000_000_001)
        for stream in [quotes, trades] {
            #expect(bench.openGap(stream) == TickKey(epoch: epoch, seq: 2))
            let anew = try bench.journaled(stream, from: TickKey(epoch: epoch, seq: 0))
            #expect(anew.map { $0?.words } == ["gapOpened renumber"])
        }
    }

    @Test func theJournalDoesNotVouchForEpochsOfSomebodyElse() throws {
        var bench = try SessionBench(epoch: 100)
        let request = try #require(try bench.subscribe(quotes))
        try bench.take(message(request))
        bench.session.renumber(above: 4_000_000_000)
        // A recorder has 5 keys of the epoch above; what followed them is in nobody's hands.
        let above = try bench.journaled(quotes, from: TickKey(epoch: 4_000_000_000, seq: 6))
        #expect(above.first == .some(nil))
    }

    @Test func theJournalGoesOnVouchingWhereNobodyElseNumbered() throws {
        var bench = try SessionBench(epoch: 100)
        let seq = bench.session.path.slot(0).seq
        bench.session.beginEpoch(known: bench.session.path.epoch, cause: "epoch used up")
        bench.session.path.mark(0, .subscribed)
        #expect(try bench.journaled(quotes, from: TickKey(epoch: 100, seq: seq + 1)).map { $0?.seq } == [2])
    }

    @Test func aRecordedStreamWithoutALineHasAnOpenGapUntilItGetsOne() throws {
        var bench = try SessionBench(lines: 1)
        #expect(bench.session.subscriptions.entries.map(\.state.name) == ["not_subscribed", "no_line"])
        #expect(try bench.journaled(trades).map { $0?.words } == ["gapOpened restart"])
        #expect(try bench.subscribe(trades) == nil)
        let open = bench.openGap(trades)
        let gap = try #require(open)
        bench.session.subscriptions.giveLine(trades)
        let request = try #require(try bench.subscribe(trades))
        try bench.take(message(request, trades))
        let records = try bench.journaled(trades).compactMap { $0 }
        #expect(records.map { $0.marker?.event } == [.gapOpened, .subscribed, .gapClosed, nil])
        #expect(records[2].marker?.ref == gap)
        // One that was never recorded misses nothing.
        var fresh = try SessionBench(lines: 1, wasRecorded: [quotes])
        #expect(fresh.openGap(trades) == nil)
        #expect(try fresh.journaled(trades).isEmpty)
    }

    @Test func aTickFromTheEndOfTimeDoesNotKeepSilenceFromBeingSeen() throws {
        var bench = try SessionBench(wasRecorded: [])
        let request = try #require(try bench.subscribe(quotes))
        try bench.take(message(request, secondsLater: 9_223_372_035 - someNanos / 1_000_000_000))
        bench.session.noteSilence()
        try bench.take(message(request, secondsLater: 1_000_000_000))
        let words = try bench.journaled(quotes).map { $0?.words }
        #expect(words == ["subscribed ", nil, "gapOpened gateway silent", "gapClosed ", nil])
    }

    @Test(arguments: [(Int32(162), "query returned no data"), (2_188, "requires additional subscription")])
    func aSubscriptionWhoseHistoryIsRefusedIsAskedForWithoutIt(code: Int32, text: String) throws {
        var bench = try SessionBench()
        bench.session.noteFreshSubscriptions()
        let request = try #require(try bench.subscribe(quotes))
        let index = try #require(bench.session.subscriptions.index(of: quotes))
        #expect(bench.session.path.slot(0).takesFront)
        bench.session.takeError(ErrorMessage(requestId: request, code: code, text: text))
        if code == 2_188 {
            // A warning: the ticks may come nevertheless. Only if none does, something is asked for anew.
            #expect(bench.session.path.slot(0).takesFront)
            #expect(bench.session.subscriptions.entry(of: request) == index)
            bench.session.giveUpSilent(nowNanos: bootNanos() + 11_000_000_000)
        }
        #expect(bench.session.subscriptions.entries[index].state == .wanted(notBeforeNanos: 0))
        let due = bench.session.subscriptions.nextDueNanos
        #expect(due == .min, "the old request is cancelled first")
        #expect(bench.openGap(quotes) != nil && !bench.session.path.slot(0).takesFront)
        // Of a subscription without history such a code is its end.
        bench.session.pacer = RequestPacer(requestsPerSecond: 50, tickByTickSpacingNanos: 0)
        let again = try #require(try bench.subscribe(quotes))
        #expect(!bench.session.path.slot(0).takesFront)
        bench.session.takeError(ErrorMessage(requestId: again, code: code, text: text))
        #expect((bench.session.subscriptions.entry(of: again) == nil) == (code != 2_188))
    }

    /// Between the decision and the cancel, which waits for the message budget,
    /// ticks still come; then the session ends.
    @Test(arguments: ["resubscribe", "silent"]) func ticksOfAStreamThatIsLeftDoNotCloseItsGap(cause: String) throws {
        var bench = try SessionBench(wasRecorded: [])
        let request = try #require(try bench.subscribe(quotes))
        try bench.take(message(request))
        #expect(bench.openGap(quotes) == nil)
        if cause == "silent" {
            bench.session.suspectStreams(cause: "host asleep")
            // Stragglers are let pass, then the grace time is over.
            for seconds: Int64 in [1, 10] {
                bench.session.giveUpSilent(nowNanos: bootNanos() + seconds * 1_000_000_000)
            }
        } else {
            let token = ControlToken(routing: [1], hasDelimiter: false, id: .null)
            #expect(bench.mailbox.post(.resubscribe(quotes, token: token)))
            bench.session.carryOutCommands()
        }
        let open = bench.openGap(quotes)
        let gap = try #require(open)
        try bench.take(message(request))
        bench.session.openAllGaps(cause: "disconnect")
        bench.session.forgetSubscriptions()
        #expect(bench.openGap(quotes) == gap && bench.session.path.counters.late == 1)
        let again = try #require(try bench.subscribe(quotes))
        try bench.take(message(again))
        let words = try bench.journaled(quotes).map { $0?.words }
        #expect(words == ["subscribed ", nil, "gapOpened \(cause)", "subscribed ", "gapClosed ", nil])
    }
}
