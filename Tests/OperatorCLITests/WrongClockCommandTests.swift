import Foundation
import JSON
import Testing
import TickStore
import Ticks

/// What the commands say of a recording whose host's clock was wrong, and known to be, with nothing running.
@Suite struct WrongClockCommandTests {
    private static let quotes = StreamID(conId: 5, kind: .bidAsk)
    private static let level1 = StreamID(conId: 7, kind: .level1)
    /// 2026-01-01T00:00:00Z, by the gateway.
    private static let zero: Int64 = 1_767_225_600
    private static let second: Int64 = 1_000_000_000
    /// So far the clock was ahead, until it was set right.
    private static let ahead: Int64 = 7_200

    /// Quotes 1...20 a second each; the clock is ahead up to 10, where a gap is, which lasts until 11. Level 1 has the
    /// same gap, and another contract's was subscribed by the wrong clock before its first tick.
    private static func record(_ root: String) throws {
        let directory = root + "/state/log"
        var log = OpenLog(directory: directory, recovery: try LogRecovery(directory: directory))
        try log.beginPart(nowNanos: zero * second)
        var records: [Tick] = []
        func tick(_ stream: StreamID, _ seq: UInt32, _ at: Int64, isWrong: Bool) {
            records.append(
                Tick(
                    key: TickKey(epoch: isWrong ? 9 : 10, seq: seq),
                    tsEventNanos: stream.kind == .level1 ? Tick.noEventTime : (zero + at) * second,
                    tsRecvNanos: (zero + at + (isWrong ? ahead : 0)) * second + 5, conId: stream.conId,
                    kind: stream.kind, flags: isWrong ? .clockBad : []))
        }
        func marker(_ stream: StreamID, _ event: MarkerEvent, _ seq: UInt32, _ at: Int64, _ text: String = "") {
            records.append(
                Tick(
                    marker: event, of: stream, key: TickKey(epoch: 9, seq: seq),
                    tsRecvNanos: (zero + at + ahead) * second, text: text))
        }
        for at in UInt32(1)...10 { tick(quotes, at, Int64(at), isWrong: true) }
        marker(quotes, .gapOpened, 11, 12, "disconnect")
        for at in UInt32(20)...29 { tick(quotes, at - 19, Int64(at), isWrong: false) }
        let quoteCount = records.count
        tick(level1, 1, 9, isWrong: true)
        marker(level1, .gapOpened, 2, 12, "disconnect")
        tick(level1, 1, 20, isWrong: false)
        let early = StreamID(conId: 8, kind: .bidAsk)
        marker(early, .subscribed, 1, 3)
        marker(early, .gapOpened, 2, 12, "disconnect")
        tick(early, 1, 20, isWrong: false)
        try records.withUnsafeBytes { bytes in
            try log.append(
                block: bytes,
                newest: [
                    quotes: StreamPosition(records[quoteCount - 1]), level1: StreamPosition(records[quoteCount + 2]),
                    early: StreamPosition(records[quoteCount + 5]),
                ])
        }
        try log.sync()
    }

    private func run(_ arguments: String...) throws -> Programs.Outcome { try Programs.run("ib-stream", arguments) }

    private func rows(_ outcome: Programs.Outcome) -> Int {
        outcome.output.split(separator: "\n").count { $0.contains(",bid_ask,") }
    }

    @Test func ticksOfAWrongClockAreFoundByTheGatewaysTime() throws {
        let root = try TestDirectory()
        try Self.record(root.path)
        let near = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:01:00Z"]
        let cat = ["cat", "5.bid_ask", "--format", "csv", "--no-markers", "--root", root.path]
        for by in [[], ["--by", "receive"], ["--by", "event"]] {
            let outcome = try Programs.run("ib-stream", cat + near + by)
            #expect(outcome.status == 0 && rows(outcome) == 20, "\(by): \(outcome.output)\(outcome.errors)")
        }
        // Nothing came when the wrong clock says.
        let late = ["--from", "2026-01-01T01:00:00Z", "--to", "2026-01-01T03:00:00Z"]
        let nothing = try Programs.run("ib-stream", cat + late)
        #expect(rows(nothing) == 0, "\(nothing.output)")
        let out = root.path + "/out"
        let exported = try Programs.run(
            "ib-stream", ["export", "--format", "csv", "--out", out, "--root", root.path, "--by", "event"] + near)
        #expect(exported.status == 0, "\(exported.errors)")
        #expect(try String(contentsOfFile: out + "/5.bid_ask.csv", encoding: .utf8).split(separator: "\n").count == 21)
        let listed = try Programs.run("ib-stream", ["ls", "--root", root.path] + near)
        #expect(listed.output.split(separator: "\n").contains { $0.hasPrefix("5.bid_ask") && $0.contains(" 20 ") })
    }

    @Test func theTimeThatIsMeantIsOneOfTwo() throws {
        let root = try TestDirectory()
        try Self.record(root.path)
        for command in [["cat", "5.bid_ask"], ["export", "--format", "csv", "--out", root.path + "/out"]] {
            let outcome = try Programs.run("ib-stream", command + ["--by", "wall", "--root", root.path])
            #expect(outcome.status == 64 && outcome.errorLines.count == 1)
            #expect(outcome.errors.contains("--by wall: unknown time: use receive or event"))
            let help = try run(command[0], "--help").output
            #expect(help.contains("--by TIME") && help.contains("the gateway's time"))
        }
    }

    @Test func noGapBeginsBehindItsEnd() throws {
        let root = try TestDirectory()
        try Self.record(root.path)
        let text = try run("gaps", "--root", root.path).output.split(separator: "\n")
            .map { $0.split(separator: " ").joined(separator: " ") }
        #expect(
            text == [
                "STREAM FROM TO LENGTH STATE HEALED ETA CAUSE",
                "5.bid_ask 2026-01-01T00:00:10.000Z 2026-01-01T00:00:20.000Z 10s pending 0 - disconnect",
                "7.level1 - - - no_history 0 - disconnect",
                "8.bid_ask - 2026-01-01T00:00:20.000Z - pending 0 - disconnect",
                "3 gaps: 2 pending, 1 no_history",
            ], "\(text)")
        let json = try JSONValue(parsing: try run("gaps", "--json", "--root", root.path).output)
        let gaps = try #require(json["gaps"]?.array)
        #expect(gaps.count == 3)
        for gap in gaps {
            if let from = gap["from"]?.integer, let to = gap["to"]?.integer { #expect(from <= to) }
        }
        #expect(gaps.last?["from"] == .null && gaps.last?["to"]?.integer == (Self.zero + 20) * Self.second)
        let explained = try run("explain", "8.bid_ask", "2026-01-01T00:00:20Z", "--root", root.path).output
        #expect(explained.contains("its beginning is not known"), "\(explained)")
        let other = try run("explain", "7.level1", "2026-01-01T00:00:20Z", "--root", root.path).output
        #expect(other.contains("closed, its end is not known"), "\(other)")
        // Ticks are counted where they were.
        let around = try run("explain", "5.bid_ask", "2026-01-01T00:00:15Z", "--around", "1m", "--root", root.path)
        #expect(around.output.contains("before: 10 live ticks") && around.output.contains("after: 10 live ticks"))
        let audit = try run("audit", "--root", root.path).output
        #expect(audit.contains("2026-01-01T00") && !audit.contains("5.bid_ask 2026-01-01T02"), "\(audit)")
        let hours = audit.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(hours.contains { $0.hasPrefix("5.bid_ask 2026-01-01T00 20 0 10s pending: disconnect") }, "\(audit)")
    }
}
