import Testing

@testable import Supervision

@Suite struct SelfDoubtTests {
    private let soft: Int64 = 2_500_000_000
    private let late: Int64 = 3_000_000_000

    private func isDue(_ doubt: inout SelfDoubt, _ silences: [Int64], _ reportAge: Int64?) -> Bool {
        doubt.isDue(silences: silences, softNanos: soft, reportAgeNanos: reportAge)
    }

    @Test func allSilentWhileTicksBecomeDurableIsDoubtedOnce() {
        var doubt = SelfDoubt()
        #expect(!isDue(&doubt, [100, 200], 0))
        #expect(isDue(&doubt, [late, late], 900_000_000))
        #expect(!isDue(&doubt, [late, late], 0), "only once")
        // Both are heard again, and lost again.
        #expect(!isDue(&doubt, [0, 0], 0))
        #expect(isDue(&doubt, [late, late], 0))
    }

    @Test(arguments: [[3_000_000_000, 100], [3_000_000_000], []] as [[Int64]])
    func oneWhoIsHeardShowsThatTheEarIsWell(silences: [Int64]) {
        var doubt = SelfDoubt()
        #expect(!isDue(&doubt, silences, 0))
    }

    @Test(arguments: [nil, 2_100_000_000] as [Int64?]) func withoutDurableReportsTheServicesAreSuspected(age: Int64?) {
        var doubt = SelfDoubt()
        #expect(!isDue(&doubt, [late, late], age))
    }
}
