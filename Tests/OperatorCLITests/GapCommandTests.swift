import Foundation
import Testing
import TickStore
import Ticks

/// `gaps` and `explain` over a small recording, with nothing running.
@Suite struct GapCommandTests {
    static let quotes = StreamID(conId: 5, kind: .bidAsk)
    static let level1 = StreamID(conId: 7, kind: .level1)
    static let zero: Int64 = 1_767_225_600

    /// Seconds of what stands at which number of `quotes`: ticks, a gap that is healed, one that is pending, lost keys;
    /// `level1` has a gap that nothing can heal.
    static func record(_ root: String) throws {
        let directory = root + "/state/log"
        var log = OpenLog(directory: directory, recovery: try LogRecovery(directory: directory))
        try log.beginPart(nowNanos: zero * 1_000_000_000)
        var records: [Tick] = []
        func key(_ seq: UInt32) -> TickKey { TickKey(epoch: 9, seq: seq) }
        func tick(_ stream: StreamID, _ seq: UInt32, _ second: Int64, _ flags: TickFlags = []) {
            records.append(
                Tick(
                    key: key(seq), tsEventNanos: stream == quotes ? (zero + second) * 1_000_000_000 : Tick.noEventTime,
                    tsRecvNanos: (zero + Int64(seq)) * 1_000_000_000, conId: stream.conId, kind: stream.kind,
                    flags: flags))
        }
        func marker(
            _ stream: StreamID, _ seq: UInt32, _ event: MarkerEvent, _ text: String = "", ref: UInt32 = 0,
            code: Int32 = 0, second: Int64? = nil
        ) {
            records.append(
                Tick(
                    marker: event, of: stream, key: key(seq),
                    tsEventNanos: second.map { (zero + $0) * 1_000_000_000 } ?? Tick.noEventTime,
                    tsRecvNanos: (zero + Int64(seq)) * 1_000_000_000, code: code, ref: ref == 0 ? .zero : key(ref),
                    text: text))
        }
        tick(quotes, 1, 1)
        marker(quotes, 2, .gapOpened, "disconnect")
        tick(quotes, 3, 63)
        marker(quotes, 4, .heal, "\(zero + 64)", ref: 2, code: 2, second: 1)
        tick(quotes, 5, 30, .healed)
        tick(quotes, 6, 31, .healed)
        marker(quotes, 7, .healEnd, "healed", ref: 2, code: 2, second: 64)
        marker(quotes, 8, .gapOpened, "tws 1100", code: 1100)
        tick(quotes, 9, 90)
        marker(quotes, 19, .lost, "journal gone", ref: 10)
        tick(quotes, 20, 100)
        tick(level1, 1, 0)
        marker(level1, 2, .gapOpened, "disconnect")
        tick(level1, 3, 0)
        try records.withUnsafeBytes { bytes in
            try log.append(
                block: bytes, newest: [quotes: StreamPosition(records[10]), level1: StreamPosition(records[13])])
        }
        try log.sync()
    }

    func run(_ arguments: String...) throws -> Programs.Outcome { try Programs.run("ib-stream", arguments) }

    @Test func gapsAreListedWithTheirStates() throws {
        let root = try TestDirectory()
        try GapCommandTests.record(root.path)
        let outcome = try run("gaps", "--root", root.path)
        #expect(outcome.status == 1 && outcome.errors == "")
        let lines = outcome.output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(
            lines == [
                "STREAM FROM TO LENGTH STATE HEALED ETA CAUSE",
                "5.bid_ask 2026-01-01T00:01:03.000Z 2026-01-01T00:01:30.000Z 27s pending 0 - tws 1100",
                "5.bid_ask 2026-01-01T00:01:30.000Z 2026-01-01T00:01:40.000Z 10s pending 0 - lost: journal gone; keys 9:10 to 9:19",
                "7.level1 2026-01-01T00:00:01.000Z 2026-01-01T00:00:03.000Z 2s no_history 0 - disconnect",
                "4 gaps: 2 pending, 1 healed, 1 no_history",
            ])
        let all = try run("gaps", "5.", "--all", "--root", root.path)
        let rows = all.output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(all.status == 1 && rows.count == 5)
        #expect(rows[1].hasSuffix("1m2s healed 2 - disconnect"))
        #expect(!all.output.contains("7.level1"))
    }

