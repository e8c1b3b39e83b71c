import Foundation
import Synchronization
import Testing

@testable import ServiceKit

@Suite struct SupervisedThreadTests {
    private struct Broken: Error {}

    @Test func aBodyThatFailsIsStartedAgain() throws {
        let runs = Atomic<Int>(0)
        let reached = DispatchSemaphore(value: 0)
        let thread = try SupervisedThread("test", fault: FirstFault(), firstWaitNanos: 1_000_000) { task in
            if runs.wrappingAdd(1, ordering: .relaxed).newValue < 3 { throw Broken() }
            reached.signal()
            while !task.stop.wait(millis: 100) { task.progress.advance() }
        }
        #expect(reached.wait(timeout: .now() + 20) == .success)
        #expect(thread.state == "running" && thread.restarts == 2)
        thread.stop()
        #expect(thread.state == "ended")
        #expect(runs.load(ordering: .relaxed) == 3)
    }

    @Test func returningUnaskedIsAFailureToo() throws {
        let runs = Atomic<Int>(0)
        let reached = DispatchSemaphore(value: 0)
        let thread = try SupervisedThread("test", fault: FirstFault(), firstWaitNanos: 1_000_000) { task in
            guard runs.wrappingAdd(1, ordering: .relaxed).newValue == 2 else { return }
            reached.signal()
            _ = task.stop.wait(millis: 20_000)
        }
        #expect(reached.wait(timeout: .now() + 20) == .success)
        thread.stop()
        #expect(thread.restarts == 1)
    }

    @Test func stoppingEndsTheWaitBeforeARestart() throws {
        let failed = DispatchSemaphore(value: 0)
        let thread = try SupervisedThread("test", fault: FirstFault(), firstWaitNanos: 60_000_000_000) { _ in
            failed.signal()
            throw Broken()
        }
        #expect(failed.wait(timeout: .now() + 20) == .success)
        thread.stop()
    }

    @Test func theStopTokenWakesAPoll() throws {
        let token = StopToken()
        let thread = try OwnedThread("poller") {
            var poller = pollfd(fd: token.fileDescriptor, events: Int16(POLLIN), revents: 0)
            while poll(&poller, 1, 20_000) != 1 {}
        }
        token.stop()
        thread.join()
        #expect(token.isStopped)
        #expect(token.wait(millis: 10_000))
    }
}
