internal import Ticks

/// Every key of the configuration, in the order of the documentation.
enum ConfigurationSchema {
    struct Section: Sendable {
        /// Empty for the keys at the top.
        let name: String
        let keys: [Key<Configuration>]
    }

    static let second: Int64 = 1_000_000_000
    static let day: Int64 = 86_400 * second

    static let sections: [Section] = [
        Section(name: "", keys: top), Section(name: "tws", keys: tws), Section(name: "contracts", keys: []),
        Section(name: "connector", keys: connector), Section(name: "publish", keys: publish),
        Section(name: "recorder", keys: recorder), Section(name: "storage", keys: storage),
        Section(name: "heal", keys: heal), Section(name: "watchdog", keys: watchdog),
        Section(name: "alerts", keys: []),
    ]

    static let top: [Key<Configuration>] = [
        .optionalText(
            "root", \.root, maxBytes: 200, "Directory of everything: state in `DIR/state`, runtime in `DIR/run`.",
            check: { text throws(ValueProblem) in try absolute(text) }),
        .integer(
            "source", \.source, 0...255,
            "Number of this connector, byte 29 of every record; a contract may have one of its own."),
    ]

    static let tws: [Key<Configuration>] = [
        Key(
            "host", .text(maxBytes: 255), "Host name or address of TWS or IB Gateway.",
            set: { root, value throws(ValueProblem) in
                guard case .text(let text) = value else { return }
                root.tws.host = try GatewayHost.read(text)
            },
            get: { .text($0.tws.host) }),
        Key(
            "ports", .integers(1...65_535, maxCount: 16), "Ports of the gateway, tried in this order.",
            set: { root, value throws(ValueProblem) in
                guard case .texts(let texts) = value else { return }
                guard !texts.isEmpty else { throw ValueProblem("is empty", "name at least one port") }
                root.tws.ports = texts.compactMap(UInt16.init)
            },
            get: { .texts($0.tws.ports.map(String.init)) }),
        .integer(
            "client_id", \.tws.clientId, 0...Int64(Int32.max),
            "API client id. While it is in use (326), the seven behind it are tried."),
        .integer("market_data_lines", \.tws.marketDataLines, 1...10_000, "Market data lines of the account."),
        .integer(
            "tick_by_tick_lines", \.tws.tickByTickLines, 0...10_000,
            "Tick-by-tick lines of the account (5 % of the market data lines)."),
        .duration(
            "tick_by_tick_spacing", \.tws.tickByTickSpacingNanos, 0...3600 * second,
            "Least time between two tick-by-tick requests for one instrument."),
        .integer(
            "requests_per_second", \.tws.requestsPerSecond, 1...1000,
            "Messages a second that the connector sends at most."),
        .choice("on_excess", \.tws.onExcess, "What happens to streams beyond the tick-by-tick lines."),
        .integer(
            "market_data_type", \.tws.marketDataType, 1...4, "1 live, 2 frozen, 3 delayed, 4 delayed and frozen."),
        .flag(
            "any_account", \.tws.anyAccount, "Lets a paper account take a live one's place, and the other way round."),
        Key(
            "maintenance", .texts(maxCount: 32),
            "Times in which the broker takes its systems down, such as `Fri 23:00-Sat 03:00 America/New_York`.",
            set: { root, value throws(ValueProblem) in
                guard case .texts(let texts) = value else { return }
                var windows: [MaintenanceWindow] = []
                for text in texts {
                    guard let window = MaintenanceWindow(text) else {
                        throw ValueProblem(
                            "'\(text)' is no maintenance window", "write it as 'daily 00:15-01:45 America/New_York'")
                    }
                    if ZoneRules.isDatabaseThere {
                        do throws(ZoneRules.Failure) { _ = try ZoneRules(named: window.zone) } catch {
                            throw ValueProblem(
                                "'\(text)': \(error)", "write a name of the tz database, such as America/New_York")
                        }
                    }
                    windows.append(window)
                }
                root.tws.maintenance = windows
            },
            get: { .texts($0.tws.maintenance.map(\.description)) }),
        .optionalInteger(
            "max_server_version", \.tws.maxServerVersion, 157...999,
            "Greatest server version that is offered; left out: all that are known."),
    ]