    @Test func theExitStatusSaysWhetherAnythingIsMissing() throws {
        let root = try TestDirectory()
        try GapCommandTests.record(root.path)
        let healed = try run("gaps", "5.", "--to", "2026-01-01T00:01:00Z", "--root", root.path)
        #expect(healed.status == 0 && healed.output == "1 gap: 1 healed; --all lists them\n")
        // Nothing is recorded of this time.
        let none = try run("gaps", "--from", "2026-01-02", "--root", root.path)
        #expect(none.status == 1 && none.output.contains("not running"), "\(none.output)")
        #expect(try run("gaps", "6.", "--root", root.path).status == 66)
        #expect(try run("gaps", "--from", "2h", "--to", "3h", "--root", root.path).status == 64)
        // Nobody runs who could heal: no reason to wait.
        let waited = try run("gaps", "--wait", "10m", "--root", root.path)
        #expect(waited.status == 1 && waited.errors.contains("nothing runs"))
        #expect(try run("gaps", "--help").output.contains("--wait DURATION"))
        #expect(try run("explain", "--help").output.contains("--around DURATION"))
        // A connector ran here and is gone: what the gateway sends now is missing too, of those that were wanted.
        try FileManager.default.createDirectory(atPath: root.path + "/run", withIntermediateDirectories: true)
        try Data().write(to: URL(fileURLWithPath: root.path + "/run/ib-connector.lock"))
        let dead = try run("gaps", "5.", "--from", "2026-01-01T00:01:35Z", "--root", root.path)
        #expect(dead.status == 1 && dead.output.contains("open") && dead.output.contains("not running"))
        let early = try run("gaps", "5.", "--to", "2025-12-31", "--root", root.path)
        #expect(early.status == 1 && early.output.contains("not_recorded"), "\(early.output)")
        let (bad, nothing) = (try run("gaps", "--wait", "soon", "--root", root.path), try TestDirectory())
        #expect(bad.status == 64 && bad.errorLines.count == 1)
        #expect(try run("gaps", "--root", nothing.path).status == 66)
    }

    @Test func gapsAreThereForPrograms() throws {
        let root = try TestDirectory()
        try GapCommandTests.record(root.path)
        let outcome = try run("gaps", "--all", "--json", "--root", root.path)
        let json = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        let gaps = try #require(json["gaps"] as? [[String: Any]])
        #expect(gaps.map { $0["stream"] as? String } == ["5.bid_ask", "5.bid_ask", "5.bid_ask", "7.level1"])
        #expect(gaps.map { $0["state"] as? String } == ["healed", "pending", "pending", "no_history"])
        #expect(gaps[0]["healed"] as? Int == 2 && gaps[0]["from"] as? Int == 1_767_225_601_000_000_000)
        #expect(gaps[2]["lost"] as? [Int] == [9 << 32 | 10, 9 << 32 | 19] && gaps[2]["eta_seconds"] is NSNull)
        #expect((json["counts"] as? [String: Int])?["pending"] == 2)
    }

