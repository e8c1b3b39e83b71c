import Glibc
import Testing
import TickStore
import Ticks

@testable import Recorder

/// Whether a stop knows what it has to write.
@Suite struct DrainTargetTests {
    private let stream = StreamID(conId: 7, kind: .bidAsk)
    private let other = StreamID(conId: 8, kind: .last)

    private func key(_ epoch: UInt32, _ seq: UInt32) -> TickKey { TickKey(epoch: epoch, seq: seq) }

    @Test func theJournalHasToKnowOfTheEpochThatWasHeard() {
        let heard = [stream: key(100, 50), other: key(90, 3)]
        #expect(DrainTarget.fault(journal: [stream: key(100, 60)], heard: heard, epoch: 100) == nil)
        // One that was begun anew has an older stream's number, or none: the last second's ticks are in nobody's hands.
        for journal in [[:], [other: key(90, 3)]] {
            let fault = DrainTarget.fault(journal: journal, heard: heard, epoch: 100)
            #expect(fault == "the journal has nothing of epoch 100, of which ticks were received")
        }
        // Nothing of the new epoch has been published; or no connector was heard.
        #expect(DrainTarget.fault(journal: [:], heard: [other: key(90, 3)], epoch: 100) == nil)
        #expect(DrainTarget.fault(journal: [:], heard: heard, epoch: 0) == nil)
    }

    /// The connector died after its journal had taken no more: what it published last stands nowhere.
    @Test func aJournalThatWasNotGivenAllDoesNotTellTheEnd() {
        let keys = [stream: key(100, 50)]
        let fault = DrainTarget.fault(journal: keys, heard: keys, epoch: 100, isWithdrawn: true)
        #expect(fault == "the journal was not given all that was published")
        #expect(DrainTarget.fault(journal: keys, heard: keys, epoch: 0, isWithdrawn: true) == nil)
    }

    @Test func aJournalThatCantBeReadIsNoEmptyOne() {
        func failure(_ code: Int32) -> StoreError { .system(call: "opendir", path: "/j", code: code) }
        for code in [EIO, EMFILE, EACCES] {
            for epoch in [UInt32(0), 100] {
                #expect(
                    DrainTarget.fault(failure(code), epoch: epoch)?.hasPrefix("the journal can't be read: ") == true)
            }
        }
        #expect(DrainTarget.fault(failure(ENOENT), epoch: 0) == nil)
        #expect(DrainTarget.fault(failure(ENOENT), epoch: 100) != nil)
    }

    @Test func whatIsNotKnownIsNotNothing() throws {
        let queue = try CommitQueue()
        queue.begin(at: [:])
        #expect(queue.backlog == 0 && queue.backlogAtEnd == nil)
        queue.noteEnd(isKnown: false, fault: "why")
        #expect(queue.backlogAtEnd == nil && queue.endFault == "why")
        queue.noteExpected([stream: key(100, 3)])
        queue.noteEnd(isKnown: true, fault: nil)
        #expect(queue.backlogAtEnd == 3 && queue.endFault == nil)
    }
}
