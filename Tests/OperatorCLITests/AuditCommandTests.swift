import Foundation
import Testing
import TickStore
import Ticks

/// `audit`: 0 only if all that should be there is there and sound, with a sentence for whatever is not.
@Suite struct AuditCommandTests {
    private func reasons(_ outcome: Programs.Outcome) -> [String] {
        outcome.output.split(separator: "\n").map(String.init).filter { $0.hasPrefix("- ") }
    }

    @Test func aSoundRecordingIsSound() throws {
        let recording = try HoursRecording()
        let outcome = try recording.run("audit")
        #expect(outcome.status == 0 && outcome.errors == "", "\(outcome.output) \(outcome.errors)")
        #expect(outcome.output.contains("ALL THERE AND SOUND: 2 streams, 80 ticks"))
        #expect(outcome.output.contains("every checksum, count and key of 7 files"))
        #expect(outcome.output.contains("stopped at 2026-01-01T03:54"))
        #expect(reasons(outcome).isEmpty)
        let rows = outcome.output.split(separator: "\n").filter {
            $0.contains("2026-01-01T") && $0.hasPrefix("5.bid_ask")
        }
        #expect(rows.count == 4 && rows.allSatisfy { $0.contains(" 10 ") })

        // A part of it; what lies outside is taken by its footers.
        let part = try recording.run("audit", "--from", "2026-01-01T01:00:00Z", "--to", "2026-01-01T02:00:00Z")
        #expect(part.status == 0 && part.output.contains("the footers of 4 of another time"), "\(part.output)")
        // What was stopped is not there until now.
        let now = try recording.run("audit", "--from", "2026-01-01T00:00:00Z")
        #expect(
            now.status == 1 && reasons(now).contains { $0.hasPrefix("- 2 gaps still open: stopped") }, "\(now.output)")
        // Nor before it began.
        let before = try recording.run("audit", "--from", "2025-12-31T23:00:00Z", "--to", "2026-01-01T02:00:00Z")
        #expect(before.status == 1)
        #expect(
            reasons(before).count { $0.contains("is not there for all of the time: nothing is recorded before") } == 2)
    }

    @Test func aDamagedRecordingIsNot() throws {
        for damage in [
            { (r: HoursRecording) in try HoursRecording.damage(r.segment(HoursRecording.quotes, hour: 1)) },
            { r in try HoursRecording.damage(try r.part()) },
            { r in
                let bytes = try Data(contentsOf: URL(fileURLWithPath: try r.part()))
                try bytes.prefix(bytes.count - 300).write(to: URL(fileURLWithPath: try r.part()))
            },
            { r in try Data().write(to: URL(fileURLWithPath: r.segment(HoursRecording.trades, hour: 0))) },
        ] {
            let recording = try HoursRecording()
            try damage(recording)
            let outcome = try recording.run("audit")
            #expect(outcome.status == 1 && outcome.output.contains("NOT ALL THERE, OR NOT SOUND"), "\(outcome.output)")
            #expect(reasons(outcome).contains { $0.hasPrefix("- damaged: /") }, "\(outcome.output)")
        }
    }

    @Test func anIncompleteRecordingIsNot() throws {
        let gap = try HoursRecording(gapIn: 2).run("audit")
        #expect(gap.status == 1)
        #expect(reasons(gap) == ["- 1 gap to be healed yet (6m0s): disconnect"], "\(gap.output)")
        #expect(gap.output.contains("1 gap to be healed") && gap.output.contains("pending: disconnect"))

        let removed = try HoursRecording()
        try FileManager.default.removeItem(atPath: removed.segment(HoursRecording.quotes, hour: 1))
        let hole = try removed.run("audit")
        #expect(hole.status == 1)
        #expect(
            reasons(hole) == ["- 5.bid_ask: keys 9:11 to 9:20 are neither recorded nor marked as lost"],
            "\(hole.output)")

        // Files from the beginning on: nothing is ever to be removed, unless the configuration says so.
        let shortened = try HoursRecording()
        for hour in 0...1 as ClosedRange<Int64> {
            try FileManager.default.removeItem(atPath: shortened.segment(HoursRecording.quotes, hour: hour))
        }
        let late = try shortened.run("audit")
        #expect(late.status == 1 && reasons(late).count == 1)
        #expect(
            late.output.contains("5.bid_ask: keys 9:1 to 9:20 are neither recorded nor marked as lost"),
            "\(late.output)")
        // Not even then is it retention that took them.
        let config = try String(contentsOfFile: shortened.config, encoding: .utf8)
        try (config + "storage:\n  keep_days: 1\n").write(toFile: shortened.config, atomically: false, encoding: .utf8)
        #expect(try shortened.run("audit").status == 1)

        let never = try HoursRecording()
        try never.configure([HoursRecording.quotes, HoursRecording.trades, StreamID(conId: 8, kind: .midPoint)])
        let absent = try never.run("audit")
        #expect(absent.status == 1)
        #expect(
            reasons(absent).count == 1 && reasons(absent)[0].hasPrefix("- 8.mid_point has no tick: never subscribed"))
        let json = try never.run("audit", "--json")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        #expect(json.status == 1 && object["sound"] as? Bool == false)
        #expect((object["reasons"] as? [String])?.count == 1)
        #expect((object["absent"] as? [[String: Any]])?.first?["state"] as? String == "never_recorded")
        let streams = try #require(object["streams"] as? [String: [String: Any]])
        #expect((streams["8.mid_point"]?["hours"] as? [Any])?.count == 4)
    }

    @Test func anEmptyRecordingIsNotAndNoneIs66() throws {
        let root = try TestDirectory()
        #expect(try Programs.run("ib-stream", ["audit", "--root", root.path + "/nowhere"]).status == 66)
        #expect(try Programs.run("ib-stream", ["audit", "--root", root.path]).status == 66)
        try FileManager.default.createDirectory(atPath: root.path + "/state", withIntermediateDirectories: true)
        for directory in ["", "/log", "/ticks"] {
            try FileManager.default.createDirectory(
                atPath: root.path + "/state" + directory, withIntermediateDirectories: true)
            let outcome = try Programs.run("ib-stream", ["audit", "--root", root.path])
            #expect(outcome.status == 1, "\(directory) \(outcome.errors)")
            #expect(reasons(outcome) == ["- nothing is recorded in \(root.path)/state"], "\(outcome.output)")
        }
        // A part in which nothing stands.
        var log = OpenLog(
            directory: root.path + "/state/log", recovery: try LogRecovery(directory: root.path + "/state/log"))
        try log.beginPart(nowNanos: HoursRecording.zero)
        try log.sync()
        #expect(try Programs.run("ib-stream", ["audit", "--root", root.path]).status == 1)
        // A disk that is not there.
        let recording = try HoursRecording()
        try FileManager.default.moveItem(atPath: recording.ticks, toPath: recording.state + "/away")
        try FileManager.default.createSymbolicLink(atPath: recording.ticks, withDestinationPath: "/nowhere/ticks")
        let gone = try recording.run("audit")
        #expect(gone.status == 66 && gone.errors.contains("is the disk mounted"), "\(gone.errors)")
    }
}
