internal import Ticks

extension ConfigurationReader {
    /// Variables that are no configuration: read by the programs themselves.
    static let internalNames: Set<String> = [
        "IB_STREAM_LIFELINE", "IB_STREAM_LOG_LEVEL", "IB_STREAM_FAULT", RunningConfiguration.variable,
    ]

    /// The original system's names and the keys that took their place.
    static let legacyNames: [String: String] = [
        "IB_STREAM_HOST": "tws.host", "IB_STREAM_PORTS": "tws.ports", "IB_STREAM_CLIENT_ID": "tws.client_id",
        "IB_STREAM_STORAGE_PATH": "root", "IB_STREAM_TRACKED_CONTRACTS": "contracts",
    ]

    /// The original system's names that have no successor: what they tuned takes care of itself now.
    static let retiredNames: Set<String> = Set(
        [
            "CONNECTION_TIMEOUT", "RECONNECT_ATTEMPTS", "HEARTBEAT_INTERVAL", "MAX_STREAMS", "STREAM_TIMEOUT",
            "BUFFER_SIZE", "LOG_FORMAT", "PORT", "ENABLE_STORAGE", "ENABLE_JSON", "ENABLE_PROTOBUF", "ENABLE_V3_JSON",
            "ENABLE_V3_PROTOBUF", "ENABLE_POSTGRES", "ENABLE_CLIENT_STREAM_STORAGE", "ENABLE_METRICS",
            "ENABLE_BACKGROUND_STREAMING", "JSON_PATH", "PROTOBUF_PATH", "POSTGRES_URL", "POSTGRES_SCHEMA",
            "BATCH_SIZE", "BATCH_TIMEOUT", "QUEUE_SIZE", "WRITERS", "ROTATION_HOURS", "MAX_FILE_SIZE",
            "JSON_RETENTION", "PROTOBUF_RETENTION", "METRICS_WINDOW", "HEALTH_RETENTION", "MAX_TRACKED",
            "RECONNECT_DELAY", "HEALTH_INTERVAL", "HEALTH_STALENESS_MINUTES", "TRADING_HOURS_TTL_HOURS",
        ].map { "IB_STREAM_" + $0 })

    /// Variable → key path, for every key that a variable can hold.
    static let names: [String: String] = {
        var names: [String: String] = ["IB_STREAM_CONTRACTS": "contracts"]
        for section in ConfigurationSchema.sections {
            for key in section.keys where key.kind != .items {
                let path = section.name.isEmpty ? key.name : "\(section.name).\(key.name)"
                names[variableName(path)] = path
            }
        }
        return names
    }()

    static func variableName(_ path: String) -> String {
        "IB_STREAM_" + path.replacing(".", with: "_").uppercased()
    }

    /// Applies the original system's names first, then the product's own, which override them; warns about the rest.
    mutating func read(environment: [String: String]) {
        let ours = environment.filter { $0.key.hasPrefix("IB_STREAM_") && !Self.internalNames.contains($0.key) }
            .sorted { $0.key < $1.key }
        for (name, text) in ours where Self.names[name] == nil {
            if let path = Self.legacyNames[name] {
                apply(variable: name, path: path, text: text)
            } else if Self.retiredNames.contains(name) {
                warnings.append("environment \(name) has no meaning any more and is ignored")
            } else {
                let nearest = Spelling.nearest(
                    to: name.lowercased(), in: Self.names.keys.map { $0.lowercased() }.sorted())
                warnings.append(
                    "environment \(name) is unknown and ignored"
                        + (nearest.map { ": did you mean \($0.uppercased())?" } ?? ""))
            }
        }
        for (name, text) in ours {
            if let path = Self.names[name] { apply(variable: name, path: path, text: text) }
        }
    }

    private mutating func apply(variable: String, path: String, text: String) {
        do throws(ValueProblem) {
            if path == "contracts" {
                configuration.contracts = try Self.trackedContracts(text)
            } else if let key = Self.key(path) {
                try key.set(&configuration, try Self.value(key.kind, text))
            }
            origins[path] = .environment(variable)
        } catch {
            problems.append(
                ConfigurationProblem(
                    file: nil, position: nil, message: "environment \(variable): \(error.message)",
                    suggestion: error.suggestion))
        }
    }

    private static func key(_ path: String) -> Key<Configuration>? {
        let parts = path.split(separator: ".", maxSplits: 1).map(String.init)
        let (section, name) = parts.count == 2 ? (parts[0], parts[1]) : ("", path)
        return ConfigurationSchema.sections.first { $0.name == section }?.keys.first { $0.name == name }
    }

    /// A variable's text; lists are separated by commas (maintenance windows by semicolons too).
    private static func value(_ kind: ConfigurationKind, _ text: String) throws(ValueProblem) -> ConfigurationValue {
        switch kind {
        case .integers(_, let maxCount), .texts(let maxCount):
            let parts = text.split(whereSeparator: { $0 == "," || $0 == ";" }).map(trimmed)
            guard parts.count <= maxCount else { throw ValueProblem("has more than \(maxCount) entries") }
            for part in parts { _ = try kind.parse(part) }
            return .texts(parts)
        case .flag, .integer, .duration, .size, .choice, .text, .items: return try kind.parse(trimmed(text[...]))
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }

    /// The original system's `ID:SYMBOL[:TICK[;TICK…][:BUFFER_HOURS]]`, separated by commas.
    static func trackedContracts(_ text: String) throws(ValueProblem) -> [TrackedContract] {
        var contracts: [TrackedContract] = []
        for entry in text.split(separator: ",") {
            let parts = entry.split(separator: ":", omittingEmptySubsequences: false).map { trimmed($0) }
            guard (2...4).contains(parts.count), let conId = Int32(parts[0]), conId > 0 else {
                throw ValueProblem("'\(entry)' is no contract", "write it as 711280073:MNQ:bid_ask;last:24")
            }
            try ConfigurationSchema.decoration(parts[1])
            guard !parts[1].isEmpty, parts[1].utf8.count <= 32 else {
                throw ValueProblem("'\(entry)' has no usable symbol")
            }
            var contract = TrackedContract(conId: conId, symbol: parts[1])
            if parts.count >= 3, !parts[2].isEmpty {
                contract.ticks = try ConfigurationSchema.kinds(parts[2].split(separator: ";").map { trimmed($0) })
            }
            if parts.count == 4 {
                guard let hours = Int(parts[3]), (0...876_000).contains(hours) else {
                    throw ValueProblem("'\(parts[3])' is no number of hours")
                }
                contract.bufferHours = hours
            }
            guard contracts.count < maxContracts else { throw ValueProblem("has more than \(maxContracts) contracts") }
            contracts.append(contract)
        }
        return contracts
    }
}
