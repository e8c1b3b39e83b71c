import Supervision
import Testing

@Suite struct BackoffTests {
    @Test func waitsDoubleUpToTheLimitWithinTheirJitter() {
        var backoff = Backoff(firstNanos: 1000, limitNanos: 8000, seed: 7)
        for nominal in [1000, 2000, 4000, 8000, 8000, 8000] {
            let wait = backoff.nextDelayNanos()
            #expect((nominal * 3 / 4...nominal * 5 / 4).contains(Int(wait)))
        }
        backoff.reset()
        #expect(backoff.nextDelayNanos() <= 1250)
    }

    @Test func theSeedDecidesTheWaits() {
        var a = Backoff(seed: 1)
        var b = Backoff(seed: 1)
        var c = Backoff(seed: 2)
        let first = (0..<5).map { _ in a.nextDelayNanos() }
        #expect(first == (0..<5).map { _ in b.nextDelayNanos() })
        #expect(first != (0..<5).map { _ in c.nextDelayNanos() })
    }

    @Test func aHugeLimitDoesNotOverflow() {
        var backoff = Backoff(firstNanos: 1 << 61, limitNanos: 1 << 62, seed: 1)
        for _ in 0..<100 { #expect(backoff.nextDelayNanos() > 0) }
    }
}

@Suite struct RestartBudgetTests {
    @Test func isSpentAndComesBackWithTime() {
        var budget = RestartBudget(limit: 2, windowNanos: 100)
        #expect(budget.spend(nowNanos: 10) == true)
        #expect(budget.spend(nowNanos: 20) == true)
        #expect(budget.spend(nowNanos: 30) == false)
        #expect(budget.nextAllowedNanos(nowNanos: 30) == 111)
        #expect(budget.spend(nowNanos: 109) == false)
        #expect(budget.spend(nowNanos: 111) == true)
    }

    @Test func survivesBeingWrittenDown() {
        var budget = RestartBudget(limit: 2, windowNanos: 100)
        #expect((budget.spend(nowNanos: 10), budget.spend(nowNanos: 20)) == (true, true))
        var read = RestartBudget(limit: 2, windowNanos: 100, spentAtNanos: budget.spentAtNanos)
        #expect(read.spend(nowNanos: 30) == false)
    }

    @Test func aClockSetBackBlocksNothing() {
        var budget = RestartBudget(limit: 1, windowNanos: 100, spentAtNanos: [1_000_000])
        #expect(budget.spend(nowNanos: 50) == true)
    }

    @Test func moreTimesThanTheLimitAreCut() {
        #expect(RestartBudget(limit: 2, windowNanos: 100, spentAtNanos: [5, 1, 9, 3]).spentAtNanos == [5, 9])
    }
}

@Suite struct TaskSupervisorTests {
    private func supervisor(limit: Int = 3) -> TaskSupervisor {
        TaskSupervisor(limit: limit, steadyNanos: 1000, backoff: Backoff(firstNanos: 100, limitNanos: 800, seed: 1))
    }

    @Test func aFailureIsRestartedAfterAWait() {
        var machine = supervisor()
        #expect(machine.handle(.started, nowNanos: 0) == .none)
        guard case .restart(let wait) = machine.handle(.failed, nowNanos: 10) else {
            Issue.record("no restart")
            return
        }
        #expect((75...125).contains(wait))
        #expect(machine.state == .waiting(untilNanos: 10 + wait))
        #expect(machine.restarts == 1)
    }

    @Test func failuresInARowAreGivenUpButASteadyRunStartsOver() {
        var machine = supervisor(limit: 2)
        for round in 0..<2 {
            _ = machine.handle(.started, nowNanos: 0)
            #expect(machine.handle(.failed, nowNanos: 10) != .giveUp, "round \(round)")
        }
        _ = machine.handle(.started, nowNanos: 0)
        #expect(machine.handle(.failed, nowNanos: 999) == .giveUp)
        #expect(machine.state == .givenUp)

        machine = supervisor(limit: 1)
        for start in 0..<5 {
            _ = machine.handle(.started, nowNanos: Int64(start) * 10_000)
            #expect(machine.handle(.failed, nowNanos: Int64(start) * 10_000 + 1000) != .giveUp)
        }
    }

    @Test func whatWasToldToEndIsNotRestarted() {
        var machine = supervisor()
        _ = machine.handle(.started, nowNanos: 0)
        _ = machine.handle(.stopRequested, nowNanos: 1)
        #expect(machine.handle(.failed, nowNanos: 2) == .none)
        #expect(machine.state == .ended)
    }
}
