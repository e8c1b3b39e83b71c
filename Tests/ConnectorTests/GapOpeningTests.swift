import Testing
import TickStore
import Ticks

@testable import Connector

@Suite struct GapOpeningTests {
    private let second: Int64 = 1_000_000_000

    @Test func aSleepingHostIsNoticedByItsTwoClocks() {
        var sleep = SleepDetector()
        // The first look can't tell: the host may have slept before.
        #expect(sleep.note(bootNanos: 900 * second, monotonicNanos: 600 * second) == nil)
        #expect(sleep.note(bootNanos: 930 * second, monotonicNanos: 630 * second) == nil)
        #expect(sleep.note(bootNanos: 931 * second, monotonicNanos: 631 * second - 3_000) == nil)
        #expect(sleep.note(bootNanos: 1_001 * second, monotonicNanos: 641 * second - 3_000) == 60 * second)
        // Said once.
        #expect(sleep.note(bootNanos: 1_002 * second, monotonicNanos: 642 * second - 3_000) == nil)
    }

    @Test func anEndedStreamHasNoOpenGap() throws {
        var bench = try Bench()
        let slot = try bench.add(quotes)
        bench.path.bind(request: 9, to: slot)
        bench.path.beginRead(atNanos: someNanos)
        bench.path.openGap(slot, cause: "disconnect")
        bench.path.endStream(slot)
        #expect(bench.path.slot(slot).openGap == nil)
        // Wanted again: the first tick closes nothing, and the next interruption counts.
        try bench.take(message(9))
        bench.path.openGap(slot, cause: "disconnect")
        bench.path.flush()
        let events = try bench.journaled(quotes).map { $0.marker?.event }
        #expect(events == [.gapOpened, .unsubscribed, nil, .gapOpened])
    }

    @Test func streamsThatEndedByWishAreNotWantedByTheNextConnector() throws {
        var bench = try Bench()
        let third = StreamID(conId: 8, kind: .last)
        for stream in [quotes, trades, third] {
            let slot = try bench.add(stream)
            bench.path.bind(request: Int32(slot), to: slot)
            bench.path.beginRead(atNanos: someNanos)
            try bench.take(message(Int32(slot), stream))
            if stream != quotes { bench.path.endStream(slot) }
        }
        bench.path.flush()
        let directory = bench.directory.path + "/journal"
        let journal = try Journal(directory: directory, sizeBytes: 256 << 10, segmentBytes: 64 << 10)
        let positions = journal.positions
        #expect(Set(positions.keys) == [quotes, trades, third])
        // `trades` is configured: it is wanted whatever happened to it.
        #expect(
            try wantedStreams(positions, configured: [trades], journalDirectory: directory) == [quotes, trades])
        #expect(
            try wantedStreams(positions, configured: [quotes, trades, third], journalDirectory: directory)
                == [quotes, trades, third])
    }
}
