import Foundation
import Testing
import Ticks

@testable import TickStore

private let hour: Int64 = 3_600_000_000_000

/// Parts of a log that somebody removes: what `LogParts` tells of them, and what comes back.
@Suite struct LogPartsTests {
    /// Four parts of 100 quotes and 100 trades each, and a journal that has had some of them.
    private struct Recording {
        let directory = try! TemporaryDirectory()
        var state: String { directory.path }
        var log: String { state + "/log" }
        var journal: String { state + "/journal" }

        init(journalHas: ClosedRange<UInt32>? = nil) throws {
            try FileManager.default.createDirectory(atPath: log, withIntermediateDirectories: true)
            try bringList(state)
            var open = OpenLog(directory: log, recovery: LogRecovery())
            for part in UInt32(0)..<4 {
                try open.beginPart(nowNanos: someNanos + Int64(part) * hour)
                let seqs = (part * 100 + 1)...(part * 100 + 100)
                try open.append(ticks(quotes, seqs), ticks(trades, seqs))
                try open.sync()
            }
            guard let journalHas else { return }
            var written = try Journal(directory: journal, sizeBytes: 1 << 20, segmentBytes: 256 << 10, bootID: "x")
            try written.begin(epoch: 100)
            try written.append(ticks(quotes, journalHas), ticks(trades, journalHas))
        }

        func remove(_ numbers: [Int]) throws {
            let names = try PartName.list(log)
            for number in numbers { try FileManager.default.removeItem(atPath: names[number].path(in: log)) }
        }

        func mend(_ gone: [LogParts.Gone]) throws -> RepairReport {
            try Repair(stateDirectory: state, nowNanos: someNanos, journalDirectory: journal).mendParts(gone)
        }

        func read() throws -> (ticks: [UInt32], lost: [ClosedRange<UInt32>]) {
            let all = try TickReader.all(TickReader(stateDirectory: state, .init(order: .arrival))).ticks[quotes] ?? []
            return (
                all.filter { $0.kind != .marker }.map(\.seq),
                all.compactMap { $0.marker?.event == .lost ? $0.marker!.ref.seq...$0.seq : nil }
            )
        }
    }

