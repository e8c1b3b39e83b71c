import Supervision
import Testing
import Ticks

/// A stream whose ticks become durable late, or not at all: judged by the age of the oldest, whatever else moves.
@Suite struct DurableLagTests {
    private static let second: Int64 = 1_000_000_000

    /// A stream that gets `rate` ticks a second, watched with watermarks and reports a second.
    private struct Scene {
        let rate: UInt32
        var epoch: UInt32 = 1
        var judge = StreamJudge(staleWarnNanos: 300 * second, nowNanos: 0)
        var now: Int64 = 0
        var published: UInt32 = 0
        var facts = StreamJudge.Facts()

        init(rate: UInt32) {
            self.rate = rate
            facts.sessionReady = true
        }

        /// A second passes; the recorder says that all up to `durable` is durable (nil: it says nothing).
        mutating func pass(durable: UInt32?, isTick: Bool = true) -> StreamJudge.Judgement {
            now += second
            published += rate
            judge.observePublished(TickKey(epoch: epoch, seq: published), nowNanos: now)
            facts.publishedHeardNanos = now
            if let durable { report(durable, isTick: isTick) }
            return verdict
        }

        mutating func report(_ durable: UInt32, isTick: Bool = true) {
            facts.durableHeardNanos = now
            judge.observeDurable(TickKey(epoch: epoch, seq: durable), isTick: isTick, nowNanos: now)
        }

        var verdict: StreamJudge.Judgement { judge.judge(facts, nowNanos: now) }

        /// Ten seconds in which all is durable.
        mutating func warmUp() {
            for _ in 0..<10 { _ = pass(durable: published + rate) }
            #expect(verdict.state == .live && verdict.durableLagNanos == 0)
        }
    }

    @Test func aDiskThatFallsBehindIsRedAlthoughTheDurableKeyRisesAllTheTime() {
        var scene = Scene(rate: 1000)
        scene.warmUp()
        scene.facts.diskIsSlow = true
        var states: [StreamState] = []
        var durable = scene.published
        for _ in 0..<60 {
            durable += 100
            states.append(scene.pass(durable: durable).state)
        }
        // Nine tenths of each second wait: the oldest tick is 0.9 s older with every second.
        #expect(states.prefix(2).allSatisfy { $0 == .live })
        #expect(states[3] == .lagging)
        #expect(states[6...].allSatisfy { $0 == .diskFailing })
        #expect(scene.verdict.reason.hasSuffix("the disk is too slow for them"))
        let lag = scene.verdict.durableLagNanos ?? 0
        #expect(lag > 53 * Self.second && lag < 56 * Self.second)
    }

    @Test func markersThatBecomeDurableDoNotRestartTheClock() {
        var scene = Scene(rate: 1000)
        scene.warmUp()
        var durable = scene.published
        for _ in 0..<7 {
            durable += 1
            _ = scene.pass(durable: durable, isTick: false)
        }
        #expect(scene.verdict.state == .behind)
    }

