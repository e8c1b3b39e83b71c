import Foundation
import Testing
import Ticks

@testable import TickStore

@Suite struct SealedListTests {
    private static func entry(_ hour: Int64, _ stream: StreamID = quotes) -> SealedEntry {
        var entry = SealedEntry(.sealed)
        entry.stream = stream
        entry.hour = hour
        entry.firstKey = TickKey(epoch: 5, seq: UInt32(hour) * 10 + 1)
        entry.lastKey = TickKey(epoch: 5, seq: UInt32(hour) * 10 + 10)
        entry.sha256 = [UInt8](repeating: UInt8(hour & 255), count: 32)
        return entry
    }

    @Test func entriesSurviveAndTheLastOneOfAnHourCounts() throws {
        let directory = try TemporaryDirectory()
        let state = directory.path
        #expect(try SealedList(stateDirectory: state).isMissing)
        // Who only appends knows of no other file: he begins none.
        #expect(throws: StoreError.self) { try SealedList.append([Self.entry(1)], stateDirectory: state) }
        try SealedFiles(stateDirectory: state, opensAll: false).bringList()
        try SealedList.append([Self.entry(1), Self.entry(2), Self.entry(1, trades)], stateDirectory: state)
        var again = Self.entry(2)
        again.lastKey = TickKey(epoch: 6, seq: 7)
        try SealedList.append(
            [again, SealedEntry(removed: quotes, upTo: Self.entry(1).lastKey, hour: 1)], stateDirectory: state)
        let list = try SealedList(stateDirectory: state)
        #expect(list.files == [quotes: [2: again], trades: [1: Self.entry(1, trades)]])
        #expect(list.removedTo == [quotes: Self.entry(1).lastKey] && list.findings.isEmpty && list.entries == 6)
        #expect(list.lastKey(of: quotes) == again.lastKey)
    }

    /// A write that did not finish is no damage, and the next entry takes its place.
    @Test(arguments: [1, 103, 104]) func aTornTailMeansNothing(bytes count: Int) throws {
        let directory = try TemporaryDirectory()
        let path = SealedList.path(stateDirectory: directory.path)
        try SealedFiles(stateDirectory: directory.path, opensAll: false).bringList()
        try SealedList.append([Self.entry(1)], stateDirectory: directory.path)
        try write(try bytes(of: path) + [UInt8](repeating: 7, count: count), to: path)
        #expect(try SealedList(stateDirectory: directory.path).findings.isEmpty)
        try SealedList.append([Self.entry(2)], stateDirectory: directory.path)
        let list = try SealedList(stateDirectory: directory.path)
        #expect(list.findings.isEmpty && list.files[quotes]?.count == 2)
    }

    @Test func whatIsTakenOutOrChangedInTheMiddleIsSeen() throws {
        let directory = try TemporaryDirectory()
        let path = SealedList.path(stateDirectory: directory.path)
        try SealedFiles(stateDirectory: directory.path, opensAll: false).bringList()
        try SealedList.append((1...5).map { Self.entry($0) }, stateDirectory: directory.path)
        let whole = try bytes(of: path)
        let size = SealedEntry.size
        var flipped = whole
        flipped[2 * size + 50] ^= 1
        // Each is sound by itself; only the chain tells.
        let without = Array(whole[..<(2 * size)] + whole[(3 * size)...])
        try SealedList.append([Self.entry(9, trades)], stateDirectory: directory.path)
        for damaged in [flipped, without] {
            try write(damaged, to: path)
            #expect(try !SealedList(stateDirectory: directory.path).findings.isEmpty)
        }
    }

    /// Retention goes on for years: the list does not grow with what is gone.
    @Test func aListThatIsFullOfWhatIsGoneIsMadeShorter() throws {
        let directory = try TemporaryDirectory()
        let state = directory.path
        try SealedFiles(stateDirectory: state, opensAll: false).bringList()
        let hours = Int64(SealedFiles.leastEntriesToShorten)
        try SealedList.append((1...hours).map { Self.entry($0) }, stateDirectory: state)
        let removed = (1..<hours).map { SealedEntry(removed: quotes, upTo: Self.entry($0).lastKey, hour: $0) }
        try SealedList.append(removed, stateDirectory: state)
        #expect(try SealedFiles(stateDirectory: state, opensAll: false).bringList())
        let list = try SealedList(stateDirectory: state)
        #expect(list.entries == 3 && list.findings.isEmpty)
        #expect(list.files == [quotes: [hours: Self.entry(hours)]])
        #expect(list.removedTo == [quotes: Self.entry(hours - 1).lastKey])
        // What is gone and was not removed stays missed.
        #expect(try SealedFiles(stateDirectory: state, opensAll: false).gone == [Self.entry(hours)])
    }
}
