import Foundation
import Testing
import Ticks

@testable import TickStore

@Suite struct HealOrderTests {
    /// A stream with one gap of two runs, written late and in the wrong order of times:
    /// live 1-10, gap_opened 11, gap_closed 12, live 13-20, run A 21-25 (second half), live
    /// 26-30, run B 31-34 (first half), live 35-40.
    static func records() -> [Tick] {
        var all = ticks(quotes, 1...40)
        func mark(
            _ seq: Int, _ event: MarkerEvent, code: Int32 = 0, event time: Int64 = Tick.noEventTime, text: String = ""
        ) {
            all[seq - 1] = Tick(
                marker: event, of: quotes, key: all[seq - 1].key, tsEventNanos: time,
                tsRecvNanos: all[seq - 1].tsRecvNanos, code: code,
                ref: event == .gapOpened ? .zero : TickKey(epoch: 100, seq: 11), text: text)
        }
        mark(11, .gapOpened, text: "disconnect")
        mark(12, .gapClosed)
        let second = someNanos / 1_000_000_000
        mark(21, .heal, code: 3, event: someNanos + 5_000_000_000, text: "\(second + 10)")
        mark(25, .healEnd, code: 3, event: someNanos + 10_000_000_000, text: "healed")
        mark(31, .heal, code: 2, event: someNanos, text: "\(second + 5)")
        mark(34, .healEnd, code: 2, event: someNanos + 5_000_000_000, text: "healed")
        for (seq, at) in [(22, 6), (23, 7), (24, 8), (32, 1), (33, 2)] {
            all[seq - 1].flags = .healed
            all[seq - 1].tsEventNanos = someNanos + Int64(at) * 1_000_000_000
        }
        return all
    }

    static let inOrder: [UInt32] =
        Array(1...11) + Array(31...34) + Array(21...25) + [12] + Array(13...20) + Array(26...30) + Array(35...40)

    static func seqs(_ reader: consuming TickReader, _ stream: StreamID = quotes) throws -> [UInt32] {
        try TickReader.all(reader).ticks[stream]?.map(\.seq) ?? []
    }

