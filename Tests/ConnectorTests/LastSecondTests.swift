import Testing

@testable import Connector

/// The wait for a gap's last second, whatever the clocks show.
@Suite struct LastSecondTests {
    private let second: Int64 = 1_000_000_000
    private let last: Int64 = 1_795_000_000
    /// The gateway's time when half of the second is over.
    private var now: Int64 { last * second + second / 2 }

    private func wait(
        _ through: Int64? = nil, newest: Int64?, known: Int64 = 0, gateway: Int64?
    ) -> Int64 {
        LastSecond(second: through ?? last, newest: newest, knownForNanos: known).waitNanos(gatewayNanos: gateway)
    }

    @Test func withALaterTickItIsOverTwoSecondsAfterItsEnd() {
        #expect(wait(newest: last + 1, gateway: now) == 2 * second)
        #expect(wait(newest: last + 1, gateway: now + second) == 3 * second / 2)
        #expect(wait(newest: last + 1, gateway: now + 3 * second) == 0)
        // Much later ones need no clock at all.
        #expect(wait(newest: last + 7, gateway: nil) == 0)
    }

    /// The gateway's clock is behind the market's, or it has told none: no clock of the host's can end this wait.
    @Test(arguments: [nil, -600, -7_200, -3 * 86_400, -400 * 86_400] as [Int64?])
    func aLaterTickEndsTheWaitWhateverTheClockShows(behind: Int64?) {
        let gateway = behind.map { now + $0 * second }
        #expect(wait(newest: last + 1, gateway: gateway) == 2 * second)
        #expect(wait(newest: last + 1, known: 2 * second, gateway: gateway) == 0)
    }

    @Test func withoutALaterTickTheStreamsOwnAreWaitedForLonger() {
        for newest: Int64? in [nil, last, last - 2] {
            // Each second it is looked again.
            #expect(wait(newest: newest, gateway: now) == second)
            #expect(wait(newest: newest, known: second, gateway: now + 10 * second) == second / 2)
            #expect(wait(newest: newest, known: second, gateway: now + 21 * second / 2) == 0)
            // A clock that is ahead does not say that the tick's own second is over.
            #expect(wait(newest: newest, known: second / 2, gateway: now + 7_200 * second) == second / 2)
            #expect(wait(newest: newest, known: second, gateway: now + 7_200 * second) == 0)
            // Without a clock it is the time since the tick was there.
            #expect(wait(newest: newest, known: 21 * second / 2, gateway: nil) == second / 2)
            #expect(wait(newest: newest, known: 11 * second, gateway: nil) == 0)
        }
    }

    @Test(arguments: [-600, -7_200, -3 * 86_400] as [Int64])
    func aClockThatSaysThatTheSecondHasNotComeIsNotBelievedForLong(behind: Int64) {
        for newest: Int64? in [nil, last] {
            let gateway = now + behind * second
            #expect(wait(newest: newest, known: 59 * second, gateway: gateway) == second)
            #expect(wait(newest: newest, known: 60 * second, gateway: gateway) == 0)
            let unproven = LastSecond(second: last, newest: newest, knownForNanos: 0)
            #expect(unproven.isUnproven(gatewayNanos: gateway) && unproven.isUnproven(gatewayNanos: nil))
            #expect(!unproven.isUnproven(gatewayNanos: now))
        }
        let proven = LastSecond(second: last, newest: last + 1, knownForNanos: 0)
        #expect(!proven.isUnproven(gatewayNanos: nil) && !proven.isUntimed(gatewayNanos: nil))
        // No time is foretold that nothing tells.
        let odd = LastSecond(second: last + 7_200, newest: last + 30, knownForNanos: 0)
        #expect(odd.isUntimed(gatewayNanos: now) && odd.isUntimed(gatewayNanos: nil))
        #expect(!LastSecond(second: last, newest: last, knownForNanos: 0).isUntimed(gatewayNanos: now))
    }

    @Test func oddTimesAreNotAskedForBeforeTheyCome() {
        let known = 1_000 * second
        // The stream has gone on with earlier ones.
        #expect(wait(last + 7_200, newest: last + 30, known: known, gateway: now) == Healer.refreshNanos)
        #expect(wait(last + 7_200, newest: last + 30, known: known, gateway: nil) == Healer.refreshNanos)
        #expect(wait(last, newest: last - 90, known: known, gateway: now + 20 * second) == 0)
        // No tick can be of that time.
        for newest: Int64? in [nil, 9_223_372_035] {
            #expect(wait(9_223_372_035, newest: newest, known: known, gateway: now) == Healer.refreshNanos)
        }
        #expect(wait(-9_223_372_035, newest: nil, known: known, gateway: now) == 0)
    }
}
