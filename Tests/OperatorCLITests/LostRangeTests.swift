import Testing
import TickStore
import Ticks

/// After a power cut nobody knows how far a run went: people are told so in words, programs get the numbers.
@Suite struct LostRangeTests {
    private static let stream = StreamID(conId: 5, kind: .bidAsk)
    private static let zero: Int64 = 1_767_225_600

    /// Two ticks of two epochs, and between them what is lost.
    private static func record(_ root: String, lost last: TickKey) throws {
        let directory = root + "/state/log"
        var log = OpenLog(directory: directory, recovery: try LogRecovery(directory: directory))
        try log.beginPart(nowNanos: zero * 1_000_000_000)
        func nanos(_ second: Int64) -> Int64 { (zero + second) * 1_000_000_000 }
        func tick(_ epoch: UInt32, _ second: Int64) -> Tick {
            Tick(
                key: TickKey(epoch: epoch, seq: 1), tsEventNanos: nanos(second), tsRecvNanos: nanos(second), conId: 5,
                kind: .bidAsk)
        }
        let lost = Tick(
            marker: .lost, of: stream, key: last, tsRecvNanos: nanos(5), ref: TickKey(epoch: 9, seq: 2),
            text: "journal gone")
        let records = [tick(9, 1), lost, tick(12, 9)]
        try records.withUnsafeBytes { try log.append(block: $0, newest: [stream: StreamPosition(records[2])]) }
        try log.sync()
    }

    @Test(arguments: [
        (TickKey(epoch: 9, seq: .max), "9:2 to the end of that run", true),
        (TickKey(epoch: 11, seq: .max), "9:2 to the end of that run and of all before epoch 12", true),
        (TickKey(epoch: 11, seq: 4), "9:2 to 11:4", true), (TickKey(epoch: 9, seq: 7), "9:2 to 9:7", false),
    ]) func aRangeIsToldAsItIsMeant(last: TickKey, text: String, isEnd: Bool) throws {
        let root = try TestDirectory()
        try LostRangeTests.record(root.path, lost: last)
        func output(_ arguments: String...) throws -> String {
            try Programs.run("ib-stream", arguments + ["--root", root.path]).output
        }
        #expect(try output("gaps").contains("; keys \(text)\n"))
        let verify = try output("verify")
        #expect(verify.contains("lost: 5.bid_ask \(text)" + (isEnd ? "\n" : ": 6 keys\n")))
        #expect(try output("explain", "5.bid_ask", "2026-01-01T00:00:05Z").contains("keys \(text)"))
        let audit = try output("audit")
        #expect(audit.contains("; lost on the way: \(isEnd ? "the end of a run" : "6 keys") in 1 of them"))
        for told in [verify, audit] { #expect(!told.contains("429496729")) }
        let json = try output("gaps", "--json")
        #expect(json.contains("\"lost\":[\(TickKey(epoch: 9, seq: 2).rawValue),\(last.rawValue)]"))
    }
}
