import Supervision
import Testing

@Suite struct ProcessKeeperTests {
    private static let second: Int64 = 1_000_000_000

    private func keeper(budget: Int = 3) -> ProcessKeeper {
        ProcessKeeper(
            limits: ProcessKeeper.Limits(hangNanos: 5 * Self.second), budget: RestartBudget(limit: budget),
            backoff: Backoff(seed: 1), nowNanos: 0)
    }

    private func running(_ budget: Int = 3) -> ProcessKeeper {
        var keeper = keeper(budget: budget)
        #expect(keeper.handle(.tick, nowNanos: 0, wallNanos: 0) == .start)
        _ = keeper.handle(.spawned, nowNanos: 0, wallNanos: 0)
        _ = keeper.handle(.ready, nowNanos: 0, wallNanos: 0)
        #expect(keeper.state == .running)
        return keeper
    }

    @Test func silenceIsWarnedAboutOnceThenAbortedThenKilled() {
        var keeper = running()
        var actions: [(Int64, ProcessKeeper.Action)] = []
        for tenth in Int64(1)...60 {
            let now = tenth * Self.second / 10
            let action = keeper.handle(.tick, nowNanos: now, wallNanos: now)
            if action != .none { actions.append((tenth, action)) }
        }
        #expect(actions.count == 3)
        guard case .warn = actions[0].1, case .abort = actions[1].1, case .kill = actions[2].1 else {
            Issue.record("\(actions)")
            return
        }
        // The last beat may have come a second after the loop stood still: 4 s of silence are 5 s of hanging.
        #expect(actions[1].0 == 41)
        #expect(actions[2].0 == 51)
    }

    @Test func whoGetsOnWhileItEndsIsNotKilled() {
        var keeper = running()
        #expect(keeper.handle(.orderStop, nowNanos: 0, wallNanos: 0) == .terminate)
        for second in Int64(1)...100 {
            let now = second * 9 * Self.second
            #expect(keeper.handle(.tick, nowNanos: now, wallNanos: now) == .none)
            _ = keeper.handle(.progressed, nowNanos: now, wallNanos: now)
        }
        #expect(keeper.handle(.tick, nowNanos: 910 * Self.second, wallNanos: 0) == .kill)
        // Progress of the dead is none.
        _ = keeper.handle(.progressed, nowNanos: 911 * Self.second, wallNanos: 0)
        #expect(keeper.handle(.exited(.signal(9)), nowNanos: 911 * Self.second, wallNanos: 0) == .none)
        #expect(keeper.state == .stopped)
    }

    @Test func beatsKeepItAlive() {
        var keeper = running()
        for second in Int64(1)...100 {
            _ = keeper.handle(.beat, nowNanos: second * Self.second, wallNanos: 0)
            #expect(keeper.handle(.tick, nowNanos: second * Self.second + Self.second / 2, wallNanos: 0) == .none)
        }
    }

    @Test func pressureStretchesTheDeadlineAtMostThreefold() {
        var keeper = running()
        for second in Int64(1)...12 {
            let action = keeper.handle(.tick, nowNanos: second * Self.second, wallNanos: 0, stretch: 50)
            if case .abort = action { Issue.record("aborted at \(second) s") }
        }
        guard case .abort = keeper.handle(.tick, nowNanos: 13 * Self.second, wallNanos: 0, stretch: 50) else {
            Issue.record("never aborted")
            return
        }
    }

    @Test func aLateJudgeBlamesNobody() {
        var keeper = running()
        keeper.forgive(nanos: 60 * Self.second)
        #expect(keeper.handle(.tick, nowNanos: 60 * Self.second, wallNanos: 0) == .none)
    }

    @Test func aProductiveRunIsRestartedAtOnceAndCostsNothing() {
        var keeper = running()
        for round in Int64(1)...50 {
            _ = keeper.handle(.productive, nowNanos: round, wallNanos: round)
            #expect(keeper.handle(.exited(.signal(9)), nowNanos: round, wallNanos: round) == .start)
            _ = keeper.handle(.spawned, nowNanos: round, wallNanos: round)
        }
        #expect(keeper.restarts == 50)
        #expect(keeper.budget.spentAtNanos.isEmpty)
    }

    @Test func anUnproductiveRunWaitsAndASpentBudgetWaitsForItsWindow() {
        var keeper = running(2)
        for _ in 0..<2 {
            #expect(keeper.handle(.exited(.status(1)), nowNanos: 0, wallNanos: 0) == .none)
            guard case .down(let at) = keeper.state else {
                Issue.record("not down")
                return
            }
            #expect(at > 0 && at < 10 * Self.second)
            #expect(keeper.handle(.tick, nowNanos: at - 1, wallNanos: 0) == .none)
            #expect(keeper.handle(.tick, nowNanos: at, wallNanos: 0) == .start)
            _ = keeper.handle(.spawned, nowNanos: 0, wallNanos: 0)
        }
        _ = keeper.handle(.exited(.status(1)), nowNanos: 0, wallNanos: 0)
        guard case .down(let probe) = keeper.state else {
            Issue.record("not down")
            return
        }
        #expect(probe > 590 * Self.second)
        #expect(keeper.isBudgetSpent(wallNanos: 0))
    }

