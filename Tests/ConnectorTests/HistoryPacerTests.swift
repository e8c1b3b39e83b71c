import Testing
import Ticks

@testable import Connector

struct HistoryPacerTests {
    private let second: Int64 = 1_000_000_000

    private func pacer(budget: Int = 60) -> HistoryPacer {
        HistoryPacer(requestsPer10Minutes: budget, identicalNanos: 15 * second, perContractIn2Seconds: 6)
    }

    private func request(_ start: Int64, _ contract: ContractID = 7, _ what: String = "TRADES") -> HistoryPacer.Request
    {
        .init(contract: contract, whatToShow: what, question: .from(start))
    }

    /// Sends one request after the other as early as allowed; returns when each went out.
    private func send(_ requests: [HistoryPacer.Request], _ pacer: inout HistoryPacer) -> [Int64] {
        var now: Int64 = 0
        return requests.map { request in
            pacer.expire(nowNanos: now)
            now = pacer.nextAllowedNanos(request, nowNanos: now)
            pacer.expire(nowNanos: now)
            pacer.noteSent(request, nowNanos: now)
            return now
        }
    }

    @Test(arguments: ["TRADES", "BID_ASK"]) func anyTenMinutesKeepTheBudget(what: String) {
        var pacer = pacer()
        let cost = what == "BID_ASK" ? 2 : 1
        let times = send((0..<200).map { request($0, ContractID(conId: Int32($0)), what) }, &pacer)
        for (index, time) in times.enumerated() {
            let inWindow = times[...index].count { time - $0 < 600 * second }
            #expect(inWindow * cost <= 60, "at \(time)")
        }
        #expect(times[60 / cost - 1] == 0, "the budget may be used at once")
        #expect(times[60 / cost] > 600 * second)
        #expect(times[199] < Int64(200 * cost / 60 + 1) * 602 * second, "and is used up again in the next window")
    }

    @Test func identicalRequestsKeepTheirDistance() {
        var pacer = pacer()
        let times = send([request(1), request(1), request(1)], &pacer)
        #expect(times[1] - times[0] > 15 * second && times[2] - times[1] > 15 * second)
    }

    @Test func oneContractHasFewRequestsInTwoSeconds() {
        var pacer = pacer()
        let times = send((0..<12).map { request($0) }, &pacer)
        for (index, time) in times.enumerated() {
            #expect(times[...index].count { time - $0 <= 2 * second } < 6)
        }
        #expect(times[4] == 0)
        var others = self.pacer()
        #expect(send((0..<12).map { request(1, ContractID(conId: $0)) }, &others).last == 0)
        // Nor does another venue of the contract have a share in its limits.
        others = self.pacer()
        #expect(send((1..<13).map { request(1, ContractID(conId: 7, source: $0)) }, &others).last == 0)
    }

    @Test func complaintsMakeItSlowerAndAnswersEndThat() {
        var pacer = pacer()
        pacer.noteViolation(nowNanos: 0)
        #expect(pacer.nextAllowedNanos(request(1), nowNanos: 0) == 15 * second)
        pacer.noteViolation(nowNanos: 15 * second)
        #expect(pacer.nextAllowedNanos(request(1), nowNanos: 15 * second) == 45 * second)
        pacer.noteAnswered()
        pacer.noteViolation(nowNanos: 100 * second)
        #expect(pacer.nextAllowedNanos(request(1), nowNanos: 100 * second) == 115 * second)
        #expect(pacer.violations == 3)
    }

    @Test func nothingIsAskedForWhileTheHistoryFarmIsDown() {
        var pacer = pacer()
        pacer.setHeld(true)
        #expect(pacer.nextAllowedNanos(request(1), nowNanos: 0) == .max)
        pacer.setHeld(false)
        #expect(pacer.nextAllowedNanos(request(1), nowNanos: 0) == 0)
    }

    @Test func theWaitForManyRequestsIsForetold() {
        var pacer = pacer()
        #expect(pacer.availableNanos(units: 60, nowNanos: 0) == 0)
        #expect(pacer.availableNanos(units: 61, nowNanos: 0) > 600 * second)
        #expect(pacer.availableNanos(units: 180, nowNanos: 0) > 1_200 * second)
        #expect(pacer.availableNanos(units: 180, nowNanos: 0) < 1_210 * second)
        pacer.noteSent(request(1, 7, "BID_ASK"), nowNanos: 5 * second)
        #expect(pacer.availableNanos(units: 60, nowNanos: 10 * second) > 604 * second)
        #expect(pacer.availableNanos(units: 58, nowNanos: 10 * second) == 10 * second)
    }

    @Test func aBudgetOfOneLetsQuotesThroughAllTheSame() {
        var pacer = pacer(budget: 1)
        let times = send([request(1, 7, "BID_ASK"), request(2, 7, "BID_ASK")], &pacer)
        #expect(times[0] == 0 && times[1] > 600 * second && times[1] < 602 * second)
    }
}

extension HistoryPacerTests {
    private func request(_ start: Int64, _ what: String) -> HistoryPacer.Request { request(start, 7, what) }
}
