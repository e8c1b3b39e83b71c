import Foundation
import ServiceKit
import Supervision
import Testing

@testable import Watchdog

@Suite struct ManagedServiceTests {
    private func paths() throws -> (Paths, String) {
        let base = "/tmp/ibwd-" + UUID().uuidString.prefix(8)
        let paths = Paths(state: base + "/state", runtime: base + "/run")
        try paths.makeDirectories()
        return (paths, base)
    }

    @Test func spentRestartsOutliveTheWatchdog() throws {
        let (paths, base) = try paths()
        defer { try? FileManager.default.removeItem(atPath: base) }
        var first = ManagedService(.connector, configuration: Configuration(), paths: paths)
        let now = bootNanos()
        _ = first.keeper.handle(.spawned, nowNanos: now, wallNanos: realNanos())
        _ = first.keeper.handle(.exited(.status(1)), nowNanos: now, wallNanos: realNanos())
        #expect(first.keeper.budget.spentAtNanos.count == 1)
        let keeper = try BudgetKeeper()
        first.saveBudget(with: keeper)
        let thread = try SupervisedThread("budgets", fault: FirstFault()) { keeper.run($0) }
        thread.stop()
        let second = ManagedService(.connector, configuration: Configuration(), paths: paths)
        #expect(second.keeper.budget == first.keeper.budget)
        let other = ManagedService(.recorder, configuration: Configuration(), paths: paths)
        #expect(other.keeper.budget.spentAtNanos.isEmpty)
    }

    @Test func aDamagedBudgetIsAnEmptyOne() throws {
        let (paths, base) = try paths()
        defer { try? FileManager.default.removeItem(atPath: base) }
        for text in ["", "{", "[1,2]", "{\"spent_at_nanos\":[\"x\"]}"] {
            try text.write(toFile: paths.state + "/ib-recorder.restarts", atomically: false, encoding: .utf8)
            let service = ManagedService(.recorder, configuration: Configuration(), paths: paths)
            #expect(service.keeper.budget.spentAtNanos.isEmpty, "\(text)")
        }
    }

    @Test(arguments: ["-9223372036854775808.1", "-1.1", "x.1", "", ".", "99999999999999999999.1"])
    func aMadeUpNonceIsNoPing(nonce: String) {
        #expect(pingedAtNanos(nonce) == nil)
    }

    @Test func aNonceSaysWhenItWasSent() {
        #expect(pingedAtNanos("17.3") == 17)
    }

    @Test func factsOfAProcessThatIsGoneAreNone() throws {
        let (paths, base) = try paths()
        defer { try? FileManager.default.removeItem(atPath: base) }
        var service = ManagedService(.recorder, configuration: Configuration(), paths: paths)
        service.notification = Notification(["X_IB_DISK": "ok"])
        service.notifiedAtNanos = bootNanos()
        #expect(service.fact("DISK", nowNanos: bootNanos()) == nil)
        let process = try HeldProcess.start("/bin/sleep", arguments: ["100"], environment: [:])
        service.process = process
        #expect(service.fact("DISK", nowNanos: bootNanos()) == "ok")
        #expect(service.fact("DISK", nowNanos: bootNanos() + 6_000_000_000) == nil, "too old to be a fact")
        process.send(SIGKILL)
        _ = process.waitForExit(millis: 20_000)
    }
}
