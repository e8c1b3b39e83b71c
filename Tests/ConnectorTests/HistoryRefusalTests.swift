import TWS
import Testing

@testable import Connector

struct HistoryRefusalTests {
    @Test(arguments: [
        (162, "Historical Market Data Service error message:HMDS query returned no data: MNQ", HistoryRefusal.empty),
        (162, "Historical Market Data Service error message:Historical data request pacing violation", .pacing),
        (420, "Invalid Real-time Query:Pacing violation", .pacing),
        (162, "Historical Market Data Service error message:No market data permissions for CME FUT", .noPermission),
        (2188, "Up-to-the-second historical data requires additional subscription for the API", .noPermission),
        (10187, "Failed to request historical ticks:No market data permissions for CME FUT", .noPermission),
        (10089, "Requested market data requires additional subscription for API.", .noPermission),
        (162, "Historical Market Data Service error message:No historical data query found", .noHistory),
        (10299, "Expected what to show is AGGTRADES, please use that instead of TRADES.", .wantsAggTrades),
        (200, "No security definition has been found for the request", .failed),
        (162, "Historical Market Data Service error message:something new", .failed),
    ]) func codesAndTextsSayWhatToDo(code: Int32, text: String, meaning: HistoryRefusal) {
        #expect(HistoryRefusal(ErrorMessage(requestId: 9, code: code, text: text)) == meaning)
    }
}
