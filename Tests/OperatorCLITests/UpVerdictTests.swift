import ServiceKit
import Testing

@testable import OperatorCLI

@Suite struct UpVerdictTests {
    private func told(_ health: String, _ reason: String = "") -> Notification {
        Notification(["X_IB_HEALTH": health, "X_IB_REASON": reason])
    }

    @Test func onlyHealthOnceAndAtTheEndIsASuccess() {
        var verdict = UpVerdict()
        #expect(verdict.complaint == "never healthy, and at the end unknown: no ib-watchdog tells it")
        verdict.hear(told("down", "no session with the gateway"))
        #expect(verdict.complaint == "never healthy, and at the end down: no session with the gateway")
        verdict.hear(told("degraded"))
        #expect(verdict.complaint == "never healthy, and at the end degraded")
        verdict.hear(told("healthy"))
        #expect(verdict.complaint == nil)
        verdict.hear(Notification(["STATUS": "running"]))
        #expect(verdict.complaint == nil, "no word on health")
        verdict.hear(told("degraded", "the file was edited"))
        #expect(verdict.complaint == "not healthy at the end, but degraded: the file was edited")
        verdict.hear(told("healthy"))
        verdict.watchdogEnded()
        #expect(verdict.complaint == "not healthy at the end, but unknown: no ib-watchdog tells it")
    }

    @Test func aRefusalCountsUntilAllWasHealthy() {
        var verdict = UpVerdict()
        verdict.hear(Notification(["X_IB_REFUSED": ""]))
        #expect(verdict.refusal == nil)
        var late = UpVerdict()
        late.hear(told("healthy"))
        late.hear(Notification(["X_IB_REFUSED": "ib-recorder"]))
        #expect(late.refusal == nil, "what runs is kept")
        verdict.hear(Notification(["X_IB_REFUSED": "ib-recorder"]))
        #expect(verdict.refusal == "ib-recorder")
    }
}
