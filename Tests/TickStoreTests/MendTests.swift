import Foundation
import Testing
import Ticks

@testable import TickStore

private let hour: Int64 = 3_600_000_000_000

/// A log and a journal that has had the same ticks.
private struct Recording {
    let directory: TemporaryDirectory
    var log: String { directory.path + "/log" }
    var journal: String { directory.path + "/journal" }

    init() throws {
        directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: log, withIntermediateDirectories: true)
    }

    /// Ten ticks of each stream a block, ten blocks a part.
    func record(parts: Int) throws {
        var recording = OpenLog(directory: log, recovery: LogRecovery())
        var next: UInt32 = 1
        for part in 0..<parts {
            try recording.beginPart(nowNanos: someNanos + Int64(part) * hour)
            for _ in 0..<10 {
                try recording.append(ticks(quotes, next...(next + 9)), ticks(trades, next...(next + 9)))
                next += 10
            }
            try recording.sync()
        }
    }

    func journalHas(_ seqs: ClosedRange<UInt32>) throws {
        var written = try Journal(directory: journal, sizeBytes: 1 << 20, segmentBytes: 256 << 10, bootID: "x")
        try written.begin(epoch: 100)
        for seq in stride(from: seqs.lowerBound, through: seqs.upperBound, by: 10) {
            try written.append(ticks(quotes, seq...(seq + 9)), ticks(trades, seq...(seq + 9)))
        }
    }

    func part(_ number: Int) throws -> String { try PartName.list(log)[number].path(in: log) }

    /// Flips a bit in a block, counted from the first of records.
    func damage(_ part: String, block: Int) throws {
        var bytes = try bytes(of: part)
        var at = 0
        for _ in 0...block {
            at += 32 + Int(bytes[(at + 12)..<(at + 16)].reversed().reduce(0) { $0 << 8 | UInt32($1) })
        }
        bytes[at + 100] ^= 0x10
        try write(bytes, to: part)
    }

    /// Makes zeros of a part's beginning: its table and the first blocks of records.
    func wipe(_ part: String, blocks: Int) throws {
        var bytes = try bytes(of: part)
        var at = 0
        for _ in 0...blocks {
            at += 32 + Int(bytes[(at + 12)..<(at + 16)].reversed().reduce(0) { $0 << 8 | UInt32($1) })
        }
        bytes.replaceSubrange(0..<at, with: repeatElement(0, count: at))
        try write(bytes, to: part)
    }

    func read(_ stream: StreamID) throws -> [Tick] {
        var all: [Tick] = []
        var reader = try TickReader(stateDirectory: directory.path, .init(streams: [stream], order: .arrival))
        while let run = try reader.next() { all += run.ticks }
        return all
    }

    func mend(journal: Bool = true) throws -> RepairReport {
        let findings = try PartName.list(log).filter { name in
            var cursor = BlockCursor()
            let path = name.path(in: log)
            return try PartScan(
                path, cursor: &cursor, file: File(path, O_RDONLY), slotsPath: PartName.durablePath(ofLog: path)
            ).findings.contains(where: \.isAlarm)
        }
        return try Repair(
            stateDirectory: directory.path, nowNanos: someNanos, journalDirectory: journal ? self.journal : nil
        ).mendParts(Set(findings))
    }
}

@Suite struct MendTests {
    @Test(arguments: [0, 1]) func aDamagedPartGetsFromTheJournalWhatItHas(part: Int) throws {
        let recording = try Recording()
        try recording.record(parts: 2)
        try recording.journalHas(1...200)
        try recording.damage(recording.part(part), block: 4)
        #expect(try !Verify(stateDirectory: recording.directory.path).run().isSound)
        let report = try recording.mend()
        #expect(report.actions.count == 1)
        #expect(report.actions[0].what.contains("20 taken from the journal, 0 ranges lost"))
        for stream in [quotes, trades] { #expect(try recording.read(stream) == ticks(stream, 1...200)) }
        #expect(try Verify(stateDirectory: recording.directory.path).run().isSound)
        #expect(try LogRecovery(directory: recording.log).findings.isEmpty)
    }

    /// What the journal has no more is lost, and said to be: so it can be healed.
    @Test func theRestIsLost() throws {
        let recording = try Recording()
        try recording.record(parts: 2)
        try recording.journalHas(46...200)
        try recording.damage(recording.part(0), block: 4)
        _ = try recording.mend()
        let found = try recording.read(quotes)
        let lost = found.filter { $0.marker?.event == .lost }
        #expect(lost.map(\.key.seq) == [45] && lost[0].marker?.ref.seq == 41)
        #expect(found.filter { $0.kind == .bidAsk } == ticks(quotes, 1...40) + ticks(quotes, 46...200))
        #expect(try Verify(stateDirectory: recording.directory.path).run().isSound)
    }

    @Test func withoutAJournalAllOfItIsLost() throws {
        let recording = try Recording()
        try recording.record(parts: 1)
        try recording.damage(recording.part(0), block: 7)
        _ = try recording.mend(journal: false)
        let found = try recording.read(trades)
        #expect(found.filter { $0.marker?.event == .lost }.map { [$0.marker?.ref.seq ?? 0, $0.seq] } == [[71, 80]])
        #expect(found.filter { $0.kind == .last } == ticks(trades, 1...70) + ticks(trades, 81...100))
        #expect(try Verify(stateDirectory: recording.directory.path).run().isSound)
    }

    /// Nothing in front tells which key a stream began with: the epoch's first.
    @Test(arguments: [true, false]) func aDestroyedBeginningIsTakenBackOrLost(journal: Bool) throws {
        let recording = try Recording()
        try recording.record(parts: 2)
        try recording.journalHas(1...200)
        try recording.wipe(recording.part(0), blocks: 3)
        _ = try recording.mend(journal: journal)
        for stream in [quotes, trades] {
            let found = try recording.read(stream)
            if journal {
                #expect(found == ticks(stream, 1...200))
            } else {
                #expect(
                    found.filter { $0.marker?.event == .lost }.map { [$0.marker?.ref.seq ?? 0, $0.seq] } == [[1, 30]])
                #expect(found.filter { $0.marker == nil } == ticks(stream, 31...200))
            }
        }
        #expect(try Verify(stateDirectory: recording.directory.path).run().isSound)
    }
}
