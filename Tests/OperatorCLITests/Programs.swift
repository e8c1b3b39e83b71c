import Foundation

/// Runs the programs that were built with the tests, as an operator would.
enum Programs {
    /// What a program left behind.
    struct Outcome {
        let status: Int32
        let output: String
        let errors: String

        /// Lines on standard error.
        var errorLines: [String] { errors.split(separator: "\n").map(String.init) }
    }

    /// The directory of the built programs: the test runner lies in it.
    static let directory: String = {
        var path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        while !path.isEmpty, path != "/", !FileManager.default.isExecutableFile(atPath: path + "/ib-stream") {
            path = (path as NSString).deletingLastPathComponent
        }
        if path != "/" { return path }
        // The runner may be the toolchain's own; then the bundle's path is an argument.
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? ""
        return (bundle as NSString).deletingLastPathComponent
    }()

    static func path(_ name: String) -> String { directory + "/" + name }

    /// The variables of a clean run: nothing of the caller's configuration, any port for the health pages.
    static func environment(_ more: [String: String] = [:]) -> [String: String] {
        var variables = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "IB_STREAM_WATCHDOG_HTTP": "127.0.0.1:0"]
        for name in ["HOME", "LD_LIBRARY_PATH", "TSAN_OPTIONS", "ASAN_OPTIONS"] {
            variables[name] = ProcessInfo.processInfo.environment[name]
        }
        return variables.merging(more) { _, new in new }
    }

    static func start(
        _ name: String, _ arguments: [String], environment: [String: String] = [:], output: String, errors: String
    ) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: name.hasPrefix("/") ? name : path(name))
        process.arguments = arguments
        process.environment = Programs.environment(environment)
        for file in [output, errors] { _ = FileManager.default.createFile(atPath: file, contents: nil) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(forWritingAtPath: output)
        process.standardError = FileHandle(forWritingAtPath: errors)
        try process.run()
        return process
    }

    /// Runs a program to its end, at most a minute.
    static func run(
        _ name: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> Outcome {
        let directory = try TestDirectory()
        let (output, errors) = (directory.path + "/out", directory.path + "/err")
        let process = try start(name, arguments, environment: environment, output: output, errors: errors)
        let status = wait(process, seconds: 60)
        return Outcome(
            status: status, output: try String(contentsOfFile: output, encoding: .utf8),
            errors: try String(contentsOfFile: errors, encoding: .utf8))
    }

    /// The exit status (negative: the signal); kills what takes longer.
    static func wait(_ process: Process, seconds: Double) -> Int32 {
        let ended = DispatchSemaphore(value: 0)
        process.terminationHandler = { _ in ended.signal() }
        if process.isRunning, ended.wait(timeout: .now() + seconds) == .timedOut {
            kill(process.processIdentifier, SIGKILL)
        }
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }

    /// Asks again and again until `condition` gives a value, or the time is over.
    static func eventually<Value>(seconds: Double, _ condition: () throws -> Value?) rethrows -> Value? {
        let deadline = Date() + seconds
        while Date() < deadline {
            if let value = try condition() { return value }
            usleep(100_000)
        }
        return try condition()
    }
}

/// A short-named directory that is removed with the object.
final class TestDirectory: Sendable {
    let path: String

    init() throws {
        path = "/tmp/ibop-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
