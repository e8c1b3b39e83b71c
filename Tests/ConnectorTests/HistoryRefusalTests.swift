import TWS
import Testing

@testable import Connector

struct HistoryRefusalTests {
    @Test(arguments: [
        (162, "Historical Market Data Service error message:HMDS query returned no data: MNQ", HistoryRefusal.empty),
        (162, "Historical Market Data Service error message:Historical data request pacing violation", .pacing),
        (420, "Invalid Real-time Query:Pacing violation", .pacing),
        (162, "Historical Market Data Service error message:No market data permissions for CME FUT", .noPermission),
        (2188, "Up-to-the-second historical data requires additional subscription for the API", .behind),
        (10187, "Failed to request historical ticks:No market data permissions for CME FUT", .noPermission),
        (10089, "Requested market data requires additional subscription for API.", .noPermission),
        (162, "Historical Market Data Service error message:No historical data query found", .noHistory),
        (10299, "Expected what to show is AGGTRADES, please use that instead of TRADES.", .wantsAggTrades),
        (200, "No security definition has been found for the request", .failed),
        (162, "Historical Market Data Service error message:something new", .failed),
    ]) func codesAndTextsSayWhatToDo(code: Int32, text: String, meaning: HistoryRefusal) {
        #expect(HistoryRefusal(ErrorMessage(requestId: 9, code: code, text: text)) == meaning)
    }

    @Test func dataMayFollowARefusalThatIsNoAnswer() {
        func desk(_ code: Int32, _ text: String, at now: Int64 = 5) -> (waits: Bool, HealDesk) {
            var desk = HealDesk()
            desk.open[9] = .init(serial: 1, stream: quotes, kind: .trades, deadlineNanos: HealDesk.answerNanos)
            return (desk.waitsAfter(.init(requestId: 9, code: code, text: text), nowNanos: now), desk)
        }
        var (waits, behind) = desk(2188, "Up-to-the-second historical data requires additional subscription")
        let none = behind.takeExpired(nowNanos: HealDesk.answerNanos - 1)
        #expect(waits && none.isEmpty)
        guard case .refused(serial: 1, let error) = behind.takeExpired(nowNanos: HealDesk.answerNanos).first else {
            Issue.record("silence until the deadline is the refusal")
            return
        }
        #expect(error.code == 2188)
        for (code, text) in [(10187, "No market data permissions"), (162, "No market data permissions"), (9999, "new")]
        {
            var (waits, desk) = desk(Int32(code), text)
            let (early, late) = (desk.takeExpired(nowNanos: 5), desk.takeExpired(nowNanos: 10_000_000_000))
            #expect(waits && early.isEmpty && late.count == 1)
        }
        for (code, text) in [
            (162, "HMDS query returned no data"), (162, "pacing violation"), (162, "No historical data query found"),
        ] {
            #expect(!desk(Int32(code), text).waits, "this is the answer")
        }
    }
}
