import Testing

@testable import Connector

private let second: Int64 = 1_000_000_000

@Suite struct MarketFarmsTests {
    @Test func aWordThatIsRepeatedIsNoNewsForAMinute() {
        var farms = MarketFarms()
        var isNews = (0...130).filter { farms.broken("usbond", nowNanos: $0 * second) }
        #expect(isNews == [0, 60, 120])
        // Another farm is another matter.
        isNews = (131...132).filter { farms.broken("usfarm", nowNanos: $0 * second) }
        #expect(isNews == [131])
    }

    @Test func allIsBackWhenNoOtherFarmWentDownJustNow() {
        var farms = MarketFarms()
        _ = farms.broken("usbond", nowNanos: 0)
        _ = farms.broken("usfarm", nowNanos: 30 * second)
        _ = farms.broken("eufarm", nowNanos: 31 * second)
        var isEnd = farms.restored("usfarm", nowNanos: 32 * second)
        #expect(!isEnd)
        isEnd = farms.restored("eufarm", nowNanos: 59 * second)
        #expect(!isEnd)
        // One may be down for days.
        _ = farms.broken("eufarm", nowNanos: 60 * second)
        isEnd = farms.restored("eufarm", nowNanos: 61 * second)
        #expect(isEnd)
    }

    /// `usfarm` comes back as `usfarm.nj`.
    @Test func aFarmMayBeBackUnderAnotherName() {
        var farms = MarketFarms()
        _ = farms.broken("usfarm", nowNanos: 0)
        let isEnd = farms.restored("usfarm.nj", nowNanos: second)
        #expect(isEnd)
        // Its next end is news.
        let isNews = farms.broken("usfarm", nowNanos: 2 * second)
        #expect(isNews)
    }

    @Test func namesWithoutEndAreNotRemembered() {
        var farms = MarketFarms()
        for number in 0..<1_000 { _ = farms.broken("farm\(number)", nowNanos: Int64(number)) }
        #expect(farms.broken("farm999", nowNanos: second) == true)
        #expect(farms.broken("farm63", nowNanos: second) == false)
    }
}

@Suite struct HistoryFarmsTests {
    @Test func aFarmThatIsDownHoldsHistoryForAMinuteAndTheAnswerTeaches() {
        var farms = HistoryFarms()
        #expect(!farms.isHeld(7, nowNanos: 0))
        farms.broken("fundfarm", nowNanos: 0)
        #expect(farms.isHeld(7, nowNanos: 59 * second))
        #expect(!farms.isHeld(7, nowNanos: 60 * second))
        farms.sent(7, nowNanos: 60 * second)
        #expect(farms.isHeld(7, nowNanos: 61 * second), "one request")
        farms.answered(7, sentAtNanos: 60 * second)
        #expect(!farms.isHeld(7, nowNanos: 61 * second))
        // Of the others nothing is known.
        farms.sent(8, nowNanos: 61 * second)
        #expect(farms.isHeld(8, nowNanos: 62 * second))
        // Another farm is another matter.
        farms.broken("ushmds", nowNanos: 100 * second)
        #expect(farms.isHeld(7, nowNanos: 101 * second))
        #expect(farms.missing(7) == ["ushmds"] && farms.missing(8) == ["fundfarm", "ushmds"])
    }

    @Test func anotherFarmsGoodNewsDoesNotLiftTheHold() {
        var farms = HistoryFarms()
        farms.broken("ushmds", nowNanos: 0)
        farms.restored("euhmds")
        #expect(farms.isHeld(7, nowNanos: second))
        farms.restored("ushmds")
        #expect(!farms.isHeld(7, nowNanos: second))
    }

    @Test func newsWithoutANameAreHeeded() {
        var farms = HistoryFarms()
        farms.broken("", nowNanos: 0)
        #expect(farms.isHeld(7, nowNanos: second))
        farms.restored("ushmds")
        #expect(!farms.isHeld(7, nowNanos: second))
        farms.broken("ushmds", nowNanos: 0)
        farms.restored(nil)
        #expect(!farms.isHeld(7, nowNanos: second))
    }

    @Test func aTrialInVainIsRepeatedEachMinuteAndAFailureUnteaches() {
        var farms = HistoryFarms()
        farms.broken("ushmds", nowNanos: 0)
        farms.sent(7, nowNanos: 60 * second)
        farms.failed(7, nowNanos: 120 * second)
        #expect(farms.isHeld(7, nowNanos: 179 * second) && !farms.isHeld(7, nowNanos: 180 * second))
        farms.sent(7, nowNanos: 180 * second)
        farms.answered(7, sentAtNanos: 180 * second)
        #expect(!farms.isHeld(7, nowNanos: 181 * second))
        farms.failed(7, nowNanos: 200 * second)
        #expect(farms.isHeld(7, nowNanos: 201 * second))
        // An answer to what was asked before says nothing of a farm that went down since.
        farms.removeAll()
        farms.broken("ushmds", nowNanos: 300 * second)
        farms.answered(7, sentAtNanos: 299 * second)
        #expect(farms.isHeld(7, nowNanos: 301 * second))
    }
}

