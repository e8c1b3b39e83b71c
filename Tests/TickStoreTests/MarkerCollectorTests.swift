import Testing
import Ticks

@testable import TickStore

/// Seconds of `someNanos`.
private let zero = someNanos / 1_000_000_000

@Suite struct MarkerCollectorTests {
    @Test func edgesAreTheNearestLiveTicks() {
        var script = GapScript()
        script.mark(.subscribed)
        script.live(2)
        let gap = script.mark(.gapOpened, "disconnect")
        script.mark(.twsCode, code: 200)
        script.healed(2, second: zero)
        script.mark(.gapClosed, ref: gap)
        script.live(2)
        let collector = script.collector(script.records[...])
        #expect(collector.entries.map(\.marker.key.seq) == [1, 4])
        #expect(collector.entries.map(\.before?.key.seq) == [nil, 3])
        #expect(collector.entries.map(\.after?.key.seq) == [2, 9])
        #expect(collector.firstLive?.key.seq == 2 && collector.lastLive?.key.seq == 10)
        #expect(collector.firstKey?.seq == 1 && collector.lastKey?.seq == 10)
    }

    @Test func runsOfAnySizeGiveTheSame() {
        var script = GapScript()
        for number in 0..<20 {
            script.live(number % 3)
            script.mark(number % 2 == 0 ? .gapOpened : .subscribed, "x")
            script.healed(number % 4, second: zero)
        }
        let whole = script.collector(script.records[...])
        for size in 1...script.records.count {
            var collector = MarkerCollector()
            for start in stride(from: 0, to: script.records.count, by: size) {
                Array(script.records[start..<min(start + size, script.records.count)])
                    .withUnsafeBufferPointer { collector.take($0) }
            }
            #expect(collector == whole)
        }
    }

    @Test func recordsThatWereTakenBeforeArePassedOver() {
        var script = GapScript()
        script.live(2)
        script.mark(.gapOpened, "x")
        script.live(2)
        var collector = script.collector(script.records[..<4])
        script.records.withUnsafeBufferPointer { collector.take($0) }
        #expect(collector == script.collector(script.records[...]))
    }

    @Test func theBinaryFormIsWhatTheFooterHas() {
        var script = GapScript()
        script.live()
        script.mark(.gapOpened, "disconnect")
        let collector = script.collector(script.records[...])
        var bytes: [UInt8] = []
        collector.encode(to: &bytes)
        #expect(bytes.count == 72 + 112 && collector.encodedBytes == bytes.count)
        #expect(Array(bytes[0..<8]) == [1, 0, 0, 0, 0, 0, 0, 0])
        #expect(Array(bytes[8..<24]) == [1, 0, 0, 0, 100, 0, 0, 0, 2, 0, 0, 0, 100, 0, 0, 0])
        #expect(Array(bytes[24..<32]) == [1, 0, 0, 0, 100, 0, 0, 0])
        #expect(Array(bytes[48..<72]) == Array(bytes[24..<48]))
        #expect(Array(bytes[72..<136]) == script.records[1].bytes)
        #expect(Array(bytes[136..<160]) == Array(bytes[24..<48]))
        #expect(Array(bytes[160...]) == [UInt8](repeating: 0, count: 24))
    }

    @Test func theBinaryFormComesBack() {
        var script = GapScript()
        #expect(roundTrip(script.collector([])) == MarkerCollector())
        for _ in 0..<5 {
            script.live(2)
            script.mark(.gapOpened, "disconnect")
            script.newEpoch()
            script.mark(.gapOpened, "restart")
        }
        for end in 0...script.records.count {
            var collector = roundTrip(script.collector(script.records[..<end]))
            // It can be fed further.
            Array(script.records[end...]).withUnsafeBufferPointer { collector?.take($0) }
            #expect(collector == script.collector(script.records[...]))
        }
    }

    private func roundTrip(_ collector: MarkerCollector) -> MarkerCollector? {
        var bytes: [UInt8] = []
        collector.encode(to: &bytes)
        return bytes.withUnsafeBytes { MarkerCollector(decoding: $0) }
    }

    @Test func whatNoCollectorWritesIsRefused() {
        var script = GapScript()
        script.live(2)
        script.mark(.gapOpened, "disconnect")
        script.mark(.subscribed)
        script.live(2)
        var good: [UInt8] = []
        script.collector(script.records[...]).encode(to: &good)
        func isRefused(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { MarkerCollector(decoding: $0) } == nil }
        #expect(!isRefused(good))
        for count in 0..<good.count { #expect(isRefused(Array(good[..<count]))) }
        #expect(isRefused(good + [0]))
        func changed(_ offset: Int, _ value: UInt8) -> [UInt8] {
            var bytes = good
            bytes[offset] = value
            return bytes
        }
        // The count, the last key, an edge outside, a key that falls, a record that is no marker, one of no interest.
        #expect(isRefused(changed(0, 9)) && isRefused(changed(7, 0xFF)) && isRefused(changed(16, 1)))
        #expect(isRefused(changed(24, 99)) && isRefused(changed(72 + 112, 3)) && isRefused(changed(72 + 28, 3)))
        #expect(isRefused(changed(72 + 33, 6)) && isRefused(changed(72 + 64, 3)) && isRefused(changed(72 + 88, 1)))
    }
}
