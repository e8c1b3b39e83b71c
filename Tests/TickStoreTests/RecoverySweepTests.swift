import Foundation
import Testing
import Ticks

@testable import TickStore

/// Every cut and many flips, of whole logs and journals: what is whole comes back, what is damaged is found and
/// called by its name, and nothing is invented.
@Suite struct RecoverySweepTests {
    /// Six blocks of records behind the table, each with two quotes and a trade; part of them durable.
    struct Sample {
        static let blocks = 6
        let directory: TemporaryDirectory
        let log: String
        let bytes: [UInt8]
        let slots: [UInt8]
        /// `ends[n]`: where the n-th block of records ends; `ends[0]` the table.
        let ends: [Int]

        init(durableBlocks: Int) throws { try self.init(syncedBehind: [durableBlocks]) }

        /// - Parameter synced: the blocks behind which the log was synced.
        init(syncedBehind synced: [Int]) throws {
            directory = try TemporaryDirectory(inMemory: true)
            var log = try OpenLog.recovering(directory.file("log"))
            var ends = [Int(log.partEndOffset)]
            for block in 1...Sample.blocks {
                try log.append(Sample.quotes(of: block), Sample.trades(of: block))
                ends.append(Int(log.partEndOffset))
                // Blocks say in their header how far the part was durable: sync where a recorder would have.
                if synced.contains(block) { try log.sync() }
            }
            self.log = directory.file("log/") + log.part!.description
            self.ends = ends
            bytes = try TickStoreTests.bytes(of: self.log)
            slots = try TickStoreTests.bytes(of: DamageTests.slotsPath(self.log))
        }

        static func quotes(of block: Int) -> [Tick] {
            ticks(TickStoreTests.quotes, UInt32(block * 2 - 1)...UInt32(block * 2))
        }
        static func trades(of block: Int) -> [Tick] { ticks(TickStoreTests.trades, UInt32(block)...UInt32(block)) }

        /// How many blocks of records are whole; zeros and old bytes may happen to be the right ones.
        func whole(in damaged: [UInt8]) -> Int { ends.lastIndex { damaged.starts(with: bytes[..<$0]) } ?? 0 }

        func replace(_ damaged: [UInt8], slots: [UInt8]? = nil) throws {
            for name in try FileManager.default.contentsOfDirectory(atPath: directory.file("log")) {
                try FileManager.default.removeItem(atPath: directory.file("log/" + name))
            }
            try write(damaged, to: log)
            try write(slots ?? self.slots, to: DamageTests.slotsPath(log))
        }
    }

    enum Rest: CaseIterable { case missing, zeros, staleBlocks }

    /// A log cut at every byte offset of its last three blocks, with nothing,
    /// zeros or the disk's earlier content behind.
    @Test(arguments: [3, 5, 6], Rest.allCases)
    func everyCutOfTheLastThreeBlocks(durableBlocks: Int, rest: Rest) throws {
        let sample = try Sample(durableBlocks: durableBlocks)
        let stale = try Sample(durableBlocks: 6).bytes
        for cut in sample.ends[Sample.blocks - 3]..<sample.bytes.count {
            var damaged = Array(sample.bytes[..<cut])
            switch rest {
            case .missing: break
            case .zeros: damaged += [UInt8](repeating: 0, count: sample.bytes.count - cut)
            case .staleBlocks: damaged += stale[cut...]
            }
            try sample.replace(damaged)
            let whole = sample.whole(in: damaged)
            let isAlarm = whole < durableBlocks
            let recovery = try LogRecovery(directory: sample.directory.file("log"))
            #expect(recovery.positions[quotes]?.key.seq == UInt32(whole * 2), "cut at \(cut)")
            #expect(recovery.positions[trades]?.key.seq == UInt32(whole), "cut at \(cut)")
            // Told apart by the durable offset.
            let meanings = Set(recovery.findings.map(\.meaning))
            if isAlarm {
                #expect(meanings == (rest == .missing ? [.lostData] : [.corruption]), "cut at \(cut)")
            } else {
                #expect(meanings == (damaged.count == sample.ends[whole] ? [] : [.tornTail]), "cut at \(cut)")
            }
            // The recorder goes on behind it, and readers get each record once.
            var log = OpenLog(directory: sample.directory.file("log"), recovery: recovery)
            try log.beginPart(nowNanos: someNanos)
            for block in (whole + 1)...(Sample.blocks + 1) {
                try log.append(Sample.quotes(of: block), Sample.trades(of: block))
            }
            try log.sync()
            let read = try TickReader.all(TickReader(stateDirectory: sample.directory.path))
            #expect(read.ticks[quotes] == ticks(quotes, 1...UInt32(Sample.blocks * 2 + 2)), "cut at \(cut)")
            #expect(read.ticks[trades] == ticks(trades, 1...UInt32(Sample.blocks + 1)), "cut at \(cut)")
            let report = try Verify(stateDirectory: sample.directory.path).run()
            #expect(report.isSound == !isAlarm && report.missing.isEmpty, "cut at \(cut)")
        }
    }

