import Testing
import Ticks

@testable import Connector

private let second: Int64 = 1_000_000_000
private let millisecond: Int64 = 1_000_000
private let news = 1_000 * second

/// The rhythm of a stream that has ticked so often until the news, or until some time before.
private func rhythm(every interval: Int64, until last: Int64 = news) -> TickRhythm {
    let ticks = min(max(40, 70 * second / interval), 4_000)
    var rhythm = TickRhythm()
    for tick in (0..<ticks).reversed() { rhythm.tick(atNanos: last - tick * interval) }
    return rhythm
}

private func doubt(_ rhythm: TickRhythm = TickRhythm(), isCertain: Bool = false) -> StreamDoubt {
    StreamDoubt(cause: "tws 2103", code: 2103, isCertain: isCertain, rhythm: rhythm, nowNanos: news)
}

@Suite struct TickRhythmTests {
    @Test func theLongestSilenceOfTheLastMinutesIsUsual() {
        var rhythm = TickRhythm()
        var now = news
        func run(seconds: Int64, every interval: Int64 = second / 5) {
            for _ in 0..<(seconds * second / interval) {
                now += interval
                rhythm.tick(atNanos: now)
            }
        }
        run(seconds: 30)
        #expect(rhythm.limitNanos == 600 * millisecond)
        run(seconds: 2, every: 2 * second)
        #expect(rhythm.limitNanos == 6 * second)
        run(seconds: 58)
        #expect(rhythm.limitNanos == 3 * second)
        run(seconds: 120)
        #expect(rhythm.limitNanos == TickRhythm.leastLimitNanos)
    }

    /// A stream of five ticks a second in a session of an hour, after a day without one: its average is no rhythm.
    @Test func aPauseIsForgottenAndAFewTicksSayNothing() {
        var rhythm = rhythm(every: second)
        let day = 86_400 * second
        for tick in 1...7 { rhythm.tick(atNanos: news + day + Int64(tick) * second / 5) }
        #expect(!rhythm.isKnown && rhythm.limitNanos == TickRhythm.greatestLimitNanos)
        rhythm.tick(atNanos: news + day + 8 * second / 5)
        #expect(rhythm.isKnown && rhythm.limitNanos == 600 * millisecond)
    }

    @Test func aSilenceInAGapIsNotUsual() {
        var rhythm = rhythm(every: second / 10)
        rhythm.skip(toNanos: news + 8 * second)
        rhythm.tick(atNanos: news + 8 * second + 1)
        #expect(rhythm.limitNanos == TickRhythm.leastLimitNanos)
    }

    @Test(arguments: [0, 1, 333, 1_000, 7_000, 10_000, 11_000] as [Int64])
    func anyRhythmMakesABoundedLimit(millis: Int64) {
        let limit = rhythm(every: millis * millisecond + 1).limitNanos
        #expect(limit >= TickRhythm.leastLimitNanos && limit <= TickRhythm.greatestLimitNanos)
    }
}

@Suite struct StreamDoubtTests {
    @Test func aStreamThatTicksOnHasNoGap() {
        var doubt = doubt(rhythm(every: second / 20))
        for tick in 1...20 {
            #expect(doubt.tick(atNanos: news + Int64(tick) * 50 * millisecond, isGapOpen: false) == .init())
        }
        let isGap = doubt.goodNews(atNanos: news + second, isEnd: true)
        #expect(!isGap)
        // Behind the good news, too, ticks come that were on their way.
        #expect(doubt.tick(atNanos: news + 1_400 * millisecond, isGapOpen: false) == .init())
        #expect(doubt.tick(atNanos: news + 1_600 * millisecond, isGapOpen: false) == .init(isOver: true))
    }

    @Test(arguments: [20, 150, 400, 500] as [Int64]) func aTickThatWasOnItsWayProvesNothing(millis: Int64) {
        for rhythm in [TickRhythm(), rhythm(every: second / 20), rhythm(every: 2 * second)] {
            var doubt = doubt(rhythm)
            _ = doubt.tick(atNanos: news + millis * millisecond, isGapOpen: false)
            let isGap = doubt.goodNews(atNanos: news + 600 * millisecond, isEnd: true)
            #expect(isGap)
        }
    }

    @Test(arguments: [(50, 700), (1_000, 1_600), (2_000, 3_100), (8_000, 10_100)] as [(Int64, Int64)])
    func aSilenceThatIsNotUsualIsAGap(interval: Int64, millis: Int64) {
        var doubt = doubt(rhythm(every: interval * millisecond))
        #expect(doubt.tick(atNanos: news + 490 * millisecond, isGapOpen: false) == .init())
        #expect(!doubt.hasTicked)
        let proof = news + 510 * millisecond
        #expect(doubt.tick(atNanos: proof, isGapOpen: false) == .init())
        var silent = doubt
        #expect(silent.tick(atNanos: proof + millis * millisecond, isGapOpen: false).isGap)
        let isGap = doubt.goodNews(atNanos: proof + millis * millisecond, isEnd: true)
        #expect(isGap)
    }

