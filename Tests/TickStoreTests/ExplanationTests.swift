import Testing
import Ticks

@testable import TickStore

@Suite struct ExplanationTests {
    private let second: Int64 = 1_000_000_000

    private func explain(_ script: GapScript, at seconds: Int64, around: Int64 = 3_600) -> Explanation {
        var explanation = Explanation(
            stream: quotes, momentNanos: someNanos + seconds * second, aroundNanos: around * second)
        script.records.withUnsafeBufferPointer { explanation.take($0) }
        explanation.take(script.ledger)
        return explanation
    }

    @Test func ticksAreCountedOnTheirSideOfTheMoment() {
        var script = GapScript()
        script.live(5)
        script.healed(2, second: someNanos / second + 1)
        script.live(3)
        let explanation = explain(script, at: 3)
        #expect((explanation.before.ticks, explanation.before.healed) == (4, 2))
        #expect((explanation.after.ticks, explanation.after.healed) == (4, 0))
        // The record at the moment, by receipt.
        #expect(explanation.nearest?.key.seq == 4)
        #expect(explain(script, at: -5).nearest?.key.seq == 1)
        #expect(explanation.events.isEmpty)
    }

    @Test func ratesAreOfTheTimeThatHasData() {
        var script = GapScript()
        script.live(5)
        script.mark(.gapOpened, "disconnect")
        script.live(5)
        // Recorded from 0 to 10, a gap from 4 to 6; an hour to each side lies mostly outside.
        let wide = explain(script, at: 8)
        #expect((wide.before.ticks, wide.before.coveredNanos) == (8, 6 * second))
        #expect((wide.after.ticks, wide.after.coveredNanos) == (2, 2 * second))
        #expect(wide.after.ticksPerSecond == 1)
        #expect(explain(script, at: 8, around: 3).before.coveredNanos == 2 * second)
        // Before the recording, in the gap, in the future: no rate.
        for moment: Int64 in [-100, 5, 100] {
            let nowhere = explain(script, at: moment, around: 1)
            #expect(nowhere.before.ticksPerSecond == nil && nowhere.after.ticksPerSecond == nil)
        }
    }

    @Test func whatHappenedStandsInOrder() {
        var script = GapScript()
        script.live(2)
        let gap = script.mark(.gapOpened, "disconnect")
        script.newEpoch()
        script.mark(.gapOpened, "restart")
        script.live(1)
        script.lost(4)
        script.live(1)
        let events = explain(script, at: 3).events
        let names = events.map { event in
            switch event.what {
            case .marker(let tick): tick.marker?.event?.name.description ?? ""
            case .epoch(let from, let to): "\(from) to \(to)"
            case .silence: "silence"
            case .gap(let gap): "gap \(gap.key.seq)"
            }
        }
        #expect(
            names == ["gap \(gap.seq)", "gap_opened", "gap_opened", "100 to 101", "gap 6", "lost"]
                || names == ["gap \(gap.seq)", "gap_opened", "100 to 101", "gap_opened", "gap 6", "lost"])
        #expect(events.map(\.timeNanos) == events.map(\.timeNanos).sorted())
    }

    @Test func silencesAreThoseMuchLongerThanUsual() {
        var script = GapScript()
        for round in 0..<100 {
            script.live(5)
            if round == 40 { script.nowNanos += 60 * second }
            // Twice the usual time: not worth a word.
            if round % 10 == 3 { script.nowNanos += second }
        }
        let events = explain(script, at: 200).events
        #expect(events.map(\.what) == [.silence(toNanos: someNanos + 269 * second)])
        #expect(events[0].timeNanos == someNanos + 208 * second)
    }

    @Test func gapsOfAnotherTimeAreNotNamed() {
        var script = GapScript()
        script.live()
        script.mark(.gapOpened, "disconnect")
        script.live()
        #expect(explain(script, at: 1, around: 10).events.count == 2)
        var far = Explanation(stream: quotes, momentNanos: someNanos + 1_000 * second, aroundNanos: 10 * second)
        far.take(script.ledger)
        #expect(far.events.isEmpty && far.nearest == nil)
    }

    @Test func muchIsCutAndCounted() {
        var script = GapScript()
        for _ in 0..<(Explanation.maxEvents + 7) { script.mark(.twsCode, code: 1) }
        let explanation = explain(script, at: 0)
        #expect(explanation.events.count == Explanation.maxEvents && explanation.omitted == 7)
    }

    @Test func theFileOfARecordIsFound() throws {
        let directory = try TemporaryDirectory()
        var script = GapScript()
        script.live(10)
        let path = SegmentName(stream: quotes, symbol: "MNQ", hour: someNanos / 3_600_000_000_000)
            .path(in: directory.file("ticks"))
        try Directory.make(PartName.directory(of: path))
        var writer = try SegmentWriter(temporary: path, stream: quotes, definition: [])
        try Array(script.records[..<6]).withUnsafeBufferPointer { try writer.append($0) }
        _ = try writer.finish()
        var log = try OpenLog.recovering(directory.file("log"))
        try log.append(Array(script.records[6...]))
        try log.sync()
        let part = log.part?.path(in: directory.file("log")) ?? ""
        func place(_ tick: Tick) throws -> RecordPlace? {
            try RecordPlace.find(
                stateDirectory: directory.path, stream: quotes, key: tick.key, receivedNanos: tick.tsRecvNanos)
        }
        for tick in script.records[..<6] { #expect(try place(tick) == .segment(path: path)) }
        for tick in script.records[6...] { #expect(try place(tick) == .part(path: part)) }
        script.live()
        #expect(try place(script.records[10]) == nil)
    }
}
