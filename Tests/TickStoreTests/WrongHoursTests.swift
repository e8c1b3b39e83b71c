import Foundation
import Testing
import Ticks

@testable import TickStore

private let hour: Int64 = 3_600_000_000_000
private let thisHour = someNanos / hour
/// In the year 2039.
private let farHour = thisHour + 116_666

private final class Quiet: SealObserver {
    func reach(_ step: SealStep) {}
    func work<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) { try body() }
    var shouldStop: Bool { false }
    func note(readBytes: UInt64, ofBytes: UInt64) {}
}

/// A recording with parts of hours that a test chooses.
private struct Recording {
    let directory: TemporaryDirectory
    var log: String { directory.path + "/log" }
    var segments: String { directory.path + "/ticks" }

    init() throws {
        directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: log, withIntermediateDirectories: true)
    }

    /// One part for each hour, with those quotes; the next number in each.
    func record(_ parts: [(hour: Int64, seqs: ClosedRange<UInt32>)], epoch: UInt32 = 100) throws {
        var recording = OpenLog(directory: log, recovery: try LogRecovery(directory: log))
        for part in parts {
            try recording.beginPart(nowNanos: part.hour * hour)
            try recording.append(ticks(quotes, epoch: epoch, part.seqs))
            try recording.sync()
        }
    }

    @discardableResult func seal(
        _ reach: SealPlan.Reach = .pastHours, sealed: Int64? = nil, now: Int64 = thisHour
    ) throws -> [Int64] {
        try bringList(directory.path)
        let sealer = HourSealer(stateDirectory: directory.path, observer: Quiet()) { _ in
            HourSealer.Identity(symbol: "MNQ", definition: [])
        }
        let parts = try SealPart.list(log)
        let settled = try SealedParts.find(
            parts.map(\.name), before: sealed ?? .min, logDirectory: log, ticksDirectory: segments)
        let hours = SealPlan.hours(parts: parts, reach: reach, sealedHour: sealed, settled: settled, nowHour: now)
        for hour in hours { _ = try sealer.seal(hour) }
        return hours.map(\.hour)
    }

    func read() throws -> [UInt32] {
        var all: [UInt32] = []
        var reader = try TickReader(stateDirectory: directory.path)
        while let run = try reader.next() { all += run.ticks.map(\.seq) }
        return all
    }

    func hours() throws -> [Int64] { try SegmentName.list(ticksDirectory: segments).map(\.hour) }
}

@Suite struct WrongHoursTests {
    /// What a clock in the year 2039 named is sealed as soon as a right one has named another part.
    @Test func partsOfAFarHourAreReadAndSealedInTheirOrder() throws {
        let recording = try Recording()
        try recording.record([(thisHour, 1...10), (farHour, 11...20), (farHour + 1, 21...30), (thisHour, 31...40)])
        #expect(try recording.read() == Array(1...40))
        #expect(try recording.seal() == [])
        try recording.record([(thisHour + 1, 41...50)])
        #expect(try recording.read() == Array(1...50))
        #expect(try recording.seal(now: thisHour + 1) == [thisHour])
        #expect(try recording.hours() == [thisHour])
        #expect(try recording.read() == Array(1...50))
        #expect(try Verify(stateDirectory: recording.directory.path).run().isSound)
        let recovered = try LogRecovery(directory: recording.log, ticksDirectory: recording.segments)
        #expect(recovered.positions[quotes]?.key.seq == 50)
    }