    @Test func explainTellsWhatHappenedAroundAMoment() throws {
        let root = try TestDirectory()
        try GapCommandTests.record(root.path)
        let outcome = try run("explain", "5.bid_ask", "2026-01-01T00:00:05Z", "--around", "30s", "--root", root.path)
        #expect(outcome.status == 0 && outcome.errors == "")
        for text in [
            "5.bid_ask at 2026-01-01T00:00:05.000000000Z, 30s before and after", ".log (open log, durable)",
            "before: 2 live ticks, 0 healed", "after: 2 live ticks, 2 healed",
            "9:2  gap_opened  disconnect", "9:4  heal        2 ticks up to 2026-01-01T00:01:04Z, of the gap 9:2",
            "9:19  lost        journal gone, keys 9:10 to 9:19",
            "to 2026-01-01T00:01:03.000000000Z (1m2s), healed: disconnect; 2 ticks healed, runs: 1",
        ] {
            #expect(
                outcome.output.replacing(try Regex("  +"), with: "  ").contains(
                    text.replacing(try Regex("  +"), with: "  ")), "\(text)\n\(outcome.output)")
        }
        let json = try run("explain", "5.bid_ask", "2026-01-01T00:00:05Z", "--json", "--root", root.path)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        let events = try #require(object["events"] as? [[String: Any]])
        #expect(events.count { $0["event"] as? String == "gap" } == 3)
        #expect(object["sealed"] as? Bool == false)
        // Between these ticks there are gaps alone.
        #expect((object["before"] as? [String: Any])?["ticks_per_second"] is NSNull)
        let empty = try run("explain", "5.bid_ask", "2027-01-01", "--root", root.path)
        #expect(empty.status == 1 && empty.output.contains("no tick is recorded of this time"))
        #expect(
            empty.output.contains("the nearest before: 2026-01-01T00:00:31.000000000Z, behind: none"), "\(empty.output)"
        )
        // The first and the last moment that nanoseconds can tell.
        for moment in ["1677-09-21T00:12:44Z", "2262-04-11T23:47:16Z"] {
            #expect(try run("explain", "5.bid_ask", moment, "--around", "1d", "--root", root.path).status == 1)
        }
        #expect(try run("explain", "6.last", "2026-01-01", "--root", root.path).status == 66)
        #expect(try run("explain", "5.bid_ask", "noon", "--root", root.path).status == 64)
        #expect(try run("explain", "5.bid_ask", "1h", "--around", "2d", "--root", root.path).status == 64)
        #expect(try run("explain", "5.bid", "1h", "--root", root.path).status == 64)
    }

    @Test func aMarketThatWasClosedIsNoGap() throws {
        let recording = try HoursRecording()
        try recording.configure([HoursRecording.quotes, StreamID(conId: 8, kind: .midPoint)])
        try FileManager.default.createDirectory(
            atPath: recording.state + "/definitions", withIntermediateDirectories: true)
        for (hours, status) in [
            ("20251231:CLOSED;20260101:CLOSED", 0 as Int32), ("20251231:CLOSED;20260101:0300-20260101:1600", 1),
            // Beyond what the text speaks of nobody knows.
            ("20260101:0400-20260101:1600", 1), ("no hours", 1),
        ] {
            let definition = #"{"con_id":8,"trading_hours":"\#(hours)","time_zone_id":"UTC"}"#
            try definition.write(toFile: recording.state + "/definitions/8.json", atomically: false, encoding: .utf8)
            for command in ["gaps", "audit"] {
                let outcome = try recording.run(
                    command, "--from", "2025-12-31T22:00:00Z", "--to", "2026-01-01T03:54:00Z")
                #expect(outcome.output.contains("8.mid_point") || command == "gaps")
                #expect(outcome.output.contains("never_recorded") == (status == 1), "\(hours) \(outcome.output)")
            }
        }
    }

    @Test func whatNoMarkerTellsOfIsARowToo() throws {
        let recording = try HoursRecording()
        let asked = ["--to", "2026-01-01T03:54:00Z"]
        func gaps(_ more: String...) throws -> Programs.Outcome {
            try Programs.run("ib-stream", ["gaps"] + more + ["--config", recording.config])
        }
        let none = try gaps("--to", asked[1])
        #expect(none.status == 0 && none.output == "no gaps\n", "\(none.output) \(none.errors)")
        // Before the first tick.
        let before = try gaps("--from", "2025-12-31", "--to", asked[1])
        #expect(before.status == 1 && before.output.contains("1d0h0m0s  not_recorded"), "\(before.output)")
        // A stream that has no tick, also where only it is asked for.
        try recording.configure([HoursRecording.quotes, HoursRecording.trades, StreamID(conId: 8, kind: .midPoint)])
        for prefix in ["", "8."] {
            let outcome = try gaps(prefix, "--to", asked[1])
            #expect(outcome.status == 1 && outcome.output.contains("never_recorded"), "\(outcome.output)")
            #expect(outcome.output.hasSuffix("1 gap: 1 never_recorded\n"), "\(outcome.output)")
        }
        #expect(try gaps("9.", "--to", asked[1]).status == 66)
        let ls = try recording.run("ls")
        #expect(ls.status == 0 && ls.output.contains("8.mid_point  S8          0        0  -"), "\(ls.output)")
        #expect(
            try recording.run("ls", "--json").output.contains(
                #""8.mid_point":{"symbol":"S8","ticks":0,"markers":0,"first_ts_recv":null"#))
        try recording.configure([HoursRecording.quotes, HoursRecording.trades])

        // A sealed file that is gone.
        let segment = recording.segment(HoursRecording.trades, hour: 1)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: segment))
        try FileManager.default.removeItem(atPath: segment)
        let hole = try gaps("--to", asked[1])
        #expect(hole.status == 1)
        #expect(
            hole.output.contains("7.last  2026-01-01T00:54:00.000Z  2026-01-01T02:00:00.000Z  1h6m0s  missing"),
            "\(hole.output)")
        // Another time is asked for.
        #expect(try gaps("--from", "2026-01-01T03:00:00Z", "--to", asked[1]).status == 0)
        #expect(try gaps("5.", "--to", asked[1]).status == 0)
        let json = try gaps("--to", asked[1], "--json")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        let absent = try #require(object["absent"] as? [[String: Any]])
        #expect(absent.count == 1 && absent[0]["keys"] as? [Int] == [9 << 32 | 11, 9 << 32 | 20])
        #expect((object["counts"] as? [String: Int])?["missing"] == 1)
        try bytes.write(to: URL(fileURLWithPath: segment))

        // Blocks of the log that were durable, overwritten and cut off.
        let part = try recording.part()
        let whole = try Data(contentsOf: URL(fileURLWithPath: part))
        try HoursRecording.damage(part)
        let damaged = try gaps("--to", asked[1])
        #expect(damaged.status == 1 && damaged.output.contains("damaged") && damaged.output.contains("corruption"))
        try whole.prefix(whole.count - 300).write(to: URL(fileURLWithPath: part))
        let cut = try gaps("--to", asked[1])
        #expect(cut.status == 1 && cut.output.contains("lost data"), "\(cut.output)")
    }
}
