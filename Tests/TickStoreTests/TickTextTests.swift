import Foundation
import Testing
import Ticks

@testable import TickStore

@Suite struct TickTextTests {
    func line(_ format: TickText.Format, _ ticks: [Tick], withMarkers: Bool = true) -> String {
        var text = TickText(format, withMarkers: withMarkers)
        var out = TextBuffer()
        let stream = ticks[0].stream!
        ticks.withUnsafeBufferPointer { _ = text.append($0, of: stream, to: &out) }
        return String(decoding: out.bytes, as: UTF8.self)
    }

    func tick(_ kind: TickKind, _ body: TickBody, flags: TickFlags = [], seq: UInt32 = 7) -> Tick {
        Tick(
            key: TickKey(epoch: 100, seq: seq), tsEventNanos: someNanos + 1_000_000_000,
            tsRecvNanos: someNanos + 1_234_567_891, conId: 5, kind: kind, flags: flags, body: body)
    }

    let front = "100,7,2026-01-01T00:00:01.000000000Z,2026-01-01T00:00:01.234567891Z"

    @Test func everyKindHasItsColumns() {
        let columns = TickText.csvHeader.split(separator: ",").count
        #expect(columns == 22)
        let price: Int64 = 5_528_750_000_000
        let cases: [(Tick, String)] = [
            (
                tick(.last, TradeBody(price: price, size: 2_000_000_000, exchange: Array("CME".utf8)).body),
                "5.last,\(front),last,0,5528.75,2,CME,,,,,,,,,,,,"
            ),
            (
                tick(
                    .bidAsk,
                    QuoteBody(bidPrice: price, askPrice: -1, bidSize: .max, askSize: 1_500_000_000).body,
                    flags: [.bidPastLow, .simulated]),
                "5.bid_ask,\(front),bid_ask,257,,,,,5528.75,-0.000000001,,1.5,,,,,,,"
            ),
            (
                tick(.midPoint, MidPointBody(price: price).body),
                "5.mid_point,\(front),mid_point,0,5528.75,,,,,,,,,,,,,,"
            ),
            (
                tick(.level1, Level1Body(field: 9, attributes: 3, value: 1.25, size: .max, text: []).body),
                "5.level1,\(front),level1,0,,,,,,,,,9,1.25,3,,,,"
            ),
            (
                tick(
                    .depth,
                    DepthBody(
                        position: 3, operation: 1, side: 0, price: price, size: 1_000_000_000,
                        marketMaker: Array("NSDQ".utf8)
                    ).body), "5.depth,\(front),depth,0,5528.75,1,,,,,,,,,,NSDQ,3,1,0"
            ),
            (
                tick(.rtVolume, RTVolumeBody(price: price, size: 0, totalVolume: 5_000_000_000, vwap: 1).body),
                "5.rt_volume,\(front),rt_volume,0,5528.75,0,,,,,,,,0.000000001,,5,,,"
            ),
        ]
        for (tick, expected) in cases {
            #expect(line(.csv, [tick]) == expected + "\n")
            #expect(expected.split(separator: ",", omittingEmptySubsequences: false).count == columns)
        }
    }

    @Test func markersSayWhatHappened() {
        let marker = Tick(
            marker: .gapOpened, of: quotes, key: TickKey(epoch: 100, seq: 8), tsRecvNanos: someNanos, code: -1100,
            ref: TickKey(epoch: 99, seq: 4), text: "tws, \"down\"")
        #expect(
            line(.csv, [marker])
                == "711280073.bid_ask,100,8,,2026-01-01T00:00:00.000000000Z,marker,0,,,,,,,,,gap_opened,99:4,-1100,"
                + "\"tws, \"\"down\"\"\",,,\n")
        #expect(
            line(.json, [marker])
                == #"{"stream":"711280073.bid_ask","epoch":100,"seq":8,"ts_recv":"2026-01-01T00:00:00.000000000Z","#
                + #""kind":"marker","flags":0,"field":"gap_opened","value":"99:4","code":-1100,"text":"tws, \"down\""}"#
                + "\n")
        #expect(
            line(.text, [marker])
                == "2026-01-01T00:00:00.000000000Z 711280073.bid_ask 100:8 -- gap_opened 99:4 code -1100 tws, \"down\"\n"
        )
        #expect(line(.csv, [marker], withMarkers: false) == "")
        #expect(line(.raw, [marker], withMarkers: false) == "")
    }

    @Test func moreRecordsAreJoined() {
        func more(_ field: MoreField, _ text: String, _ seq: UInt32, last: Bool = false) -> Tick {
            tick(
                .more, MoreBody(streamKind: .last, field: field, text: Array(text.utf8)).body,
                flags: last ? [] : .moreFollows, seq: seq)
        }
        let trade = tick(
            .last, TradeBody(price: 0, size: 1_000_000_000, exchange: Array("ABCDEFGHIJ".utf8)).body,
            flags: [.moreFollows, .inexact])
        let run = [
            trade, more(.price, "0.00000000012", 8), more(.exchange, "KLMN,", 9), more(.exchange, "O", 10, last: true),
            tick(.last, TradeBody(price: 0, size: 0).body, seq: 11),
        ]
        #expect(
            line(.csv, run)
                == "5.last,\(front),last,24,0.00000000012,1,\"ABCDEFGHIJKLMN,O\",,,,,,,,,,,,\n"
                + "5.last,\(front.replacingOccurrences(of: "100,7", with: "100,11")),last,0,0,0,,,,,,,,,,,,,\n")
        #expect(line(.json, run).contains(#""price":"0.00000000012","size":1,"exchange":"ABCDEFGHIJKLMN,O"}"#))
        #expect(line(.raw, run).utf8.count >= 5 * 64)
        #expect(line(.text, run).contains(" 0.00000000012 x 1 ABCDEFGHIJKLMN,O inexact\n"))
    }

    @Test func textsThatAreNoUTF8StayValidJSON() {
        let trade = tick(.last, TradeBody(price: 0, size: 0, exchange: [0xFF, 0x22, 0x0A]).body)
        #expect(line(.json, [trade]).contains(#""exchange":"\#u{FFFD}\"\u000a""#))
    }

    @Test func timesAreTheSameTextAsATimestampWhateverCameBefore() {
        var times = TimeText()
        let moments: [Int64] = [-1, 0, 1, 999_999_999, 1_000_000_000, .max, .min, 951_782_400_000_000_000, -1]
        for nanos in moments {
            var buffer = TextBuffer(capacity: TimeText.length)
            times.put(nanos, to: &buffer)
            #expect(String(decoding: buffer.bytes, as: UTF8.self) == Timestamp.text(nanos))
        }
    }
}
