import Foundation
import Testing
import Ticks

@testable import Simulator

private func parse(_ text: String) throws -> ReplayFile {
    var copy = text
    return try copy.withUTF8 { bytes throws in try ReplayFile(parsing: bytes) }
}

private let header = "ts_ns,kind,price,size,bid_price,ask_price,bid_size,ask_size\n"
private let small =
    header + """
        1719878281218485389,last,5528.75,2,,,,
        1719878281218485389,bid_ask,,,5528.5,5528.75,29,6
        1719878282449086309,bid_ask,,,5528.5,5528.75,29,0.000000001\r

        """

/// How many rows are due.
private func take(_ replay: inout Replay, _ nowNanos: Int64, _ hasRoom: Bool) -> Int {
    replay.take(nowNanos: nowNanos, hasRoom: hasRoom).count
}

@Suite struct ReplayTests {
    @Test func rowsKeepTheirExactNumbers() throws {
        let file = try parse(small)
        #expect(file.kinds == [.last, .bidAsk] && file.rows.count == 3)
        #expect(file.rows[0].timeNanos == 1_719_878_281_218_485_389)
        #expect(file.rows[0].tick.seconds == 1_719_878_281)
        #expect(TradeBody(file.rows[0].tick.body) == TradeBody(price: 5_528_750_000_000, size: 2_000_000_000))
        let quote = QuoteBody(
            bidPrice: 5_528_500_000_000, askPrice: 5_528_750_000_000, bidSize: 29_000_000_000, askSize: 1)
        #expect(QuoteBody(file.rows[2].tick.body) == quote)
        #expect(file.commonPriceStep == 250_000_000)
    }

    @Test(arguments: [
        ("1,last,1,1,,,", 2), ("x,last,1,1,,,,", 2), ("1,trade,1,1,,,,", 2), ("1,last,1,,,,,", 2),
        ("1,last,1,1,2,,,", 2), ("1,bid_ask,,,1,2,3,x", 2), ("1,last,0.0000000001,1,,,,", 2), ("-1,last,1,1,,,,", 2),
        ("1,last,1,1,,,,\n1,last,1", 3),
    ]) func badRowsAreNamedByTheirLine(rows: String, line: Int) throws {
        do {
            _ = try parse(header + rows + "\n")
            Issue.record("parsed")
        } catch ReplayError.badRow(let found, _) {
            #expect(found == line)
        }
    }

    @Test func timeThatFallsAndEmptyFilesAreRefused() {
        #expect(throws: ReplayError.timeFalls(line: 3)) { try parse(header + "2,last,1,1,,,,\n1,last,1,1,,,,\n") }
        #expect(throws: ReplayError.empty) { try parse(header) }
        #expect(throws: ReplayError.badHeader) { try parse("time,price\n") }
        #expect(throws: ReplayError.badHeader) { try parse("") }
        #expect(throws: ReplayError.cannotRead(ENOENT)) { try ReplayFile(path: "/nonexistent/ticks.csv") }
    }

    @Test func itBeginsWhenAllKindsAreSubscribedAndKeepsTheFilesPace() throws {
        var replay = Replay(file: try parse(small), instrument: 0, speed: 10)
        replay.offer(subscribed: [.last], nowNanos: 100)
        #expect(take(&replay, 10_000_000_000, true) == 0 && !replay.hasBegun)
        replay.offer(subscribed: [.last, .bidAsk, .midPoint], nowNanos: 1_000)
        #expect(take(&replay, 1_000, true) == 2)
        #expect(replay.openSecond == 1_719_878_282)
        // 1.2306 s of the file are 0.12306 s now; the subscriptions may be gone by then.
        replay.offer(subscribed: [], nowNanos: 2_000)
        #expect(take(&replay, 123_000_000 + 1_000, true) == 0)
        #expect(take(&replay, 123_100_000 + 1_000, true) == 1)
        #expect(replay.isOver && replay.openSecond == .max)
        #expect(take(&replay, .max, true) == 0)
    }

    @Test func speedZeroWaitsForRoomAlone() throws {
        let rows = (0..<10_000).map { "\($0),last,1,\($0),,,,\n" }.joined()
        var replay = Replay(file: try parse(header + rows), instrument: 0, speed: 0)
        replay.offer(subscribed: [.last], nowNanos: 0)
        #expect(take(&replay, 0, false) == 0)
        #expect(take(&replay, 0, true) == Replay.longestRun)
        #expect(take(&replay, 0, true) == Replay.longestRun)
        #expect(take(&replay, 0, true) == 10_000 - 2 * Replay.longestRun)
    }

    /// Where real ticks lie beside the checkout.
    private static let data = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared/data").path

    @Test(.enabled(if: FileManager.default.fileExists(atPath: data), "no real ticks beside the checkout"))
    func realTicksAreRead() throws {
        let future = try ReplayFile(path: Self.data + "/esu4-2024-07-01.csv")
        #expect(future.kinds == [.last, .bidAsk] && future.commonPriceStep == 250_000_000)
        let euro = try ReplayFile(path: Self.data + "/eurusd-2020-01-01.csv")
        #expect(euro.kinds == [.bidAsk] && euro.rows.count > 9_000)
    }
}
