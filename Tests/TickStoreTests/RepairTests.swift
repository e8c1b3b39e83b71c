import Foundation
import Testing
import Ticks

@testable import TickStore

@Suite struct RepairTests {
    typealias Sample = RecordingWithSegmentsTests

    static func flip(_ path: String, at offset: Int) throws {
        var damaged = try bytes(of: path)
        damaged[offset] ^= 0x10
        try write(damaged, to: path)
    }

    static func repair(_ recording: SealedRecording) throws -> RepairReport {
        #expect(try !Verify(stateDirectory: recording.state).run().isSound)
        let report = try Repair(stateDirectory: recording.state, nowNanos: someNanos).run()
        let after = try Verify(stateDirectory: recording.state).run()
        #expect(after.isSound && report.verified.isSound, "\(after.problems) \(after.findings) \(after.missing)")
        return report
    }

    @Test func aSoundRecordingIsLeftAlone() throws {
        let recording = try Sample.recording(sealed: 2)
        let report = try Repair(stateDirectory: recording.state, nowNanos: someNanos).run()
        #expect(report.isWhole && report.actions.isEmpty)
    }

    @Test(arguments: ["header", "index", "footer"]) func whatTheBlocksTellIsMadeAnew(place: String) throws {
        let recording = try Sample.recording(sealed: 2)
        let path = try SealedRecording.path(recording.state, quotes, hour: 0)
        let original = try bytes(of: path)
        let footer = try SegmentFooter(of: path)
        let offset =
            switch place {
            case "header": 20
            case "index": Int(footer.indexOffset) + 30
            default: original.count - 100
            }
        try Self.flip(path, at: offset)
        let damaged = try bytes(of: path)
        let report = try Self.repair(recording)
        #expect(report.isWhole && report.actions.map(\.path) == [path])
        #expect(try recording.all()[quotes] == ticks(quotes, 1...300))
        #expect(try bytes(of: path + ".damaged") == damaged)
        #expect(try SegmentFooter(of: path).markers == footer.markers)
    }

