import Foundation
import Testing
import Ticks

@testable import TickStore

/// Files with right checksums that say what no writer wrote: they are refused or believed, and end no process.
@Suite struct CraftedFilesTests {
    /// Replaces a segment's footer.
    static func changeFooter(_ path: String, _ change: (inout SegmentFooter) -> Void) throws {
        let whole = try bytes(of: path)
        let footer = try SegmentFooter(of: path)
        var changed = footer
        change(&changed)
        try write(Array(whole[..<(whole.count - footer.byteCount)]) + changed.encoded(), to: path)
    }

    @Test func aFooterMayCountAsFarAsItLikes() throws {
        let recording = try RecordingWithSegmentsTests.recording(sealed: 2)
        for hour: Int64 in 0...1 {
            try Self.changeFooter(SealedRecording.path(recording.state, quotes, hour: hour)) {
                ($0.ticks, $0.markerCount) = (.max, .max)
            }
        }
        var survey = RecordingSurvey(stateDirectory: recording.state)
        try survey.run()
        #expect(survey.streams[quotes]?.lastKey.seq == 300)
        #expect(try !Verify(stateDirectory: recording.state).run().isSound)
    }

    @Test func anIndexThatLeadsBeyondTheFileIsRefused() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.ticks")
        let footer = try writeSegment(path, ticks(quotes, 1...40_000))
        var index = try SegmentReader(path).index
        #expect(index.entries.count > 1)
        index.entries[index.entries.count - 1].offset = .max - 7
        var whole = try bytes(of: path)
        let encoded = index.encoded(segmentID: footer.segmentID)
        whole.replaceSubrange(Int(footer.indexOffset)..<(Int(footer.indexOffset) + encoded.count), with: encoded)
        try write(whole, to: path)
        #expect(throws: StoreError.damagedSegment(path: path, offset: footer.indexOffset)) {
            _ = try SegmentReader(path)
        }
        #expect(try !Verify(file: path).run().findings.isEmpty)
    }

    /// Between index and footer a file can be as long as it likes without taking room on the disk.
    @Test func aHoleOfATerabyteIsNotReadIntoMemory() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.ticks")
        let footer = try writeSegment(path, ticks(quotes, 1...100)).encoded()
        let file = try File(path, O_RDWR)
        try file.truncate(to: 1 << 40)
        try file.write(footer, at: 1 << 40 - UInt64(footer.count))
        #expect(try !Verify(file: path).run().findings.isEmpty)
    }

    @Test func slotsMayNameAnyOffset() throws {
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.file("log"))
        try log.append(ticks(quotes, 1...5))
        try log.sync()
        let path = log.part!.path(in: directory.file("log"))
        let header = try #require(bytes(of: path).withUnsafeBytes { BlockHeader(decoding: $0) })
        var slots = try DurableSlots(PartName.durablePath(ofLog: path), partID: header.partID)
        try slots.write(.max - 7)
        let recovery = try LogRecovery(directory: directory.file("log"))
        #expect(recovery.findings.map(\.meaning) == [.lostData])
        #expect(recovery.positions[quotes]?.key.seq == 5)
        var history = LogHistory(directory: directory.file("log"))
        #expect(try history.read(quotes, from: .zero, limit: 10) { _ in }.records == 5)
    }

    @Test func namesWithoutASuccessorAreNone() {
        #expect(PartName(fileName: "2026-01-01T13.999999999.log") != nil)
        #expect(PartName(fileName: "2026-01-01T13.4294967295.log") == nil)
        #expect(JournalFiles.number("9223372036854775807.log", ".log") != nil)
        #expect(JournalFiles.number("18446744073709551615.log", ".log") == nil)
    }

    /// The hours of a path reach beyond the nanoseconds of a time.
    @Test func aSegmentOfADistantYearIsRepaired() throws {
        let recording = try SealedRecording()
        let path = try SealedRecording.seal(recording.state, quotes, hour: 60_000_000, ticks(quotes, 1...30))
        try recording.write(ticks(quotes, 31...40))
        try write([UInt8](repeating: 7, count: 500), to: path)
        let report = try RepairTests.repair(recording)
        #expect(report.lost.map(\.last.seq) == [30])
    }
}
