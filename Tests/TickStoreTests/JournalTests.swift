import Glibc
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

    @Test func theNewestSegmentSaysHowFarEveryStreamIsNumbered() throws {
        let directory = try TemporaryDirectory()
        var journal = try Journal(directory: directory.path, sizeBytes: 4 * small, segmentBytes: small)
        var reader = JournalReader(directory: directory.path)
        #expect(try reader.positions().isEmpty)
        try journal.begin(epoch: 100)
        try journal.append(ticks(trades, 1...3))
        #expect(try reader.positions() == [trades: TickKey(epoch: 100, seq: 3)])
        for start in stride(from: UInt32(1), through: 9901, by: 100) {
            try journal.append(ticks(quotes, start...(start + 99)))
            #expect(
                try reader.positions()
                    == [trades: TickKey(epoch: 100, seq: 3), quotes: TickKey(epoch: 100, seq: start + 99)])
        }
    }

    /// A ring's file is taken again by its name: what a link there leads to is left alone.
    @Test func aLinkInARingIsNotWrittenThrough() throws {
        let directory = try TemporaryDirectory()
        let precious = directory.file("precious")
        try write([UInt8](repeating: 7, count: 4096), to: precious)
        let ring = directory.file("journal")
        var journal = try Journal(directory: ring, sizeBytes: 2 * small, segmentBytes: small)
        try journal.begin(epoch: 100)
        #expect(throws: StoreError.self) {
            for start in stride(from: UInt32(1), through: 99_901, by: 100) {
                let oldest = try JournalFiles(directory: ring, segmentBytes: small).segments
                if oldest.count == 2, unlink(JournalFiles.path(oldest[0], in: ring)) == 0 {
                    #expect(symlink(precious, JournalFiles.path(oldest[0], in: ring)) == 0)
                }
                try journal.append(ticks(quotes, start...(start + 99)))
            }
        }
        #expect(try bytes(of: precious) == [UInt8](repeating: 7, count: 4096))
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

    /// A first request reads the whole journal; without a sign of life the watchdog takes that for a hang on a slow
    /// machine, and every new process would have to begin with it again.
    @Test func aFirstRequestShowsItsProgressWithEverySegment() throws {
        let directory = try TemporaryDirectory()
        var journal = try Journal(directory: directory.path, sizeBytes: 4 * small, segmentBytes: small)
        try journal.begin(epoch: 100)
        for start in stride(from: UInt32(1), through: 2901, by: 100) {
            try journal.append(ticks(quotes, start...(start + 99)))
        }
        let segments = try directory.logs().count
        #expect(segments >= 3)
        var calls = 0
        var reader = JournalReader(directory: directory.path, onSegment: { calls += 1 })
        _ = try reader.page(quotes, from: .zero)
        #expect(calls >= 2 * segments)
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

/// What a journal can't show, and what happens to it while it is read.
@Suite struct JournalKnowledgeTests {
    let small: UInt64 = 64 << 10

    func journal(_ directory: String, bootID: String? = "a") throws -> Journal {
        try Journal(directory: directory, sizeBytes: 4 * small, segmentBytes: small, bootID: bootID)
    }

    @Test func anEmptyJournalCannotVouchForOlderEpochs() throws {
        let directory = try TemporaryDirectory()
        var journal = try journal(directory.path)
        try journal.begin(epoch: 200)
        try journal.append(ticks(quotes, epoch: 200, 1...3))
        var reader = JournalReader(directory: directory.path)
        // Somebody has keys of an epoch that this journal never knew: what followed them is not to be had.
        #expect(try reader.page(quotes, from: TickKey(epoch: 150, seq: 8)).0 == .gone(TickKey(epoch: 200, seq: 1)))
        // Who has nothing asks for all there is.
        #expect(try reader.page(quotes, from: .zero).1.count == 3)
        #expect(try reader.page(quotes, from: TickKey(epoch: 200, seq: 0)).1.count == 3)
        #expect(try reader.page(trades, from: TickKey(epoch: 200, seq: 1)).0.goneFirst == nil)
    }

    @Test func epochsOfSomebodyElseEndWhatAJournalVouchesFor() throws {
        let directory = try TemporaryDirectory()
        var journal = try journal(directory.path)
        try journal.begin(epoch: 100)
        try journal.append(ticks(quotes, 1...3))
        // A recorder had keys of epoch 150: above ours, and not from here.
        try journal.begin(epoch: 151, followsOthers: true)
        try journal.append(ticks(quotes, epoch: 151, 1...2))
        var reader = JournalReader(directory: directory.path)
        #expect(try reader.page(quotes, from: TickKey(epoch: 150, seq: 8)).0 == .gone(TickKey(epoch: 151, seq: 1)))
        // From there on it has everything, also for the next connector.
        journal = try self.journal(directory.path)
        try journal.begin(epoch: 152)
        try journal.append(ticks(quotes, epoch: 152, 1...1))
        #expect(try reader.page(quotes, from: TickKey(epoch: 151, seq: 3)).1 == ticks(quotes, epoch: 152, 1...1))
        #expect(try reader.page(quotes, from: TickKey(epoch: 150, seq: 8)).0 == .gone(TickKey(epoch: 151, seq: 1)))
    }

    @Test func anotherRunOfTheMachineEndsWhatAJournalVouchesFor() throws {
        let directory = try TemporaryDirectory()
        do {
            var journal = try journal(directory.path)
            try journal.begin(epoch: 100)
            try journal.append(ticks(quotes, 1...10))
        }
        var journal = try journal(directory.path, bootID: "b")
        #expect(journal.greatestEpoch == 100)
        try journal.begin(epoch: 101)
        try journal.append(ticks(quotes, epoch: 101, 1...2))
        var reader = JournalReader(directory: directory.path)
        // What it has it gives; but it can't know whether 11 was only in memory when the machine stopped.
        let (page, all) = try reader.page(quotes, from: TickKey(epoch: 100, seq: 9))
        #expect(all == ticks(quotes, 9...10) && page.next == TickKey(epoch: 100, seq: 11))
        #expect(try reader.page(quotes, from: page.next).0 == .gone(TickKey(epoch: 101, seq: 1)))
    }

    @Test func aDamagedBlockIsAHole() throws {
        let directory = try TemporaryDirectory()
        var journal = try journal(directory.path)
        try journal.begin(epoch: 100)
        for block in UInt32(0)..<3 { try journal.append(ticks(quotes, (block * 10 + 1)...(block * 10 + 10))) }
        let path = directory.file("1.log")
        var damaged = try bytes(of: path)
        damaged[64 + 32 + 640 + 100] ^= 4
        try write(damaged, to: path)
        // Reopened: a new segment, the damage is told, and readers hear of the hole.
        var again = try self.journal(directory.path)
        #expect(again.findings.map(\.range) == [UInt64(64 + 672)..<UInt64(64 + 2 * 672)])
        try again.begin(epoch: 101)
        var reader = JournalReader(directory: directory.path)
        #expect(try reader.page(quotes, from: .zero).0.next == TickKey(epoch: 100, seq: 11))
        let page = try reader.page(quotes, from: TickKey(epoch: 100, seq: 15)).0
        #expect(page == .gone(TickKey(epoch: 100, seq: 21)))
        #expect(try reader.page(quotes, from: page.next).1 == ticks(quotes, 21...30))
    }

    @Test func aSegmentThatAProcessDiedInIsNoSegment() throws {
        let directory = try TemporaryDirectory()
        do {
            var journal = try journal(directory.path)
            try journal.begin(epoch: 100)
            try journal.append(ticks(quotes, 1...10))
        }
        // Named, but its table was never written.
        try write([UInt8](repeating: 0, count: Int(small)), to: directory.file("2.log"))
        var journal = try journal(directory.path)
        #expect(journal.positions[quotes]?.key == TickKey(epoch: 100, seq: 10))
        #expect(journal.capacityBytes == 4 * small)
        try journal.begin(epoch: 101)
        try journal.append(ticks(quotes, epoch: 101, 1...1))
        var reader = JournalReader(directory: directory.path)
        #expect(try reader.page(quotes, from: TickKey(epoch: 100, seq: 1)).0.records == 11)
    }

    @Test func aSmallerRingKeepsTheNewest() throws {
        let directory = try TemporaryDirectory()
        do {
            var journal = try journal(directory.path)
            try journal.begin(epoch: 100)
            for start in stride(from: UInt32(1), to: 3001, by: 100) {
                try journal.append(ticks(quotes, start...(start + 99)))
            }
        }
        let journal = try Journal(directory: directory.path, sizeBytes: 2 * small, segmentBytes: small, bootID: "a")
        #expect(journal.capacityBytes == 2 * small)
        #expect(journal.positions[quotes]?.key.seq == 3000)
        var reader = JournalReader(directory: directory.path)
        let first = try #require(try reader.page(quotes, from: TickKey(epoch: 100, seq: 1)).0.goneFirst)
        #expect(try reader.page(quotes, from: first).1.last?.seq == 3000)
    }

    @Test func piecesBeyondOneBlockBecomeSeveral() throws {
        let directory = try TemporaryDirectory()
        var journal = try journal(directory.path)
        try journal.begin(epoch: 100)
        let runs = (UInt32(0)..<8).map { ticks(quotes, ($0 * 100 + 1)...($0 * 100 + 100)) }
        try withPieces(runs) { try journal.append($0) }
        var reader = JournalReader(directory: directory.path)
        #expect(try reader.page(quotes, from: .zero).1 == ticks(quotes, 1...800))
    }

    @Test func aReaderBesideAFastWriterGetsEveryTickOrHearsThatItIsGone() async throws {
        let directory = try TemporaryDirectory()
        let total: UInt32 = 60_000
        var journal = try journal(directory.path)
        try journal.begin(epoch: 100)
        let path = directory.path
        async let read: (UInt32, UInt32) = Task.detached {
            var reader = JournalReader(directory: path)
            var want = TickKey(epoch: 100, seq: 1)
            var given: UInt32 = 0
            var gone: UInt32 = 0
            while want.seq <= total {
                var expected = want
                let page = try reader.read(quotes, from: want, limit: 777) { run in
                    for tick in run {
                        // Right key, and the price that belongs to it.
                        precondition(tick.key == expected)
                        precondition(tick.body.word0 == UInt64(tick.seq) * 250_000_000)
                        expected = tick.key.next
                        given += 1
                    }
                }
                if let first = page.goneFirst {
                    precondition(first > want && page.records == 0)
                    gone += first.seq - want.seq
                }
                precondition(page.next >= want)
                want = page.next
                await Task.yield()
            }
            return (given, gone)
        }.value
        for start in stride(from: UInt32(1), to: total, by: 50) {
            try journal.append(ticks(quotes, start...(start + 49)))
            if start % 5000 == 1 { await Task.yield() }
        }
        let (given, gone) = try await read
        #expect(given + gone == total)
        #expect(given > 0)
    }
}
