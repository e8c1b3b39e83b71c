import JSON
import TickStore
import Testing
import Ticks

@testable import Connector

/// Ticks that were on their way when a subscription broke off, of the quotes' stream in epoch 1.
@Suite struct InFlightTests {
    private let stream = StreamID(conId: 7, kind: .bidAsk)

    private func key(_ seq: UInt32, epoch: UInt32 = 1) -> TickKey { TickKey(epoch: epoch, seq: seq) }

    /// Judged with everything durable that there is.
    private func judge(
        _ inFlight: inout InFlight, _ gaps: HealGap..., reached: Int64? = nil, hasLooked: Bool = false
    ) -> InFlight.Word? {
        inFlight.judge(stream, gaps, durable: key(1_000_000, epoch: 9)) { _ in
            .init(reached: reached, hasLooked: hasLooked)
        }
        return inFlight.words[stream]
    }

    private func broken(_ count: UInt32 = 1, at second: Int64?, newest: UInt32 = 51) -> InFlight {
        var inFlight = InFlight()
        let isNews = inFlight.note(stream, .init(count: count, second: second), newest: key(newest))
        #expect(isNews)
        return inFlight
    }

    @Test func aBreakIsNotJudgedBeforeTheReportCanHaveItsGap() {
        var inFlight = broken(at: 101)
        #expect(inFlight.isInDoubt(stream) && inFlight.awaits(stream, key(50)) && !inFlight.awaits(stream, key(51)))
        inFlight.judge(stream, [], durable: key(50)) { _ in .init() }
        #expect(inFlight.words[stream] == nil && inFlight.isInDoubt(stream))
        #expect(judge(&inFlight) == .init(breaks: 1, missing: nil) && !inFlight.isInDoubt(stream))
        // Another one, behind the word.
        let isNews = inFlight.note(stream, .init(count: 2, second: 300), newest: key(90))
        #expect(isNews && inFlight.isInDoubt(stream) && inFlight.words[stream]?.breaks == 1)
    }

    @Test func onlyWhatCanHaveBeenSentBeforeTheBreakIsMissing() {
        var inFlight = broken(at: 105)
        // An outage of an hour, of which nothing was sent.
        let outage = gap(from: 100, through: 3_700)
        #expect(judge(&inFlight, outage)?.missing == 100...105)
        #expect(judge(&inFlight, outage, reached: 105)?.missing == 105...105)
        #expect(judge(&inFlight, outage, reached: 106)?.missing == nil)
        // What comes later does not make an earlier gap longer.
        _ = inFlight.note(stream, .init(count: 2, second: 5_000), newest: key(90))
        let later = gap(from: 4_999, through: 5_010, key: 80)
        inFlight.judge(stream, [outage, later], durable: key(90)) {
            .init(reached: $0.key == outage.key ? 106 : nil)
        }
        #expect(inFlight.words[stream] == .init(breaks: 2, missing: 4_999...5_000))
    }

    @Test func anOpenGapGoesToItsLastBreak() {
        var open = gap(from: 100)
        (open.after, open.through, open.state) = (nil, nil, .open)
        var inFlight = broken(at: 105)
        #expect(judge(&inFlight, open)?.missing == 100...105)
        _ = inFlight.note(stream, .init(count: 2, second: 400), newest: key(52))
        #expect(judge(&inFlight, open)?.missing == 100...400)
        #expect(judge(&inFlight, open, hasLooked: true)?.missing == nil, "history has nothing more")
        open.before = nil
        #expect(judge(&inFlight, open)?.missing == nil, "there is nothing that history could be held against")
    }

    @Test func aVerdictEndsIt() {
        for state in GapState.allCases where state.isFinal {
            var inFlight = broken(at: 105)
            #expect(judge(&inFlight, gap(state: state))?.missing == nil, "\(state)")
        }
    }

    @Test func nothingIsSentBetweenAnOrderlyStopAndTheNextStart() {
        var inFlight = broken(at: 40_000)
        _ = inFlight.note(stream, .init(count: 1, second: 40_000), newest: key(1, epoch: 2))
        inFlight = InFlight()
        _ = inFlight.note(stream, .init(count: 1, second: 40_000), newest: key(1, epoch: 2))
        var night = gap(from: 100, through: 40_003)
        #expect(judge(&inFlight, night)?.missing == 100...40_003, "nobody knows when that connector died")
        night.stoppedSecond = 102
        inFlight = InFlight()
        _ = inFlight.note(stream, .init(count: 1, second: 40_000), newest: key(1, epoch: 2))
        #expect(judge(&inFlight, night)?.missing == 100...102)
        #expect(judge(&inFlight, night, reached: 103)?.missing == nil)
        // The new connector's subscription broke off too, before a tick came.
        (night.after, night.through, night.state) = (nil, nil, .open)
        _ = inFlight.note(stream, .init(count: 2, second: 40_010), newest: key(2, epoch: 2))
        #expect(judge(&inFlight, night)?.missing == 100...40_010)
    }

    @Test func aSimulatedMarketEndsWithItsRun() {
        var inFlight = InFlight(isSimulated: true)
        _ = inFlight.note(stream, .init(count: 1, second: 40_000), newest: key(1, epoch: 2))
        #expect(judge(&inFlight, gap(from: 100, through: 40_003)) == .init(breaks: 1, missing: nil))
        inFlight = InFlight(isSimulated: true)
        _ = inFlight.note(stream, .init(count: 1, second: 105), newest: key(51))
        #expect(judge(&inFlight, gap(from: 100, through: 103))?.missing == 100...103)
    }

    @Test func whatWasNumberedOrReceivedWasSentAllOfIt() {
        var lost = gap(through: 3_700)
        lost.isLost = true
        var inFlight = broken(0, at: 105)
        #expect(judge(&inFlight, lost)?.missing == 100...3_700)
        var undecodable = gap(through: 3_700)
        undecodable.isUndecodable = true
        #expect(judge(&inFlight, undecodable)?.missing == 100...3_700)
    }

    @Test func withoutTheGatewaysTimeTheWholeGapCounts() {
        var inFlight = broken(at: nil)
        #expect(judge(&inFlight, gap(through: 3_700))?.missing == 100...3_700)
        // It has told it meanwhile.
        let isNews = inFlight.note(stream, .init(count: 1, second: 105), newest: key(700))
        #expect(!isNews && !inFlight.awaits(stream, key(51)))
    }

    @Test func theReportTellsWhatAStopWas() throws {
        func stopped(_ cause: String) throws -> Int64? {
            let text =
                """
                {"key":4294967346,"state":"pending","cause":"\(cause)","code":0,"before":
                {"key":4294967345,"ts_event":100000000000,"ts_recv":100200000000},"after":null,"opened":103500000000,
                "subscribed":null,"ended":null,"last_marker":4294967346,"lost":null,"runs":[]}
                """
            let json = try JSONValue(parsing: Array(text.utf8))
            return try HealGap(#require(Gap(json, stream: stream))).stoppedSecond
        }
        for (cause, second): (String, Int64?) in [
            ("stopped", 103),
            ("stopped, restart", 103),
            ("restart", nil),
            ("socket closed, stopped, restart", nil),
        ] {
            let told = try stopped(cause)
            #expect(told == second, "\(cause)")
        }
    }
}
