internal import Glibc
internal import ServiceKit

/// The program from its command line to its exit status.
func runSimulator(arguments: [String]) -> Int32 {
    let environment = ProcessEnvironment.variables()
    Log.start(identifier: "ib-simulator", environment: environment)
    do throws(ProgramError) {
        try ProcessEnvironment.requireArguments()
        let flags = try Options.flags.parse(arguments)
        if flags.has("help") {
            printOut(Options.flags.help)
        } else if flags.has("version") {
            printOut(Version.lines(of: "ib-simulator"))
        } else {
            try simulate(try Options(flags), environment: environment)
        }
        return ExitStatus.success.rawValue
    } catch {
        Log.fatal("ib-simulator", error.description)
        return error.status.rawValue
    }
}

private func simulate(_ options: Options, environment: [String: String]) throws(ProgramError) {
    let signals = try StopSignals()
    let now = realNanos()
    var instruments = Instrument.catalogue(atUTC: now / 1_000_000_000, realHours: options.realHours)
    let replay = try replay(options, &instruments)
    let listener = try Listener(port: options.port)
    let gateway = Gateway(
        options: options, instruments: instruments, replay: replay,
        truth: try rowFile(options.truthPath), events: try rowFile(options.historyPath), nowNanos: now,
        nowBootNanos: bootNanos())
    var control: ControlSocket?
    if let path = options.controlPath { control = try ControlSocket(path: path) }
    printOut("listening on 127.0.0.1:\(listener.port)\n")
    var loop = EventLoop(
        gateway: gateway, listener: listener, control: control, lifeline: lifeline(environment))
    try loop.run(signals)
}

/// Reads the file, and adds its contract to the instruments if they do not have it,
/// with a price step that fits. Throws 66.
private func replay(_ options: Options, _ instruments: inout [Instrument]) throws(ProgramError) -> Replay? {
    guard let path = options.replayPath else { return nil }
    let file: ReplayFile
    do throws(ReplayError) {
        file = try ReplayFile(path: path)
    } catch {
        throw ProgramError(.noInput, "replay file \(path): \(error): see 'ib-simulator --help' for the format")
    }
    let step = file.commonPriceStep
    guard let index = instruments.firstIndex(where: { $0.conId == options.replayConId }) else {
        instruments.append(Instrument.unnamed(conId: options.replayConId, priceStep: step))
        return Replay(file: file, instrument: instruments.count - 1, speed: options.replaySpeed)
    }
    // A definition that the file's prices do not keep to would be a wrong one:
    // clients leave streams of impossible prices.
    if step % instruments[index].priceStep != 0 { instruments[index].priceStep = step }
    return Replay(file: file, instrument: index, speed: options.replaySpeed)
}

private func rowFile(_ path: String?) throws(ProgramError) -> RowFile? {
    guard let path else { return nil }
    do throws(SystemError) {
        return try RowFile(path: path, header: TickRow.header)
    } catch {
        throw ProgramError(.ioError, "\(path): \(error): choose another path")
    }
}

/// The descriptor of the pipe whose other end the parent holds, so that nothing is left behind when it dies; -1
/// without.
private func lifeline(_ environment: [String: String]) -> Int32 {
    guard let number = environment["IB_STREAM_LIFELINE"].flatMap({ Int32($0) }), number > STDERR_FILENO else {
        return -1
    }
    var info = stat()
    guard fstat(number, &info) == 0, info.st_mode & S_IFMT == S_IFIFO else { return -1 }
    return number
}