    /// What a reader gives, stream by stream.
    private func expect(_ all: [StreamID: [Tick]], areBlocks blocks: [Int], _ comment: Comment) {
        #expect(all[quotes] ?? [] == blocks.flatMap(Sample.quotes), comment)
        #expect(all[trades] ?? [] == blocks.flatMap(Sample.trades), comment)
        #expect(all.keys.allSatisfy { $0 == quotes || $0 == trades }, comment)
    }

    /// One bit anywhere in a log: found, and all blocks but the one that was hit are read as they were written.
    @Test func oneFlippedBitInTheLogCostsItsBlockAndNoOther() throws {
        let sample = try Sample(syncedBehind: [Sample.blocks])
        #expect(sample.bytes.count * 8 >= 10_000)
        for bit in bitsToFlip(of: sample.bytes, quick: 1_200, seed: 20_260_102) {
            var damaged = sample.bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            try write(damaged, to: sample.log)
            // 0: the table, which no record needs.
            let hit = try #require(sample.ends.firstIndex { bit / 8 < $0 })
            let left = (1...Sample.blocks).filter { $0 != hit }
            #expect(try !Verify(stateDirectory: sample.directory.path).run().isSound, "bit \(bit)")
            let (all, findings) = try TickReader.all(TickReader(stateDirectory: sample.directory.path))
            #expect(!findings.isEmpty, "bit \(bit)")
            expect(all, areBlocks: left, "bit \(bit)")
            let recovery = try LogRecovery(directory: sample.directory.file("log"))
            #expect(recovery.findings.contains { $0.meaning == .corruption }, "bit \(bit)")
            #expect(recovery.positions[quotes]?.key.seq == UInt32(left[left.count - 1] * 2), "bit \(bit)")
            #expect(recovery.positions[trades]?.key.seq == UInt32(left[left.count - 1]), "bit \(bit)")
        }
    }

    /// One bit anywhere in a sidecar: found. A reader goes as far as the slot that is left, and recovery needs none.
    @Test func oneFlippedBitInTheSidecarCostsNothingForLong() throws {
        let synced = [3, Sample.blocks]
        let sample = try Sample(syncedBehind: synced)
        let slots: [Range<Int>] = [0, Int(DurableSlots.slotDistance)].map { $0..<($0 + DurableSlots.slotSize) }
        for bit in bitsToFlip(of: sample.slots, quick: 300, seed: 20_260_103) {
            var damaged = sample.slots
            damaged[bit / 8] ^= 1 << (bit % 8)
            try sample.replace(sample.bytes, slots: damaged)
            #expect(try !Verify(stateDirectory: sample.directory.path).run().isSound, "bit \(bit)")
            let (all, findings) = try TickReader.all(TickReader(stateDirectory: sample.directory.path))
            #expect(!findings.isEmpty, "bit \(bit)")
            expect(all, areBlocks: Array(1...(slots[1].contains(bit / 8) ? synced[0] : synced[1])), "bit \(bit)")
            let recovery = try LogRecovery(directory: sample.directory.file("log"))
            #expect(recovery.positions[quotes]?.key.seq == 12 && recovery.positions[trades]?.key.seq == 6, "bit \(bit)")
            // The recorder goes on behind it, and the part is read whole.
            var log = OpenLog(directory: sample.directory.file("log"), recovery: recovery)
            try log.beginPart(nowNanos: someNanos)
            let again = try TickReader.all(TickReader(stateDirectory: sample.directory.path)).ticks
            expect(again, areBlocks: Array(1...Sample.blocks), "bit \(bit)")
        }
    }

    // MARK: - Journal

