import Foundation
import Testing
import Ticks

@testable import TickStore

/// A disk that takes no more. The limit is the process's, so each test runs in one of its own.
@Suite struct FailedWriteTests {
    static func limitFiles(toBytes bytes: Int) {
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: rlim_t(bytes), rlim_max: rlim_t.max)
        precondition(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
    }

    @Test func aFailedAppendEndsThePartAndTheNextGoesOn() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let path = directory.file("log")
            var log = try OpenLog.recovering(path)
            try log.append(ticks(quotes, 1...100))
            try log.sync()
            FailedWriteTests.limitFiles(toBytes: 10_000)
            #expect(throws: StoreError.self) { try log.append(ticks(quotes, 101...200)) }
            // What was half written counts for nothing, and nothing more goes there.
            #expect(!log.partIsHealthy && log.needsPart(nowNanos: someNanos))
            #expect(throws: StoreError.self) { try log.append(ticks(quotes, 101...101)) }
            #expect(throws: StoreError.self) { try log.sync() }
            try log.beginPart(nowNanos: someNanos)
            #expect(log.positions[quotes]?.key.seq == 100)
            try log.append(ticks(quotes, 101...110))
            try log.sync()
            #expect(
                try TickReader.all(try TickReader(stateDirectory: directory.path)).ticks[quotes]
                    == ticks(quotes, 1...110))
            #expect(try Verify(stateDirectory: directory.path).run().isSound)
            #expect(try LogRecovery(directory: path).positions[quotes]?.key.seq == 110)
        }
    }

    @Test func aPartThatCannotBeBegunLeavesNothing() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let path = directory.file("log")
            let recovery = try LogRecovery(directory: path)
            var log = OpenLog(directory: path, recovery: recovery)
            FailedWriteTests.limitFiles(toBytes: 16)
            for _ in 0..<3 { #expect(throws: StoreError.self) { try log.beginPart(nowNanos: someNanos) } }
            #expect(try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".log") }.isEmpty)
            FailedWriteTests.limitFiles(toBytes: 1 << 20)
            try log.beginPart(nowNanos: someNanos)
            try log.append(ticks(quotes, 1...1))
            try log.sync()
        }
    }

    @Test func recoveryThatCannotTellReadersTakesOnlyWhatTheyKnow() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let path = directory.file("log")
            var log = try OpenLog.recovering(path)
            try log.append(ticks(quotes, 1...10))
            try log.sync()
            try log.append(ticks(quotes, 11...20))
            FailedWriteTests.limitFiles(toBytes: 0)
            let poor = try LogRecovery(directory: path)
            #expect(poor.positions[quotes]?.key.seq == 10 && poor.failures.count == 1)
            FailedWriteTests.limitFiles(toBytes: 1 << 20)
            let recovery = try LogRecovery(directory: path)
            #expect(recovery.positions[quotes]?.key.seq == 20 && recovery.failures.isEmpty)
        }
    }

    @Test func aJournalThatCannotAppendSaysThatTheTicksAreGone() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            var journal = try Journal(directory: directory.path, sizeBytes: 256 << 10, segmentBytes: 64 << 10)
            try journal.begin(epoch: 100)
            try journal.append(ticks(quotes, 1...10))
            FailedWriteTests.limitFiles(toBytes: 1000)
            #expect(throws: StoreError.self) { try journal.append(ticks(quotes, 11...20)) }
            FailedWriteTests.limitFiles(toBytes: 1 << 20)
            var reader = JournalReader(directory: directory.path)
            #expect(try reader.page(quotes, from: .zero).0.next.seq == 11)
            try journal.append(ticks(quotes, 21...30))
            #expect(
                try reader.page(quotes, from: .zero).0 == StreamPage(next: TickKey(epoch: 100, seq: 11), records: 10))
            let hole = try reader.page(quotes, from: TickKey(epoch: 100, seq: 11)).0
            #expect(hole == .gone(TickKey(epoch: 100, seq: 21)))
            #expect(try reader.page(quotes, from: hole.next).1 == ticks(quotes, 21...30))
        }
    }
}