    /// A farm is back before anybody says so.
    @Test func ticksThatAreBackBeforeTheGoodNewsHaveAGapInFront() {
        var doubt = doubt(rhythm(every: second / 20))
        #expect(doubt.tick(atNanos: news + 1_200 * millisecond, isGapOpen: false).isGap)
        let isGap = doubt.goodNews(atNanos: news + 1_300 * millisecond, isEnd: true)
        #expect(!isGap)
    }

    /// A few ticks in the middle of an outage, and the rest of it is no longer than the stream's usual silences.
    @Test func whatIsSilentAgainBehindAHoleHasAnotherOne() {
        for (millis, isExpected) in [(400, false), (600, true), (900, true)] as [(Int64, Bool)] {
            var holed = doubt(rhythm(every: second))
            #expect(holed.tick(atNanos: news + 4 * second, isGapOpen: false).isGap)
            let isGap = holed.goodNews(atNanos: news + 4 * second + millis * millisecond, isEnd: true)
            #expect(isGap == isExpected)
            var whole = doubt(rhythm(every: second))
            #expect(!whole.tick(atNanos: news + second, isGapOpen: false).isGap)
            let isGapInWhole = whole.goodNews(atNanos: news + second + millis * millisecond, isEnd: true)
            #expect(!isGapInWhole)
        }
    }

    /// The gateway notices late that a farm is gone.
    @Test func theSilenceInFrontOfTheNewsCounts() {
        var doubt = doubt(rhythm(every: second / 20, until: news - 3 * second))
        #expect(doubt.tick(atNanos: news + 200 * millisecond, isGapOpen: false).isGap)
    }

    @Test func whatAStreamHasShownSaysNothingOfLaterNews() {
        var doubt = doubt(rhythm(every: second))
        #expect(!doubt.tick(atNanos: news + second, isGapOpen: false).isGap)
        let again = rhythm(every: second, until: news + second)
        doubt.badNews(
            cause: "tws 2103", code: 2103, isCertain: false, rhythm: again, nowNanos: news + 1_300 * millisecond)
        var known = doubt
        let isGap = known.goodNews(atNanos: news + 1_600 * millisecond, isEnd: true)
        #expect(isGap)
        // Nor does its silence begin anew.
        #expect(doubt.tick(atNanos: news + 2_600 * millisecond, isGapOpen: false).isGap)
    }

    /// The server is lost, a late tick closes the gap of that, and the link comes back without a word.
    @Test(arguments: [0, 200, 1_000, 6_000] as [Int64])
    func aLossThatIsCertainIsAGapBehindALateTickWhateverIsUsual(interval: Int64) {
        var doubt = doubt(interval == 0 ? TickRhythm() : rhythm(every: interval * millisecond), isCertain: true)
        #expect(doubt.tick(atNanos: news + 50 * millisecond, isGapOpen: true) == .init())
        var long = doubt
        #expect(long.tick(atNanos: news + 9 * second, isGapOpen: false).isGap)
        #expect(doubt.tick(atNanos: news + second, isGapOpen: false).isGap)
        // From there on what is usual counts again.
        #expect(!doubt.tick(atNanos: news + 1_400 * millisecond, isGapOpen: false).isGap)
    }

    @Test func aStreamThatGoesOnForAMinuteIsNotDoubted() {
        var doubt = doubt(rhythm(every: second))
        for tick in 1..<60 {
            #expect(doubt.tick(atNanos: news + Int64(tick) * second, isGapOpen: false) == .init())
        }
        #expect(doubt.tick(atNanos: news + 60 * second, isGapOpen: false) == .init(isOver: true))
    }

    @Test func whileAnotherFarmIsDownGoodNewsEndNothing() {
        var doubt = doubt(rhythm(every: second / 5))
        #expect(!doubt.tick(atNanos: news + 510 * millisecond, isGapOpen: true).isGap)
        _ = doubt.goodNews(atNanos: news + 600 * millisecond, isEnd: false)
        #expect(doubt.tick(atNanos: news + 1_000 * millisecond, isGapOpen: false) == .init())
        #expect(doubt.tick(atNanos: news + 1_400 * millisecond, isGapOpen: false) == .init())
        #expect(doubt.tick(atNanos: news + 9 * second, isGapOpen: false).isGap)
    }
}

/// What a doubt makes of a stream's records.
@Suite struct DoubtfulPathTests {
    private func regular(_ bench: inout Bench) throws -> Int {
        let slot = try bench.add(quotes)
        bench.path.bind(request: 1, to: slot)
        for tick in 0..<10 { try take(&bench, atMillis: Int64(tick - 9) * 100) }
        return slot
    }