    @Test(arguments: [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]], [true, false])
    func whatIsGoneIsToldOnceAndComesBackFromTheJournalOrIsLost(removed: [Int], hasSeen: Bool) throws {
        let recording = try Recording(journalHas: 151...400)
        var parts = LogParts(stateDirectory: recording.state)
        let names = try PartName.list(recording.log)
        if hasSeen { #expect(try parts.look().isEmpty) }
        try recording.remove(removed)
        #expect(try !Verify(stateDirectory: recording.state).run().isSound)
        let gone = try parts.look()
        // Neighbours are one.
        let told = removed.filter { !removed.contains($0 + 1) }
        #expect(gone.map(\.name.number) == told.map { names[$0].number })
        if hasSeen { #expect(gone.map(\.name) == told.map { names[$0] }) }
        #expect(gone.allSatisfy { $0.text.contains("a finished part of the log is gone, with records of 2 streams") })
        let report = try recording.mend(gone)
        #expect(report.actions.map(\.path) == gone.map(\.path))
        #expect(try parts.look().isEmpty)
        let verified = try Verify(stateDirectory: recording.state).run()
        #expect(verified.isSound, "\(verified.problems) \(verified.missing)")
        let lost = seqs(of: removed).filter { $0 < 151 }
        let read = try recording.read()
        #expect(read.ticks == (1...400).filter { !lost.contains($0) })
        #expect(read.lost.flatMap { Array($0) } == lost)
        // A recorder that starts goes on where the log ends.
        #expect(try LogRecovery(directory: recording.log).positions[quotes]?.key.seq == 400)
        var again = LogParts(stateDirectory: recording.state)
        #expect(try again.look().isEmpty)
    }

    private func seqs(of parts: [Int]) -> [UInt32] {
        var seqs: [UInt32] = []
        for part in parts { seqs += UInt32(part * 100 + 1)...UInt32(part * 100 + 100) }
        return seqs
    }

    /// The chain tells without a recorder too, and repair does the same.
    @Test(arguments: 0...2) func repairFindsAPartThatIsGone(removed: Int) throws {
        let recording = try Recording(journalHas: 151...400)
        try recording.remove([removed])
        let report = try Repair(
            stateDirectory: recording.state, nowNanos: someNanos, journalDirectory: recording.journal
        ).run()
        #expect(report.verified.isSound && report.isWhole == (removed == 2))
        let lost = seqs(of: [removed]).filter { $0 < 151 }
        let read = try recording.read()
        #expect(read.ticks == (1...400).filter { !lost.contains($0) } && read.lost.flatMap { Array($0) } == lost)
    }

    /// A number without a part proves nothing, and what was sealed is not missed.
    @Test func partsWithoutARecordAndSealedOnesMayGo() throws {
        let recording = try Recording()
        var parts = LogParts(stateDirectory: recording.state)
        #expect(try parts.look().isEmpty)
        var open = try OpenLog.recovering(recording.log)
        guard let empty = open.part else {
            Issue.record("no part")
            return
        }
        try open.beginPart(nowNanos: someNanos + 5 * hour)
        #expect(try parts.look().isEmpty)
        try FileManager.default.removeItem(atPath: empty.path(in: recording.log))
        #expect(try parts.look().isEmpty)
        for (number, stream) in [quotes, trades].enumerated() where number < 2 {
            try SealedRecording.seal(recording.state, stream, hour: 0, ticks(stream, 1...200))
        }
        try recording.remove([0, 1])
        #expect(try parts.look().isEmpty)
        var fresh = LogParts(stateDirectory: recording.state)
        #expect(try fresh.look().isEmpty)
        // One that is kept although it is sealed is no sign of anything.
        try recording.remove([1])
        #expect(try fresh.look().map(\.name.number) == [4])
    }

    @Test func definitionsThatAreGoneAreToldAndPutBack() throws {
        let recording = try Recording()
        let state = recording.state
        let one = ContractID(conId: quotes.conId)
        let other = ContractID(conId: 5, source: 2)
        var kept = KeptDefinitions(stateDirectory: state)
        #expect(try kept.look().isEmpty)
        try KeptDefinitions.write(Array("{\"a\":1}\n".utf8), state, one)
        try KeptDefinitions.write(Array("{\"b\":2}\n".utf8), state, other)
        #expect(try kept.look().isEmpty)
        #expect(try SealedList(stateDirectory: state).definitions == [one, other])
        #expect(try Verify(stateDirectory: state).run().isSound)
        let path = KeptDefinitions.path(state, one)
        try FileManager.default.removeItem(atPath: path)
        #expect(try !Verify(stateDirectory: state).run().isSound)
        #expect(try SealedFiles(stateDirectory: state, opensAll: false).damage.count == 1)
        let gone = try kept.look()
        #expect(gone.map(\.path) == [path] && gone.allSatisfy(\.isRestored))
        #expect(try bytes(of: path) == Array("{\"a\":1}\n".utf8))
        #expect(try kept.look().isEmpty && Verify(stateDirectory: state).run().isSound)
        // Without a copy: a sealed file has it, or nothing has.
        try FileManager.default.removeItem(atPath: state + "/definitions")
        var fresh = KeptDefinitions(stateDirectory: state)
        #expect(try fresh.look().map(\.isRestored) == [false, false])
        #expect(try fresh.look().isEmpty)
        let report = try Repair(stateDirectory: state, nowNanos: someNanos).run()
        #expect(!report.isWhole && report.lostDefinitions == 2 && report.verified.isSound)
        #expect(try Repair(stateDirectory: state, nowNanos: someNanos).run().isWhole)
    }

    @Test func aSealedFileGivesADefinitionBack() throws {
        let recording = try Recording()
        let state = recording.state
        let contract = ContractID(conId: quotes.conId)
        let definition = Array("{\"symbol\":\"X\"}".utf8)
        try KeptDefinitions.write(definition, state, contract)
        var kept = KeptDefinitions(stateDirectory: state)
        #expect(try kept.look().isEmpty)
        let path = try SealedRecording.path(state, quotes, hour: 0)
        var writer = try SegmentWriter(
            temporary: path + ".new", stream: quotes, definition: definition, previousKey: .zero,
            workspace: SegmentWorkspace())
        try Repair.append(ticks(quotes, 1...100), to: &writer)
        _ = try writer.finish()
        try FileManager.default.moveItem(atPath: path + ".new", toPath: path)
        try bringList(state)
        for isRepair in [true, false] {
            try FileManager.default.removeItem(atPath: KeptDefinitions.path(state, contract))
            if isRepair {
                #expect(try Repair(stateDirectory: state, nowNanos: someNanos).run().isWhole)
            } else {
                var fresh = KeptDefinitions(stateDirectory: state)
                #expect(try fresh.look().map(\.isRestored) == [true])
            }
            #expect(try bytes(of: KeptDefinitions.path(state, contract)) == definition)
            #expect(try Verify(stateDirectory: state).run().isSound)
        }
    }
}
