import Foundation
import Testing

@testable import ServiceKit

@Suite struct HeldProcessTests {
    @Test func exitStatusAndSignalAreTold() throws {
        let process = try HeldProcess.start("/bin/sh", arguments: ["-c", "exit 7"], environment: [:])
        #expect(process.waitForExit(millis: 20_000) == .status(7))
        let killed = try HeldProcess.start("/bin/sleep", arguments: ["100"], environment: [:])
        #expect(killed.exit() == nil)
        #expect(killed.send(SIGKILL))
        #expect(killed.waitForExit(millis: 20_000) == .signal(SIGKILL))
        #expect(!killed.send(SIGKILL), "the signal of a pidfd reaches nobody else")
    }

    @Test func theChildHasItsOwnGroupAndNoBlockedSignals() throws {
        let directory = try TemporaryDirectory()
        var blocked = sigset_t()
        sigemptyset(&blocked)
        sigaddset(&blocked, SIGTERM)
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let out = directory.path + "/out"
        let script = "cut -d' ' -f5 /proc/self/stat > \(out); echo $$ >> \(out); exec sleep 100"
        let process = try HeldProcess.start(
            "/bin/sh", arguments: ["-c", script], environment: ["PATH": "/usr/bin:/bin"])
        var lines: [Substring] = []
        for _ in 0..<2000 where lines.count < 2 {
            lines = ((try? String(contentsOfFile: out, encoding: .utf8)) ?? "").split(separator: "\n")
            if lines.count < 2 { _ = process.waitForExit(millis: 10) }
        }
        #expect(lines.count == 2 && lines[0] == lines[1], "the process leads its group")
        process.send(SIGTERM)
        #expect(process.waitForExit(millis: 20_000) == .signal(SIGTERM))
    }

    @Test func onlyNamedDescriptorsAreInherited() throws {
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let process = try HeldProcess.start(
            "/bin/sh", arguments: ["-c", "test -e /proc/self/fd/\(ends[0]) && ! test -e /proc/self/fd/\(ends[1])"],
            environment: [:], inherit: [ends[0]])
        #expect(process.waitForExit(millis: 20_000) == .status(0))
        for end in ends { close(end) }
    }

    @Test func aMissingProgramIsAnError() {
        #expect(throws: ProgramError.self) { try HeldProcess.start("/nowhere/x", arguments: [], environment: [:]) }
    }

    @Test func adoptionChecksTheStartTime() throws {
        let process = try HeldProcess.start("/bin/sleep", arguments: ["100"], environment: [:])
        let start = try #require(ProcessEnvironment.startTicks(pid: process.pid))
        let adopted = HeldProcess.adopt(LockHolder(pid: process.pid, startTicks: start))
        #expect(adopted?.pid == process.pid && adopted?.isChild == false)
        #expect(HeldProcess.adopt(LockHolder(pid: process.pid, startTicks: start + 1)) == nil)
        #expect(adopted?.exit() == nil)
        process.send(SIGKILL)
        #expect(adopted?.waitForExit(millis: 20_000) == .unknown)
        #expect(process.waitForExit(millis: 20_000) == .signal(SIGKILL))
    }
}
