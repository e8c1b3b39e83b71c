import Foundation
import Testing

/// The whole system below `ib-stream up`, killed here and there. One at a time: the machine may be small.
@Suite(.serialized) struct UpTests {
    /// A running system against the simulator.
    private final class System {
        let directory: TestDirectory
        let process: Process
        var runtime: String { directory.path + "/run/simulated" }
        private var log: String { directory.path + "/err" }

        init(_ more: [String] = []) throws {
            directory = try TestDirectory()
            process = try Programs.start(
                "ib-stream", ["up", "--simulate", "--root", directory.path] + more,
                environment: ["SWIFT_BACKTRACE": "enable=no"], output: directory.path + "/out",
                errors: directory.path + "/err")
        }

        deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

        var errors: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

        /// The pid inside a service's lock.
        func pid(_ name: String) -> Int32? {
            let text = (try? String(contentsOfFile: "\(runtime)/\(name).lock", encoding: .utf8)) ?? ""
            return text.split(separator: " ").first.flatMap { Int32($0) }
        }

        func isHeld(_ name: String) -> Bool {
            let descriptor = open("\(runtime)/\(name).lock", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return false }
            defer { close(descriptor) }
            return flock(descriptor, LOCK_SH | LOCK_NB) != 0
        }

        func status() throws -> [String: Any]? {
            let outcome = try Programs.run("ib-stream", ["status", "--json", "--simulate", "--root", directory.path])
            return try? JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        }

        /// Waits until all is healthy.
        func isHealthy(seconds: Double = 40) throws -> Bool {
            try Programs.eventually(seconds: seconds) {
                try status()?["health"] as? String == "healthy" ? true : nil
            } ?? false
        }

        /// The newest durable (epoch, seq) of any stream.
        func durable() throws -> [Int]? {
            let streams = try status()?["streams"] as? [String: [String: Any]]
            return streams?.values.compactMap { $0["durable"] as? [Int] }.max { $0.lexicographicallyPrecedes($1) }
        }

        /// Waits until another process than `old` holds the service's lock.
        func successor(of old: Int32, _ name: String, seconds: Double = 60) -> Int32? {
            Programs.eventually(seconds: seconds) {
                guard isHeld(name), let pid = pid(name), pid != old else { return nil }
                return pid
            }
        }

        static let services = ["ib-watchdog", "ib-connector", "ib-recorder"]

        func allEnded(seconds: Double) -> Bool {
            Programs.eventually(seconds: seconds) { Self.services.contains(where: isHeld) ? nil : true } ?? false
        }
    }

    @Test func itRunsForATimeAndEndsInOrderWithNothingLeft() throws {
        let system = try System(["--for", "20s"])
        #expect(Programs.wait(system.process, seconds: 60) == 0, "\(system.errors)")
        #expect(!System.services.contains(where: system.isHeld))
        let lines = system.errors.split(separator: "\n").map(String.init)
        func place(_ text: String) -> Int? { lines.firstIndex { $0.contains(text) } }
        let connector = try #require(place("ib-connector: stopped"), "\(system.errors)")
        let recorder = try #require(place("ib-recorder: stopped"), "\(system.errors)")
        let watchdog = try #require(place("ib-watchdog: stopped"), "\(system.errors)")
        #expect(connector < recorder && recorder < watchdog, "the recorder ends behind the connector")
        for name in ["session", "judge", "write"] {
            #expect(place("Started \(name) task with exception monitoring") != nil, "\(name)")
        }
    }

