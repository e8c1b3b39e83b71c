import ServiceKit
import Testing

@testable import Watchdog

/// What the heartbeats say of the journal's room, and when that matters.
@Suite struct StorageFactsTests {
    private static let second: Int64 = 1_000_000_000

    private func facts(_ left: String) -> StorageFacts { StorageFacts(journalLeft: left) }

    @Test func aShortJournalMattersOnlyWhileTicksWait() {
        for left in ["5", "29", "60", "119", "120", ""] {
            let need = facts(left).need(waitNanos: 2 * Self.second)
            #expect(need.fault == nil && need.warning == nil, "two seconds are ordinary: \(left)")
        }
        let waiting = 3 * Self.second
        #expect(facts("29").need(waitNanos: waiting).fault?.hasSuffix("overwrites the first of them in 29 s") == true)
        #expect(facts("30").need(waitNanos: waiting).fault == nil)
        #expect(facts("119").need(waitNanos: waiting).warning?.hasSuffix("in 119 s") == true)
        #expect(facts("29").need(waitNanos: waiting).warning == nil)
        for left in ["120", "90000", ""] {
            let need = facts(left).need(waitNanos: waiting)
            #expect(need.fault == nil && need.warning == nil, "there is time: \(left)")
        }
    }

    @Test func aRecorderThatSaysNothingNeedsTheJournalToo() {
        #expect(facts("10").need(waitNanos: nil).fault != nil)
        #expect(facts("100").need(waitNanos: nil).warning != nil)
    }
}
