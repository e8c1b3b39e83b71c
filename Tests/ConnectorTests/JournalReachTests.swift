import Testing

@testable import Connector

@Suite struct JournalReachTests {
    private static let second: Int64 = 1_000_000_000

    @Test func bytesBecomeSecondsAtThePresentRate() {
        var reach = JournalReach()
        #expect(reach.seconds(of: 1000) == nil, "nothing is known yet")
        reach.count(appendedBytes: 0, nowNanos: 0)
        #expect(reach.seconds(of: 1000) == nil)
        reach.count(appendedBytes: 100, nowNanos: Self.second)
        #expect(reach.seconds(of: 1000) == 10)
        // Ten times as much: the rate follows within some ten seconds.
        var bytes: UInt64 = 100
        for second in Int64(2)...60 {
            bytes += 1000
            reach.count(appendedBytes: bytes, nowNanos: second * Self.second)
        }
        #expect(reach.seconds(of: 100_000) == 100)
    }

    @Test func aMarketThatStandsStillNeedsNoJournal() {
        var reach = JournalReach()
        for second in Int64(0)...3 { reach.count(appendedBytes: 500, nowNanos: second * Self.second) }
        #expect(reach.seconds(of: 1 << 28) == nil)
        reach.count(appendedBytes: 501, nowNanos: 4 * Self.second)
        #expect(reach.seconds(of: 1 << 28) == nil, "years")
    }
}
