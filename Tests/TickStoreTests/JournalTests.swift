import Testing
import Ticks

@testable import TickStore

@Suite struct JournalTests {
    let small: UInt64 = 64 << 10

    @Test func whatWasAppendedIsRead() throws {
        let directory = try TemporaryDirectory()
        var journal = try Journal(directory: directory.path, sizeBytes: 4 * small, segmentBytes: small)
        try journal.begin(epoch: 100)
        var reader = JournalReader(directory: directory.path)
        #expect(try reader.page(quotes, from: .zero).0 == StreamPage(next: .zero))
        try journal.append(ticks(quotes, 1...3), ticks(trades, 1...1))
        try journal.append(ticks(quotes, 4...5))
        let (page, all) = try reader.page(quotes, from: TickKey(epoch: 100, seq: 2))
        #expect(page == StreamPage(next: TickKey(epoch: 100, seq: 6), records: 4))
        #expect(all == ticks(quotes, 2...5))
        try journal.append(ticks(quotes, 6...6))
        #expect(try reader.page(quotes, from: page.next).1 == ticks(quotes, 6...6))
        #expect(try reader.page(quotes, from: .zero, limit: 2).1 == ticks(quotes, 1...2))
        #expect(
            try reader.firstKey(of: quotes, receivedFromNanos: someNanos + 3500) == TickKey(epoch: 100, seq: 4))
    }

    @Test func aRingForgetsTheOldestAndSaysSo() throws {
        let directory = try TemporaryDirectory()
        var journal = try Journal(directory: directory.path, sizeBytes: 4 * small, segmentBytes: small)
        try journal.begin(epoch: 100)
        var reader = JournalReader(directory: directory.path)
        try journal.append(ticks(trades, 1...1))
        for start in stride(from: UInt32(1), through: 9901, by: 100) {
            try journal.append(ticks(quotes, start...(start + 99)))
            let (page, all) = try reader.page(quotes, from: TickKey(epoch: 100, seq: start))
            #expect(page.goneFirst == nil)
            #expect(all.count == 100)
        }
        #expect(journal.capacityBytes == 4 * small)
        #expect(try directory.logs().count == 4)
        let gone = try reader.page(quotes, from: TickKey(epoch: 100, seq: 1)).0
        let first = try #require(gone.goneFirst)
        #expect(gone.next == first && gone.records == 0)
        #expect(first > TickKey(epoch: 100, seq: 5000))
        let (page, all) = try reader.page(quotes, from: first)
        #expect(page.goneFirst == nil && page.next == TickKey(epoch: 100, seq: 10_001))
        #expect(all == ticks(quotes, first.seq...10_000))
        // The lone trade is gone with its segment, and nothing came after it.
        #expect(try reader.page(trades, from: .zero).0 == StreamPage.gone(TickKey(epoch: 100, seq: 2)))
        #expect(try reader.page(trades, from: TickKey(epoch: 100, seq: 2)).0.goneFirst == nil)
        // A stream that the journal never saw is not gone.
        let other = StreamID(conId: 5, kind: .last)
        #expect(try reader.page(other, from: TickKey(epoch: 100, seq: 1)).0.goneFirst == nil)
    }

    @Test func aRestartGoesOnInANewEpoch() throws {
        let directory = try TemporaryDirectory()
        do {
            var journal = try Journal(directory: directory.path, sizeBytes: 4 * small, segmentBytes: small)
            #expect(journal.greatestEpoch == 0)
            try journal.begin(epoch: 100)
            try journal.append(ticks(quotes, 1...10))
        }
        var journal = try Journal(directory: directory.path, sizeBytes: 4 * small, segmentBytes: small)
        #expect(journal.greatestEpoch == 100)
        #expect(journal.positions[quotes]?.key == TickKey(epoch: 100, seq: 10))
        #expect(journal.findings.isEmpty)
        try journal.begin(epoch: 101)
        try journal.append(ticks(quotes, epoch: 101, 1...2))
        var reader = JournalReader(directory: directory.path)
        let (page, all) = try reader.page(quotes, from: TickKey(epoch: 100, seq: 9))
        #expect(page.goneFirst == nil && page.next == TickKey(epoch: 101, seq: 3))
        #expect(all == ticks(quotes, 9...10) + ticks(quotes, epoch: 101, 1...2))
        // The old epoch ended with 10, and the journal can show it.
        #expect(try reader.page(quotes, from: TickKey(epoch: 100, seq: 11)).1 == ticks(quotes, epoch: 101, 1...2))
    }
}
