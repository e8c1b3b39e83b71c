import Foundation
import Testing
import Ticks

@testable import TickStore

/// File systems without a call that others have.
@Suite struct OddFileSystemTests {
    private let segment: UInt64 = 5 << 20

    private func status(_ path: String) -> stat {
        var info = stat()
        #expect(stat(path, &info) == 0)
        return info
    }

    @Test func withoutReservationARingIsFilledWithZerosOnce() throws {
        let directory = try TemporaryDirectory()
        var files = try JournalFiles(directory: directory.path, segmentBytes: segment, canReserve: false)
        var rounds = 0
        try files.resize(to: 4) { rounds += 1 }
        // The start waits for two, the rest comes bit by bit: 4 MiB at a time.
        #expect(rounds == 10)
        #expect(files.spares.count == 2)
        files.grow()
        #expect(files.spares.count == 2)
        for _ in 1...3 { files.grow() }
        #expect(files.spares.count == 4)
        files.grow()
        for number in files.spares {
            let info = status(directory.file("\(number).spare"))
            #expect(info.st_size == Int64(segment) && info.st_blocks * 512 >= Int64(segment))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).count == 4)
        // The files are kept, and so is what has been filled.
        var again = try JournalFiles(directory: directory.path, segmentBytes: segment, canReserve: false)
        try again.resize(to: 4) { Issue.record("filled twice") }
        #expect(again.spares.count == 4)
    }

    @Test func aFileThatIsBeingFilledIsGoneOnWith() throws {
        let directory = try TemporaryDirectory()
        for _ in 1...2 {
            // As by a process that died after each step.
            var files = try JournalFiles(directory: directory.path, segmentBytes: segment, canReserve: false)
            try files.resize(to: 3)
            files.grow()
        }
        let files = try JournalFiles(directory: directory.path, segmentBytes: segment, canReserve: false)
        #expect(files.spares.count == 3)
    }

    @Test func aFileThatWasFilledInPartIsFilledToItsEnd() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("1.spare")
        try write([UInt8](repeating: 0, count: 5000), to: path)
        var files = try JournalFiles(directory: directory.path, segmentBytes: 64 << 10, canReserve: false)
        let taken = try files.next { _ in 0 }
        #expect(try taken.size() == 64 << 10)
        #expect(status(taken.path).st_blocks * 512 >= 64 << 10)
    }

    @Test func noRoomIsSaidAsNoRoomBeforeAnythingIsWritten() throws {
        let directory = try TemporaryDirectory()
        let file = try File(directory.file("file"), O_RDWR | O_CREAT)
        #expect(throws: StoreError.system(call: "write", path: file.path, code: ENOSPC)) {
            try file.fillWithZeros(to: 1 << 60) { Issue.record("written") }
        }
        #expect(try file.size() == 0)
    }

    @Test func aDamagedFileIsCopiedAsideWhereItCannotBeLinked() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("file")
        let bytes = (0..<(5 << 19)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try write(bytes, to: path)
        for aside in ["file.damaged", "file.damaged2"] {
            try DamagedFile.keep(path, canLink: false)
            #expect(try TickStoreTests.bytes(of: directory.file(aside)) == bytes)
            #expect(status(path).st_nlink == 1)
        }
        try DamagedFile.keep(path)
        #expect(status(path).st_nlink == 2 && status(directory.file("file.damaged3")).st_ino == status(path).st_ino)
        try DamagedFile.rename(path)
        #expect(access(path, F_OK) != 0)
        #expect(try TickStoreTests.bytes(of: directory.file("file.damaged4")) == bytes)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).count == 4)
    }
}