    /// A segment of three blocks whose middle one is damaged; `log`: the parts it came from are still there.
    @Test(arguments: [true, false]) func aDamagedBlockComesFromTheLogOrIsLost(log: Bool) throws {
        let recording = try SealedRecording()
        let all = ticks(quotes, 1...40_000)
        for start in stride(from: 0, to: 40_000, by: 10_000) {
            try recording.write(Array(all[start..<(start + 10_000)]))
        }
        let path = try SealedRecording.seal(recording.state, quotes, hour: 0, all)
        try recording.nextHour()
        try recording.write(ticks(quotes, 40_001...40_010))
        if !log { try SealedRecording.removeParts(recording.state, 1) }
        let block = try SegmentReader(path).index.entries[1]
        try Self.flip(path, at: Int(block.offset) + 60)
        let report = try Self.repair(recording)
        let found = try #require(recording.all()[quotes])
        if log {
            #expect(report.isWhole)
            #expect(found == all + ticks(quotes, 40_001...40_010))
        } else {
            let range = KeyRange(stream: quotes, first: block.firstKey, last: block.lastKey)
            #expect(!report.isWhole && report.lost == [range])
            #expect(found.filter { $0.marker?.event == .lost }.count == 1)
            #expect(
                found.filter { $0.kind == .bidAsk }.map(\.seq)
                    == Array(1..<range.first.seq) + Array((range.last.seq + 1)...40_010))
        }
        // Once more changes nothing, and tells of the loss again: the first may have been killed before it could.
        let again = try Repair(stateDirectory: recording.state, nowNanos: someNanos).run()
        #expect(again.actions.isEmpty && again.isWhole == log && again.lost == report.lost)
    }

    @Test func theLastBlockOfAnEpochIsLostToItsEnd() throws {
        let recording = try SealedRecording()
        let path = try SealedRecording.seal(recording.state, quotes, hour: 0, ticks(quotes, 1...20_000))
        try SealedRecording.seal(recording.state, quotes, hour: 1, ticks(quotes, epoch: 101, 1...10))
        let block = try #require(try SegmentReader(path).index.entries.last)
        try Self.flip(path, at: Int(block.offset) + 60)
        let report = try Self.repair(recording)
        #expect(report.lost == [KeyRange(stream: quotes, first: block.firstKey, last: block.lastKey)])
    }

    /// The first file of a stream, and all that it had.
    @Test func theOnlyBlockOfAStreamIsLost() throws {
        let recording = try SealedRecording()
        let path = try SealedRecording.seal(recording.state, quotes, hour: 0, ticks(quotes, 1...30))
        let header = Int(try SegmentReader(path).index.entries[0].offset)
        try Self.flip(path, at: header + 60)
        let report = try Self.repair(recording)
        #expect(
            report.lost == [
                KeyRange(stream: quotes, first: TickKey(epoch: 100, seq: 1), last: TickKey(epoch: 100, seq: 30))
            ])
        // The list alone tells what was in it; without it nothing does.
        try write([UInt8](repeating: 7, count: 500), to: path)
        let again = try Self.repair(recording)
        #expect(!again.isWhole && again.unknown.isEmpty && again.lost == report.lost)
        try write([UInt8](repeating: 7, count: 500), to: path)
        try FileManager.default.removeItem(atPath: SealedList.path(stateDirectory: recording.state))
        let blind = try Self.repair(recording)
        #expect(!blind.isWhole && blind.unknown == [path] && blind.lost.isEmpty)
    }

    /// The first file of a stream, unreadable as a whole: what follows tells up to where keys are lost.
    @Test(arguments: [true, false]) func aStreamsFirstSegmentIsLostUpToWhatFollows(isSealed: Bool) throws {
        let recording = try SealedRecording()
        let path = try SealedRecording.seal(recording.state, quotes, hour: 0, ticks(quotes, 1...30))
        if isSealed {
            try SealedRecording.seal(recording.state, quotes, hour: 1, ticks(quotes, 31...40))
        } else {
            try recording.nextHour()
            try recording.write(ticks(quotes, 31...40))
        }
        try write([UInt8](repeating: 7, count: 500), to: path)
        let report = try Self.repair(recording)
        let range = KeyRange(
            stream: quotes, first: TickKey(epoch: 100, seq: 1), last: TickKey(epoch: 100, seq: 30))
        #expect(!report.isWhole && report.lost == [range] && report.unknown.isEmpty)
        #expect(try recording.all()[quotes]?.map(\.seq) == Array(30...40))
    }

    @Test func aSegmentThatIsGoneIsLost() throws {
        let recording = try Sample.recording(sealed: 2)
        let path = try SealedRecording.path(recording.state, quotes, hour: 1)
        try FileManager.default.removeItem(atPath: path)
        let report = try Self.repair(recording)
        #expect(
            report.lost == [
                KeyRange(stream: quotes, first: TickKey(epoch: 100, seq: 101), last: TickKey(epoch: 100, seq: 200))
            ])
    }

    @Test func aDamagedPartKeepsWhatIsSound() throws {
        let recording = try SealedRecording()
        for block in UInt32(0)..<5 {
            try recording.write(
                ticks(quotes, (block * 10 + 1)...(block * 10 + 10)), ticks(trades, (block + 1)...(block + 1)))
        }
        let part = recording.log.part!.path(in: recording.logDirectory)
        try recording.nextHour()
        try recording.write(ticks(quotes, 51...60))
        var cursor = BlockCursor()
        let file = try File(part, 0)
        cursor.seek(to: 0, limit: try file.size())
        var starts: [UInt64] = []
        while case .block(_, _, let offset) = try cursor.next(in: file, partID: nil) { starts.append(offset) }
        // Quotes 21 to 30.
        try Self.flip(part, at: Int(starts[5]) + 100)
        let report = try Self.repair(recording)
        #expect(!report.isWhole)
        #expect(
            report.lost == [
                KeyRange(stream: quotes, first: TickKey(epoch: 100, seq: 21), last: TickKey(epoch: 100, seq: 30))
            ])
        let found = try recording.all()
        #expect(found[quotes]?.filter { $0.kind == .bidAsk }.map(\.seq) == Array(1...20) + Array(31...60))
        #expect(found[trades]?.count == 5)
        #expect(FileManager.default.fileExists(atPath: part + ".damaged"))
        #expect(try LogRecovery(directory: recording.logDirectory).positions[quotes]?.key.seq == 60)
    }

    /// Keys that only the newest part's table tells of, when that part has to be written anew.
    @Test func whatOnlyTheNewestTableTellsOfIsLost() throws {
        let recording = try SealedRecording()
        try recording.write(ticks(quotes, 1...10), ticks(trades, 1...2))
        try SealedRecording.seal(recording.state, quotes, hour: 0, ticks(quotes, 1...5))
        try SealedRecording.seal(recording.state, trades, hour: 0, ticks(trades, 1...2))
        try recording.nextHour()
        let part = recording.log.part!.path(in: recording.logDirectory)
        let table = Int(recording.log.partEndOffset)
        try recording.write(ticks(trades, 3...4))
        try recording.write(ticks(trades, 5...6))
        try SealedRecording.removeParts(recording.state, 1)
        try Self.flip(part, at: table + 100)
        let report = try Self.repair(recording)
        #expect(
            report.lost.sorted { $0.first < $1.first } == [
                KeyRange(stream: trades, first: TickKey(epoch: 100, seq: 3), last: TickKey(epoch: 100, seq: 4)),
                KeyRange(stream: quotes, first: TickKey(epoch: 100, seq: 6), last: TickKey(epoch: 100, seq: 10)),
            ])
    }

    @Test func slotsOfTheNewestPartThatAreGoneAreMadeAnew() throws {
        let recording = try Sample.recording(sealed: 0)
        let newest = try #require(try PartName.list(recording.logDirectory).last)
        let slots = PartName.durablePath(ofLog: newest.path(in: recording.logDirectory))
        try FileManager.default.removeItem(atPath: slots)
        let report = try Self.repair(recording)
        #expect(report.isWhole && report.actions.map(\.path) == [slots])
        #expect(try recording.all() == [quotes: ticks(quotes, 1...300), trades: ticks(trades, 1...30)])
    }

    @Test func damagedSlotsAreMadeAnew() throws {
        let recording = try Sample.recording(sealed: 0)
        for name in try PartName.list(recording.logDirectory) {
            let slots = PartName.durablePath(ofLog: name.path(in: recording.logDirectory))
            try Self.flip(slots, at: 17)
        }
        let report = try Self.repair(recording)
        #expect(report.isWhole && report.actions.count == 3)
        #expect(try recording.all() == [quotes: ticks(quotes, 1...300), trades: ticks(trades, 1...30)])
    }
}
