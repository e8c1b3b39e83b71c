import Foundation
import Testing

@testable import ServiceKit

@Suite struct ServiceLockTests {
    private static func paths(_ directory: TemporaryDirectory) throws -> Paths {
        let paths = Paths(state: directory.path + "/state", runtime: directory.path + "/run")
        try paths.makeDirectories()
        return paths
    }

    /// A second holder is refused, and told who the first one is.
    private static func expectRefusal(_ paths: Paths, _ what: Comment) {
        do throws(ProgramError) {
            let second = try ServiceLock(name: "x", paths: paths)
            _ = consume second
            Issue.record(what)
        } catch {
            #expect(error.status == .configuration)
            #expect(error.description.contains("another x is running (pid \(getpid()))"))
        }
    }

    @Test func aSecondHolderIsRefusedAndTheFirstIsNamed() throws {
        let directory = try TemporaryDirectory()
        let paths = try Self.paths(directory)
        #expect(ServiceLock.holder(name: "x", paths: paths) == nil)
        #expect(!ServiceLock.isHeld(name: "x", paths: paths))
        do {
            let lock = try ServiceLock(name: "x", paths: paths)
            #expect(ServiceLock.holder(name: "x", paths: paths)?.pid == getpid())
            Self.expectRefusal(paths, "taken twice")
            _ = consume lock
        }
        #expect(!ServiceLock.isHeld(name: "x", paths: paths))
        #expect(ServiceLock.holder(name: "x", paths: paths) == nil)
    }

    @Test func theSameStateUnderAnotherRuntimeIsRefusedToo() throws {
        let directory = try TemporaryDirectory()
        let one = Paths(state: directory.path + "/state", runtime: directory.path + "/a")
        let two = Paths(state: directory.path + "/state", runtime: directory.path + "/b")
        try one.makeDirectories()
        try two.makeDirectories()
        let lock = try ServiceLock(name: "x", paths: one)
        do throws(ProgramError) {
            let second = try ServiceLock(name: "x", paths: two)
            _ = consume second
            Issue.record("two recorders for one recording")
        } catch {
            #expect(error.status == .configuration)
        }
        _ = consume lock
    }

    @Test func whoOnlyLooksAtALockKeepsNobodyFromStarting() throws {
        let directory = try TemporaryDirectory()
        let paths = try Self.paths(directory)
        let file = ServiceLock.files(name: "x", paths: paths)[0]
        let looker = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        #expect(flock(looker, LOCK_SH | LOCK_NB) == 0)
        let thread = Thread {
            sleepMillis(30)
            close(looker)
        }
        thread.start()
        let lock = try ServiceLock(name: "x", paths: paths)
        #expect(ServiceLock.isHeld(name: "x", paths: paths))
        _ = consume lock
    }

    @Test func aNumberThatBelongsToAnotherProcessIsNoHolder() throws {
        let directory = try TemporaryDirectory()
        let paths = try Self.paths(directory)
        let lock = try ServiceLock(name: "x", paths: paths)
        // As if the pid had been given to somebody else since: same number, other start.
        for path in ServiceLock.files(name: "x", paths: paths) {
            try "\(getpid()) 1\n".write(toFile: path, atomically: false, encoding: .utf8)
        }
        #expect(ServiceLock.holder(name: "x", paths: paths) == nil)
        #expect(ServiceLock.isHeld(name: "x", paths: paths))
        _ = consume lock
    }

    @Test func aLockWhoseFileIsRemovedIsHeldAllTheSame() throws {
        let directory = try TemporaryDirectory()
        let paths = try Self.paths(directory)
        let lock = try ServiceLock(name: "x", paths: paths)
        for path in ServiceLock.files(name: "x", paths: paths) { #expect(unlink(path) == 0) }
        Self.expectRefusal(paths, "taken twice")
        // Another service's is free.
        let other = try ServiceLock(name: "y", paths: paths)
        _ = consume other
        // And so is that of a directory elsewhere with the same names.
        let elsewhere = try TemporaryDirectory()
        let third = try ServiceLock(name: "x", paths: Self.paths(elsewhere))
        _ = consume third
        _ = consume lock
    }

    @Test func aRemovedOrReplacedLockFileIsMadeAnew() throws {
        let directory = try TemporaryDirectory()
        let paths = try Self.paths(directory)
        let lock = try ServiceLock(name: "x", paths: paths)
        let files = ServiceLock.files(name: "x", paths: paths)
        #expect(lock.restore(state: true).isEmpty)
        for path in files { #expect(unlink(path) == 0) }
        #expect(!ServiceLock.isHeld(name: "x", paths: paths))
        #expect(lock.restore(state: false).map(\.path) == [files[0]])
        #expect(access(files[1], F_OK) != 0)
        #expect(lock.restore(state: true).map(\.path) == [files[1]])
        #expect(ServiceLock.holder(name: "x", paths: paths)?.pid == getpid())
        // Somebody else's file in its place.
        #expect(unlink(files[0]) == 0)
        try "".write(toFile: files[0], atomically: false, encoding: .utf8)
        #expect(lock.restore(state: true).map(\.path) == [files[0]])
        #expect(ServiceLock.isHeld(name: "x", paths: paths))
        #expect(lock.restore(state: true).isEmpty)
        _ = consume lock
    }
}
