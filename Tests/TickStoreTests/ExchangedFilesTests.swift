import Foundation
import Testing
import Ticks

@testable import TickStore

/// Somebody exchanges files of a recording: what the look at all files and verify say.
@Suite struct ExchangedFilesTests {
    /// Two sealed hours of a stream whose files are of one size, and the log.
    private static func recording() throws -> (SealedRecording, [String]) {
        let recording = try SealedRecording()
        var paths: [String] = []
        for hour in UInt32(0)..<2 {
            let run = ticks(quotes, (hour * 100 + 1)...(hour * 100 + 100))
            try recording.write(run)
            paths.append(try SealedRecording.seal(recording.state, quotes, hour: Int64(hour), run))
            try recording.nextHour()
        }
        try recording.write(ticks(quotes, 201...210))
        try SealedRecording.removeParts(recording.state, 2)
        #expect(try SealedFiles(stateDirectory: recording.state, opensAll: false).damage.isEmpty)
        return (recording, paths)
    }

    private static func check(_ recording: SealedRecording, keeps seqs: ClosedRange<UInt32>?) throws {
        let report = try Verify(stateDirectory: recording.state).run()
        #expect(!report.isSound)
        let (footers, _) = try Verify(accountOf: recording.state, depth: .footers).runWithAccount()
        #expect(!footers.isSound)
        let repaired = try Repair(stateDirectory: recording.state, nowNanos: someNanos).run()
        #expect(repaired.verified.isSound, "\(repaired.verified.problems)")
        let all = try recording.all()[quotes] ?? []
        if let seqs { #expect(all.filter { $0.kind != .marker }.map(\.seq) == Array(seqs)) }
        let lost = all.compactMap { $0.marker?.event == .lost ? $0.marker!.ref.seq...$0.seq : nil }.flatMap {
            Array($0)
        }
        let there = all.filter { $0.kind != .marker }.map(\.seq)
        #expect(Set(lost).union(there) == Set(1...210) && repaired.isWhole == lost.isEmpty)
    }

    @Test func filesThatChangeTheirPlacesAreSeen() throws {
        let (recording, paths) = try Self.recording()
        let sizes = try paths.map { try bytes(of: $0).count }
        #expect(sizes[0] == sizes[1], "of one size")
        let aside = paths[0] + ".aside"
        for (from, to) in [(paths[0], aside), (paths[1], paths[0]), (aside, paths[1])] {
            try FileManager.default.moveItem(atPath: from, toPath: to)
        }
        #expect(try !SealedFiles(stateDirectory: recording.state, opensAll: false).damage.isEmpty)
        try Self.check(recording, keeps: 1...210)
        #expect(try SealedFiles(stateDirectory: recording.state, opensAll: true).damage.isEmpty)
    }

    /// One takes the other's place, which was removed: the one goes back, the other is lost.
    @Test func aFileInPlaceOfAnotherGoesBack() throws {
        let (recording, paths) = try Self.recording()
        try FileManager.default.removeItem(atPath: paths[1])
        try FileManager.default.moveItem(atPath: paths[0], toPath: paths[1])
        try Self.check(recording, keeps: nil)
        #expect(
            try recording.all()[quotes]?.filter { $0.kind != .marker }.map(\.seq) == Array(1...100) + Array(201...210))
    }

    @Test(arguments: [true, false]) func aLinkInPlaceOfAFileIsTheFileOrIsMissed(leadsAnywhere: Bool) throws {
        let (recording, paths) = try Self.recording()
        let elsewhere = recording.state + "/elsewhere"
        try FileManager.default.moveItem(atPath: paths[0], toPath: elsewhere)
        try FileManager.default.createSymbolicLink(atPath: paths[0], withDestinationPath: elsewhere)
        if leadsAnywhere {
            #expect(try SealedFiles(stateDirectory: recording.state, opensAll: true).damage.isEmpty)
            return #expect(try Verify(stateDirectory: recording.state).run().isSound)
        }
        try FileManager.default.removeItem(atPath: elsewhere)
        #expect(try SealedFiles(stateDirectory: recording.state, opensAll: false).gone.count == 1)
        try Self.check(recording, keeps: 101...210)
    }

    @Test(arguments: ["a directory", "a link to itself", "half of it", "nothing in it"])
    func whatIsNoSealedFileIsDamaged(what: String) throws {
        let (recording, paths) = try Self.recording()
        let whole = try bytes(of: paths[0])
        try FileManager.default.removeItem(atPath: paths[0])
        switch what {
        case "a directory":
            try FileManager.default.createDirectory(atPath: paths[0], withIntermediateDirectories: false)
        case "a link to itself":
            try FileManager.default.createSymbolicLink(atPath: paths[0], withDestinationPath: paths[0])
        case "half of it": try write(Array(whole[..<(whole.count / 2)]), to: paths[0])
        default: try write([], to: paths[0])
        }
        let files = try SealedFiles(stateDirectory: recording.state, opensAll: false)
        #expect(files.damage.count == 1 && files.damage[0].contains(paths[0]), "\(files.damage)")
        let repaired = try Repair(stateDirectory: recording.state, nowNanos: someNanos).run()
        #expect(repaired.verified.isSound && !repaired.isWhole && repaired.lost.map(\.last.seq) == [100])
    }

    @Test func theListAndTheNewestPartsNameAreNotWrittenThroughALink() throws {
        let (recording, _) = try Self.recording()
        let list = SealedList.path(stateDirectory: recording.state)
        let newest = NewestPart.path(in: recording.logDirectory)
        for path in [list, newest] {
            let elsewhere = path + ".elsewhere"
            try FileManager.default.moveItem(atPath: path, toPath: elsewhere)
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: elsewhere)
            let before = try bytes(of: elsewhere)
            #expect(try !Verify(stateDirectory: recording.state).run().isSound, "\(path)")
            let report = try Repair(stateDirectory: recording.state, nowNanos: someNanos).run()
            #expect(report.isWhole, "\(path): \(report.verified.problems) \(report.verified.findings)")
            #expect(try bytes(of: elsewhere) == before)
            var status = stat()
            #expect(lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG)
        }
    }

    /// With the word of how far it was durable, or with an older one of that too.
    @Test(arguments: [true, false]) func anOlderListIsSeen(isAlone: Bool) throws {
        let (recording, paths) = try Self.recording()
        let list = SealedList.path(stateDirectory: recording.state)
        let slots = SealedList.slotsPath(list)
        let old = (try bytes(of: list), try bytes(of: slots))
        let run = ticks(quotes, 211...220)
        try recording.write(run)
        try SealedRecording.seal(recording.state, quotes, hour: 2, ticks(quotes, 201...220))
        try recording.nextHour()
        try recording.write(ticks(quotes, 221...222))
        try SealedRecording.removeParts(recording.state, 1)
        #expect(try Verify(stateDirectory: recording.state).run().isSound && paths.count == 2)
        try write(old.0, to: list)
        if !isAlone { try write(old.1, to: slots) }
        #expect(try !Verify(stateDirectory: recording.state).run().isSound)
        let files = try SealedFiles(stateDirectory: recording.state, opensAll: false)
        #expect(files.damage.isEmpty != isAlone && files.unlistedCount == 1)
        #expect(try Repair(stateDirectory: recording.state, nowNanos: someNanos).run().isWhole)
        #expect(try SealedFiles(stateDirectory: recording.state, opensAll: true).damage.isEmpty)
    }
}