    static let connector: [Key<Configuration>] = [
        .optionalText(
            "journal_dir", \.connector.journalDir, maxBytes: 200,
            "Directory of the journal; left out: `<runtime>/journal`.",
            check: { text throws(ValueProblem) in try absolute(text) }),
        .size(
            "journal_size", \.connector.journalSizeBytes, (32 << 20)...(64 << 30),
            "Size of the journal, which bounds how long the recorder may be away."),
    ]

    static let publish: [Key<Configuration>] = [
        Key(
            "tcp", .items, "Addresses at which the feed is offered over TCP.", set: { _, _ in },
            get: { root in root.publish.tcp.isEmpty ? .none : .texts(root.publish.tcp.map(\.endpoint)) })
    ]

    static let recorder: [Key<Configuration>] = [
        .duration(
            "commit_interval", \.recorder.commitIntervalNanos, 1_000_000...second,
            "Ticks are made durable together, this often."),
        .size(
            "hold_back", \.recorder.holdBackBytes, (1 << 20)...(4 << 30),
            "Memory for ticks that wait behind a hole."),
    ]

    static let storage: [Key<Configuration>] = [
        .optionalInteger(
            "keep_days", \.storage.keepDays, 1...36_500, "Sealed files older than this are removed; left out: never."),
        .optionalSize(
            "keep_bytes", \.storage.keepBytes, (1 << 30)...(1 << 50),
            "Oldest sealed files are removed beyond this; left out: never."),
    ]

    static let heal: [Key<Configuration>] = [
        .flag("enabled", \.heal.enabled, "Fills gaps from the gateway's history."),
        .integer(
            "requests_per_10min", \.heal.requestsPer10Minutes, 1...6000, "History requests within ten minutes at most."),
        .duration(
            "identical", \.heal.identicalNanos, 0...3600 * second, "Least time between two identical requests."),
        .integer(
            "per_contract_2s", \.heal.perContractIn2Seconds, 1...100,
            "So many history requests for one contract within two seconds are one too many."),
    ]

    static let watchdog: [Key<Configuration>] = [
        Key(
            "http", .text(maxBytes: 64), "Address and port of the health pages; port 0: picked by the system.",
            set: { root, value throws(ValueProblem) in
                guard case .text(let text) = value else { return }
                guard let address = HTTPAddress(text) else {
                    throw ValueProblem(
                        "'\(text)' is no address with a port",
                        HTTPAddress.advice(text, port: 8851) ?? "write it as 127.0.0.1:8851 or [::1]:8851")
                }
                root.watchdog.http = address
            },
            get: { .text($0.watchdog.http.description) }),
        .flag("http_open", \.watchdog.httpOpen, "Lets `http` be an address that other hosts reach."),
        .duration(
            "stale_warn", \.watchdog.staleWarnNanos, second...(7 * day),
            "An open market without a tick for this long is reported."),
        .duration(
            "stale_restart", \.watchdog.staleRestartNanos, second...(7 * day),
            "An open market without a tick for this long has its streams restarted."),
        .duration(
            "monitor_interval", \.watchdog.monitorIntervalNanos, second...(24 * 3600 * second),
            "How often wanted and running streams are compared."),
        .duration(
            "hang", \.watchdog.hangNanos, (2 * second)...(600 * second),
            "A process whose working loops made no progress for this long is restarted."),
    ]

    static let contractKeys: [Key<TrackedContract>] = [
        .integer("con_id", \.conId, 1...Int64(Int32.max), required: true, "Contract id; `ib-stream lookup` finds it."),
        .text(
            "symbol", \.symbol, maxBytes: 32, required: true,
            "Name in paths and messages: letters, digits, `.`, `_`, `-`.",
            check: { text throws(ValueProblem) in try decoration(text) }),
        .optionalText("exchange", \.exchange, maxBytes: 32, "Exchange; left out: where the contract is listed."),
        .optionalInteger(
            "source", \.source, 0...255,
            "Tells one venue of a contract from its others; left out: the connector's number."
        ),
        Key(
            "ticks", .texts(maxCount: 7),
            "What is recorded: \(TickKind.recordableKinds.map(\.name.description).joined(separator: ", ")).",
            set: { item, value throws(ValueProblem) in
                guard case .texts(let texts) = value else { return }
                item.ticks = try kinds(texts)
            },
            get: { .texts($0.ticks.map(\.name.description)) }),
        .integer("buffer_hours", \.bufferHours, 0...876_000, "Least history, in hours, that retention leaves."),
        .flag("required", \.required, "false takes the contract out of `/health`."),
    ]