    @Test(arguments: [0, 5, 11, 12, 20, 21, 23, 25, 33, 40])
    func runsStandBehindTheirGapWhereverTheyAreStored(sealed: Int) throws {
        let recording = try SealedRecording()
        let all = Self.records()
        if sealed > 0 {
            try recording.write(Array(all[..<sealed]))
            try SealedRecording.seal(recording.state, quotes, hour: 0, Array(all[..<sealed]))
            try recording.nextHour()
            try SealedRecording.removeParts(recording.state, 1)
        }
        if sealed < 40 { try recording.write(ticks(trades, 1...3), Array(all[sealed...]), ticks(trades, 4...9)) }
        #expect(try Self.seqs(TickReader(stateDirectory: recording.state)) == Self.inOrder)
        #expect(
            try Self.seqs(TickReader(stateDirectory: recording.state, .init(order: .arrival))) == Array(1...40))
        if sealed == 40 {
            let path = try SealedRecording.path(recording.state, quotes, hour: 0)
            #expect(try Self.seqs(TickReader(file: path)) == Self.inOrder)
            #expect(try Self.seqs(TickReader(file: path, .init(order: .arrival))) == Array(1...40))
        } else {
            #expect(try Self.seqs(TickReader(stateDirectory: recording.state), trades) == Array(1...9))
        }
    }

    /// What was destroyed in front of a healed gap came later from history: it stands in front of what had been healed.
    @Test func aRunStandsWhereWhatItWasMadeForDoes() throws {
        var script = GapScript()
        script.live(2)  // 1, 2
        script.lost(3, "damaged file")  // 5
        let destroyed = script.key
        let gap = script.mark(.gapOpened, "restart")  // 6
        script.live(2)  // 7, 8
        script.run(gap, ticks: 2, from: 1_755_010_800, to: 1_755_010_801, "healed")  // 9 to 12
        script.live()  // 13
        script.run(destroyed, ticks: 1, from: 1_755_010_800, to: 1_755_010_801, "healed", knowsLost: true)  // 14 to 16
        let recording = try SealedRecording()
        try recording.write(script.records)
        #expect(
            try Self.seqs(TickReader(stateDirectory: recording.state)) == [
                1, 2, 5, 14, 15, 16, 6, 9, 10, 11, 12, 7, 8, 13,
            ])
    }

    /// The same where `lost` took the place of the gap's own marker.
    @Test func aRunThatLostItsMarkerStandsBehindWhatIsHealedInItsPlace() throws {
        var script = GapScript()
        script.live(2)  // 1, 2
        script.lost(4, "damaged file")  // 6
        let name = script.key
        script.mark(.gapClosed)  // 7
        script.live(2)  // 8, 9
        script.run(name, ticks: 2, from: 1_755_010_800, to: 1_755_010_801, "healed")  // 10 to 13
        script.live()  // 14
        script.run(name, ticks: 1, from: 1_755_010_800, to: 1_755_010_801, "healed", knowsLost: true)  // 15 to 17
        let recording = try SealedRecording()
        try recording.write(script.records)
        #expect(
            try Self.seqs(TickReader(stateDirectory: recording.state)) == [
                1, 2, 6, 15, 16, 17, 7, 10, 11, 12, 13, 8, 9, 14,
            ])
    }

    @Test func aTimeRangeTakesHealedTicksFromWhereverTheyAre() throws {
        let recording = try SealedRecording()
        let all = Self.records()
        // Three hours: the gap, the first run, the second run.
        for (hour, range) in [0..<20, 20..<30, 30..<40].enumerated() {
            try recording.write(Array(all[range]))
            try SealedRecording.seal(recording.state, quotes, hour: Int64(hour), Array(all[range]))
            try recording.nextHour()
        }
        try SealedRecording.removeParts(recording.state, 3)
        let healed = try TickReader.all(
            TickReader(
                stateDirectory: recording.state,
                .init(fromNanos: someNanos + 1_500_000_000, toNanos: someNanos + 7_500_000_000)))
        // 34 ends the interval at second 5 and 21 begins the one from there.
        #expect(healed.ticks[quotes]?.map(\.seq) == [33, 34, 21, 22, 23])
        let live = try TickReader.all(
            TickReader(
                stateDirectory: recording.state, .init(fromNanos: someNanos + 19_000, toNanos: someNanos + 36_000)))
        #expect(live.ticks[quotes]?.map(\.seq) == [19, 20] + Array(26...30) + [35])
    }

    @Test func aRunWithoutItsGapIsGivenOnceAllTheSame() throws {
        let recording = try SealedRecording()
        try recording.write(Array(Self.records()[12...]))
        let seqs = try Self.seqs(TickReader(stateDirectory: recording.state))
        #expect(seqs.sorted() == Array(13...40))
    }

    @Test func moreRecordsTravelWithHealedTicks() throws {
        let recording = try SealedRecording()
        var all = Self.records()
        all[31].flags = [.healed, .moreFollows]
        all[32] = all[31]
        all[32].seq = 33
        all[32].flags = []
        all[32].kindByte = TickKind.more.rawValue
        all[32].body = MoreBody(streamKind: .bidAsk, field: .bidPrice, text: Array("1.23".utf8)).body
        try recording.write(all)
        let reader = try TickReader(
            stateDirectory: recording.state,
            .init(fromNanos: someNanos + 900_000_000, toNanos: someNanos + 1_100_000_000))
        #expect(try Self.seqs(reader) == [32, 33])
    }

    @Test func aLongRunIsReadInPages() throws {
        let recording = try SealedRecording()
        var run = ticks(quotes, 1...30_000)
        run[4] = Tick(marker: .gapOpened, of: quotes, key: run[4].key, tsRecvNanos: someNanos)
        run[99] = Tick(
            marker: .heal, of: quotes, key: run[99].key, tsEventNanos: someNanos, tsRecvNanos: someNanos, code: 29_800,
            ref: TickKey(epoch: 100, seq: 5), text: "9")
        for index in 100..<29_900 { run[index].flags = .healed }
        run[29_900] = Tick(
            marker: .healEnd, of: quotes, key: run[29_900].key, tsEventNanos: someNanos, tsRecvNanos: someNanos,
            ref: TickKey(epoch: 100, seq: 5), text: "healed")
        for start in stride(from: 0, to: 30_000, by: 10_000) {
            try recording.write(Array(run[start..<(start + 10_000)]))
        }
        let seqs = try Self.seqs(TickReader(stateDirectory: recording.state))
        #expect(seqs == Array(1...5) + Array(100...29_901) + Array(6...99) + Array(29_902...30_000))
    }
}
