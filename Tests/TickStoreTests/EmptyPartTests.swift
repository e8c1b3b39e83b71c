import Foundation
import Testing
import Ticks

@testable import TickStore

/// Parts of which nothing ever became durable, on a disk that fails: whenever it
/// ends, nobody is told that a part is gone.
@Suite struct EmptyPartTests {
    /// A log whose named part was sealed and is gone; the one behind it has just failed, with nothing durable in it.
    static func failed(_ directory: TemporaryDirectory) throws -> OpenLog {
        let path = directory.file("log")
        var log = try OpenLog.recovering(path)
        try log.append(ticks(quotes, 1...100))
        try log.sync()
        let newest = log.part
        let named = try #require(newest)
        #expect(try NewestPart.read(in: path) == .part(named))
        try log.beginPart(nowNanos: someNanos)
        for file in [named.path(in: path), PartName.durablePath(ofLog: named.path(in: path))] {
            try FileManager.default.removeItem(atPath: file)
        }
        FailedWriteTests.limitFiles(toBytes: 10_000)
        #expect(throws: StoreError.self) { try log.append(ticks(quotes, 101...300)) }
        return log
    }

    /// What anybody sees who looks now, or who comes after the power has gone: nothing is missing, and all is known.
    static func check(_ directory: TemporaryDirectory, parts: Int, sourceLocation: SourceLocation = #_sourceLocation)
        throws
    {
        let path = directory.file("log")
        #expect(try NewestPart.gone(in: path) == nil, sourceLocation: sourceLocation)
        let names = try PartName.list(path)
        #expect(names.count == parts, "\(names)", sourceLocation: sourceLocation)
        let copy = try TemporaryDirectory()
        try FileManager.default.copyItem(atPath: path, toPath: copy.file("log"))
        let recovery = try LogRecovery(directory: copy.file("log"))
        #expect(recovery.findings.filter(\.isAlarm).isEmpty, sourceLocation: sourceLocation)
        #expect(recovery.positions[quotes]?.key.seq == 100, sourceLocation: sourceLocation)
        var next = OpenLog(directory: copy.file("log"), recovery: recovery)
        try next.beginPart(nowNanos: someNanos)
        try next.append(ticks(quotes, 101...110))
        try next.sync()
        #expect(try LogRecovery(directory: copy.file("log")).positions[quotes]?.key.seq == 110)
    }

    /// No file at all, one without a table, one without slots: three times each, then the disk takes files again.
    @Test func aFailedPartStaysUntilAnotherOneIsThere() async {
        await #expect(processExitsWith: .success) {
            for limit in ["open", "table", "slots"] {
                let directory = try TemporaryDirectory()
                var log = try EmptyPartTests.failed(directory)
                let failed = log.part
                let room = try #require(failed).path(in: directory.file("log"))
                for round in 0..<3 {
                    FailedWriteTests.limitFiles(toBytes: limit == "table" ? 16 : limit == "slots" ? 200 : 10_000)
                    var files = rlimit()
                    #expect(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files) == 0)
                    if limit == "open" {
                        var none = rlimit(rlim_cur: 3, rlim_max: files.rlim_max)
                        #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none) == 0)
                    }
                    let failure = Result { try log.beginPart(nowNanos: someNanos) }
                    #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files) == 0)
                    FailedWriteTests.limitFiles(toBytes: 10_000)
                    #expect(throws: StoreError.self) { try failure.get() }
                    // One that has a table may be counted on; then the one before it goes the next time.
                    try EmptyPartTests.check(directory, parts: limit == "slots" ? 2 : 1)
                    // The failed part's records have given their room back.
                    if round == 0 { #expect(try File(room, O_RDONLY).size() < 200) }
                }
                try log.beginPart(nowNanos: someNanos)
                try EmptyPartTests.check(directory, parts: 1)
                try log.append(ticks(quotes, 101...110))
                try log.sync()
                let begun = log.part
                let part = try #require(begun)
                #expect(try NewestPart.read(in: directory.file("log")) == .part(part))
                #expect(try LogRecovery(directory: directory.file("log")).positions[quotes]?.key.seq == 110)
                // Nothing is left of the others, slots included.
                let left = try FileManager.default.contentsOfDirectory(atPath: directory.file("log"))
                #expect(left.count == 3, "\(left)")
            }
        }
    }
}
