import Foundation
import Glibc
import TWS
import Testing

/// The built program, run for one test on a port of its own.
final class SimulatorProcess {
    let port: UInt16
    let controlPath: String
    private let process = Process()
    private let output = Pipe()
    private let directory: URL
    /// Such as `truth.csv` in the test's own directory.
    func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    /// Starts it and waits for its first line. `$DIR` in an argument is the test's own directory.
    init(_ arguments: [String]) throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("sim-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        controlPath = directory.appendingPathComponent("control.sock").path
        process.executableURL = SimulatorProcess.executable
        let own = directory.path
        process.arguments =
            ["--port", "0", "--warm-up", "20", "--control", controlPath]
            + arguments.map { $0.replacingOccurrences(of: "$DIR", with: own) }
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        var line: [UInt8] = []
        while line.last != 0x0A {
            guard let byte = try output.fileHandleForReading.read(upToCount: 1)?.first else { break }
            line.append(byte)
        }
        let text = String(decoding: line.dropLast(), as: UTF8.self)
        port = try #require(text.hasPrefix("listening on 127.0.0.1:") ? UInt16(text.split(separator: ":")[1]) : nil)
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(at: directory)
    }

    /// Programs are built beside the test bundle.
    static var executable: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("ib-simulator")
    }

    /// Ends it with SIGTERM and returns its exit status.
    func stop() -> Int32 {
        kill(process.processIdentifier, SIGTERM)
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Sends one line to the control socket and returns the answer.
    func control(_ line: String) throws -> String {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(controlPath.utf8)) }
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(connected == 0)
        setDeadline(descriptor)
        let bytes = Array((line + "\n").utf8)
        try #require(write(descriptor, bytes, bytes.count) == bytes.count)
        var answer: [UInt8] = []
        while answer.last != 0x0A {
            var byte: UInt8 = 0
            guard read(descriptor, &byte, 1) == 1 else { break }
            answer.append(byte)
        }
        return String(decoding: answer.dropLast(), as: UTF8.self)
    }
}

/// Every wait of a test ends after a generous while.
func setDeadline(_ descriptor: Int32) {
    var limit = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
}

/// A client that does as it is told.
final class ScriptedClient {
    private let descriptor: Int32
    private var reader = FrameReader()
    private(set) var version = 0

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        setDeadline(descriptor)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw ConnectionRefused() }
    }

    /// Connects and logs in.
    convenience init(port: UInt16, clientId: Int32, versions: ClosedRange<Int> = 157...200) throws {
        try self.init(port: port)
        send(Handshake.clientHello(versions: versions))
        let body = try #require(try nextBody())
        version = try body.withUnsafeBytes { try ServerHello(parsing: $0, offered: 157...200) }.version
        request(.startApi(clientId: clientId))
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    func request(_ request: ClientRequest) {
        var out: [UInt8] = []
        request.encode(to: &out, serverVersion: version)
        send(out)
    }

    /// The next frame's body; nil at the end of the connection.
    func nextBody() throws -> [UInt8]? {
        while true {
            if let body = try reader.next() { return Array(body) }
            let count = reader.withFreeSpace { space in
                max(0, read(descriptor, space.baseAddress, space.count))
            }
            guard count > 0 else { return nil }
        }
    }

    /// The next message; nil at the end of the connection.
    func next() throws -> ServerMessage? {
        guard let body = try nextBody() else { return nil }
        return try body.withUnsafeBytes { try ServerMessage(decoding: $0, serverVersion: version) }
    }

    /// Reads on until `pick` finds what it looks for; fails the test at the end of the connection.
    func wait<Found>(_ pick: (ServerMessage) -> Found?) throws -> Found {
        while let message = try next() {
            if let found = pick(message) { return found }
        }
        Issue.record("the connection ended")
        throw EndOfConnection()
    }

    /// The next error with a code, or of a request.
    func waitForError(code: Int32) throws -> ErrorMessage {
        try wait { message in
            if case .error(let error) = message, error.code == code { error } else { nil }
        }
    }

    /// True when nothing but messages follow, and then the end.
    func waitForEnd() throws {
        while try nextBody() != nil {}
    }
}

struct EndOfConnection: Error {}
struct ConnectionRefused: Error {}
