import Foundation
import Testing

@testable import ServiceKit

/// The files of `systemd/` are what systemd takes without a word.
@Suite struct SystemdUnitTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("systemd")
    private static let services = ["ib-connector", "ib-recorder", "ib-watchdog"]

    /// Runs a program; its exit and everything that it printed.
    private func run(_ path: String, _ arguments: [String]) throws -> (exit: HeldProcess.Exit?, text: String) {
        let directory = try TemporaryDirectory()
        let file = try directory.file("out", "")
        let descriptor = open(file, O_WRONLY | O_CLOEXEC)
        defer { close(descriptor) }
        let process = try HeldProcess.start(
            path, arguments: arguments,
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_LOG_LEVEL": "warning"],
            output: descriptor, error: descriptor)
        let exit = process.waitForExit(millis: 60_000)
        return (exit, try String(contentsOfFile: file, encoding: .utf8))
    }

    @Test func systemdVerifiesTheUnits() throws {
        let program = "/usr/bin/systemd-analyze"
        guard access(program, X_OK) == 0 else {
            withKnownIssue("no systemd-analyze on this machine, nothing verified") { Issue.record("skipped") }
            return
        }
        let directory = try TemporaryDirectory()
        var files: [String] = []
        for name in Self.services.map({ $0 + ".service" }) + ["ib-stream.target"] {
            let text = try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
            // The programs are not installed where the tests run.
            files.append(
                try directory.file(name, text.replacing(#/ExecStart=/usr/bin/ib-.*/#, with: "ExecStart=/bin/true")))
        }
        let (exit, text) = try run(program, ["verify", "--man=no"] + files)
        #expect(exit == .status(0))
        #expect(text == "")
    }

    @Test func everyServiceHasTheBackstopOfTheDesign() throws {
        for name in Self.services {
            let text = try String(contentsOf: Self.folder.appendingPathComponent(name + ".service"), encoding: .utf8)
            let lines = Set(text.split(separator: "\n").map(String.init))
            for line in [
                "Type=notify", "WatchdogSec=20", "Restart=always", "RestartPreventExitStatus=78", "User=ib-stream",
                "ExecStart=/usr/bin/\(name)", "NoNewPrivileges=yes", "ProtectSystem=strict", "StateDirectory=ib-stream",
                "RuntimeDirectory=ib-stream", "RuntimeDirectoryPreserve=yes", "StartLimitIntervalSec=0",
                "SystemCallFilter=sched_setscheduler",
            ] {
                #expect(lines.contains(line), "\(name): \(line)")
            }
        }
    }

    @Test func theUserCanBeMade() throws {
        guard access("/usr/bin/systemd-sysusers", X_OK) == 0 else {
            withKnownIssue("no systemd-sysusers on this machine, nothing verified") { Issue.record("skipped") }
            return
        }
        let file = Self.folder.appendingPathComponent("ib-stream.sysusers.conf").path
        let (exit, text) = try run("/usr/bin/systemd-sysusers", ["--dry-run", file])
        #expect(exit == .status(0), "\(text)")
    }
}