    /// The journal's only segment in use, four blocks behind the table.
    private func journal(_ directory: TemporaryDirectory) throws -> (path: String, ends: [Int]) {
        var journal = try Journal(
            directory: directory.path, sizeBytes: 128 << 10, segmentBytes: 64 << 10, bootID: "here")
        try journal.begin(epoch: 100)
        var ends = [64]
        for block in UInt32(1)...4 {
            try journal.append(ticks(quotes, (block * 2 - 1)...(block * 2)))
            ends.append(ends[ends.count - 1] + 32 + 128)
        }
        let name = try #require(try directory.logs().last)
        return (directory.file(name), ends)
    }

    /// As kill -9 may leave it: whatever was not written yet is what the file had before.
    @Test func aJournalCutAnywhereGivesWhatIsWholeAndAnotherNumber() throws {
        for recycled in [false, true] {
            let directory = try TemporaryDirectory(inMemory: true)
            let (path, ends) = try journal(directory)
            let bytes = try TickStoreTests.bytes(of: path)
            var old = [UInt8](repeating: 0, count: bytes.count)
            if recycled {
                // Blocks of the segment's earlier use, at the same places.
                let other = try TemporaryDirectory(inMemory: true)
                old = try TickStoreTests.bytes(of: try journal(other).path)
            }
            for cut in 64...ends[4] {
                let damaged = Array(bytes[..<cut]) + old[cut...]
                try write(damaged, to: path)
                let whole = UInt32((ends.lastIndex { damaged.starts(with: bytes[..<$0]) } ?? 0) * 2)
                var reader = JournalReader(directory: directory.path)
                let (page, all) = try reader.page(quotes, from: .zero)
                #expect(all == (whole == 0 ? [] : ticks(quotes, 1...whole)), "cut at \(cut)")
                #expect(page.goneFirst == nil, "cut at \(cut)")
                let again = try Journal(
                    directory: directory.path, sizeBytes: 128 << 10, segmentBytes: 64 << 10, bootID: "here")
                #expect(again.positions[quotes]?.key.seq == (whole == 0 ? nil : whole), "cut at \(cut)")
                #expect(again.greatestEpoch == 100 && again.findings.isEmpty, "cut at \(cut)")
            }
        }
    }

    /// A segment that was just being begun when the process died.
    @Test func aJournalSegmentCutInItsTableLeavesTheOneBefore() throws {
        let directory = try TemporaryDirectory(inMemory: true)
        _ = try journal(directory)
        do {
            var next = try Journal(
                directory: directory.path, sizeBytes: 128 << 10, segmentBytes: 64 << 10, bootID: "here")
            try next.begin(epoch: 101)
        }
        let newest = directory.file(try #require(try directory.logs().last))
        let bytes = try TickStoreTests.bytes(of: newest)
        // Its table: the first epoch, and one stream.
        for cut in 0..<96 {
            try write(Array(bytes[..<cut]) + [UInt8](repeating: 0, count: bytes.count - cut), to: newest)
            var reader = JournalReader(directory: directory.path)
            #expect(try reader.page(quotes, from: .zero).1 == ticks(quotes, 1...8), "cut at \(cut)")
            let again = try Journal(
                directory: directory.path, sizeBytes: 128 << 10, segmentBytes: 64 << 10, bootID: "here")
            #expect(again.positions[quotes]?.key.seq == 8, "cut at \(cut)")
            // Opening sets the unfinished segment aside.
            for spare in try FileManager.default.contentsOfDirectory(atPath: directory.path)
            where spare.hasSuffix(".spare") {
                try FileManager.default.moveItem(atPath: directory.file(spare), toPath: newest)
            }
        }
    }

    @Test func aFlippedBitInTheJournalIsNeverGivenOut() throws {
        let directory = try TemporaryDirectory(inMemory: true)
        let (path, ends) = try journal(directory)
        let bytes = try TickStoreTests.bytes(of: path)
        let original = ticks(quotes, 1...8)
        for bit in (64 * 8)..<(ends[4] * 8) where isFull || bit % 7 == 0 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            try write(damaged, to: path)
            var reader = JournalReader(directory: directory.path)
            var want = TickKey.zero
            var got: [Tick] = []
            for _ in 0..<4 {
                let (page, all) = try reader.page(quotes, from: want)
                got += all
                want = page.next
            }
            #expect(got.count < 8 && got.allSatisfy { original.contains($0) }, "bit \(bit)")
        }
    }
}
