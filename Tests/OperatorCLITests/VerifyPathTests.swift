import Foundation
import Testing
import TickStore
import Ticks

/// `verify` and `repair` of a path: what was not read is never called sound.
@Suite struct VerifyPathTests {
    func run(_ arguments: String...) throws -> Programs.Outcome { try Programs.run("ib-stream", arguments) }

    @Test func everyRecordingBelowAPathIsRead() throws {
        let root = try TestDirectory()
        let real = try HoursRecording(in: root, below: "a/state")
        let simulated = try HoursRecording(in: root, below: "a/state/simulated")
        let copy = try HoursRecording(in: root, below: "b/backup/2026/state")
        for path in [root.path, root.path + "/", root.path + "/a/.."] {
            let outcome = try run("verify", path)
            #expect(outcome.status == 0, "\(outcome.output)")
            #expect(
                outcome.output.contains("3 read, each by itself: all sound: 21 files, 240 ticks"), "\(outcome.output)")
        }
        let one = try run("verify", root.path + "/b")
        #expect(one.status == 0 && one.output.contains("\(copy.state): sound: 7 files"))
        let json = try run("verify", root.path, "--json")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        #expect((object["paths"] as? [String: Any])?.keys.sorted() == [real.state, simulated.state, copy.state])

        // Damage in any of them is found from every directory above it.
        for damaged in [simulated, copy] {
            let path = damaged.segment(HoursRecording.trades, hour: 2)
            let before = try Data(contentsOf: URL(fileURLWithPath: path))
            try HoursRecording.damage(path)
            var above = damaged.state
            while above.count >= root.path.count {
                let outcome = try run("verify", above)
                #expect(outcome.status == 1 && outcome.output.contains("damaged: \(path)"), "\(above)")
                above = (above as NSString).deletingLastPathComponent
            }
            try before.write(to: URL(fileURLWithPath: path))
        }
        // A directory that is a link, and one that leads back.
        try FileManager.default.moveItem(atPath: copy.ticks, toPath: root.path + "/disk")
        try FileManager.default.createSymbolicLink(atPath: copy.ticks, withDestinationPath: root.path + "/disk")
        try FileManager.default.createSymbolicLink(atPath: root.path + "/b/up", withDestinationPath: root.path)
        #expect(try run("verify", root.path + "/b").status == 0)
        #expect(try run("verify", root.path + "/b").output.contains("\(copy.state): sound: 7 files"))
        try FileManager.default.moveItem(atPath: root.path + "/disk", toPath: root.path + "/other")
        let gone = try run("verify", root.path)
        #expect(gone.status == 66 && !gone.output.contains("all sound") && gone.errors.contains(copy.ticks))
    }

    @Test func partsOfARecordingAreReadAlone() throws {
        let recording = try HoursRecording()
        let part = try recording.part()
        for (path, files) in [
            (part, 1), (recording.state + "/log", 1), (recording.ticks, 6), (recording.ticks + "/5-S", 3),
            (recording.segment(HoursRecording.quotes, hour: 0), 1),
        ] {
            let outcome = try run("verify", path)
            #expect(
                outcome.status == 0 && outcome.output.contains("sound: \(files) files"), "\(path) \(outcome.output)")
        }
        // Two trees of segments without a recording are two things: the same keys in both are no fault.
        let copies = try TestDirectory()
        for name in ["one", "two"] {
            try FileManager.default.copyItem(atPath: recording.ticks, toPath: copies.path + "/" + name)
        }
        let both = try run("verify", copies.path)
        #expect(
            both.status == 0 && both.output.contains("2 read, each by itself: all sound: 12 files"), "\(both.output)")
    }

    @Test func whereNothingIsRecordedNothingIsSound() throws {
        let recording = try HoursRecording()
        let root = recording.root.path
        for name in ["/empty/log", "/empty/ticks", "/other"] {
            try FileManager.default.createDirectory(atPath: root + name, withIntermediateDirectories: true)
        }
        try "text".write(toFile: root + "/other/syslog.log", atomically: false, encoding: .utf8)
        for path in [root + "/empty", root + "/empty/log", root + "/other", root + "/nowhere", recording.config + "/x"]
        {
            let outcome = try run("verify", path)
            #expect(
                outcome.status == 66 && outcome.errorLines.count == 1 && !outcome.output.contains("sound"), "\(path)")
            #expect(try run("repair", path).status == 66, "\(path)")
        }
        #expect(try run("verify", recording.state, root + "/empty").status == 66)
        // A log that has begun and holds nothing.
        var log = OpenLog(directory: root + "/empty/log", recovery: try LogRecovery(directory: root + "/empty/log"))
        try log.beginPart(nowNanos: HoursRecording.zero)
        try log.sync()
        let begun = try run("verify", root + "/empty")
        #expect(begun.status == 66 && begun.output.contains("EMPTY"), "\(begun.output)")
        #expect(try run("repair", root + "/empty").status == 66)
        for arguments in [
            ["ls"], ["gaps"], ["export", "--format", "csv", "--out", root + "/out"], ["verify"], ["repair"],
        ] {
            try FileManager.default.createDirectory(atPath: root + "/new/state", withIntermediateDirectories: true)
            if !FileManager.default.fileExists(atPath: root + "/new/state/log") {
                try FileManager.default.copyItem(atPath: root + "/empty/log", toPath: root + "/new/state/log")
            }
            let outcome = try Programs.run("ib-stream", arguments + ["--root", root + "/new"])
            #expect(outcome.status == 66 && outcome.errorLines.count == 1, "\(arguments) \(outcome.errors)")
        }
    }

    @Test func filesThatNoReaderLooksForAreNotPassedOver() throws {
        let recording = try HoursRecording()
        let day = (recording.segment(HoursRecording.quotes, hour: 1) as NSString).deletingLastPathComponent
        for (from, to) in [
            (recording.segment(HoursRecording.quotes, hour: 1), day + "/1.ticks"),
            (recording.segment(HoursRecording.quotes, hour: 1), recording.ticks + "/copy.ticks"),
            (try recording.part(), recording.state + "/log/copy.log"),
        ] {
            try FileManager.default.copyItem(atPath: from, toPath: to)
            let outcome = try run("verify", recording.state)
            #expect(
                outcome.status == 1 && outcome.output.contains("wrong: \(to): no reader looks"), "\(outcome.output)")
            try FileManager.default.removeItem(atPath: to)
        }
        #expect(try run("verify", recording.state).status == 0)
    }

    @Test func repairChangesOnlyWhatIsMeant() throws {
        let root = try TestDirectory()
        let first = try HoursRecording(in: root, below: "a/state")
        let second = try HoursRecording(in: root, below: "b/state")
        try HoursRecording.damage(second.segment(HoursRecording.quotes, hour: 1))
        let both = try run("repair", root.path)
        #expect(both.status == 64 && both.errors.contains(first.state) && both.errors.contains(second.state))
        #expect(try run("verify", root.path).status == 1)
        #expect(try run("repair", root.path + "/a").output.contains("\(first.state): sound"))
        // Found below the path that was named.
        let repaired = try run("repair", root.path + "/b")
        #expect(repaired.status == 1 && repaired.output.contains("\(second.state): sound"), "\(repaired.output)")
        #expect(try run("verify", root.path).status == 0)
    }
}
