import Foundation
import Testing
import Ticks

@testable import TickStore

/// Whoever reads beside a recorder or a connector that writes sees files in between: none of that is damage.
@Suite struct ReadingWhileWritingTests {
    /// Appends and syncs on a thread of its own until told to stop; every few blocks a
    /// new part begins, as long as there are few.
    private final class Writer: @unchecked Sendable {
        private let directory: String
        private let lock = NSLock()
        private var shouldStop = false
        private var failure: (any Error)?
        private let done = DispatchSemaphore(value: 0)

        init(_ directory: String) throws {
            self.directory = directory
            _ = try LogRecovery(directory: directory)
        }

        func start() {
            Thread.detachNewThread { [self] in
                do { try run() } catch { lock.withLock { failure = error } }
                done.signal()
            }
        }

        private func run() throws {
            var log = try OpenLog.recovering(directory, partBytes: 64 << 10)
            var seq: UInt32 = 0
            while !lock.withLock({ shouldStop }) {
                try log.append(ticks(quotes, (seq + 1)...(seq + 3)))
                seq += 3
                try log.sync()
                guard log.needsPart(nowNanos: someNanos) else { continue }
                try log.beginPart(nowNanos: someNanos)
                // Never so far ahead that a slow reader does not come to the end.
                while try PartName.list(directory).count > 4, !lock.withLock({ shouldStop }) { usleep(1_000) }
            }
        }

        func stop() throws {
            lock.withLock { shouldStop = true }
            done.wait()
            if let failure { throw failure }
        }
    }

    /// Runs `read` again and again beside a writer; it gives the alarms that it saw.
    private func beside(_ rounds: Int, _ read: (String) throws -> [String]) throws -> [String] {
        let directory = try TemporaryDirectory(inMemory: true)
        let log = directory.file("log")
        let writer = try Writer(log)
        writer.start()
        var alarms: [String] = []
        for _ in 0..<rounds where alarms.isEmpty {
            // Each round begins with few files: what is looked at is the newest one.
            let names = try PartName.list(log)
            for name in names.dropLast(2) {
                try FileManager.default.removeItem(atPath: name.path(in: log))
                try FileManager.default.removeItem(atPath: PartName.durablePath(ofLog: name.path(in: log)))
            }
            alarms += try read(directory.path)
        }
        try writer.stop()
        return alarms
    }

    @Test func aLogThatIsBeingWrittenIsSound() throws {
        let alarms = try beside(200) { state in
            let report = try Verify(stateDirectory: state).run()
            return report.isSound ? [] : report.findings.map(\.description) + report.problems + ["not sound"]
        }
        #expect(alarms == [])
    }

    @Test func aPartThatIsBeingWrittenIsSound() throws {
        let alarms = try beside(200) { state in
            guard let name = try PartName.list(state + "/log").last else { return [] }
            let report = try Verify(file: name.path(in: state + "/log")).run()
            return report.isSound ? [] : report.findings.map(\.description) + report.problems + ["not sound"]
        }
        #expect(alarms == [])
    }

    /// In the order in which a part comes into being, up to its first record; the recorder may die at each step.
    @Test(arguments: [0, 20, 32, 60])
    func aPartThatIsBeingBegunIsNoDamage(bytesWritten: Int) throws {
        let directory = try TemporaryDirectory()
        let log = directory.file("log")
        var before = try OpenLog.recovering(log)
        try before.append(ticks(quotes, 1...5), ticks(trades, 1...5))
        try before.beginPart(nowNanos: someNanos)
        let part = before.part!.path(in: log)
        let whole = try bytes(of: part)
        #expect(whole.count > 60)
        try FileManager.default.removeItem(atPath: PartName.durablePath(ofLog: part))
        try write(Array(whole.prefix(bytesWritten)), to: part)
        var report = try Verify(stateDirectory: directory.path).run()
        #expect(report.isSound && report.records == 10)
        #expect(try TickReader.all(try TickReader(stateDirectory: directory.path)).findings.isEmpty)
        report = try Verify(file: part).run()
        #expect(report.isSound && report.records == 0)
        // Once it was whole it is damage.
        try write([UInt8](repeating: 0, count: 40) + whole.dropFirst(40), to: part)
        try write([UInt8](repeating: 0, count: DurableSlots.fileBytes), to: PartName.durablePath(ofLog: part))
        report = try Verify(stateDirectory: directory.path).run()
        #expect(!report.isSound)
    }

    @Test func aDestroyedBeginningIsDamageAlsoWithoutSlots() throws {
        let directory = try TemporaryDirectory()
        let log = directory.file("log")
        var open = try OpenLog.recovering(log)
        try open.append(ticks(quotes, 1...5))
        try open.sync()
        let part = open.part!.path(in: log)
        try FileManager.default.removeItem(atPath: PartName.durablePath(ofLog: part))
        try write([UInt8](repeating: 0, count: 32) + (try bytes(of: part)).dropFirst(32), to: part)
        let report = try Verify(stateDirectory: directory.path).run()
        #expect(!report.isSound)
    }

    /// The slots of a part that somebody has removed say nothing of one that has its name again.
    @Test func aPartWithTheNameOfARemovedOneHasSlotsOfItsOwn() throws {
        let directory = try TemporaryDirectory()
        let log = directory.file("log")
        var open = try OpenLog.recovering(log)
        try open.append(ticks(quotes, 1...5))
        try open.sync()
        try FileManager.default.removeItem(atPath: open.part!.path(in: log))
        try FileManager.default.removeItem(atPath: NewestPart.path(in: log))
        var again = try OpenLog.recovering(log)
        #expect(again.part == open.part)
        try again.append(ticks(quotes, 1...5))
        let report = try Verify(stateDirectory: directory.path).run()
        #expect(report.isSound && report.records == 0)
    }

