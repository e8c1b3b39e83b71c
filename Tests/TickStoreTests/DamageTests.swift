import Foundation
import Testing
import Ticks

@testable import TickStore

/// Files as power losses, kills and bad disks leave them.
@Suite struct DamageTests {
    /// A log of one part with four blocks: the table, and three of records; durable up to block `durable`.
    struct Sample {
        let directory: TemporaryDirectory
        let log: String
        let bytes: [UInt8]
        let slots: [UInt8]
        /// Where each block ends.
        let ends: [Int]

        init(durableBlocks: Int) throws {
            directory = try TemporaryDirectory()
            var log = try OpenLog.recovering(directory.file("log"))
            var ends = [Int(log.partEndOffset)]
            for block in UInt32(1)...3 {
                if Int(block) == durableBlocks + 1 { try log.sync() }
                try log.append(ticks(quotes, (block * 10 - 9)...(block * 10)), ticks(trades, block...block))
                ends.append(Int(log.partEndOffset))
            }
            if durableBlocks == 3 { try log.sync() }
            self.log = directory.file("log/") + log.part!.description
            self.ends = ends
            bytes = try TickStoreTests.bytes(of: self.log)
            slots = try TickStoreTests.bytes(of: slotsPath(self.log))
        }

        /// Puts damaged bytes in place of the log and the original slots beside it.
        func replace(_ damaged: [UInt8]) throws {
            try write(damaged, to: log)
            try write(slots, to: slotsPath(log))
        }

        func recover() throws -> LogRecovery { try LogRecovery(directory: directory.file("log")) }
    }

    static func slotsPath(_ log: String) -> String { PartName.durablePath(ofLog: log) }

    @Test func aCutInAnUnsyncedBlockIsATornTailAtEveryOffset() throws {
        let sample = try Sample(durableBlocks: 2)
        for cut in sample.ends[2]...sample.ends[3] {
            for filled in [false, true] {
                // Cut off, or of full length with the rest never written.
                var damaged = Array(sample.bytes[..<cut])
                if filled { damaged += [UInt8](repeating: 0, count: sample.bytes.count - cut) }
                try sample.replace(damaged)
                let recovery = try sample.recover()
                let whole = damaged == sample.bytes
                #expect(recovery.positions[quotes]?.key.seq == (whole ? 30 : 20))
                #expect(recovery.findings.allSatisfy { !$0.isAlarm })
                #expect(recovery.findings.isEmpty == (whole || damaged.count == sample.ends[2]))
                let (all, findings) = try TickReader.all(try TickReader(stateDirectory: sample.directory.path))
                #expect(all[quotes] == ticks(quotes, 1...(whole ? 30 : 20)) && findings.isEmpty)
            }
        }
    }

    @Test func aCutInADurableBlockIsLostDataAtEveryOffset() throws {
        let sample = try Sample(durableBlocks: 3)
        for cut in sample.ends[2]..<sample.ends[3] {
            try sample.replace(Array(sample.bytes[..<cut]))
            let recovery = try sample.recover()
            #expect(recovery.positions[quotes]?.key.seq == 20)
            #expect(recovery.findings.map(\.meaning) == [.lostData])
            #expect(recovery.findings[0].range.upperBound == UInt64(sample.ends[3]))
            #expect(try !Verify(stateDirectory: sample.directory.path).run().isSound)
        }
    }

    @Test func anEmptyOrTornFirstBlockFallsBackToThePartBefore() throws {
        let sample = try Sample(durableBlocks: 3)
        let next = sample.directory.file("log/2026-01-01T00.0002.log")
        for length in 0..<32 {
            try write(Array(sample.bytes[..<length]), to: next)
            let recovery = try sample.recover()
            #expect(recovery.positions[quotes]?.key.seq == 30)
            #expect(recovery.findings.allSatisfy { !$0.isAlarm })
            #expect(recovery.lastPart?.number == 2)
        }
    }

    @Test func staleBlocksBehindATearAreNotTaken() throws {
        // Block 2 was never written, block 3 was: nothing of both had been synced.
        let sample = try Sample(durableBlocks: 1)
        var damaged = sample.bytes
        for at in sample.ends[1]..<sample.ends[2] { damaged[at] = 0 }
        try sample.replace(damaged)
        let recovery = try sample.recover()
        #expect(recovery.positions[quotes]?.key.seq == 10)
        #expect(recovery.findings.map(\.meaning) == [.tornTail])
        #expect(recovery.findings[0].range == UInt64(sample.ends[1])..<UInt64(sample.bytes.count))
        #expect(try TickReader.all(try TickReader(stateDirectory: sample.directory.path)).ticks[quotes]?.count == 10)
    }