    /// Sealed with the wrong hour: what follows goes into no earlier one, and the next start gives them right ones.
    @Test func sealedFilesOfAFarHourAreRenamed() throws {
        let recording = try Recording()
        try recording.record([
            (thisHour - 9, 1...10), (farHour, 11...20), (farHour + 1, 21...30), (farHour + 2, 31...40),
        ])
        #expect(try recording.seal(now: farHour + 2) == [thisHour - 9, farHour, farHour + 1])
        try recording.record([(thisHour, 41...50), (thisHour, 51...60)])
        #expect(try recording.seal(.beforeNewestPart, sealed: farHour + 1) == [farHour + 1])
        #expect(try recording.read() == Array(1...60))
        let done = try FutureSegments.rename(stateDirectory: recording.directory.path, nowNanos: thisHour * hour)
        #expect(done == (2, 0))
        #expect(try recording.hours() == [thisHour - 9, thisHour - 1, thisHour])
        #expect(try recording.read() == Array(1...60))
        #expect(try Verify(stateDirectory: recording.directory.path).run().isSound)
        // Done once; the years that are empty now are gone.
        #expect(
            try FutureSegments.rename(stateDirectory: recording.directory.path, nowNanos: thisHour * hour) == (0, 0))
        let years = try FileManager.default.contentsOfDirectory(
            atPath: recording.segments + "/711280073-MNQ/bid_ask"
        ).sorted()
        #expect(years == ["2025", "2026"])
        try recording.record([(thisHour + 1, 61...70)])
        #expect(try recording.seal(sealed: thisHour, now: thisHour + 1) == [thisHour])
        #expect(try recording.read() == Array(1...70))
    }

    /// That the list is gone, or damaged, is not mended in passing: the look at all files has to see it.
    @Test(arguments: [true, false]) func renamingHidesNoDamageOfTheList(isMissing: Bool) throws {
        let recording = try Recording()
        let state = recording.directory.path
        try recording.record([(thisHour - 9, 1...10), (farHour, 11...20), (farHour + 1, 21...30)])
        _ = try recording.seal(now: farHour + 2)
        let list = SealedList.path(stateDirectory: state)
        if isMissing {
            try FileManager.default.removeItem(atPath: list)
        } else {
            try RepairTests.flip(list, at: SealedEntry.size + 50)
        }
        #expect(try FutureSegments.rename(stateDirectory: state, nowNanos: thisHour * hour).renamed > 0)
        let files = try SealedFiles(stateDirectory: state, opensAll: false)
        #expect(files.damage.count == 1 && files.damage[0].contains(list))
        #expect(try files.bringList())
        #expect(try SealedFiles(stateDirectory: state, opensAll: true).damage.isEmpty)
        #expect(try Verify(stateDirectory: state).run().isSound)
    }

    @Test func renamingWaitsForRoomAndForEvidence() {
        func plan(_ future: [Int64: Int64], unknown: Set<Int64> = [], last: Int64?, now: Int64) -> [Int64: Int64]? {
            FutureSegments.plan(future: future, unknown: unknown, lastRight: last, now: now)
        }
        #expect(plan([900: 100, 901: 101], last: 99, now: 101) == [900: 100, 901: 101])
        #expect(plan([900: 100, 902: 101], unknown: [901], last: 98, now: 101) == [900: 99, 901: 100, 902: 101])
        #expect(plan([900: 100, 901: 101], last: nil, now: 101) == [900: 100, 901: 101])
        // So many hours have not passed since the last right one.
        #expect(plan([900: 100, 901: 101], last: 100, now: 101) == nil)
        // The files are right, and the clock is behind.
        #expect(plan([900: 899], last: 99, now: 101) == nil)
        #expect(plan([900: 880, 901: 100], last: 99, now: 101) == nil)
        #expect(plan([900: 200], last: 99, now: 101) == nil)
        #expect(plan([:], unknown: [900], last: 99, now: 101) == nil)
    }

    /// A damaged part was sealed as far as it could be read, and kept: it must not be sealed once more as a later hour.
    @Test func aKeptPartIsNotSealedTwice() throws {
        let recording = try Recording()
        try recording.record([(thisHour - 3, 1...10), (thisHour - 2, 11...20)])
        let kept = try #require(try PartName.list(recording.log).first).path(in: recording.log)
        let copies = try [kept, String(kept.dropLast(4)) + ".durable"].map { ($0, try bytes(of: $0)) }
        try recording.seal()
        for (path, bytes) in copies { try write(bytes, to: path) }
        var other = OpenLog(directory: recording.log, recovery: try LogRecovery(directory: recording.log))
        try other.beginPart(nowNanos: (thisHour - 1) * hour)
        try other.append(ticks(trades, 1...5))
        try other.beginPart(nowNanos: thisHour * hour)
        #expect(try recording.seal(sealed: thisHour - 3) == [thisHour - 3, thisHour - 2, thisHour - 1])
        try write(copies[0].1, to: copies[0].0)
        try write(copies[1].1, to: copies[1].0)
        #expect(try recording.seal(sealed: thisHour - 1) == [thisHour - 3])
        #expect(try recording.read().count == 25)
        #expect(try Verify(stateDirectory: recording.directory.path).run().isSound)
    }

    /// Receive times fall where the clock was set back: what was received before is found all the same.
    @Test func aTimeIsFoundBeforeTheClockWasSetBack() throws {
        let recording = try Recording()
        func later(_ seqs: ClosedRange<UInt32>, by nanos: Int64) -> [Tick] {
            ticks(quotes, seqs).map {
                var tick = $0
                tick.tsRecvNanos += nanos
                return tick
            }
        }
        var log = OpenLog(directory: recording.log, recovery: LogRecovery())
        try log.beginPart(nowNanos: someNanos)
        // More than an index mark apart.
        try log.append(later(1...4_000, by: 0))
        try log.append(later(4_001...8_000, by: -hour))
        try log.beginPart(nowNanos: someNanos)
        try log.append(later(8_001...8_010, by: -hour))
        try log.sync()
        var history = LogHistory(stateDirectory: recording.directory.path)
        let found = try history.firstKey(of: quotes, receivedFromNanos: someNanos + 3_000_000)
        #expect(found == TickKey(epoch: 100, seq: 3_000))
    }

    /// Epochs from 2^31 on, up to the last one, in every kind of file.
    @Test(arguments: [1 << 31, 2_208_988_800, UInt32.max - 1, .max]) func everyEpochIsRecordedSealedAndRead(
        epoch: UInt32
    ) throws {
        let recording = try Recording()
        try recording.record([(thisHour - 2, 1...300)], epoch: epoch - 1)
        try recording.record([(thisHour - 2, 1...400), (thisHour - 1, 401...500), (thisHour, 501...600)], epoch: epoch)
        let all = Array(1...300) + Array(1...600) as [UInt32]
        #expect(try recording.read() == all)
        #expect(try recording.seal() == [thisHour - 2, thisHour - 1])
        #expect(try recording.read() == all)
        #expect(try Verify(stateDirectory: recording.directory.path).run().isSound)
        let recovered = try LogRecovery(directory: recording.log, ticksDirectory: recording.segments)
        #expect(recovered.positions[quotes]?.key == TickKey(epoch: epoch, seq: 600))
        var history = LogHistory(stateDirectory: recording.directory.path)
        var keys: [TickKey] = []
        let page = try history.read(quotes, from: TickKey(epoch: epoch, seq: 350), limit: .max) {
            keys += $0.map(\.key)
        }
        #expect(keys == (350...600).map { TickKey(epoch: epoch, seq: $0) })
        #expect(page.next == TickKey(epoch: epoch, seq: 601))
    }
}
