import Foundation
import Testing
import Ticks

@testable import TickStore

/// Files that somebody removes under a running writer, and file systems without room.
@Suite struct WipedFilesTests {
    private let small: UInt64 = 64 << 10

    @Test func aPartThatIsRemovedWhileItIsWrittenIsMissed() throws {
        let directory = try TemporaryDirectory()
        let log = try OpenLog.recovering(directory.path)
        let before = log.partIsStillThere
        try FileManager.default.removeItem(atPath: directory.file(log.part!.description))
        let after = log.partIsStillThere
        #expect(before && !after)
    }

    @Test func slotsThatAreRemovedWhileThePartIsWrittenAreMissed() throws {
        let directory = try TemporaryDirectory()
        let log = try OpenLog.recovering(directory.path)
        let before = log.partIsStillThere
        try FileManager.default.removeItem(atPath: PartName.durablePath(ofLog: log.part!.path(in: directory.path)))
        let after = log.partIsStillThere
        #expect(before && !after)
    }

    /// All files go, and the recorder begins again with the same names.
    @Test func readersOfALogThatIsWipedGoOnWithTheNewOne() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("log")
        var log = try OpenLog.recovering(path)
        try log.append(ticks(quotes, 1...50))
        try log.beginPart(nowNanos: someNanos)
        try log.append(ticks(quotes, 51...60))
        try log.sync()
        var history = LogHistory(stateDirectory: directory.path)
        var scan = GapScan(stateDirectory: directory.path)
        #expect(try history.read(quotes, from: .zero, limit: 100) { _ in }.records == 60)
        #expect(try scan.advance())
        #expect(try scan.ledger(of: quotes).lastKey == TickKey(epoch: 100, seq: 60))
        for epoch: UInt32 in [7, 8] {
            // Once with fewer parts than before, once with the same name for the newest.
            try FileManager.default.removeItem(atPath: path)
            #expect(try scan.advance())
            var again = try OpenLog.recovering(path)
            try again.append(ticks(quotes, epoch: epoch, 1...10))
            try again.sync()
            var seen: [Tick] = []
            _ = try history.read(quotes, from: .zero, limit: 100) { seen += $0 }
            #expect(seen == ticks(quotes, epoch: epoch, 1...10))
            #expect(try scan.advance())
            #expect(try scan.ledger(of: quotes).lastKey == TickKey(epoch: epoch, seq: 10))
        }
    }

    @Test func aJournalWhoseFilesAreRemovedBeginsOthersUnderNewNumbers() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("journal")
        var journal = try Journal(directory: path, sizeBytes: 4 * small, segmentBytes: small)
        try journal.begin(epoch: 100)
        try journal.append(ticks(quotes, 1...5))
        var reader = JournalReader(directory: path)
        #expect(try reader.page(quotes, from: .zero).1.count == 5)
        try journal.checkFiles()
        let before = try FileManager.default.contentsOfDirectory(atPath: path)
        try FileManager.default.removeItem(atPath: path)
        try journal.checkFiles()
        let after = try FileManager.default.contentsOfDirectory(atPath: path)
        #expect(Set(before).isDisjoint(with: after.filter { $0.hasSuffix(".log") }))
        try journal.append(ticks(quotes, 6...9))
        // What is gone is said to be gone; the rest goes on, ring after ring.
        let gone = try reader.page(quotes, from: TickKey(epoch: 100, seq: 1)).0
        #expect(gone == .gone(TickKey(epoch: 100, seq: 6)))
        #expect(try reader.page(quotes, from: gone.next).1 == ticks(quotes, 6...9))
        for start in stride(from: UInt32(10), through: 6000, by: 100) {
            try journal.append(ticks(quotes, start...(start + 99)))
            #expect(
                try reader.page(quotes, from: TickKey(epoch: 100, seq: start)).1 == ticks(quotes, start...(start + 99)))
        }
        #expect(journal.capacityBytes == 4 * small)
    }

    /// A ring that loses its files one by one while it goes round.
    @Test func aSegmentThatIsRemovedIsLeftOut() throws {
        let directory = try TemporaryDirectory()
        var journal = try Journal(directory: directory.path, sizeBytes: 4 * small, segmentBytes: small)
        try journal.begin(epoch: 100)
        for start in stride(from: UInt32(1), through: 9000, by: 100) {
            try journal.append(ticks(quotes, start...(start + 99)))
            if start % 1000 == 1 {
                let oldest = try #require(
                    try directory.logs().compactMap { JournalFiles.number($0, ".log") }.min())
                try FileManager.default.removeItem(atPath: directory.file("\(oldest).log"))
                try journal.checkFiles()
            }
        }
        let again = try Journal(directory: directory.path, sizeBytes: 4 * small, segmentBytes: small)
        #expect(again.positions[quotes]?.key.seq == 9000)
    }

    @Test func aJournalWithoutRoomFailsUntilThereIsSome() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            FailedWriteTests.limitFiles(toBytes: 1000)
            var journal = try Journal(directory: directory.path, sizeBytes: 256 << 10, segmentBytes: 64 << 10)
            #expect(journal.capacityBytes == 0)
            #expect(throws: StoreError.self) { try journal.begin(epoch: 100) }
            #expect(throws: StoreError.self) { try journal.append(ticks(quotes, 1...10)) }
            #expect(journal.positions[quotes]?.key.seq == 10)
            FailedWriteTests.limitFiles(toBytes: 1 << 20)
            var first: UInt32 = 11
            while true {
                do {
                    try journal.append(ticks(quotes, first...first))
                    break
                } catch {
                    first += 1
                    usleep(20_000)
                }
            }
            var reader = JournalReader(directory: directory.path)
            let hole = try reader.page(quotes, from: TickKey(epoch: 100, seq: 1)).0
            #expect(hole == .gone(TickKey(epoch: 100, seq: first)))
            #expect(try reader.page(quotes, from: hole.next).1 == ticks(quotes, first...first))
        }
    }

    /// A disk that takes files and fails to make them durable must not fill up with what was given up.
    @Test func aPartOfWhichNothingBecameDurableIsRemoved() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            var log = try OpenLog.recovering(directory.path)
            for _ in 0..<3 {
                FailedWriteTests.limitFiles(toBytes: 3000)
                #expect(throws: StoreError.self) { try log.append(ticks(quotes, 1...100)) }
                FailedWriteTests.limitFiles(toBytes: 1 << 20)
                try log.beginPart(nowNanos: someNanos)
                #expect(try directory.logs() == [log.part!.description])
            }
            try log.append(ticks(quotes, 1...5))
            try log.sync()
            FailedWriteTests.limitFiles(toBytes: 3000)
            #expect(throws: StoreError.self) { try log.append(ticks(quotes, 6...100)) }
            FailedWriteTests.limitFiles(toBytes: 1 << 20)
            try log.beginPart(nowNanos: someNanos)
            // This one had something.
            #expect(try directory.logs().count == 2)
        }
    }

    @Test func nothingStandsBesideTheSlots() throws {
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.path)
        try log.append(ticks(quotes, 1...5))
        try log.sync()
        let path = PartName.durablePath(ofLog: directory.file(log.part!.description))
        let sound = try bytes(of: path)
        #expect(sound.count == DurableSlots.fileBytes)
        #expect(try !DurableSlots.read(path, partID: nil).isDamaged)
        for offset in [24, 300, 511, 535] {
            var damaged = sound
            damaged[offset] ^= 0x10
            try write(damaged, to: path)
            #expect(try DurableSlots.read(path, partID: nil).isDamaged, "\(offset)")
        }
        try write(sound + [0], to: path)
        #expect(try DurableSlots.read(path, partID: nil).isDamaged)
    }
}
