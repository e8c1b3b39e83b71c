import Foundation
import Testing
import Ticks

@testable import TickStore

private func entry(_ hour: Int64, _ stream: StreamID = quotes) -> SealedEntry {
    var entry = SealedEntry(.sealed)
    entry.stream = stream
    entry.hour = hour
    entry.firstKey = TickKey(epoch: 5, seq: UInt32(hour) * 10 + 1)
    entry.lastKey = TickKey(epoch: 5, seq: UInt32(hour) * 10 + 10)
    entry.sha256 = [UInt8](repeating: UInt8(hour & 255), count: 32)
    return entry
}

@Suite struct SealedListTests {
    @Test func entriesSurviveAndTheLastOneOfAnHourCounts() throws {
        let directory = try TemporaryDirectory()
        let state = directory.path
        #expect(try SealedList(stateDirectory: state).isMissing)
        // Who only appends knows of no other file: he begins none.
        #expect(throws: StoreError.self) { try SealedList.append([entry(1)], stateDirectory: state) }
        try bringList(state)
        try SealedList.append([entry(1), entry(2), entry(1, trades)], stateDirectory: state)
        var again = entry(2)
        again.lastKey = TickKey(epoch: 6, seq: 7)
        try SealedList.append(
            [again, SealedEntry(removed: quotes, upTo: entry(1).lastKey, hour: 1)], stateDirectory: state)
        let list = try SealedList(stateDirectory: state)
        #expect(try list.files == [quotes: [2: again], trades: [1: entry(1, trades)]])
        #expect(list.removedTo == [quotes: entry(1).lastKey] && list.findings.isEmpty && list.entries == 6)
        #expect(try list.lastKey(of: quotes) == again.lastKey)
    }

    /// A write that did not finish is no damage, and the next entry takes its place.
    @Test(arguments: [1, 103, 104]) func aTornTailMeansNothing(bytes count: Int) throws {
        let directory = try TemporaryDirectory()
        let path = SealedList.path(stateDirectory: directory.path)
        try bringList(directory.path)
        try SealedList.append([entry(1)], stateDirectory: directory.path)
        try write(try bytes(of: path) + [UInt8](repeating: 7, count: count), to: path)
        #expect(try SealedList(stateDirectory: directory.path).findings.isEmpty)
        try SealedList.append([entry(2)], stateDirectory: directory.path)
        let list = try SealedList(stateDirectory: directory.path)
        #expect(try list.findings.isEmpty && list.files[quotes]?.count == 2)
    }

    /// What a list says, and whether that is said to be all.
    private struct Saying: Equatable {
        var files: [StreamID: [Int64: SealedEntry]]
        var removedTo: [StreamID: TickKey]

        init(_ list: SealedList) throws {
            files = try list.files
            removedTo = list.removedTo
        }
    }

    /// A list to which some entries were appended at once, before and behind that.
    private struct Append {
        let directory: TemporaryDirectory
        let path: String
        let (old, new): ([UInt8], [UInt8])
        let (slotsBefore, slotsAfter): ([UInt8], [UInt8])
        let (before, after): (Saying, Saying)

        init() throws {
            directory = try TemporaryDirectory(inMemory: true)
            let state = directory.path
            path = SealedList.path(stateDirectory: state)
            try bringList(state)
            try SealedList.append((1...20).map { entry($0) }, stateDirectory: state)
            try SealedList.append([entry(21)], stateDirectory: state)
            old = try bytes(of: path)
            slotsBefore = try bytes(of: SealedList.slotsPath(path))
            before = try Saying(SealedList(stateDirectory: state))
            let removed = (1...15).map { SealedEntry(removed: quotes, upTo: entry($0).lastKey, hour: $0) }
            try SealedList.append(removed + (22...70).map { entry($0) }, stateDirectory: state)
            new = try bytes(of: path)
            slotsAfter = try bytes(of: SealedList.slotsPath(path))
            after = try Saying(SealedList(stateDirectory: state))
            #expect(before != after && new.count > 8192)
        }

        /// Where a write may have ended: each byte, or those around entries and pages and some others.
        var cuts: [Int] {
            (old.count...new.count).filter { cut in
                let near = [SealedEntry.size, 512].contains { (cut + 1) % $0 <= 2 }
                return isFull || near || cut % 31 == 0
            }
        }

        func list(_ state: [UInt8], durable slots: [UInt8]) throws -> SealedList {
            try write(state, to: path)
            try write(slots, to: SealedList.slotsPath(path))
            return try SealedList(stateDirectory: directory.path)
        }

        /// The power went before the append was durable.
        func check(torn state: [UInt8], _ what: String) throws {
            let list = try list(state, durable: slotsBefore)
            let saying = try Saying(list)
            #expect(list.findings.isEmpty && (saying == before || saying == after), "\(what): \(list.findings)")
            // What is left of it is in nobody's way.
            try SealedList.append([entry(80)], stateDirectory: directory.path)
            let next = try SealedList(stateDirectory: directory.path)
            var expected = saying
            expected.files[quotes]?[80] = entry(80)
            #expect(try next.findings.isEmpty && Saying(next) == expected, "\(what): \(next.findings)")
        }
    }