    @Test func aTearBehindDamageIsATear() throws {
        // Block 1 was durable and is damaged, block 2 was never written, block 3 was.
        let sample = try Sample(durableBlocks: 1)
        var damaged = sample.bytes
        damaged[sample.ends[0] + 40] ^= 1
        for at in sample.ends[1]..<sample.ends[2] { damaged[at] = 0 }
        try sample.replace(damaged)
        let recovery = try sample.recover()
        #expect(recovery.positions[quotes] == nil)
        #expect(recovery.findings.map(\.meaning) == [.corruption, .tornTail])
        #expect(recovery.findings.map(\.range.lowerBound) == [UInt64(sample.ends[0]), UInt64(sample.ends[1])])
    }

    @Test func aLaterBlockProvesWhatWasDurableEvenWithoutSlots() throws {
        // Block 3 was written after the sync of block 2, and says so.
        let sample = try Sample(durableBlocks: 2)
        var damaged = sample.bytes
        damaged[sample.ends[1] + 40] ^= 1
        try sample.replace(damaged)
        try FileManager.default.removeItem(atPath: DamageTests.slotsPath(sample.log))
        let recovery = try sample.recover()
        #expect(recovery.positions[quotes]?.key.seq == 30)
        #expect(recovery.findings.map(\.meaning) == [.corruption])
        #expect(recovery.findings[0].range == UInt64(sample.ends[1])..<UInt64(sample.ends[2]))
    }

    @Test func blocksOfAnotherUseOfTheFileAreNotTaken() throws {
        let old = try Sample(durableBlocks: 3)
        let new = try Sample(durableBlocks: 2)
        // The third block lies where the old use of the disk had one of the same size.
        try new.replace(Array(new.bytes[..<new.ends[2]]) + Array(old.bytes[old.ends[2]...]))
        let recovery = try new.recover()
        #expect(recovery.positions[quotes]?.key.seq == 20)
        #expect(recovery.findings.map(\.meaning) == [.tornTail])
    }

    @Test func oneFlippedBitAnywhereIsFound() throws {
        let sample = try Sample(durableBlocks: 3)
        var generator = SplitMix64(seed: 20_260_101)
        let original: [StreamID: [Tick]] = [quotes: ticks(quotes, 1...30), trades: ticks(trades, 1...3)]
        for _ in 0..<500 {
            let bit = Int.random(in: 0..<(sample.bytes.count * 8), using: &generator)
            var damaged = sample.bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            try sample.replace(damaged)
            let report = try Verify(stateDirectory: sample.directory.path).run()
            #expect(!report.isSound, "bit \(bit)")
            let (all, findings) = try TickReader.all(try TickReader(stateDirectory: sample.directory.path))
            #expect(!findings.isEmpty, "bit \(bit)")
            for (stream, given) in all { #expect(given.allSatisfy { original[stream]!.contains($0) }, "bit \(bit)") }
            let recovery = try sample.recover()
            #expect(recovery.findings.contains { $0.meaning == .corruption }, "bit \(bit)")
        }
    }

    @Test func oneFlippedBitInTheSlotsIsFound() throws {
        let sample = try Sample(durableBlocks: 3)
        for bit in 0..<(24 * 8) {
            var damaged = sample.slots
            damaged[bit / 8] ^= 1 << (bit % 8)
            try write(damaged, to: DamageTests.slotsPath(sample.log))
            #expect(try !Verify(stateDirectory: sample.directory.path).run().isSound, "bit \(bit)")
            #expect(try sample.recover().positions[quotes]?.key.seq == 30)
            let reading = try DurableSlots.read(DamageTests.slotsPath(sample.log), partID: nil)
            #expect(!reading.isDamaged && reading.durableTo == UInt64(sample.bytes.count))
        }
    }

    /// Memory that is not there reads as a bad sector does.
    @Test func slotsThatCanNotBeReadAreDamagedAndMadeAnew() throws {
        let sample = try Sample(durableBlocks: 3)
        let path = DamageTests.slotsPath(sample.log)
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/proc/self/mem")
        let report = try Verify(stateDirectory: sample.directory.path).run()
        #expect(report.findings.map(\.path) == [path])
        #expect(try sample.recover().positions[quotes]?.key.seq == 30)
        #expect(try Verify(stateDirectory: sample.directory.path).run().isSound)
    }

    /// As a process leaves it that dies between its first append and its first sync.
    @Test func aPartInWhichNothingWasDurableYetIsSound() throws {
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.file("log"))
        try log.append(ticks(quotes, 1...5))
        let report = try Verify(stateDirectory: directory.path).run()
        #expect(report.isSound, "\(report.findings)")
        #expect(try LogRecovery(directory: directory.file("log")).positions[quotes]?.key.seq == 5)
    }

