internal import Glibc
internal import ServiceKit

/// The simulated gateway of `up --simulate`: started on a port picked by the system, started again on the
/// same port when it ends. Main thread only.
final class UpSimulator {
    private(set) var process: HeldProcess?
    private(set) var port: UInt16 = 0
    private let flags: [String]
    private let environment: [String: String]
    private let logDescriptor: Int32
    private var restartAtNanos: Int64 = 0
    /// Its own lifeline, so that it outlives the services at the end of everything.
    private var lifeline: LifelineHolder

    private final class LifelineHolder {
        var pipe: Pipe
        init() throws(ProgramError) { pipe = try Pipe() }
    }

    static let firstLineMillis = 20_000

    init(flags: [String], environment: [String: String], log: Int32) throws(ProgramError) {
        self.flags = flags
        lifeline = try LifelineHolder()
        var variables = environment
        variables["IB_STREAM_LIFELINE"] = "\(lifeline.pipe.reading)"
        self.environment = variables
        logDescriptor = log
        try start(port: 0)
    }

    private func start(port wanted: UInt16) throws(ProgramError) {
        guard let path = ProcessEnvironment.sibling("ib-simulator") else {
            throw ProgramError(.ioError, "the directory of the executables is not known")
        }
        var output = try Pipe()
        process = try HeldProcess.start(
            path, arguments: ["--port", "\(wanted)"] + flags, environment: environment,
            inherit: [lifeline.pipe.reading], output: output.writingEnd, error: logDescriptor)
        output.closeWriting()
        guard let found = readPort(output.reading) else {
            process?.send(SIGKILL)
            throw ProgramError(.unavailable, "up: ib-simulator did not say at which port it listens: see its messages")
        }
        port = found
    }

    /// The number at the end of the first line on its standard output, such as `listening on 127.0.0.1:40123`.
    private func readPort(_ descriptor: Int32) -> UInt16? {
        var line: [UInt8] = []
        let deadline = bootNanos() + Int64(Self.firstLineMillis) * 1_000_000
        while line.count < 200, !line.contains(0x0A) {
            let rest = deadline - bootNanos()
            var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard rest > 0, poll(&poller, 1, Int32(rest / 1_000_000 + 1)) == 1 else { return nil }
            var chunk = [UInt8](repeating: 0, count: 200)
            let got = read(descriptor, &chunk, chunk.count)
            guard got > 0 else { return nil }
            line += chunk[0..<got]
        }
        let text = String(decoding: line.prefix { $0 != 0x0A }, as: UTF8.self)
        return UInt16(text.reversed().prefix { $0.isNumber }.reversed().map(String.init).joined())
    }

    /// It was reaped.
    func ended(_ exit: HeldProcess.Exit, _ display: inout UpDisplay) {
        display.say("ib-simulator ended (\(exit)), starting it again on port \(port)")
        process = nil
        restartAtNanos = bootNanos() + 1_000_000_000
    }

    func keepRunning(_ display: inout UpDisplay) {
        guard process == nil, bootNanos() >= restartAtNanos else { return }
        do throws(ProgramError) {
            try start(port: port)
        } catch {
            display.say(error.description)
            restartAtNanos = bootNanos() + 2_000_000_000
        }
    }

    func forget() { process = nil }

    /// Ends it and waits for that.
    func stop() {
        guard let process else { return }
        process.send(SIGTERM)
        process.send(SIGCONT)
        if process.waitForExit(millis: 5000) == nil {
            process.send(SIGKILL)
            _ = process.waitForExit(millis: 1000)
        }
        self.process = nil
    }
}
