import Foundation
import Testing
import Ticks

@testable import TickStore

@Suite struct RecoveryTests {
    @Test func aCleanLogIsFoundAsItWas() throws {
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.path)
        try log.append(ticks(quotes, 1...5), ticks(trades, 1...2))
        var reported: [StreamID: TickKey] = [:]
        try log.sync { reported[$0] = $1.key }
        #expect(reported == [quotes: TickKey(epoch: 100, seq: 5), trades: TickKey(epoch: 100, seq: 2)])
        let recovery = try LogRecovery(directory: directory.path)
        #expect(recovery.findings.isEmpty)
        #expect(recovery.positions == log.durablePositions)
        #expect(recovery.positions[quotes] == StreamPosition(ticks(quotes, 5...5)[0]))
        #expect(recovery.records == 7)
        // The next start begins a part of its own, with the table, and finds the same from that alone.
        let next = try OpenLog.recovering(directory.path)
        #expect(next.part == PartName(hour: someNanos / 3_600_000_000_000, number: 2))
        let again = try LogRecovery(directory: directory.path)
        #expect(again.positions == recovery.positions && again.records == 0)
    }

    @Test func aLogThatWasWipedGoesOnBehindTheSealedHours() throws {
        let recording = try RecordingWithSegmentsTests.recording(sealed: 2)
        try FileManager.default.removeItem(atPath: recording.logDirectory)
        let recovery = try LogRecovery(directory: recording.logDirectory, ticksDirectory: recording.ticksDirectory)
        var log = OpenLog(directory: recording.logDirectory, recovery: recovery)
        // The clock is behind what is sealed.
        try log.beginPart(nowNanos: someNanos)
        let part = log.part
        #expect(part == PartName(hour: someNanos / 3_600_000_000_000 + 1, number: 1))
    }

    @Test func whatWasWrittenButNotSyncedByAKilledProcessCounts() throws {
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.path)
        try log.append(ticks(quotes, 1...5))
        try log.sync()
        try log.append(ticks(quotes, 6...9))
        let recovery = try LogRecovery(directory: directory.path)
        #expect(recovery.positions[quotes]?.key == TickKey(epoch: 100, seq: 9))
        // And it is durable now: the slots say so.
        let path = directory.file(try directory.logs()[0])
        let size = UInt64(try bytes(of: path).count)
        #expect(try DurableSlots.read(PartName.durablePath(ofLog: path), partID: nil).durableTo == size)
    }
}
