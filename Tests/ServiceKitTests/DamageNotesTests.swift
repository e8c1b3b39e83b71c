import Foundation
import Testing

@testable import ServiceKit

@Suite struct DamageNotesTests {
    private let now: Int64 = 1_795_000_000_000_000_000

    @Test func whatIsNotedStaysUntilItIsAcknowledgedOrRepaired() throws {
        let directory = try TemporaryDirectory()
        let notes = DamageNotes(state: directory.path)
        #expect(try notes.open().isEmpty && notes.places().isEmpty)
        try notes.add(["log/a.log: corruption: bytes 1 to 2", "log/b.log: lost data: bytes 3 to 4"], atNanos: now)
        // Every start finds it again.
        try notes.add(["log/a.log: corruption: bytes 1 to 2"], atNanos: now + 5_000_000_000)
        #expect(try notes.open().map(\.number) == [1, 2])
        #expect(try notes.open().first?.time == "2026-11-18T11:06:40Z")
        #expect(try DamageNotes(state: directory.path).acknowledge().count == 2)
        #expect(try notes.open().isEmpty)
        #expect(try notes.acknowledge().isEmpty)
        try notes.add(["log/a.log: corruption: bytes 1 to 2"], atNanos: now)
        #expect(try notes.open().isEmpty)
        try notes.add(["log/c.log: corruption: bytes 1 to 2"], atNanos: now)
        #expect(try notes.open().map(\.text) == ["log/c.log: corruption: bytes 1 to 2"])
        #expect(try notes.places().count == 3)
        try notes.clear()
        #expect(try notes.places().isEmpty && notes.open().isEmpty)
        try notes.clear()
        try notes.add(["log/a.log: corruption: bytes 1 to 2"], atNanos: now)
        #expect(try notes.open().count == 1)
    }

    /// The notes lie on the disk that destroys data.
    @Test func notesThatAreDamagedAreNoAllClear() throws {
        let directory = try TemporaryDirectory()
        let notes = DamageNotes(state: directory.path)
        try Data("\u{0}\u{0}\u{0}\n".utf8).write(to: URL(fileURLWithPath: directory.path + "/damage"))
        #expect(try notes.open().count == 1)
        try notes.add(["log/a.log: corruption: bytes 1 to 2"], atNanos: now)
        #expect(try notes.open().count == 2)
        #expect(try notes.acknowledge().count == 2)
        #expect(try notes.open().isEmpty)
        try Data("nonsense".utf8).write(to: URL(fileURLWithPath: directory.path + "/damage.acknowledged"))
        #expect(try notes.open().count == 2)
    }

    @Test func notesHaveABound() throws {
        let directory = try TemporaryDirectory()
        let notes = DamageNotes(state: directory.path)
        try notes.add((0..<500).map { "place \($0)\n\u{1B}[31m" + String(repeating: "x", count: 5_000) }, atNanos: now)
        let places = try notes.places()
        #expect(places.count == DamageNotes.maxPlaces)
        #expect(places.allSatisfy { $0.text.utf8.count <= 1_000 && $0.text.utf8.allSatisfy { $0 >= 0x20 } })
    }
}
