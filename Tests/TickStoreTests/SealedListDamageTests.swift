import Foundation
import Testing
import Ticks

@testable import TickStore

/// What verify and repair make of a damaged list: whatever an entry said.
@Suite struct SealedListDamageTests {
    /// Five sealed hours of two streams, of which retention took the first ones; the present one is in the log.
    private static func recording(retained: Int64) throws -> SealedRecording {
        let recording = try SealedRecording()
        for hour in UInt32(0)..<5 {
            let (q, t) = (
                ticks(quotes, (hour * 10 + 1)...(hour * 10 + 10)), ticks(trades, (hour * 10 + 1)...(hour * 10 + 10))
            )
            try recording.write(q, t)
            try SealedRecording.seal(recording.state, quotes, hour: Int64(hour), q)
            try SealedRecording.seal(recording.state, trades, hour: Int64(hour), t)
            try recording.nextHour()
        }
        try recording.write(ticks(quotes, 51...60), ticks(trades, 51...60))
        try SealedRecording.removeParts(recording.state, 5)
        for hour in 0..<retained {
            for stream in [quotes, trades] { try SealedRecording.retain(recording.state, stream, hour: hour) }
        }
        return recording
    }

    private static func entries(_ list: String) throws -> [SealedEntry] {
        let all = try bytes(of: list)
        return stride(from: 0, to: all.count, by: SealedEntry.size).compactMap { at in
            all[at..<(at + SealedEntry.size)].withUnsafeBytes { SealedEntry(decoding: $0) }
        }
    }

    /// One entry after the other: verify says it, repair mends it, with nothing lost that is there, and
    /// nothing is found afterwards. Only of the last hour that retention took of a stream nothing else
    /// tells: that may be called lost, and no more.
    @Test(arguments: [0, 1, 3] as [Int64], [true, false]) func anyDamagedEntryIsSeenAndMended(
        retained: Int64, isZeroed: Bool
    ) throws {
        let sound = try Self.recording(retained: retained)
        for place in try Self.entries(SealedList.path(stateDirectory: sound.state)).indices {
            let recording = try Self.recording(retained: retained)
            let list = SealedList.path(stateDirectory: recording.state)
            let entry = try Self.entries(list)[place]
            if isZeroed {
                var damaged = try bytes(of: list)
                let start = place * SealedEntry.size
                for at in start..<(start + SealedEntry.size) { damaged[at] = 0 }
                try write(damaged, to: list)
            } else {
                try RepairTests.flip(list, at: place * SealedEntry.size + 44)
            }
            let what = "\(place): \(entry.what) \(entry.stream) \(entry.hour)"
            #expect(try !Verify(stateDirectory: recording.state).run().findings.isEmpty, "\(what)")
            let report = try RepairTests.repair(recording)
            let first = UInt32(retained) * 10
            for stream in [quotes, trades] {
                let all = try recording.all()[stream] ?? []
                #expect(all.filter { $0.kind != .marker }.map(\.seq) == Array((first + 1)...60), "\(what)")
            }
            let isUnknown = entry.what == .removed && entry.lastKey.seq == first
            let mayBeLost = KeyRange(
                stream: entry.stream, first: TickKey(epoch: 100, seq: max(first, 10) - 9),
                last: TickKey(epoch: 100, seq: first))
            #expect(isUnknown ? report.lost == [mayBeLost] : report.isWhole, "\(what): \(report.lost)")
            // Retention takes that file too, and all is as it was.
            if isUnknown { try SealedRecording.retain(recording.state, entry.stream, hour: retained - 1) }
            let again = try Repair(stateDirectory: recording.state, nowNanos: someNanos).run()
            #expect(again.isWhole && again.actions.isEmpty, "\(what): \(again.actions) \(again.lost)")
        }
    }
}
