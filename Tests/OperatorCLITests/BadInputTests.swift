import Foundation
import Testing

/// What a wrong command line, configuration or machine gets: one clear line and the designed exit status.
@Suite struct BadInputTests {
    private static let services = ["ib-connector", "ib-recorder", "ib-watchdog"]

    private func expect(
        _ program: String, _ arguments: [String], _ environment: [String: String] = [:], status: Int32, says: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let outcome = try Programs.run(program, arguments, environment: environment)
        #expect(outcome.status == status, "\(outcome.errors)", sourceLocation: sourceLocation)
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
        for text in says { #expect(outcome.errors.contains(text), "\(outcome.errors)", sourceLocation: sourceLocation) }
        #expect(outcome.errors.hasPrefix("\(program): "), sourceLocation: sourceLocation)
        #expect(outcome.output == "", sourceLocation: sourceLocation)
    }

    @Test(arguments: services) func aMissingConfigurationIs78(service: String) throws {
        try expect(
            service, ["--config", "/nowhere/c.yaml"], status: 78,
            says: ["/nowhere/c.yaml", "No such file or directory"])
    }

    @Test(arguments: services) func aConfigurationWithoutContractsIs78(service: String) throws {
        let directory = try TestDirectory()
        try expect(service, ["--root", directory.path], status: 78, says: ["no contract to record", "--simulate"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [], "and touches nothing")
    }

    @Test(arguments: services + ["ib-stream"]) func aMalformedConfigurationNamesLineAndColumn(service: String) throws {
        let directory = try TestDirectory()
        let file = directory.path + "/c.yaml"
        try "tws:\n  hots: gw\n".write(toFile: file, atomically: false, encoding: .utf8)
        let arguments = service == "ib-stream" ? ["up", "--config", file] : ["--config", file]
        try expect(
            service, arguments, status: 78, says: ["\(file):2:3: unknown key 'hots' in 'tws': did you mean 'host'?"])
    }

    @Test(arguments: services) func aWrongFlagIs64(service: String) throws {
        try expect(service, ["--rot", "/x"], status: 64, says: ["unknown flag '--rot'", "did you mean '--root'?"])
    }

    @Test(arguments: services + ["ib-stream"]) func aRootThatIsTooLongForSocketsIs78(service: String) throws {
        let root = "/tmp/" + String(repeating: "long", count: 25)
        let arguments = (service == "ib-stream" ? ["up"] : []) + ["--simulate", "--root", root]
        try expect(service, arguments, status: 78, says: ["too long", "choose a shorter --root"])
        #expect(!FileManager.default.fileExists(atPath: root))
    }

    @Test(arguments: services) func aSecondInstanceIs78(service: String) throws {
        let directory = try TestDirectory()
        let runtime = directory.path + "/run/simulated"
        try FileManager.default.createDirectory(atPath: runtime, withIntermediateDirectories: true)
        let lock = open(runtime + "/\(service).lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        defer { close(lock) }
        #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
        try expect(
            service, ["--simulate", "--root", directory.path], status: 78,
            says: ["another \(service) is running", "\(service).lock"])
    }

    @Test(arguments: services + ["ib-stream"]) func aDirectoryThatIsNotOursIs74(service: String) throws {
        guard geteuid() == 0, access("/usr/bin/setpriv", X_OK) == 0 else {
            withKnownIssue("only root can become another user, nothing tested") { Issue.record("skipped") }
            return
        }
        let directory = try TestDirectory()
        chmod(directory.path, 0o700)
        let program = [Programs.path(service)] + (service == "ib-stream" ? ["up"] : [])
        let other = ["--reuid=65534", "--regid=65534", "--clear-groups"]
        guard try Programs.run("/usr/bin/setpriv", other + [Programs.path(service), "--version"]).status == 0 else {
            withKnownIssue("the programs are not readable for other users here, nothing tested") {
                Issue.record("skipped")
            }
            return
        }
        let outcome = try Programs.run(
            "/usr/bin/setpriv", other + program + ["--simulate", "--root", directory.path + "/r"])
        #expect(outcome.status == 74)
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("\(directory.path)/r/state"), "\(outcome.errors)")
        #expect(outcome.errors.contains("Permission denied"))
    }

    @Test func aTakenHealthPortIs78AndNothingElseRuns() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(listener, $0, length)
                _ = listen(listener, 1)
                _ = getsockname(listener, $0, &length)
            }
        }
        let port = UInt16(bigEndian: name.sin_port)
        let directory = try TestDirectory()
        let outcome = try Programs.run(
            "ib-stream", ["up", "--simulate", "--root", directory.path],
            environment: ["IB_STREAM_WATCHDOG_HTTP": "127.0.0.1:\(port)", "IB_STREAM_LOG_LEVEL": "error"])
        #expect(outcome.status == 78)
        #expect(outcome.errorLines.filter { $0.contains("127.0.0.1:\(port)") && $0.contains("in use") }.count == 1)
        #expect(!FileManager.default.fileExists(atPath: directory.path + "/state/simulated/log"), "nobody recorded")
    }

    @Test(
        arguments: [
            ([], 64, "a command is missing"), (["stauts"], 64, "did you mean 'status'?"),
            (["doctor"], 64, "not built yet"),
            (["alert", "test"], 64, "not built yet"), (["up", "--for", "soon"], 64, "not a duration"),
            (["up", "--simulator", "x"], 64, "goes with --simulate"), (["config"], 64, "a word is missing"),
            (["config", "chekc"], 64, "unknown word 'chekc'"),
            (["status", "--root", "/tmp/ibop-none"], 2, "nothing runs"),
            (["config", "check", "/nowhere"], 78, "can't be read"),
            (["explain", "", "10m", "--root", "/tmp/ibop-none"], 64, "'' is no stream"),
            (["explain", "@", "10m", "--root", "/tmp/ibop-none"], 64, "'@' is no stream"),
        ] as [([String], Int32, String)]) func theOperatorsMistakesAreOneLine(
            arguments: [String], status: Int32, says: String
        )
        throws
    {
        try expect("ib-stream", arguments, status: status, says: [says])
    }

    @Test(arguments: [
        "up", "status", "tail", "lookup", "ls", "cat", "export", "verify", "repair", "gaps", "explain", "config",
        "doctor",
        "selftest", "alert",
    ]) func everyCommandHasAHelpWithExamples(command: String) throws {
        let outcome = try Programs.run("ib-stream", [command, "--help"])
        #expect(outcome.status == 0 && outcome.errors == "")
        for text in ["Usage: ib-stream \(command)", "Examples:", "--config FILE", "--root DIR", "--version"] {
            #expect(outcome.output.contains(text), "\(text)")
        }
    }
}
