import Testing

@testable import ServiceKit

@Suite struct PathsTests {
    private func paths(
        root: String? = nil, simulate: Bool = false, _ environment: [String: String] = [:]
    ) throws -> Paths {
        var configuration = Configuration()
        configuration.root = root
        return try Paths(configuration: configuration, simulate: simulate, environment: environment)
    }

    @Test func rootBeatsSystemdBeatsTheUsersHome() throws {
        let systemd = ["STATE_DIRECTORY": "/var/lib/x:/other", "RUNTIME_DIRECTORY": "/run/x", "HOME": "/home/u"]
        #expect(try paths(root: "/r/", systemd) == Paths(state: "/r/state", runtime: "/r/run"))
        #expect(try paths(systemd) == Paths(state: "/var/lib/x", runtime: "/run/x"))
    }

    @Test func anEmptyVariableIsNotSet() throws {
        let variables = ProcessEnvironment.variables(in: [
            "STATE_DIRECTORY=", "IB_STREAM_TWS_HOST=", "IB_STREAM_TWS_CLIENT_ID=7", "A=b=", "no variable",
        ])
        #expect(variables == ["IB_STREAM_TWS_CLIENT_ID": "7", "A": "b="])
    }

    @Test func simulationLiesBeneath() throws {
        let simulated = try paths(root: "/r", simulate: true)
        #expect(simulated.state == "/r/state/simulated" && simulated.runtime == "/r/run/simulated")
        #expect(simulated.ticksSocket == "/r/run/simulated/ticks.sock")
        #expect(Paths.endpoint(simulated.durableSocket) == "ipc:///r/run/simulated/durable.sock")
    }

    @Test func aPathThatNoSocketTakesIsRefusedInOneLine() {
        let long = "/" + String(repeating: "d", count: 90)
        do throws(ProgramError) {
            var configuration = Configuration()
            configuration.root = long
            _ = try Paths(configuration: configuration, simulate: false, environment: [:])
            Issue.record("accepted")
        } catch {
            #expect(error.status == .configuration)
            #expect(error.description.contains("too long") && error.description.contains("choose a shorter --root"))
        }
    }

    @Test func aFileInTheWayIsAnIOError() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.file("state", "")
        let paths = Paths(state: directory.path + "/state", runtime: directory.path + "/run")
        do throws(ProgramError) {
            try paths.makeDirectories()
            Issue.record("accepted")
        } catch {
            #expect(error.status == .ioError)
            #expect(error.description.contains(directory.path + "/state can't be used"))
        }
    }
}
