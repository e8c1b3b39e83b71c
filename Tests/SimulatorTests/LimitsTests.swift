import Testing

@testable import Simulator

private let second: Int64 = 1_000_000_000

/// Holds a value whose mutating calls stand inside expectations.
private final class Subject {
    var limits = Limits()
    var rate = MessageRate()

    func allowsTickByTick(_ conId: Int32, _ nowNanos: Int64) -> Bool {
        limits.allowsTickByTick(conId: conId, nowNanos: nowNanos)
    }
    func allowsHistory(_ request: Limits.HistoryRequest, _ nowNanos: Int64) -> Bool {
        limits.allowsHistory(request, nowNanos: nowNanos)
    }
    func count(_ nowNanos: Int64) -> MessageRate.Verdict { rate.count(nowNanos: nowNanos) }
}

@Suite struct LimitsTests {
    private func request(_ details: String, conId: Int32 = 1, type: String = "TRADES") -> Limits.HistoryRequest {
        Limits.HistoryRequest(conId: conId, exchange: "CME", type: type, details: details)
    }

    @Test func tickByTickRequestsOfAnInstrumentAreSpaced() {
        let limits = Subject()
        #expect(limits.allowsTickByTick(1, 0))
        #expect(limits.allowsTickByTick(2, 0))
        #expect(!limits.allowsTickByTick(1, 15 * second - 1))
        #expect(limits.allowsTickByTick(1, 15 * second))
    }

    @Test func identicalHistoryRequestsWaitFifteenSeconds() {
        let limits = Subject()
        #expect(limits.allowsHistory(request("a"), 0))
        #expect(!limits.allowsHistory(request("a"), 15 * second - 1))
        #expect(limits.allowsHistory(request("b"), 15 * second - 1))
        #expect(limits.allowsHistory(request("a"), 15 * second))
    }

    @Test func fewerThanSixOfAKindWithinTwoSeconds() {
        let limits = Subject()
        for number in 0..<5 { #expect(limits.allowsHistory(request("\(number)"), 0)) }
        #expect(!limits.allowsHistory(request("6"), second))
        #expect(limits.allowsHistory(request("6", conId: 2), second))
        #expect(limits.allowsHistory(request("6"), 2 * second))
    }

    @Test func quotesCountTwiceTowardsTheTenMinutes() {
        let limits = Subject()
        for number in 0..<30 {
            #expect(limits.allowsHistory(request("\(number)", type: "BID_ASK"), Int64(number) * 3 * second))
        }
        #expect(!limits.allowsHistory(request("x"), 100 * second))
        #expect(limits.allowsHistory(request("x"), 600 * second))
    }

    @Test func theThirdBurstDisconnects() {
        let rate = Subject()
        for _ in 0..<50 { #expect(rate.count(0) == .fine) }
        #expect(rate.count(0) == .violation)
        for _ in 0..<50 { #expect(rate.count(second) == .fine) }
        #expect(rate.count(second) == .violation)
        for _ in 0..<50 { #expect(rate.count(2 * second) == .fine) }
        #expect(rate.count(2 * second) == .disconnect)
    }

    @Test func fiftyASecondAreFineForEver() {
        let rate = Subject()
        for turn in 0..<1_000 as Range<Int64> { #expect(rate.count(turn * 20_000_000) == .fine) }
    }
}
