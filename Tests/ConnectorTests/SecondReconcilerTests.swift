import Testing
import Ticks

@testable import Connector

struct SecondReconcilerTests {
    private func missing(
        _ history: String, front: [String] = [], healed: String = "", back: [String] = []
    ) -> String? {
        letters(
            SecondReconciler.missing(
                in: quotes(history),
                stored: .init(
                    front: front.map { quotes($0) }, healed: quotes(healed), back: back.map { quotes($0) })))
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
                SecondReconciler.missing(
                    in: quotes(history), stored: .init(front: [quotes("ab")]), inOnePiece: true))
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
        #expect(SecondReconciler.missing(in: quotes("a"), stored: .init(front: [flagged])) == nil)
        var healed = quotes("a")
        healed[0].tick.flags = [.healed, .simulated]
        #expect(SecondReconciler.missing(in: quotes("a"), stored: .init(front: [healed])) == [])
        var long = quotes("a")
        long[0].more = [TickBody(Int64(1), 2)]
        #expect(SecondReconciler.missing(in: quotes("a"), stored: .init(front: [long])) == nil)
    }
}