    @Test func theCauseIsNamedAndIsNotAlwaysTheDisk() {
        var scene = Scene(rate: 1000)
        scene.warmUp()
        let durable = scene.published
        scene.facts.waitCause = "the recorder fetches from the journal"
        for _ in 0..<7 { _ = scene.pass(durable: durable) }
        #expect(scene.verdict.state == .behind)
        #expect(
            scene.verdict.reason
                == "ticks have been waiting for 6 s to become durable: the recorder fetches from the journal")
        // A recorder that says nothing at all is another fault.
        for _ in 0..<7 { _ = scene.pass(durable: nil) }
        #expect(scene.verdict.state == .unknown)
        #expect(scene.verdict.reason == "the recorder does not say what is durable")
        #expect((scene.verdict.durableLagNanos ?? 0) > 13 * Self.second, "it grows meanwhile")
    }

    @Test func twoSecondsDegradeAndFiveAreRed() {
        var scene = Scene(rate: 1000)
        scene.warmUp()
        _ = scene.pass(durable: scene.published)
        let heard = scene.now
        // The watermark's second lies half a second back on average.
        for (after, state) in [(1.4, StreamState.live), (1.6, .lagging), (4.4, .lagging), (4.6, .behind)] {
            let now = heard + Int64(after * 1e9)
            var facts = scene.facts
            facts.durableHeardNanos = now
            facts.publishedHeardNanos = now
            #expect(scene.judge.judge(facts, nowNanos: now).state == state, "\(after) s")
        }
    }

    @Test func whoHasCaughtUpIsLiveAtOnce() {
        var scene = Scene(rate: 1000)
        scene.warmUp()
        let durable = scene.published
        for _ in 0..<600 { _ = scene.pass(durable: durable) }
        #expect(scene.verdict.state == .behind)
        #expect(
            scene.verdict.durableLagNanos == 599 * Self.second + Self.second / 2, "ten minutes do not blur the oldest")
        // All but the last three seconds: as exact as if nothing had been.
        scene.report(scene.published - 3000)
        #expect(scene.verdict.state == .lagging && scene.verdict.durableLagNanos == Self.second * 5 / 2)
        scene.report(scene.published)
        #expect(scene.verdict.state == .live && scene.verdict.durableLagNanos == 0)
    }

    /// A lag of an hour is known within a few minutes, from a bounded number of marks.
    @Test func aLongLagStaysKnownWhileItShrinks() throws {
        var scene = Scene(rate: 100)
        scene.warmUp()
        let start = scene.published
        for _ in 0..<3600 { _ = scene.pass(durable: start) }
        for minutes in stride(from: UInt32(10), through: 50, by: 10) {
            scene.report(start + minutes * 6000)
            let lag = try #require(scene.verdict.durableLagNanos)
            let truth = Int64(60 - minutes) * 60 * Self.second
            #expect(abs(lag - truth) <= 180 * Self.second, "\(minutes): \(lag / Self.second)")
        }
    }

    @Test func aWatchdogThatBeginsDoesNotCallABacklogWell() {
        var scene = Scene(rate: 1000)
        scene.published = 80_000
        // Far behind since long ago, and moving.
        var states: [StreamState] = []
        for round in 1...8 { states.append(scene.pass(durable: UInt32(round) * 100).state) }
        #expect(states.prefix(5).allSatisfy { $0 == .unknown })
        #expect(states.last == .behind)
        // One that begins beside a sound recorder is content with the first report.
        var sound = Scene(rate: 1000)
        _ = sound.pass(durable: 900)
        #expect(sound.pass(durable: 2000).state == .live)
    }

    @Test func aNewEpochWithoutARecordIsNothingToWaitFor() {
        var scene = Scene(rate: 1000)
        scene.warmUp()
        scene.epoch = 2
        scene.published = 0
        for _ in 0..<3 {
            scene.now += Self.second
            scene.judge.observePublished(TickKey(epoch: 2, seq: 0), nowNanos: scene.now)
            scene.facts.publishedHeardNanos = scene.now
            scene.facts.durableHeardNanos = scene.now
        }
        #expect(scene.verdict.durableLagNanos == 0 && scene.verdict.state == .live)
    }

    @Test func theOldEpochsTailIsStillWaitedFor() {
        var scene = Scene(rate: 1000)
        scene.warmUp()
        _ = scene.pass(durable: scene.published)
        let old = scene.published - scene.rate
        scene.epoch = 2
        scene.published = 0
        for _ in 0..<6 {
            _ = scene.pass(durable: nil)
            scene.facts.durableHeardNanos = scene.now
            scene.judge.observeDurable(TickKey(epoch: 1, seq: old), nowNanos: scene.now)
        }
        #expect(scene.verdict.state == .behind)
        scene.report(scene.published)
        #expect(scene.verdict.state == .live)
    }

    @Test func aConnectorThatNumbersBelowWhatIsRecordedIsSeen() {
        var scene = Scene(rate: 1000)
        scene.epoch = 9
        scene.warmUp()
        let recorded = TickKey(epoch: 9, seq: scene.published)
        scene.epoch = 8
        scene.published = 0
        for _ in 0..<7 {
            _ = scene.pass(durable: nil)
            scene.facts.durableHeardNanos = scene.now
            scene.judge.observeDurable(recorded, nowNanos: scene.now)
        }
        #expect(scene.verdict.reason == "the connector numbers below what is recorded")
        #expect(scene.verdict.state.health == .down)
    }

    @Test func durableTicksThatAreGoneHaveToComeAgain() {
        var scene = Scene(rate: 1000)
        scene.warmUp()
        #expect(scene.pass(durable: 10).state != .live, "the files were wiped")
        for _ in 0..<6 { _ = scene.pass(durable: 20) }
        #expect(scene.verdict.state == .behind)
        #expect(scene.pass(durable: scene.published + scene.rate).state == .live)
    }

    @Test func aConnectorThatDoesNotSayWhatItPublishedIsNotTrusted() {
        var scene = Scene(rate: 1000)
        scene.warmUp()
        for _ in 0..<6 {
            scene.now += Self.second
            scene.facts.durableHeardNanos = scene.now
        }
        #expect(scene.verdict.state == .unknown && scene.verdict.durableLagNanos == nil)
        #expect(scene.verdict.reason == "the connector does not say what it has published")
    }

    @Test func anOutageDoesNotHideWhatWaits() {
        var scene = Scene(rate: 1000)
        scene.warmUp()
        let durable = scene.published
        scene.facts.inMaintenance = true
        scene.facts.sessionReady = false
        for _ in 0..<3 { _ = scene.pass(durable: durable) }
        #expect(scene.verdict.state == .maintenance)
        for _ in 0..<4 { _ = scene.pass(durable: durable) }
        #expect(scene.verdict.state == .behind, "maintenance is no reason for ticks not to be written")
    }
}
