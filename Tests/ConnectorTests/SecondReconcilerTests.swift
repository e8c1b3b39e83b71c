import Testing
import Ticks

@testable import Connector

struct SecondReconcilerTests {
    private func missing(
        _ history: String, front: [String] = [], healed: String = "", back: [String] = []
    ) -> String? {
        letters(
            SecondReconciler.reconcile(
                quotes(history),
                stored: .init(
                    front: front.map { quotes($0) }, healed: quotes(healed), back: back.map { quotes($0) }))?.missing)
    }

    @Test func aSecondOfWhichNothingIsStoredIsTakenAsGiven() {
        #expect(missing("abc") == "abc")
        #expect(missing("") == "")
    }

    @Test func theEndOfTheFirstSecondIsMissing() {
        #expect(missing("abcde", front: ["ab"]) == "cde")
        #expect(missing("ab", front: ["ab"]) == "")
    }

    @Test func theBeginningOfTheLastSecondIsMissing() {
        #expect(missing("abcde", back: ["de"]) == "abc")
        #expect(missing("de", back: ["de"]) == "")
    }

    @Test func theMiddleOfAGapWithinOneSecondIsMissing() {
        #expect(missing("abcdef", front: ["ab"], back: ["ef"]) == "cd")
        #expect(missing("abef", front: ["ab"], back: ["ef"]) == "")
    }

    @Test func equalTicksAreCountedNotMatchedTwice() {
        #expect(missing("aaaa", front: ["a"], back: ["a"]) == "aa")
        #expect(missing("aa", front: ["a"], back: ["a"]) == "")
        #expect(missing("a", front: ["a"], back: ["a"]) == nil, "history has fewer than are stored")
        #expect(missing("abab", front: ["a"], back: ["b"]) == "ba")
    }

    @Test func whatAnEarlierRunBroughtIsNotBroughtAgain() {
        #expect(missing("abcdef", front: ["ab"], healed: "c", back: ["f"]) == "de")
        #expect(missing("abcd", healed: "abcd") == "")
        #expect(missing("abcd", healed: "ad") == "bc")
        #expect(missing("abcd", healed: "x") == nil)
    }

    @Test func otherGapsOfTheSecondKeepTheirTicks() {
        // ab | own gap: cd | ef | another gap: gh | ij
        #expect(missing("abcdefghij", front: ["ab"], back: ["ef", "ij"]) == "cd")
        #expect(missing("abcdefghij", front: ["ab", "ef"], back: ["ij"]) == "gh")
        // The other gap has been healed already.
        #expect(missing("abcdefghij", front: ["ab"], back: ["ef", "gh", "ij"]) == "cd")
    }

    @Test func aSegmentIsFoundInOnePieceBeforeItIsFoundInSeveral() {
        // Tick by tick from the end, xz would be taken apart around q.
        #expect(missing("amxzyxqzb", front: ["a"], back: ["xz", "b"]) == "m")
    }

    @Test func aSegmentInOnePieceIsTheEarliestOrNone() {
        func missing(_ history: String) -> String? {
            letters(
                SecondReconciler.reconcile(
                    quotes(history), stored: .init(front: [quotes("ab")]), inOnePiece: true)?.missing)
        }
        #expect(missing("abcab") == "cab")
        #expect(missing("aqbcab") == nil, "its place is the first, with one between that is another gap's")
        #expect(missing("xab") == "", "what comes before it was not recorded, and is not this gap's")
    }

    @Test func everyWayToMatchEqualTicksGivesTheSameSequence() throws {
        // a | x | x | x y | b: whichever x is the stored one, the whole is axxxyb.
        let own = try #require(missing("axxxyb", front: ["a"], back: ["x", "b"]))
        let other = try #require(missing("axxxyb", front: ["a", own, "x"], back: ["b"]))
        #expect("a" + own + "x" + other + "b" == "axxxyb")
    }

    @Test func ticksThatLiveNeverBroughtAreTheDifferenceToo() {
        #expect(missing("abcde", front: ["ac"]) == "bde")
        #expect(missing("abcde", back: ["ce"]) == "abd")
    }

    @Test func historyWithoutAStoredTickSaysNothingAboutTheSecond() {
        #expect(missing("abcd", front: ["x"]) == nil)
        #expect(missing("abcd", back: ["x"]) == nil)
        #expect(missing("", back: ["d"]) == nil)
        #expect(missing("cdab", front: ["ab"], back: ["cd"]) == nil, "in another order")
    }

    @Test func maskAndTextsTellTicksApart() {
        var flagged = quotes("a")
        flagged[0].tick.flags = .bidPastLow
        #expect(SecondReconciler.reconcile(quotes("a"), stored: .init(front: [flagged])) == nil)
        // The bit that says unreported of a trade says something else of a quote.
        flagged[0].tick.flags = .askPastHigh
        #expect(SecondReconciler.reconcile(quotes("a"), stored: .init(front: [flagged])) == nil)
        var healed = quotes("a")
        healed[0].tick.flags = [.healed, .simulated]
        #expect(SecondReconciler.reconcile(quotes("a"), stored: .init(front: [healed]))?.missing == [])
        var long = quotes("a")
        long[0].more = [TickBody(Int64(1), 2)]
        #expect(SecondReconciler.reconcile(quotes("a"), stored: .init(front: [long])) == nil)
    }