    static let tcpKeys: [Key<TCPEndpoint>] = [
        .text(
            "endpoint", \.endpoint, required: true, "`tcp://ADDRESS:PORT` of the live feed.",
            check: { text throws(ValueProblem) in try tcp(text) }),
        .optionalText(
            "replay", \.replay, "`tcp://ADDRESS:PORT` of the journal's replay; left out: not offered.",
            check: { _ throws(ValueProblem) in try notBuilt() }),
        .optionalText(
            "history", \.history, "`tcp://ADDRESS:PORT` of the recorder's history; left out: not offered.",
            check: { _ throws(ValueProblem) in try notBuilt() }),
        .optionalText(
            "curve", \.curve, maxBytes: 200, "Directory with `server.key` and `clients/*.key`.",
            check: { _ throws(ValueProblem) in try notBuilt() }),
        .flag("insecure", \.insecure, "Offers the feed without keys beyond the own host."),
    ]

    static let alertKeys: [Key<AlertSettings>] = [
        .choice("type", \.type, required: true, "Where alerts go."),
        .optionalText("url", \.url, maxBytes: 2000, secret: true, "Address, with its secrets."),
        .optionalText("url_file", \.urlFile, maxBytes: 4000, "File that holds the address."),
        .optionalText("command", \.command, maxBytes: 4000, "Program that gets the alert on standard input."),
        .choice("min_severity", \.minSeverity, "Least severity that is sent."),
        .duration("repeat", \.repeatNanos, 0...(7 * day), "An alert that goes on is sent again this often; 0s: never."),
    ]

    // MARK: Checks

    static func absolute(_ text: String) throws(ValueProblem) {
        guard text.hasPrefix("/") else { throw ValueProblem("'\(text)' is not an absolute path", "begin it with /") }
    }

    static func decoration(_ text: String) throws(ValueProblem) {
        let allowed = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
        guard allowed, !text.hasPrefix(".") else {
            throw ValueProblem(
                "'\(text)' has characters that a path must not have", "use letters, digits, '.', '_', '-'")
        }
    }

    static func tcp(_ text: String) throws(ValueProblem) {
        guard HTTPAddress(endpoint: text) == nil else { return }
        throw ValueProblem(
            "'\(text)' is no TCP endpoint that can be bound",
            HTTPAddress.advice(text, scheme: "tcp://", port: 5555)
                ?? "write an address in numbers and a port, such as tcp://127.0.0.1:5555, tcp://[::1]:5555 or tcp://*:5555"
        )
    }

    static func notBuilt() throws(ValueProblem) {
        throw ValueProblem("is not built yet", "leave it out; it comes with a later version")
    }

    static func kinds(_ names: [String]) throws(ValueProblem) -> [TickKind] {
        var kinds: [TickKind] = []
        for name in names {
            guard let kind = TickKind(streamName: name) else {
                let known = TickKind.streamKinds.map(\.name.description)
                throw ValueProblem(
                    "'\(name)' is no kind of tick",
                    Spelling.nearest(to: name, in: known).map { "did you mean '\($0)'?" }
                        ?? "use \(known.joined(separator: ", "))")
            }
            guard kind.isRecordable else {
                throw ValueProblem("'\(name)' is not built yet", "it comes with a later version")
            }
            guard !kinds.contains(kind) else { throw ValueProblem("'\(name)' stands twice") }
            kinds.append(kind)
        }
        guard !kinds.isEmpty else { throw ValueProblem("is empty", "name at least one kind of tick") }
        return kinds
    }
}
