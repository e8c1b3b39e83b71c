import Foundation
import Testing
import Ticks

@testable import TickStore

@Suite struct GapScanTests {
    /// A stream of its own for each test's script, with some of another stream between.
    private func append(_ records: ArraySlice<Tick>, to log: inout OpenLog, noise: UInt32) throws {
        try log.append(Array(records), ticks(trades, noise...noise))
        try log.sync()
    }

    /// Live, interrupted, live, healed, interrupted.
    private func story() -> GapScript {
        var script = GapScript()
        script.live(3)
        let gap = script.mark(.gapOpened, "disconnect")
        script.live(2)
        script.run(gap, ticks: 2, from: someNanos / 1_000_000_000 + 2, to: someNanos / 1_000_000_000 + 9, "healed")
        script.live(1)
        script.mark(.gapOpened, "tws 1100", code: 1100)
        return script
    }

    @Test func whatBecomesDurableIsFoundAndNothingIsReadTwice() throws {
        let directory = try TemporaryDirectory()
        let script = story()
        var scan = GapScan(stateDirectory: directory.path)
        // There is no log yet.
        #expect(try scan.advance())
        #expect(try scan.ledger(of: quotes).gaps.isEmpty)
        var log = try OpenLog.recovering(directory.file("log"))
        for index in script.records.indices {
            try append(script.records[index...index], to: &log, noise: UInt32(index + 1))
            // Every third tick is followed by a new part, as after a restart.
            if index % 3 == 2 { log = try OpenLog.recovering(directory.file("log")) }
            #expect(try scan.advance())
            let expected = GapLedger(stream: quotes, [script.collector(script.records[...index])])
            #expect(try scan.ledger(of: quotes).gaps == expected.gaps)
            #expect(try scan.ledger(of: quotes).lastKey == script.records[index].key)
        }
        #expect(try scan.streams() == [trades, quotes])
        #expect(try scan.ledger(of: trades).gaps.isEmpty)
        let read = scan.bytesRead
        #expect(try scan.advance())
        let again = scan.bytesRead
        #expect(again == read)
    }

    @Test func whatIsNotDurableIsNotThere() throws {
        let directory = try TemporaryDirectory()
        let script = story()
        var log = try OpenLog.recovering(directory.file("log"))
        try append(script.records[..<4], to: &log, noise: 1)
        try log.append(Array(script.records[4...]))
        var scan = GapScan(stateDirectory: directory.path)
        #expect(try scan.advance())
        #expect(try scan.ledger(of: quotes).gaps.map(\.state) == [.open])
        #expect(try scan.ledger(of: quotes).lastKey.seq == 4)
        try log.sync()
        #expect(try scan.advance())
        #expect(try scan.ledger(of: quotes).gaps.map(\.state) == [.healed, .open])
    }

    @Test func aPartThatWasGivenUpAndWrittenAgainCountsOnce() throws {
        let directory = try TemporaryDirectory()
        let script = story()
        var log = try OpenLog.recovering(directory.file("log"))
        try append(script.records[..<6], to: &log, noise: 1)
        var scan = GapScan(stateDirectory: directory.path)
        #expect(try scan.advance())
        // As after a failed write: the next part repeats what stood in the last one.
        log = try OpenLog.recovering(directory.file("log"))
        try append(script.records[2...], to: &log, noise: 2)
        #expect(try scan.advance())
        #expect(try scan.ledger(of: quotes).gaps == script.ledger.gaps)
    }

    @Test func damageIsPassedOver() throws {
        let directory = try TemporaryDirectory()
        let script = story()
        var log = try OpenLog.recovering(directory.file("log"))
        try append(script.records[..<2], to: &log, noise: 1)
        let path = log.partPath
        let damagedAt = try bytes(of: path).count
        try append(script.records[2..<3], to: &log, noise: 2)
        try append(script.records[3...], to: &log, noise: 3)
        var damaged = try bytes(of: path)
        damaged[damagedAt + 50] ^= 1
        try write(damaged, to: path)
        var scan = GapScan(stateDirectory: directory.path)
        #expect(try scan.advance())
        let gaps = try scan.ledger(of: quotes).gaps
        #expect(gaps.map(\.state) == [.healed, .open])
        #expect(gaps[0].before?.key.seq == 2)
    }

    @Test func readingInStepsGivesTheSame() throws {
        let directory = try TemporaryDirectory()
        let script = story()
        var log = try OpenLog.recovering(directory.file("log"))
        for index in script.records.indices {
            try append(script.records[index...index], to: &log, noise: UInt32(index + 1))
        }
        var scan = GapScan(stateDirectory: directory.path)
        var steps = 1
        while try !scan.advance(maxBytes: 1) { steps += 1 }
        #expect(steps > script.records.count)
        #expect(try scan.ledger(of: quotes).gaps == script.ledger.gaps)
    }

