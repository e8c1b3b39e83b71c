import Foundation
import Testing
import Ticks

@testable import TickStore

/// Whether the next connector may take what a journal holds for all that was numbered.
@Suite struct JournalMarkTests {
    private static func journal(_ directory: TemporaryDirectory, boot: String = "one") throws -> Journal {
        try Journal(directory: directory.path, sizeBytes: 256 << 10, segmentBytes: 64 << 10, bootID: boot)
    }

    private struct Word: Equatable {
        let seq: UInt32?
        let isCertain: Bool?

        init(_ seq: UInt32, _ isCertain: Bool) { (self.seq, self.isCertain) = (seq, isCertain) }

        init(_ journal: borrowing Journal, _ stream: StreamID = quotes) {
            let last = journal.lastNumbered(of: stream)
            (seq, isCertain) = (last?.key.seq, last?.isCertain)
        }
    }

    private static func word(_ directory: TemporaryDirectory, boot: String = "one") throws -> Word {
        Word(try journal(directory, boot: boot))
    }

    @Test func whatWasAppendedIsAllInThisRunOfTheMachine() throws {
        let directory = try TemporaryDirectory()
        var journal = try JournalMarkTests.journal(directory)
        #expect(try !JournalReader.isWithdrawn(in: directory.path), "nothing was published")
        try journal.begin(epoch: 100)
        // Over several segments, each of which is marked.
        for first in stride(from: UInt32(1), to: 5000, by: 100) {
            try journal.append(ticks(quotes, first...(first + 99)))
        }
        #expect(try JournalMarkTests.word(directory) == Word(5000, true))
        #expect(try JournalMarkTests.word(directory, boot: "two") == Word(5000, false))
        // An earlier version's mark names no segment.
        try Data("one".utf8).write(to: URL(fileURLWithPath: directory.file("boot")))
        #expect(try JournalMarkTests.word(directory) == Word(5000, true))
    }

    /// It was published: a connector that dies now leaves nothing that names it.
    @Test func whatNoSegmentTookMakesTheLastKeyUncertainUntilATableNamesIt() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            var journal = try JournalMarkTests.journal(directory)
            try journal.begin(epoch: 100)
            try journal.append(ticks(quotes, 1...10))
            FailedWriteTests.limitFiles(toBytes: 16)
            for first: UInt32 in [11, 21] {
                #expect(throws: StoreError.self) { try journal.append(ticks(quotes, first...(first + 9))) }
                #expect(try JournalMarkTests.word(directory) == Word(10, false))
                #expect(try JournalReader.isWithdrawn(in: directory.path))
            }
            // The one that goes on knows it all.
            let own = Word(journal)
            #expect(own == Word(30, true))
            FailedWriteTests.limitFiles(toBytes: 1 << 20)
            try await Task.sleep(for: .milliseconds(150))
            try journal.append(ticks(quotes, 31...31))
            #expect(try JournalMarkTests.word(directory) == Word(31, true))
            #expect(try !JournalReader.isWithdrawn(in: directory.path))
        }
    }

    /// Somebody has removed the newest segment, and the connector died before it looked.
    @Test func withoutItsNewestSegmentAJournalIsNotAll() throws {
        let directory = try TemporaryDirectory()
        var journal = try JournalMarkTests.journal(directory)
        try journal.begin(epoch: 100)
        try journal.append(ticks(quotes, 1...10))
        try journal.begin(epoch: 101)
        try journal.append(ticks(quotes, 1...10))
        let newest = try FileManager.default.contentsOfDirectory(atPath: directory.path)
            .compactMap { JournalFiles.number($0, ".log") }.max()
        try FileManager.default.removeItem(atPath: directory.file("\(try #require(newest)).log"))
        #expect(try JournalMarkTests.word(directory) == Word(10, false))
    }

    @Test func aDamagedBlockMayHaveHadTheLastKey() throws {
        let directory = try TemporaryDirectory()
        var journal = try JournalMarkTests.journal(directory)
        try journal.begin(epoch: 100)
        try journal.append(ticks(quotes, 1...10))
        try journal.append(ticks(trades, 1...10))
        let path = directory.file("1.log")
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let at = try #require(bytes.range(of: ticks(quotes, 10...10).withUnsafeBytes { Data($0) })).lowerBound
        bytes[at + 40] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path))
        let findings = try JournalMarkTests.journal(directory).findings
        #expect(findings.count == 1)
        let last = Word(try JournalMarkTests.journal(directory), trades)
        #expect(last == Word(10, false))
    }

    /// The mark itself can't be written: what is recorded is no less for it.
    @Test func aMarkThatCantBeWrittenIsTriedAgain() throws {
        let directory = try TemporaryDirectory()
        var journal = try JournalMarkTests.journal(directory)
        let path = directory.file("boot")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        try journal.begin(epoch: 100)
        try journal.append(ticks(quotes, 1...10))
        #expect(throws: StoreError.self) { try journal.checkFiles() }
        // And the second time somebody has removed it.
        for _ in 0..<2 {
            try FileManager.default.removeItem(atPath: path)
            try journal.checkFiles()
            #expect(try JournalMarkTests.word(directory) == Word(10, true))
        }
    }
}
