import Foundation
import Testing
import TickStore
import Ticks

/// `ls`, `cat`, `export` and `verify` over a small recording.
@Suite struct RecordingCommandTests {
    static let quotes = StreamID(conId: 5, kind: .bidAsk)
    static let trades = StreamID(conId: 7, kind: .last)
    static let startNanos: Int64 = 1_767_225_600_000_000_000

    /// A state directory with three quotes, a lost range, a fourth quote, and one trade.
    static func record(_ root: String) throws -> String {
        let directory = root + "/state/log"
        var log = OpenLog(directory: directory, recovery: try LogRecovery(directory: directory))
        try log.beginPart(nowNanos: startNanos)
        func key(_ seq: UInt32) -> TickKey { TickKey(epoch: 9, seq: seq) }
        var records = [1, 2, 3, 7].map { (seq: UInt32) in
            Tick(
                key: key(seq), tsRecvNanos: startNanos + Int64(seq) * 1_000_000_000, conId: quotes.conId, kind: .bidAsk,
                body: QuoteBody(bidPrice: 1_500_000_000, askPrice: 2_000_000_000, bidSize: 0, askSize: 0).body)
        }
        records.insert(
            Tick(marker: .lost, of: quotes, key: key(6), tsRecvNanos: startNanos + 6_000_000_000, ref: key(4)), at: 3)
        records.append(
            Tick(
                key: key(1), tsRecvNanos: startNanos, conId: trades.conId, kind: .last,
                body: TradeBody(price: 1_000_000_000, size: 0, exchange: Array("CME".utf8)).body))
        try records.withUnsafeBytes { bytes in
            try log.append(
                block: bytes, newest: [quotes: StreamPosition(records[4]), trades: StreamPosition(records[5])])
        }
        try log.sync()
        return directory + "/" + (log.part?.description ?? "")
    }

    func run(_ arguments: String...) throws -> Programs.Outcome { try Programs.run("ib-stream", arguments) }

    @Test func catPrintsWhatIsRecorded() throws {
        let root = try TestDirectory()
        let file = try RecordingCommandTests.record(root.path)
        let csv = try run("cat", "5.bid_ask", "--format", "csv", "--root", root.path)
        #expect(csv.status == 0 && csv.errors == "")
        let rows = csv.output.split(separator: "\n")
        #expect(rows.count == 6)
        #expect(rows[0].hasPrefix("stream,epoch,seq,"))
        #expect(rows[1] == "5.bid_ask,9,1,,2026-01-01T00:00:01.000000000Z,bid_ask,0,,,,,1.5,2,0,0,,,,,,,")
        #expect(rows[4] == "5.bid_ask,9,6,,2026-01-01T00:00:06.000000000Z,marker,0,,,,,,,,,lost,9:4,,,,,")
        let some = try run(
            "cat", "5.bid_ask", "--format", "json", "--from", "2026-01-01T00:00:02Z", "--to", "2026-01-01T00:00:07Z",
            "--no-markers", "--root", root.path)
        #expect(some.status == 0 && some.output.split(separator: "\n").count == 2)
        let all = try run("cat", file, "--format", "csv")
        #expect(all.status == 0 && all.output.split(separator: "\n").count == 7)
        let process = try Programs.run(
            "/bin/sh", ["-c", "\(Programs.path("ib-stream")) cat \(file) --format raw | wc -c"])
        #expect(process.output.trimmingCharacters(in: .whitespacesAndNewlines) == "384")
    }

    @Test func exportWritesOneFilePerStream() throws {
        let root = try TestDirectory()
        _ = try RecordingCommandTests.record(root.path)
        let out = root.path + "/out/deep"
        let outcome = try run("export", "--format", "csv", "--no-markers", "--out", out, "--root", root.path)
        #expect(outcome.status == 0 && outcome.errors == "")
        #expect(outcome.output == "4 \(out)/5.bid_ask.csv\n1 \(out)/7.last.csv\n")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: out).sorted() == ["5.bid_ask.csv", "7.last.csv"])
        let trade = try String(contentsOfFile: out + "/7.last.csv", encoding: .utf8).split(separator: "\n")
        #expect(trade.last == "7.last,9,1,,2026-01-01T00:00:00.000000000Z,last,0,1,0,CME,,,,,,,,,,,,")
        let one = try run(
            "export", "--format", "json", "--stream", "7.last", "--stream", "8.last", "--out", out, "--root", root.path)
        #expect(one.status == 66 && one.errorLines.count == 1 && one.errors.contains("8.last"))
        #expect(FileManager.default.fileExists(atPath: out + "/7.last.json"))
        #expect(!FileManager.default.fileExists(atPath: out + "/5.bid_ask.json"))
    }

    @Test func lsAndVerifySayWhatIsThere() throws {
        let root = try TestDirectory()
        let file = try RecordingCommandTests.record(root.path)
        let ls = try run("ls", "--root", root.path)
        #expect(ls.status == 0)
        #expect(ls.output.split(separator: "\n").count == 3)
        #expect(ls.output.contains("9:7"))
        let sound = try run("verify", "--root", root.path)
        #expect(sound.status == 0)
        #expect(sound.output.contains("lost: 5.bid_ask 9:4 to 9:6: 3 keys"))
        #expect(sound.output.contains(": sound: 1 files"))
        for path in [root.path, root.path + "/state", root.path + "/state/log", file] {
            #expect(try run("verify", path).status == 0, "\(path)")
        }
        #expect(try run("verify", root.path + "/state", "--json").output.hasPrefix(#"{"sound":true,"#))

        var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
        bytes[bytes.count - 70] ^= 1
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        let damaged = try run("verify", "--root", root.path)
        #expect(damaged.status == 1)
        #expect(damaged.output.contains("damaged: \(file): corruption") && damaged.output.contains("NOT SOUND"))
        let cat = try run("cat", "5.bid_ask", "--root", root.path)
        #expect(cat.errors.contains("corruption") && cat.errors.contains("ib-stream verify"))
    }

    @Test func missingInputIs66AndDamagedInputIs1() throws {
        let root = try TestDirectory()
        for arguments in [
            ["ls"], ["cat", "5.bid_ask"], ["verify"], ["export", "--format", "csv", "--out", root.path + "/out"],
        ] {
            let outcome = try Programs.run("ib-stream", arguments + ["--root", root.path])
            #expect(outcome.status == 66 && outcome.errorLines.count == 1, "\(arguments) \(outcome.errors)")
            #expect(outcome.errors.contains("nothing is recorded in"))
        }
        #expect(!FileManager.default.fileExists(atPath: root.path + "/out"))
        for path in ["/nowhere/x.log", root.path] { #expect(try run("verify", path).status == 66) }
        #expect(try run("cat", "/nowhere/x.log").status == 66)
        let other = root.path + "/other.log"
        try "not a log".write(toFile: other, atomically: false, encoding: .utf8)
        #expect(try run("cat", other).status == 66)
        #expect(try run("verify", other).status == 1)
        _ = try RecordingCommandTests.record(root.path)
        #expect(try run("cat", "6.last", "--root", root.path).status == 66)
    }
}
