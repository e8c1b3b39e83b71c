import Foundation
import Testing
import Ticks

@testable import Simulator

private func row(_ tick: Tick, text: String? = nil) -> String {
    var writer = TickRow()
    var out: [UInt8] = []
    writer.append(tick, text: text, to: &out)
    return String(decoding: out, as: UTF8.self)
}

@Suite struct TickRowTests {
    @Test func tradesKeepBlanksAndExactNumbers() {
        let body = TradeBody(
            price: 232_020_000_000, size: 67_882_100_000, exchange: Array("DRCTEDGE".utf8),
            conditions: Array("  T  ".utf8))
        let tick = MarketTick(kind: .allLast, seconds: 1_755_030_000, mask: .unreported, body: body.body)
        #expect(
            row(tick.tick(conId: 265_598))
                == "265598.all_last,,,2025-08-12T20:20:00.000000000Z,,"
                + "all_last,258,232.02,67.8821,DRCTEDGE,  T  ,,,,,,,,,,,\n"
        )
    }

    @Test func quotesAndMidPointsStandInTheirColumns() {
        let quote = MarketTick(
            kind: .bidAsk, seconds: 1, mask: [.bidPastLow, .askPastHigh],
            body: QuoteBody(
                bidPrice: 1_085_400_000, askPrice: 1_085_450_000, bidSize: 750_000_000_000_000, askSize: -1
            ).body)
        #expect(
            row(quote.tick(conId: 12))
                == "12.bid_ask,,,1970-01-01T00:00:01.000000000Z,,"
                + "bid_ask,259,,,,,1.0854,1.08545,750000,-0.000000001,,,,,,,\n"
        )
        let middle = MarketTick(kind: .midPoint, seconds: 1, body: MidPointBody(price: 1_085_425_000).body)
        #expect(
            row(middle.tick(conId: 12))
                == "12.mid_point,,,1970-01-01T00:00:01.000000000Z,,mid_point,256,1.085425,,,,,,,,,,,,,,\n")
    }

    @Test func textsWithCommasAreQuoted() {
        let tick = Tick(conId: 1, kind: .level1, body: Level1Body(field: 59, text: Array("1,2".utf8)).body)
        #expect(row(tick, text: "1,\"2\"") == "1.level1,,,,,level1,0,,,,,,,,,59,,,\"1,\"\"2\"\"\",,,\n")
    }

    @Test(arguments: [TickKind.last, .allLast, .bidAsk, .midPoint, .level1]) func everyRowHasTheHeadersColumns(
        kind: TickKind
    ) {
        let columns = TickRow.header.filter { $0 == "," }.count
        #expect(columns == 21)
        #expect(row(Tick(conId: .max, kind: kind)).filter { $0 == "," }.count == columns)
    }
}