    // MARK: - Unreported trades: capital letters

    private func trades(
        _ history: String, front: [String] = [], healed: String = "", back: [String] = [],
        _ manner: SecondReconciler.Manner = .unknown
    ) -> SecondReconciler.Result? {
        SecondReconciler.reconcile(
            tradeTicks(history),
            stored: .init(
                front: front.map { tradeTicks($0) }, healed: tradeTicks(healed),
                back: back.map { tradeTicks($0) }), manner: manner)
    }

    private func missingTrades(
        _ history: String, front: [String] = [], healed: String = "", back: [String] = [],
        _ manner: SecondReconciler.Manner = .unknown
    ) -> String? {
        tradeLetters(trades(history, front: front, healed: healed, back: back, manner)?.missing)
    }

    @Test func unreportedTradesThatHistoryHasAreNotStoredAgain() {
        #expect(missingTrades("aXbYc", front: ["aX"], back: ["c"]) == "bY")
        #expect(missingTrades("aXbYc", front: ["aXb"], back: ["Yc"]) == "")
        #expect(missingTrades("XXXa", front: ["XX"]) == "Xa", "equal ones are counted")
        #expect(missingTrades("aXbXc", front: ["a"], healed: "X", back: ["Xc"]) == "b")
        #expect(trades("aXb", front: ["aX"])?.manner == .shown)
    }

    @Test func unreportedTradesThatHistoryLeavesOutArePassedOver() throws {
        #expect(missingTrades("abc", front: ["aX"], back: ["c"]) == "b")
        #expect(missingTrades("abc", front: ["Xa"], back: ["Yc"]) == "b")
        #expect(missingTrades("abc", front: ["X"], back: ["Y"]) == "abc")
        #expect(missingTrades("abc", front: ["aX"], healed: "XbY", back: ["c"]) == "")
        let result = try #require(trades("abc", front: ["aXY"], back: ["c"]))
        #expect(result.leftOut == 2 && result.manner == .leftOut)
    }

    @Test func someOfThemInHistoryAreMatchedAndTheOthersPassedOver() {
        #expect(missingTrades("aXbc", front: ["aXYb"]) == "c")
        #expect(missingTrades("aYbc", front: ["aXYb"]) == "c")
        #expect(
            missingTrades("abXcZ", front: ["Xa", "Xc"]) == "Z",
            "b and X lie between the segments: another gap's, or its own")
        #expect(missingTrades("rXr", healed: "Xr") == "r", "the torn run's own place is not the first that fits")
    }

    @Test func historyMayHaveThemWithoutTheirMark() throws {
        #expect(missingTrades("axbyc", front: ["aX"], back: ["c"]) == "by")
        #expect(missingTrades("xxa", front: ["X"]) == "xa")
        let result = try #require(trades("axb", front: ["aXb"]))
        #expect(result.missing.isEmpty && result.manner == .unmarked)
        // The other way round.
        #expect(missingTrades("aXb", front: ["axb"]) == "")
    }

    @Test func equalNumbersWithAndWithoutTheMarkAreTwoTradesWhereTheMarkIsShown() {
        // The mark is shown in this second, or was before.
        #expect(missingTrades("aXxb", front: ["aX"], back: ["b"]) == "x")
        #expect(missingTrades("axbY", front: ["aX"], back: ["bY"]) == "x")
        #expect(missingTrades("axb", front: ["aX"], back: ["b"], .shown) == "x")
        // It is known that unreported trades are left out.
        #expect(missingTrades("axb", front: ["aX"], back: ["b"], .leftOut) == "x")
        // Nothing is known: all that is stored is there in one piece, so that x is taken for X.
        #expect(missingTrades("axb", front: ["aX"], back: ["b"]) == "")
        // Another one that is not there proves that they are left out.
        #expect(missingTrades("axb", front: ["YaX"], back: ["b"]) == "x")
    }

    @Test func unreportedTradesOfAnotherGapKeepTheirPlaceInIt() throws {
        // a and b healed another gap while history left X out; now it has it.
        let healed = tradeTicks("ab").map { tick in
            var tick = tick
            tick.tick.flags.insert(.healed)
            return tick
        }
        let live = tradeTicks("c")
        let front = SecondReconciler.reconcile(tradeTicks("aXbcYd"), stored: .init(front: [healed, live]))
        #expect(tradeLetters(front?.missing) == "Yd")
        let back = SecondReconciler.reconcile(tradeTicks("YdcaXb"), stored: .init(back: [live, healed]))
        #expect(tradeLetters(back?.missing) == "Yd")
    }

    @Test func tradesThatLiveNeverBroughtAreToldFromOthers() {
        #expect(trades("aXb", front: ["ab"])?.passedUnreported == 1)
        #expect(trades("abX", front: ["ab"])?.passedUnreported == 0, "it may have come in the gap")
        #expect(trades("axb", front: ["ab"])?.passedUnreported == 0)
    }
}