    @Test func killedAndStoppedServicesComeBackAndNothingStartsTwice() throws {
        let system = try System()
        #expect(try system.isHealthy(), "\(system.errors)")
        for name in ["ib-connector", "ib-recorder"] {
            for signal in [SIGKILL, SIGSTOP] {
                let old = try #require(system.pid(name))
                let before = try system.durable()
                kill(old, signal)
                #expect(system.successor(of: old, name) != nil, "\(name) after signal \(signal): \(system.errors)")
                #expect(try system.isHealthy(), "\(name) after signal \(signal): \(system.errors)")
                let after = try system.durable()
                #expect(before.map { (after ?? []).lexicographicallyPrecedes($0) } == false, "durable keys only rise")
            }
        }
        let answers = Programs.eventually(seconds: 40) { () -> Bool? in
            guard let services = (try? system.status())?["services"] as? [String: [String: Any]] else { return nil }
            return services.values.allSatisfy { $0["answers_ping"] as? Bool == true } ? true : nil
        }
        #expect(answers == true, "nonces come back in heartbeats")
        // The watchdog's end touches nobody: the services keep their processes.
        for signal in [SIGKILL, SIGSTOP] {
            let services = ["ib-connector", "ib-recorder"].map(system.pid)
            let old = try #require(system.pid("ib-watchdog"))
            kill(old, signal)
            #expect(system.successor(of: old, "ib-watchdog") != nil, "signal \(signal): \(system.errors)")
            #expect(try system.isHealthy(), "signal \(signal): \(system.errors)")
            #expect(["ib-connector", "ib-recorder"].map(system.pid) == services, "adopted, not started again")
        }
        // A parent that is stopped for longer than any hang, then goes on: nobody notices, nobody is blamed.
        let everybody = System.services.map(system.pid)
        kill(system.process.processIdentifier, SIGSTOP)
        var passed: Set<Int> = []
        _ = try Programs.eventually(seconds: 60) {
            if let sequence = try system.durable()?.last { passed.insert(sequence) }
            return passed.count >= 12 ? true : nil
        }
        #expect(passed.count >= 12, "recording goes on")
        kill(system.process.processIdentifier, SIGCONT)
        #expect(try system.isHealthy())
        #expect(System.services.map(system.pid) == everybody)
        kill(system.process.processIdentifier, SIGINT)
        #expect(Programs.wait(system.process, seconds: 60) == 0, "\(system.errors)")
        #expect(!System.services.contains(where: system.isHeld))
    }

    @Test func aKilledParentLeavesNothingBehind() throws {
        let system = try System()
        #expect(try system.isHealthy(), "\(system.errors)")
        kill(system.process.processIdentifier, SIGKILL)
        #expect(system.allEnded(seconds: 60), "\(system.errors)")
    }

    @Test func aKilledParentAndAStoppedWatchdogLeaveNoServiceBehind() throws {
        let system = try System()
        #expect(try system.isHealthy(), "\(system.errors)")
        let watchdog = try #require(system.pid("ib-watchdog"))
        kill(watchdog, SIGSTOP)
        kill(system.process.processIdentifier, SIGKILL)
        let ended = Programs.eventually(seconds: 60) {
            ["ib-connector", "ib-recorder"].contains(where: system.isHeld) ? nil : true
        }
        #expect(ended == true, "services end by themselves: \(system.errors)")
        kill(watchdog, SIGKILL)
    }

    @Test func aStreamThatFallsSilentIsReportedAndRestarted() throws {
        let other = try TestDirectory()
        let control = other.path + "/sim.sock"
        let file = other.path + "/c.yaml"
        try "watchdog: {stale_warn: 8s, stale_restart: 10s, monitor_interval: 1s}\n".write(
            toFile: file, atomically: false, encoding: .utf8)
        let system = try System(["--config", file, "--simulator", "--control \(control)"])
        #expect(try system.isHealthy(), "\(system.errors)")
        for stream in ["265598.bid_ask", "265598.last"] { try tellSimulator(control, "mute \(stream)") }
        let line = "VERY STALE DATA: Restarting streams for contract 265598 (AAPL)"
        let said = Programs.eventually(seconds: 60) { system.errors.contains(line) ? true : nil }
        #expect(said == true, "\(system.errors)")
        #expect(system.errors.contains("STALE DATA: Contract 265598 (AAPL) has not received data for 0:00:"))
        let status = try #require(try system.status())
        #expect(status["health"] as? String == "down")
        let streams = try #require(status["streams"] as? [String: [String: Any]])
        #expect(streams["711280073.bid_ask"]?["state"] as? String == "live", "the others go on")
        for stream in ["265598.bid_ask", "265598.last"] { try tellSimulator(control, "unmute \(stream)") }
        #expect(try system.isHealthy(), "\(system.errors)")
        kill(system.process.processIdentifier, SIGTERM)
        #expect(Programs.wait(system.process, seconds: 60) == 0, "\(system.errors)")
    }

    /// One line to the simulator's control socket.
    private func tellSimulator(_ path: String, _ line: String) throws {
        let socket = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let connected = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(connected == 0)
        let bytes = Array((line + "\n").utf8)
        #expect(send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
        var answer = [UInt8](repeating: 0, count: 1000)
        #expect(recv(socket, &answer, answer.count, 0) > 0)
    }

    @Test func aSecondUpIsRefused() throws {
        let system = try System()
        #expect(try system.isHealthy(), "\(system.errors)")
        let second = try Programs.run("ib-stream", ["up", "--simulate", "--root", system.directory.path])
        #expect(second.status == 78)
        #expect(second.errorLines.count == 1 && second.errors.contains("another ib-stream is running"))
        kill(system.process.processIdentifier, SIGTERM)
        #expect(Programs.wait(system.process, seconds: 60) == 0, "\(system.errors)")
    }
}
