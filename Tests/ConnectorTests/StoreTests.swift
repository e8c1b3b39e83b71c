import Foundation
import JSON
import Testing

@testable import Connector
@testable import Messaging

@Suite struct EpochStoreTests {
    @Test func anEpochIsTheClockOrOneAboveAllThatIsKnown() throws {
        let directory = try TemporaryDirectory()
        let store = EpochStore(state: directory.path)
        #expect(try store.begin(known: 0, nowSeconds: 1_000) == 1_000)
        #expect(try directory.text("epoch") == "1000\n")
        #expect(try store.begin(known: 0, nowSeconds: 1_000) == 1_001)
        // The clock was set back, and a recorder knows of a later epoch.
        #expect(try store.begin(known: 5_000, nowSeconds: 10) == 5_001)
        #expect(try store.begin(known: 7, nowSeconds: -1) == 5_002)
        #expect(try store.begin(known: 0, nowSeconds: 9_000) == 9_000)
    }

    @Test(arguments: ["", "abc\n", "-1\n", "99999999999\n", String(repeating: "7", count: 500)])
    func aDamagedFileCountsAsNone(text: String) throws {
        let directory = try TemporaryDirectory()
        try directory.write("epoch", text)
        #expect(try EpochStore(state: directory.path).begin(known: 41, nowSeconds: 7) == 42)
        #expect(try directory.text("epoch") == "42\n")
    }

    @Test func noEpochIsGivenOutThatIsNotWritten() throws {
        let store = EpochStore(state: "/proc/nowhere")
        #expect(throws: (any Error).self) { _ = try store.begin(known: 0, nowSeconds: 1_000) }
        let directory = try TemporaryDirectory()
        try directory.write("epoch", "\(UInt32.max)\n")
        #expect(throws: (any Error).self) {
            _ = try EpochStore(state: directory.path).begin(known: 0, nowSeconds: 1_000)
        }
    }

    /// The recorder's disk is full: a new file can't be made beside the old one, but recording goes on.
    @Test func withoutRoomForANewFileTheOldOneIsWrittenOver() throws {
        let directory = try TemporaryDirectory()
        try directory.write("epoch", "1000\n")
        // Stands in the way of every new file.
        try FileManager.default.createDirectory(
            atPath: directory.path + "/epoch.new", withIntermediateDirectories: false)
        let store = EpochStore(state: directory.path)
        #expect(try store.begin(known: 0, nowSeconds: 2_000) == 2_000)
        #expect(try directory.text("epoch") == "2000\n")
        #expect(try store.begin(known: 0, nowSeconds: 2_000) == 2_001)
        // Another length would leave a mixture behind.
        #expect(throws: (any Error).self) { _ = try store.begin(known: 0, nowSeconds: 10_000) }
        #expect(try directory.text("epoch") == "2001\n")
    }
}

@Suite struct RestartGaps {
    /// A restart of the machine empties the journal; what was missed meanwhile is a gap all the same.
    @Test func anEmptyJournalBesideAnEpochIsAnInterruptionOfAllStreams() throws {
        let directory = try TemporaryDirectory()
        let store = EpochStore(state: directory.path)
        #expect(recordedBefore(journal: [], configured: [quotes, trades], ranBefore: store.ranBefore).isEmpty)
        _ = try store.begin(known: 0, nowSeconds: 1_000)
        #expect(
            recordedBefore(journal: [], configured: [quotes, trades], ranBefore: store.ranBefore) == [quotes, trades])
        #expect(recordedBefore(journal: [trades], configured: [quotes, trades], ranBefore: true) == [trades])
    }
}

@Suite struct DefinitionStoreTests {
    private let second: Int64 = 1_000_000_000
    private func texts(_ due: [(Topic, [UInt8])]) -> [String] {
        due.map { "\($0.0.description) \(String(decoding: $0.1, as: UTF8.self))" }.sorted()
    }

    @Test func aSubscriberGetsADefinitionAtMostOnceASecond() throws {
        let directory = try TemporaryDirectory()
        var store = DefinitionStore(directory: directory.path)
        store.put(["a": 1], conId: 7, nowNanos: 0)
        #expect(texts(store.takeDue(nowNanos: 0)) == [#"definition.7 {"a":1}"#])
        func subscribe(_ prefix: String, at now: Int64) {
            Array(prefix.utf8).withUnsafeBytes { store.subscribed(to: $0, nowNanos: now) }
        }
        subscribe("definition.7", at: second / 2)
        subscribe("", at: second / 2)
        subscribe("definition.8", at: second / 2)
        subscribe("tick.", at: second / 2)
        #expect(store.takeDue(nowNanos: second - 1).isEmpty)
        #expect(store.takeDue(nowNanos: second).count == 1)
        #expect(store.takeDue(nowNanos: 2 * second).isEmpty)
        subscribe("definition.", at: 3 * second)
        #expect(store.takeDue(nowNanos: 3 * second).count == 1)
    }

    @Test func definitionsOutliveTheProcess() throws {
        let directory = try TemporaryDirectory()
        var first = DefinitionStore(directory: directory.path + "/definitions")
        first.put(["exchange": "CME"], conId: 7, nowNanos: 0)
        var second = DefinitionStore(directory: directory.path + "/definitions")
        second.load([7, 8])
        #expect(second[7]?["exchange"]?.string == "CME")
        #expect(second.conIds == [7])
        // Nothing is sent before somebody asks.
        #expect(second.takeDue(nowNanos: 0).isEmpty)
    }

    @Test func aDamagedFileStaysUntilABetterOneComes() throws {
        let directory = try TemporaryDirectory()
        try directory.write("7.json", "{not json")
        var store = DefinitionStore(directory: directory.path)
        store.load([7])
        #expect(store[7] == nil)
        #expect(try directory.text("7.json") == "{not json")
        store.put(["a": 1], conId: 7, nowNanos: 0)
        #expect(try directory.text("7.json") == "{\"a\":1}\n")
    }

    @Test func aDefinitionIsPublishedAlsoWhenItCannotBeKept() {
        var store = DefinitionStore(directory: "/proc/nowhere")
        store.put(["a": 1], conId: 7, nowNanos: 0)
        #expect(store.takeDue(nowNanos: 0).count == 1)
    }
}