    /// A tick so long after the news.
    private func take(_ bench: inout Bench, atMillis millis: Int64, hostAheadMillis: Int64 = 0) throws {
        let now = someNanos + millis * millisecond
        bench.path.beginRead(atNanos: now + hostAheadMillis * millisecond, steadyNanos: now)
        try bench.take(message(1))
    }

    /// What follows the regular ticks.
    private func events(_ bench: inout Bench) throws -> [MarkerEvent?] {
        bench.path.flush()
        return try bench.journaled(quotes).dropFirst(10).map { $0.marker?.event }
    }

    private let gap: [MarkerEvent?] = [.gapOpened, .gapClosed, nil]

    @Test func aLateTickBehindALostLinkHidesNoHole() throws {
        var bench = try Bench()
        let slot = try regular(&bench)
        bench.path.openGap(slot, cause: "tws 1100", code: 1100)
        bench.path.beginDoubt(slot, cause: "tws 1100", code: 1100, isCertain: true)
        for millis in [50, 9_050, 9_150] as [Int64] { try take(&bench, atMillis: millis) }
        #expect(try events(&bench) == gap + gap + [nil])
    }

    @Test func oneBlipOfAFarmTeachesNothingForTheNext() throws {
        var bench = try Bench()
        let slot = try regular(&bench)
        for (start, length) in [(0, 1_200), (60_000, 20_000)] as [(Int64, Int64)] {
            bench.path.beginDoubt(slot, cause: "tws 2103", code: 2103, isCertain: false)
            try take(&bench, atMillis: start + length)
            bench.path.beginRead(atNanos: someNanos + (start + length + 50) * millisecond)
            bench.path.noteGoodNews(slot)
            for tick in 1...10 { try take(&bench, atMillis: start + length + Int64(tick) * 100) }
            #expect(bench.path.slot(slot).doubt == nil)
            // Ticks go on until the next news.
            if start == 0 {
                for millis in stride(from: Int64(2_300), through: 60_000, by: 100) {
                    try take(&bench, atMillis: millis)
                }
            }
            bench.path.beginRead(atNanos: someNanos + 60_000 * millisecond)
        }
        #expect(try events(&bench).filter { $0 == .gapOpened }.count == 2)
    }

    /// A gap that another cause opens is closed by the next tick, which may be a late one.
    @Test func aGapOfAnotherCauseEndsNoDoubt() throws {
        var bench = try Bench()
        let slot = try regular(&bench)
        bench.path.beginDoubt(slot, cause: "tws 2103", code: 2103, isCertain: false)
        bench.path.openGap(slot, cause: "undecodable")
        for millis in [200, 8_200] as [Int64] { try take(&bench, atMillis: millis) }
        #expect(try events(&bench) == gap + gap)
    }

    @Test func aLateTickBehindAShortFlapHidesNoHole() throws {
        var bench = try Bench()
        let slot = try regular(&bench)
        bench.path.beginDoubt(slot, cause: "tws 2103", code: 2103, isCertain: false)
        bench.path.beginRead(atNanos: someNanos + 200 * millisecond)
        bench.path.noteGoodNews(slot)
        for millis in [300, 4_300, 4_400] as [Int64] { try take(&bench, atMillis: millis) }
        #expect(try events(&bench) == gap + gap + [nil])
        #expect(bench.path.slot(slot).doubt == nil)
    }

    /// Receive times stand still until the clock that was set back has caught up, or jump ahead with it.
    @Test(arguments: [-60_000, 60_000] as [Int64])
    func aClockThatIsSetHidesNoHoleAndMakesNone(setMillis: Int64) throws {
        var bench = try Bench()
        let slot = try regular(&bench)
        bench.path.beginDoubt(slot, cause: "tws 2103", code: 2103, isCertain: false)
        for millis in [100, 200] as [Int64] { try take(&bench, atMillis: millis) }
        for millis in [300, 8_300] as [Int64] { try take(&bench, atMillis: millis, hostAheadMillis: setMillis) }
        #expect(try events(&bench) == [nil, nil, nil] + gap)
    }

    @Test func aClockThatIsSetBackMakesNoLateTicks() throws {
        var bench = try Bench()
        let slot = try regular(&bench)
        bench.path.beginDoubt(slot, cause: "tws 2103", code: 2103, isCertain: false)
        bench.path.flush()
        bench.path.resetReceiveTimes(toNanos: someNanos - 3_600 * second)
        for millis in [100, 400, 700] as [Int64] { try take(&bench, atMillis: millis, hostAheadMillis: -3_600_000) }
        bench.path.noteGoodNews(slot)
        #expect(try events(&bench) == [nil, nil, nil])
    }
}