@Suite struct StreamWatchTests {
    private func asked(_ ticks: UInt64 = 5) -> (Int) -> StreamWatch.Standing {
        { _ in .init(ticks: ticks, requestedAtNanos: -1_000 * second) }
    }

    @Test func aSilentStreamIsAskedForAfter10And30And60Seconds() {
        var watch = StreamWatch()
        watch.suspect(3, ticks: 5, cause: "tws 2103", withinNanos: StreamWatch.firstNanos, nowNanos: 0)
        var asks: [Int64] = []
        for now in 1...1_500 where !watch.takeDue(nowNanos: Int64(now) * second, standing: asked()).isEmpty {
            asks.append(Int64(now))
        }
        #expect(asks == [10, 30, 60, 120, 240, 480, 780, 1_080, 1_380])
    }

    @Test func aStreamThatTicksIsLeftAloneAndAStragglerIsNoTick() {
        var watch = StreamWatch()
        for entry in 0..<2 {
            watch.suspect(entry, ticks: 5, cause: "x", withinNanos: StreamWatch.firstNanos, nowNanos: 0)
        }
        // Both had a tick on its way; one goes on.
        var due = watch.takeDue(nowNanos: second, standing: asked(6))
        #expect(due.isEmpty)
        due = watch.takeDue(nowNanos: 10 * second) { .init(ticks: $0 == 0 ? 9 : 6, requestedAtNanos: 0) }
        #expect(due.map(\.entry) == [1])
        #expect(watch.suspicions.keys.sorted() == [1])
        watch.releaseTicking { _ in 7 }
        #expect(watch.suspicions.isEmpty)
    }

    @Test func aWordOfAFarmBringsItForwardAndDoesNotSlowItDown() {
        var watch = StreamWatch()
        watch.suspect(0, ticks: 5, cause: "x", withinNanos: StreamWatch.firstNanos, nowNanos: 0)
        var due: [Int64] = []
        for now in 1...100 {
            if now == 2 { watch.hasten(nowNanos: 2 * second) }
            if !watch.takeDue(nowNanos: Int64(now) * second, standing: asked()).isEmpty { due.append(Int64(now)) }
        }
        #expect(due == [7, 27, 47, 77])
        // Nothing is suspected: a word is nothing.
        watch.removeAll()
        watch.hasten(nowNanos: 0)
        #expect(watch.nextNanos == nil)
    }

    /// A farm flaps for minutes: a stream that ticks seldom is not asked for at
    /// each word, and a dead one is in the end.
    @Test func aPatientSuspicionLastsAMinuteWhateverIsSaid() {
        var watch = StreamWatch()
        var due: [Int64] = []
        for now in 0...63 {
            if now % 8 == 0 {
                watch.suspect(
                    0, ticks: 5, cause: "x", withinNanos: StreamWatch.firstNanos, nowNanos: Int64(now) * second)
            }
            if now % 8 == 1 {
                watch.bePatient(0)
                watch.hasten(nowNanos: Int64(now) * second)
            }
            if !watch.takeDue(nowNanos: Int64(now) * second, standing: asked()).isEmpty { due.append(Int64(now)) }
        }
        #expect(due == [60])
    }

    @Test func aRequestThatPacingHoldsBackGetsItsTime() {
        var watch = StreamWatch()
        watch.suspect(0, ticks: 5, cause: "x", hasStragglers: false, withinNanos: second, nowNanos: 0)
        var due = watch.takeDue(nowNanos: second) { _ in .init(ticks: 5, requestedAtNanos: nil) }
        #expect(due.isEmpty && watch.nextNanos == 6 * second)
        due = watch.takeDue(nowNanos: 6 * second) { _ in .init(ticks: 5, requestedAtNanos: 4 * second) }
        #expect(due.isEmpty && watch.nextNanos == 9 * second)
        due = watch.takeDue(nowNanos: 9 * second) { _ in .init(ticks: 5, requestedAtNanos: 4 * second) }
        #expect(due.count == 1)
    }

    @Test func aSecondSuspicionPutsNothingOff() {
        var watch = StreamWatch()
        watch.suspect(0, ticks: 5, cause: "a", hasStragglers: false, withinNanos: 10 * second, nowNanos: 0)
        for now in 1..<10 {
            watch.suspect(0, ticks: 5, cause: "b", withinNanos: 10 * second, nowNanos: Int64(now) * second)
        }
        let due = watch.takeDue(nowNanos: 10 * second, standing: asked())
        #expect(due.map(\.why.cause) == ["a"])
    }
}
