import Testing
import Ticks

@testable import TickStore

/// Which segment of a journal goes when room is needed.
@Suite struct JournalLedgerTests {
    private let small: UInt64 = 64 << 10

    private func position(_ seq: UInt32, epoch: UInt32 = 100) -> StreamPosition {
        StreamPosition(key: TickKey(epoch: epoch, seq: seq), tsEventNanos: 0, tsRecvNanos: 0)
    }

    /// Four segments: quotes 1-500, 501-1000, 1001-1500 and 1501-, one trade in each of the first two.
    private func fourSegments() -> JournalLedger {
        var ledger = JournalLedger(segmentBytes: small)
        ledger.begin(1, positions: [:])
        ledger.begin(2, positions: [quotes: position(500), trades: position(1)])
        ledger.begin(3, positions: [quotes: position(1000), trades: position(2)])
        ledger.begin(4, positions: [quotes: position(1500), trades: position(2)])
        return ledger
    }

    @Test func withoutARecorderTheOldestGoes() {
        var ledger = fourSegments()
        #expect(ledger.choose(of: [1, 2, 3, 4]) == 1)
        #expect(ledger.countDurable() == 0)
    }

    @Test func theOldestDurableOneGoesBeforeAnOlderOneThatIsNot() {
        var ledger = fourSegments()
        // The trades are behind: their last one in segment 2.
        ledger.noteDurable([quotes: TickKey(epoch: 100, seq: 1500), trades: .zero])
        #expect(ledger.countDurable() == 1)
        #expect(ledger.choose(of: [1, 2, 3, 4]) == 3)
        ledger.keep([1, 2, 4])
        #expect(ledger.choose(of: [1, 2, 4]) == 1, "a trade in each: the oldest")
        ledger.noteDurable([quotes: TickKey(epoch: 100, seq: 1500), trades: TickKey(epoch: 100, seq: 1)])
        #expect(ledger.countDurable() == 1 && ledger.choose(of: [1, 2, 4]) == 1)
        ledger.noteDurable([quotes: TickKey(epoch: 100, seq: 1500), trades: TickKey(epoch: 100, seq: 2)])
        #expect(ledger.countDurable() == 2)
    }

    @Test func whenAllAreWaitedForTheOneWithHardlyAnythingGoes() {
        var ledger = fourSegments()
        // A connector that was started twice, for a moment each.
        ledger.begin(5, positions: [quotes: position(2000), trades: position(2)])
        ledger.begin(6, positions: [quotes: position(2, epoch: 101), trades: position(2)])
        ledger.begin(7, positions: [quotes: position(2, epoch: 102), trades: position(2)])
        ledger.noteDurable([quotes: TickKey(epoch: 100, seq: 10)])
        #expect(ledger.countDurable() == 0)
        #expect(ledger.choose(of: [1, 2, 3, 4, 5, 6, 7]) == 5)
        #expect(ledger.choose(of: [1, 2, 3, 4, 7]) == 1)
        #expect(ledger.choose(of: [7]) == 7)
    }

    @Test func aSegmentThatWasNeverBegunGoesFirst() {
        var ledger = fourSegments()
        #expect(ledger.choose(of: [1, 2, 3, 4, 5]) == 5)
        ledger.noteDurable([quotes: TickKey(epoch: 100, seq: 1500), trades: TickKey(epoch: 100, seq: 2)])
        #expect(ledger.choose(of: [1, 2, 3, 4, 5]) == 5)
    }

    @Test func aKeyThatFallsTakesBackWhatWasDurable() {
        var ledger = fourSegments()
        ledger.noteDurable([quotes: TickKey(epoch: 100, seq: 1500), trades: TickKey(epoch: 100, seq: 2)])
        #expect(ledger.countDurable() == 3)
        // Somebody wiped the files: the recorder begins anew.
        ledger.noteDurable([quotes: TickKey(epoch: 100, seq: 20), trades: TickKey(epoch: 100, seq: 2)])
        #expect(ledger.countDurable() == 0)
    }