    @Test func partsThatVanishAreNoFault() throws {
        let directory = try TemporaryDirectory()
        let script = story()
        var log = try OpenLog.recovering(directory.file("log"))
        try append(script.records[..<6], to: &log, noise: 1)
        var scan = GapScan(stateDirectory: directory.path)
        #expect(try scan.advance())
        let old = log.partPath
        try append(script.records[6..<8], to: &log, noise: 2)
        log = try OpenLog.recovering(directory.file("log"))
        try append(script.records[8...], to: &log, noise: 3)
        // Sealed and removed before the scan came to its last records.
        try Directory.remove(old)
        try Directory.remove(PartName.durablePath(ofLog: old))
        #expect(try scan.advance())
        #expect(try scan.ledger(of: quotes).lastKey == script.key)
    }

    /// Writes a segment of the script's records, as the sealer does.
    private func seal(_ records: ArraySlice<Tick>, hour: Int64, in directory: TemporaryDirectory) throws {
        let path = SegmentName(stream: quotes, symbol: "MNQ", hour: hour).path(in: directory.file("ticks"))
        try Directory.make(PartName.directory(of: path))
        let temporary = directory.file("segment")
        var writer = try SegmentWriter(temporary: temporary, stream: quotes, definition: [])
        try Array(records).withUnsafeBufferPointer { try writer.append($0) }
        _ = try writer.finish()
        guard rename(temporary, path) == 0 else { throw StoreError.system(call: "rename", path: path, code: errno) }
    }

    @Test func segmentsAndTheLogAreOneLedger() throws {
        let script = story()
        let hour = someNanos / 3_600_000_000_000
        for cut in 1..<script.records.count {
            for overlap in [0, 1, cut] {
                let directory = try TemporaryDirectory()
                // Sealed hours; the log may still have what stands in them.
                try seal(script.records[..<(cut / 2 + 1)], hour: hour - 30, in: directory)
                if cut / 2 + 1 < cut { try seal(script.records[(cut / 2 + 1)..<cut], hour: hour - 1, in: directory) }
                var log = try OpenLog.recovering(directory.file("log"))
                try append(script.records[(cut - overlap)...], to: &log, noise: 1)
                var scan = GapScan(stateDirectory: directory.path)
                #expect(try scan.advance())
                #expect(try scan.ledger(of: quotes).gaps == script.ledger.gaps)
                // Asked again, nothing changes.
                #expect(try scan.ledger(of: quotes).gaps == script.ledger.gaps)
                #expect(try scan.streams() == [trades, quotes])
            }
        }
    }

    @Test func hoursThatAreSealedMeanwhileAreFollowed() throws {
        let script = story()
        let hour = someNanos / 3_600_000_000_000
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.file("log"))
        var scan = GapScan(stateDirectory: directory.path)
        var sealedTo = 0
        for index in script.records.indices {
            try append(script.records[index...index], to: &log, noise: UInt32(index + 1))
            if index % 2 == 0 { #expect(try scan.advance()) }
            if index % 4 == 1 {
                // `seal --now` writes the hour's file anew, and takes the part away.
                try seal(script.records[...index], hour: hour, in: directory)
                sealedTo = index
                let old = log.partPath
                log = try OpenLog.recovering(directory.file("log"))
                try Directory.remove(old)
                try Directory.remove(PartName.durablePath(ofLog: old))
            }
            #expect(try scan.advance())
            #expect(
                try scan.ledger(of: quotes).gaps
                    == GapLedger(stream: quotes, [script.collector(script.records[...index])]).gaps)
        }
        #expect(sealedTo > 6)
    }

    @Test func aSegmentWhoseFooterIsDamagedIsNamed() throws {
        let script = story()
        let hour = someNanos / 3_600_000_000_000
        let directory = try TemporaryDirectory()
        try seal(script.records[..<6], hour: hour - 2, in: directory)
        try seal(script.records[6...], hour: hour - 1, in: directory)
        let path = SegmentName(stream: quotes, symbol: "MNQ", hour: hour - 2).path(in: directory.file("ticks"))
        var damaged = try bytes(of: path)
        damaged[damaged.count - 20] ^= 1
        try write(damaged, to: path)
        var scan = GapScan(stateDirectory: directory.path)
        #expect(try scan.advance())
        #expect(try scan.ledger(of: quotes).lastKey == script.key)
        #expect(scan.unreadable == [path])
        // An hour from which on the scan is to look.
        var later = GapScan(stateDirectory: directory.path, fromHour: hour - 1)
        #expect(try later.ledger(of: quotes).lastKey == script.key)
        #expect(later.unreadable.isEmpty)
    }
}

extension OpenLog {
    /// The part being written.
    fileprivate var partPath: String { part?.path(in: directory) ?? "" }
}