    @Test func aRefusedConfigurationIsNotTriedAgainAtOnce() {
        var keeper = running()
        #expect(keeper.handle(.exited(.status(78)), nowNanos: 0, wallNanos: 0) == .none)
        #expect(keeper.state == .down(startAtNanos: 60 * Self.second))
        #expect(keeper.budget.spentAtNanos.isEmpty)
    }

    @Test func withoutAWaitOfItsOwnARefusalIsTriedAgainLikeAnyOtherExit() {
        var limits = ProcessKeeper.Limits(hangNanos: 5 * Self.second)
        limits.configurationNanos = nil
        var keeper = ProcessKeeper(
            limits: limits, budget: RestartBudget(limit: 100),
            backoff: Backoff(firstNanos: Self.second, limitNanos: 10 * Self.second, seed: 1), nowNanos: 0)
        var now: Int64 = 0
        for round in 0..<200 {
            #expect(keeper.handle(.tick, nowNanos: now, wallNanos: now) == .start, "round \(round)")
            _ = keeper.handle(.spawned, nowNanos: now, wallNanos: now)
            _ = keeper.handle(.exited(.status(78)), nowNanos: now, wallNanos: now)
            guard case .down(let next) = keeper.state else {
                Issue.record("not down")
                return
            }
            #expect(next > now && next - now <= 13 * Self.second, "round \(round)")
            now = next
        }
    }

    @Test func anOrderedStopTerminatesThenKillsAndNeverRestarts() {
        var keeper = running()
        #expect(keeper.handle(.orderStop, nowNanos: 0, wallNanos: 0) == .terminate)
        #expect(keeper.handle(.orderStop, nowNanos: 1, wallNanos: 0) == .none)
        #expect(keeper.handle(.tick, nowNanos: 9 * Self.second, wallNanos: 0) == .none)
        #expect(keeper.handle(.tick, nowNanos: 10 * Self.second, wallNanos: 0) == .kill)
        #expect(keeper.handle(.exited(.signal(9)), nowNanos: 11 * Self.second, wallNanos: 0) == .none)
        #expect(keeper.state == .stopped)
        #expect(keeper.handle(.tick, nowNanos: 1000 * Self.second, wallNanos: 0) == .none)
    }

    @Test func anAdoptedProcessThatNeverBeatsIsAHangToo() {
        var keeper = keeper()
        _ = keeper.handle(.adopted, nowNanos: 0, wallNanos: 0)
        #expect(keeper.isProductive)
        guard case .abort = keeper.handle(.tick, nowNanos: 5 * Self.second, wallNanos: 0) else {
            Issue.record("not aborted")
            return
        }
    }

    @Test func aStartThatNeverGetsReadyIsAborted() {
        var keeper = keeper()
        _ = keeper.handle(.spawned, nowNanos: 0, wallNanos: 0)
        #expect(keeper.handle(.tick, nowNanos: 29 * Self.second, wallNanos: 0) == .none)
        guard case .abort = keeper.handle(.tick, nowNanos: 31 * Self.second, wallNanos: 0) else {
            Issue.record("not aborted")
            return
        }
    }

    @Test func whatIsDownWhenEverythingEndsIsMissed() {
        var fresh = keeper()
        #expect(!fresh.isMissedAtStop, "nothing was ever begun")
        _ = fresh.handle(.spawnFailed, nowNanos: 0, wallNanos: 0)
        #expect(fresh.isMissedAtStop)
        // Refused its configuration after it had worked, killed, or out of budget: the same.
        for exit in [ProcessKeeper.Exit.status(78), .signal(9), .status(0), .unknown] {
            var keeper = running()
            #expect(!keeper.isMissedAtStop)
            _ = keeper.handle(.exited(exit), nowNanos: 1, wallNanos: 1)
            #expect(keeper.isMissedAtStop)
            #expect(keeper.handle(.orderStop, nowNanos: 2, wallNanos: 2) == .none)
            #expect(keeper.state == .stopped && !keeper.isMissedAtStop, "said once")
        }
        // Whoever ends on the order ended in order.
        var ordered = running()
        #expect(ordered.handle(.orderStop, nowNanos: 1, wallNanos: 1) == .terminate)
        _ = ordered.handle(.exited(.status(0)), nowNanos: 2, wallNanos: 2)
        #expect(!ordered.isMissedAtStop)
    }
}