    @Test func whateverAPowerCutLeavesOfAnAppendIsTheOldListOrTheNew() throws {
        let append = try Append()
        let (old, new) = (append.old, append.new)
        for cut in append.cuts {
            try append.check(torn: Array(new[..<cut]), "cut at \(cut)")
            try append.check(torn: new[..<cut] + [UInt8](repeating: 0, count: new.count - cut), "zeros from \(cut)")
            // The end came to the disk, and what stands before it did not.
            let front = [UInt8](repeating: 0, count: cut - old.count)
            try append.check(torn: old + front + new[cut...], "zeros up to \(cut)")
        }
        // Any of its pages is there or not, whatever their size.
        for size in [512, 4096] {
            let pages = Array(Set((old.count..<new.count).map { $0 / size })).sorted()
            for lost in 0..<(1 << min(pages.count, isFull ? 14 : 8)) {
                var state = new
                for (index, page) in pages.enumerated() where lost & (1 << index) != 0 {
                    for at in max(old.count, page * size)..<min(new.count, (page + 1) * size) { state[at] = 0 }
                }
                try append.check(torn: state, "pages of \(size) \(lost)")
            }
        }
    }

    /// The same bytes, destroyed once they were durable.
    @Test func whatWasDurableOfAListAndIsGoneIsSeen() throws {
        let append = try Append()
        for cut in append.cuts.dropLast() {
            let short = try append.list(Array(append.new[..<cut]), durable: append.slotsAfter)
            #expect(!short.findings.isEmpty, "cut at \(cut)")
            // The next append is as good as any, and hides nothing.
            try SealedList.append([entry(80)], stateDirectory: append.directory.path)
            let next = try SealedList(stateDirectory: append.directory.path)
            #expect(try !next.findings.isEmpty && next.files[quotes]?[80] == entry(80), "cut at \(cut)")
        }
        for place in stride(from: 0, to: append.new.count, by: isFull ? 7 : 97) {
            var state = append.new
            state[place] ^= 4
            #expect(try !append.list(state, durable: append.slotsAfter).findings.isEmpty, "bit at \(place)")
        }
        // An older copy of the list.
        #expect(try !append.list(append.old, durable: append.slotsAfter).findings.isEmpty)
        // Where nothing tells how far it was durable, what stands behind it does.
        let slots = SealedList.slotsPath(append.path)
        try FileManager.default.removeItem(atPath: slots)
        try write(append.new, to: append.path)
        try SealedList.append([entry(90)], stateDirectory: append.directory.path)
        let longer = try bytes(of: append.path)
        for place in stride(from: 0, to: append.new.count, by: isFull ? 7 : 97) {
            var state = longer
            state[place] ^= 4
            try write(state, to: append.path)
            try? FileManager.default.removeItem(atPath: slots)
            let list = try SealedList(stateDirectory: append.directory.path)
            #expect(try !list.findings.isEmpty && list.files[quotes]?[90] == entry(90), "bit at \(place)")
            try SealedList.append([entry(91)], stateDirectory: append.directory.path)
            #expect(try !SealedList(stateDirectory: append.directory.path).findings.isEmpty, "bit at \(place)")
        }
    }

    @Test func whatIsTakenOutOrChangedInTheMiddleIsSeen() throws {
        let directory = try TemporaryDirectory()
        let path = SealedList.path(stateDirectory: directory.path)
        try bringList(directory.path)
        try SealedList.append((1...5).map { entry($0) }, stateDirectory: directory.path)
        let whole = try bytes(of: path)
        let size = SealedEntry.size
        var flipped = whole
        flipped[2 * size + 50] ^= 1
        // Each is sound by itself; only the chain tells.
        let without = Array(whole[..<(2 * size)] + whole[(3 * size)...])
        try SealedList.append([entry(9, trades)], stateDirectory: directory.path)
        for damaged in [flipped, without] {
            try write(damaged, to: path)
            #expect(try !SealedList(stateDirectory: directory.path).findings.isEmpty)
        }
    }

    /// Retention goes on for years: the list does not grow with what is gone.
    @Test func aListThatIsFullOfWhatIsGoneIsMadeShorter() throws {
        let directory = try TemporaryDirectory()
        let state = directory.path
        try bringList(state)
        let hours = Int64(SealedFiles.leastEntriesToShorten)
        try SealedList.append((1...hours).map { entry($0) }, stateDirectory: state)
        let removed = (1..<hours).map { SealedEntry(removed: quotes, upTo: entry($0).lastKey, hour: $0) }
        try SealedList.append(removed, stateDirectory: state)
        #expect(try bringList(state))
        let list = try SealedList(stateDirectory: state)
        #expect(list.entries == 3 && list.findings.isEmpty)
        #expect(try list.files == [quotes: [hours: entry(hours)]])
        #expect(list.removedTo == [quotes: entry(hours - 1).lastKey])
        // What is gone and was not removed stays missed.
        #expect(try SealedFiles(stateDirectory: state, opensAll: false).gone == [entry(hours)])
    }
}