    /// Verifies, and does something once after the first records.
    private func report(_ verify: consuming Verify, meanwhile: () -> Void) throws -> VerifyReport {
        var isDone = false
        verify.progressBytes = 0
        return try verify.run { _ in
            if !isDone { meanwhile() }
            isDone = true
        }
    }

    @Test func partsThatAreSealedWhileTheLogAloneIsReadAreNotMissing() throws {
        let recording = try SealedRecording()
        for hour: UInt32 in 0..<5 {
            try recording.write(ticks(quotes, (hour * 10 + 1)...(hour * 10 + 10)))
            if hour < 4 { try recording.nextHour() }
        }
        let (state, log) = (recording.state, recording.logDirectory)
        let found = try #require(try RecordingSearch.find(under: log).first)
        let sealed = try report(Verify(found)) {
            #expect(throws: Never.self) { try SealedRecording.removeParts(state, 3) }
        }
        #expect(sealed.isSound && sealed.records == 30)
        // What was not there from the beginning on is missing.
        let names = try PartName.list(log)
        #expect(names.count == 2)
        for hour: UInt32 in 5..<7 {
            try recording.nextHour()
            try recording.write(ticks(quotes, (hour * 10 + 1)...(hour * 10 + 10)))
        }
        try FileManager.default.removeItem(atPath: (try PartName.list(log))[1].path(in: log))
        #expect(!(try report(Verify(found)) {}).isSound)
    }

    @Test func hoursThatRetentionTakesWhileTheyAreReadAreNotMissing() throws {
        let recording = try SealedRecording()
        var paths: [String] = []
        for hour: UInt32 in 0..<6 {
            let run = ticks(quotes, (hour * 10 + 1)...(hour * 10 + 10))
            try recording.write(run)
            try recording.nextHour()
            paths.append(try SealedRecording.seal(recording.state, quotes, hour: Int64(hour), run))
        }
        try SealedRecording.removeParts(recording.state, 6)
        func remove(_ range: Range<Int>) {
            for path in paths[range] {
                #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: path) }
            }
        }
        // The oldest first, in order: no hole.
        let retained = try report(Verify(stateDirectory: recording.state)) {
            #expect(throws: Never.self) {
                for hour: Int64 in 0..<3 { try SealedRecording.retain(recording.state, quotes, hour: hour) }
            }
        }
        #expect(retained.isSound && retained.records == 40 && retained.streams[quotes]?.beginsAt?.seq == 31)
        // One out of the middle is no retention.
        let removed = try report(Verify(stateDirectory: recording.state)) { remove(4..<5) }
        #expect(!removed.isSound && removed.streams[quotes]?.missingRanges == 1)
        #expect(removed.missing.first?.first.seq == 41)
    }

    /// The first step of a file's next use: its old records are still there.
    @Test func aJournalFileThatIsTakenForUseAgainHoldsNothing() throws {
        let directory = try TemporaryDirectory()
        var journal = try Journal(directory: directory.path, sizeBytes: 128 << 10, segmentBytes: 64 << 10)
        try journal.begin(epoch: 100)
        try journal.append(ticks(quotes, 1...50))
        let path = directory.file(try #require(try directory.logs().first))
        #expect(try Verify(file: path).run().records == 50)
        try write(
            [UInt8](repeating: 0, count: BlockHeader.size) + (try bytes(of: path)).dropFirst(BlockHeader.size), to: path
        )
        let report = try Verify(file: path).run()
        #expect(report.isSound && report.records == 0)
    }

    @Test func aJournalThatIsBeingWrittenIsSound() throws {
        let directory = try TemporaryDirectory(inMemory: true)
        var journal = try Journal(directory: directory.path, sizeBytes: 1 << 20, segmentBytes: 256 << 10)
        try journal.begin(epoch: 100)
        let reader = JournalFilesReader(directory.path)
        reader.start(rounds: 500)
        var run = ticks(quotes, 1...200)
        while !reader.isDone {
            try journal.append(run)
            for index in run.indices { run[index].seq += UInt32(run.count) }
        }
        #expect(reader.alarms == [])
    }

    /// Reads journal files one by one, on a thread of its own.
    private final class JournalFilesReader: @unchecked Sendable {
        private let directory: String
        private let lock = NSLock()
        private var found: [String]?

        init(_ directory: String) { self.directory = directory }

        var isDone: Bool { lock.withLock { found != nil } }
        var alarms: [String] { lock.withLock { found ?? [] } }

        func start(rounds: Int) {
            Thread.detachNewThread { [self] in
                var alarms: [String] = []
                for _ in 0..<rounds where alarms.isEmpty {
                    do { alarms += try round() } catch { alarms.append("\(error)") }
                }
                lock.withLock { found = alarms }
            }
        }

        private func round() throws -> [String] {
            var alarms: [String] = []
            for number in try JournalFiles(directory: directory, segmentBytes: 256 << 10).segments {
                let report: VerifyReport
                do throws(StoreError) {
                    report = try Verify(file: JournalFiles.path(number, in: directory)).run()
                } catch {
                    // In use again, under another name.
                    if error.code == ENOENT { continue }
                    throw error
                }
                if !report.isSound { alarms += report.findings.map(\.description) + report.problems + ["not sound"] }
            }
            return alarms
        }
    }
}
