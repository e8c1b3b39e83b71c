import Foundation
import Testing

@testable import ServiceKit

@Suite struct HeldDirectoriesTests {
    /// What a cleaner tries before it enters.
    private func mayEnter(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(descriptor) }
        return flock(descriptor, LOCK_EX | LOCK_NB) == 0
    }

    @Test func aDirectoryIsClosedToCleanersForAsLongAsItIsHeld() throws {
        let directory = try TemporaryDirectory()
        do {
            var held = HeldDirectories([directory.path])
            let before = mayEnter(directory.path)
            held.look()
            #expect(before && !mayEnter(directory.path))
            // Who holds it too is not in the way.
            var other = HeldDirectories([directory.path])
            other.look()
            #expect(other.holding == [directory.path])
            _ = consume held
        }
        #expect(mayEnter(directory.path))
    }

    @Test func aDirectoryThatComesLaterOrInPlaceOfAnotherIsTaken() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/state"
        var held = HeldDirectories([path])
        held.look()
        #expect(held.holding.isEmpty)
        for _ in 1...3 {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            held.look()
            #expect(!mayEnter(path))
            try FileManager.default.removeItem(atPath: path)
            held.look()
            #expect(held.holding.isEmpty)
        }
    }

    @Test func aCleanerAtWorkIsWaitedFor() throws {
        let directory = try TemporaryDirectory()
        let cleaner = open(directory.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        #expect(flock(cleaner, LOCK_EX | LOCK_NB) == 0)
        var held = HeldDirectories([directory.path])
        held.look()
        #expect(held.holding.isEmpty)
        close(cleaner)
        held.look()
        #expect(held.holding == [directory.path])
    }

    @Test(arguments: [
        ("/tmp/x", "/tmp"), ("/tmp", "/tmp"), ("/var/tmp/a/b", "/var/tmp"), ("/dev/shm/a", "/dev/shm"), ("/tmpx", ""),
        ("/home/me", ""), ("/", ""), ("/var/lib/ib-stream", ""),
    ]) func placesWhereFilesDoNotStayAreKnown(path: String, place: String) {
        #expect((TemporaryPlace.of(path)?.root ?? "") == place)
    }
}