    @Test func aPartThatIsMissingIsMissed() throws {
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.file("log"))
        for part in UInt32(0)..<3 {
            try log.append(ticks(quotes, (part * 5 + 1)...(part * 5 + 5)))
            try log.beginPart(nowNanos: someNanos)
        }
        #expect(try Verify(stateDirectory: directory.path).run().isSound)
        try FileManager.default.removeItem(atPath: directory.file("log/2026-01-01T00.0002.log"))
        let report = try Verify(stateDirectory: directory.path).run()
        #expect(!report.isSound)
        #expect(
            report.missing == [
                KeyRange(stream: quotes, first: TickKey(epoch: 100, seq: 6), last: TickKey(epoch: 100, seq: 10))
            ])
    }

    /// The newest part is read as far as its slots say; without them it is not silently taken for an empty one.
    @Test func theNewestPartWithoutItsSlotsIsFound() throws {
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.file("log"))
        #expect(try Verify(stateDirectory: directory.path).run().isSound)
        try withPieces([ticks(quotes, 1...5)]) { try log.append($0) }
        try log.sync()
        let part = try #require(try PartName.list(directory.file("log")).last).path(in: directory.file("log"))
        try FileManager.default.removeItem(atPath: DamageTests.slotsPath(part))
        let report = try Verify(stateDirectory: directory.path).run()
        #expect(!report.isSound && report.findings.map(\.path) == [DamageTests.slotsPath(part)])
    }

    @Test func eachKeyIsOneRecordOrLost() throws {
        func report(_ runs: [Tick]...) throws -> VerifyReport {
            let directory = try TemporaryDirectory()
            var log = try OpenLog.recovering(directory.file("log"))
            for run in runs { try withPieces([run]) { try log.append($0) } }
            try log.sync()
            return try Verify(stateDirectory: directory.path).run()
        }
        func lost(_ first: TickKey, _ last: TickKey) -> [Tick] {
            [Tick(marker: .lost, of: quotes, key: last, tsRecvNanos: someNanos, ref: first)]
        }
        func key(_ seq: UInt32, epoch: UInt32 = 100) -> TickKey { TickKey(epoch: epoch, seq: seq) }
        #expect(try report(ticks(quotes, 1...3), ticks(quotes, 5...6)).missing.map(\.first) == [key(4)])
        #expect(try report(ticks(quotes, 2...3)).missing.map(\.last) == [key(1)])
        let covered = try report(ticks(quotes, 1...3), lost(key(4), key(7)), ticks(quotes, 8...9))
        #expect(covered.isSound && covered.lost == [KeyRange(stream: quotes, first: key(4), last: key(7))])
        #expect(try report(ticks(quotes, 1...3), lost(key(5), key(7))).missing.map(\.first) == [key(4)])
        #expect(try !report(ticks(quotes, 1...3), lost(key(3), key(7))).isSound)
        #expect(try !report(ticks(quotes, 1...3), ticks(quotes, 3...4)).isSound)
        #expect(
            try report(ticks(quotes, 1...3), lost(key(4), key(.max)), ticks(quotes, epoch: 101, 1...2)).isSound)
        #expect(try report(ticks(quotes, 1...3), ticks(quotes, epoch: 101, 1...2)).isSound)
        #expect(
            try report(ticks(quotes, 1...3), ticks(quotes, epoch: 101, 2...2)).missing.map(\.first)
                == [key(4)])
        // An epoch's first record names the last key before it.
        func begun(_ epoch: UInt32, after ref: TickKey) -> [Tick] {
            [Tick(marker: .epochBegun, of: quotes, key: key(1, epoch: epoch), tsRecvNanos: someNanos, ref: ref)]
        }
        #expect(try report(ticks(quotes, 1...3), begun(101, after: key(3)), ticks(quotes, epoch: 101, 2...3)).isSound)
        #expect(try report(ticks(quotes, 1...3), begun(101, after: .zero), ticks(quotes, epoch: 101, 2...3)).isSound)
        let ended = try report(ticks(quotes, 1...3), begun(103, after: key(5, epoch: 102))).missing
        #expect(ended == [KeyRange(stream: quotes, first: key(4), last: key(5, epoch: 102))])
        var parted = ticks(quotes, 1...2)
        parted[1].flags = .moreFollows
        #expect(try !report(parted).isSound)
    }
}
