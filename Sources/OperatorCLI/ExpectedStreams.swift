internal import JSON
internal import ServiceKit
internal import Ticks

/// The streams that are to be recorded: those of the running system, and those of the configuration at hand.
struct ExpectedStreams {
    struct Entry {
        var symbol = ""
        /// As configured; empty: none is.
        var exchange = ""
        /// What the running system says of it, such as `no_line`, and why; nil: nobody says anything.
        var state: String?
        var reason = ""
        /// False: it does not count for health.
        var required = true
        /// Records that are numbered and not durable yet.
        var lag: Int64?
    }

    private(set) var entries: [StreamID: Entry] = [:]
    /// The services that run.
    let running: [String]
    /// Where the streams are named, in words.
    private(set) var source = "those that are recorded, as no configuration names any"

    /// No file is ever to be removed, as far as a configuration tells: a recording that does not
    /// begin with its first key has lost files.
    private(set) var keepsAll = false

    /// Old files are to be removed.
    private(set) var removesFiles = false

    /// What is not known of the running system, in words: it does not say which streams it is to record.
    private(set) var silence: String?

    var isRunning: Bool { !running.isEmpty }
    var isConnectorRunning: Bool { running.contains("ib-connector") }

    /// A file that was named or found counts beside the running system: what was added to it is answered for too.
    /// Built-in contracts (of a simulated system) count only while nobody knows better.
    init(_ context: OperatorContext, _ paths: Paths) throws(ProgramError) {
        running = ["ib-connector", "ib-recorder", "ib-watchdog"].filter { ServiceLock.isHeld(name: $0, paths: paths) }
        let loaded = try context.load(simulate: paths.simulated)
        addRunning(paths)
        let storage = loaded.configuration.storage
        removesFiles = storage.keepDays != nil || storage.keepBytes != nil
        keepsAll = !loaded.configuration.streams.isEmpty && !removesFiles
        let knowsRunning = !entries.isEmpty
        if knowsRunning { source = "the running system" }
        guard loaded.file != nil || !knowsRunning else { return }
        let contracts = loaded.configuration.contractOf
        for stream in loaded.configuration.streams where entries[stream] == nil {
            let contract = contracts[stream.contract]
            entries[stream] = Entry(symbol: contract?.symbol ?? "", exchange: contract?.exchange ?? "")
        }
        if isRunning, entries.isEmpty {
            silence =
                "\(running.joined(separator: " and ")) runs and does not say which streams are to be recorded: "
                + "name its --config"
        }
        guard !loaded.configuration.streams.isEmpty else { return }
        source = (loaded.file ?? "the built-in configuration") + (knowsRunning ? " and the running system" : "")
    }

    /// What the watchdog judges; without it, what the connector wants.
    private mutating func addRunning(_ paths: Paths) {
        let judged = ServiceAnswer.ask("watchdog", "status", paths)?["streams"]?.object
        let wanted = ServiceAnswer.ask("connector", "streams", paths)?["streams"]?.object
        for member in (wanted?.members ?? []) + (judged?.members ?? []) {
            guard let stream = StreamID(member.name) else { continue }
            let before = entries[stream]
            entries[stream] = Entry(
                symbol: member.value["symbol"]?.string ?? "", exchange: member.value["exchange"]?.string ?? "",
                state: member.value["state"]?.string,
                reason: ExpectedStreams.first(member.value["reason"]?.string, before?.reason),
                required: member.value["required"]?.bool ?? true, lag: member.value["lag"]?.integer)
        }
    }

    private static func first(_ text: String?, _ other: String?) -> String {
        if let text, !text.isEmpty { return text }
        return other ?? ""
    }

    /// What the running system says of a stream; nil: nothing.
    func word(_ stream: StreamID) -> String? {
        guard let entry = entries[stream], let state = entry.state else { return nil }
        return entry.reason.isEmpty ? state : "\(state): \(entry.reason)"
    }
}