    @Test func aNewEpochCostsASixteenth() {
        #expect(Journal.segmentBytes(ofJournal: 32 << 20) == 2 << 20)
        #expect(Journal.segmentBytes(ofJournal: 256 << 20) == 16 << 20)
        #expect(Journal.segmentBytes(ofJournal: 1 << 30) == 16 << 20)
        #expect(Journal.segmentBytes(ofJournal: 64 << 30) == 1 << 30)
        #expect(Journal.segmentBytes(ofJournal: 1 << 20) == 1 << 20)
    }

    /// A stream of which nothing is durable, behind others that go on: its ticks
    /// outlive the ring, whoever starts meanwhile.
    @Test func ticksThatAreNotDurableStayWhileAnythingElseCanGo() throws {
        let directory = try TemporaryDirectory()
        var next: UInt32 = 1
        func feed(_ journal: inout Journal, epoch: UInt32, hundreds: Int) throws {
            for _ in 0..<hundreds {
                try journal.append(ticks(quotes, epoch: epoch, next...(next + 99)))
                next += 100
            }
            journal.noteDurable([quotes: TickKey(epoch: epoch, seq: next - 1)])
        }
        do {
            var journal = try Journal(
                directory: directory.path, sizeBytes: 4 * small, segmentBytes: small, bootID: "here")
            try journal.begin(epoch: 100)
            try feed(&journal, epoch: 100, hundreds: 2)
            try journal.append(ticks(trades, epoch: 100, 1...50))
            #expect(journal.bytesBeforeLoss() > 3 * small, "nothing but spares")
            for _ in 0..<50 { try feed(&journal, epoch: 100, hundreds: 2) }
            var reader = JournalReader(directory: directory.path)
            let (page, all) = try reader.page(trades, from: TickKey(epoch: 100, seq: 1))
            #expect(page.goneFirst == nil && all == ticks(trades, epoch: 100, 1...50))
            // Of the others the middle is gone, and readers hear of it.
            #expect(try reader.page(quotes, from: TickKey(epoch: 100, seq: 2000)).0.goneFirst != nil)
            let newest = next - 1
            #expect(try reader.page(quotes, from: TickKey(epoch: 100, seq: newest)).1.count == 1)
        }
        // The next starts, too, know what the recorder still needs, if they are told before they begin.
        for epoch in UInt32(101)...106 {
            var journal = try Journal(
                directory: directory.path, sizeBytes: 4 * small, segmentBytes: small, bootID: "here")
            journal.noteDurable([quotes: TickKey(epoch: epoch - 1, seq: next - 1)])
            try journal.begin(epoch: epoch)
            next = 1
            try feed(&journal, epoch: epoch, hundreds: 3)
            var reader = JournalReader(directory: directory.path)
            #expect(try reader.page(trades, from: TickKey(epoch: 100, seq: 1)).1.count == 50, "epoch \(epoch)")
        }
    }

    @Test func whatIsLeftBeforeALossShrinksWhileNothingBecomesDurable() throws {
        let directory = try TemporaryDirectory()
        var journal = try Journal(directory: directory.path, sizeBytes: 4 * small, segmentBytes: small)
        try journal.begin(epoch: 100)
        journal.noteDurable([quotes: TickKey(epoch: 99, seq: 1)])
        var left = journal.bytesBeforeLoss()
        #expect(left > 3 * small && left < 4 * small && journal.reachBytes == 3 * small)
        for start in stride(from: UInt32(1), through: 3801, by: 100) {
            let before = journal.appendedBytes
            try journal.append(ticks(quotes, start...(start + 99)))
            #expect(journal.appendedBytes - before >= 6400)
            let now = journal.bytesBeforeLoss()
            #expect(now < left)
            left = now
        }
        #expect(left < small)
        journal.noteDurable([quotes: TickKey(epoch: 100, seq: 3900)])
        #expect(journal.bytesBeforeLoss() >= 3 * small)
    }
}
