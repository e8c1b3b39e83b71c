internal import Ticks

/// Puts values from all sources into one configuration and collects every problem on the way.
struct ConfigurationReader {
    var configuration = Configuration()
    var origins: [String: ConfigurationOrigin] = [:]
    var problems: [ConfigurationProblem] = []
    var warnings: [String] = []
    var file: String?
    let simulate: Bool

    static let maxContracts = 1000

    init(simulate: Bool) {
        self.simulate = simulate
        if simulate { applySimulation() }
    }

    /// What the simulator allows takes the place of the broker's limits; a file or the environment still decides.
    private mutating func applySimulation() {
        configuration.tws.tickByTickLines = 100
        configuration.tws.tickByTickSpacingNanos = 0
        configuration.contracts = SimulatedMarket.contracts
        for path in ["tws.tick_by_tick_lines", "tws.tick_by_tick_spacing", "contracts"] { origins[path] = .simulation }
    }

    // MARK: File

    mutating func read(document: YAMLNode) {
        guard case .mapping(let entries, _) = document else {
            if document.null == nil { report(document.position, "must consist of keys, but is \(document.shape)") }
            return
        }
        refuseNulls(document)
        for entry in entries {
            if let key = ConfigurationSchema.top.first(where: { $0.name == entry.key }) {
                apply(key, entry.value, path: key.name)
            } else if let section = ConfigurationSchema.sections.first(where: { $0.name == entry.key }) {
                read(section: section, entry.value)
            } else {
                reportUnknown(entry, section: "", known: topNames)
            }
        }
    }

    /// A key without a value could mean its default, nothing at all or a slip: nobody is to guess. Only a section may
    /// be left empty, which is what it is when all its keys are commented out.
    private mutating func refuseNulls(_ document: YAMLNode) {
        for null in document.nulls() where !(null.text.isEmpty && Self.sectionNames.contains(null.path)) {
            let isEntry = null.path.hasSuffix("]")
            report(
                null.position, "'\(null.path)' has no value" + (null.text.isEmpty ? "" : " (\(null.text))"),
                "write one" + (null.text.isEmpty ? "" : " (in quotes, if '\(null.text)' is meant as a text)")
                    + ", or take the \(isEntry ? "entry" : "key") out")
        }
    }

    /// The sections that are no lists.
    private static let sectionNames = Set(ConfigurationSchema.sections.map(\.name))
        .subtracting(["", "contracts", "alerts"])

    private var topNames: [String] {
        ConfigurationSchema.top.map(\.name) + ConfigurationSchema.sections.map(\.name).filter { !$0.isEmpty }
    }

    private mutating func read(section: ConfigurationSchema.Section, _ node: YAMLNode) {
        if node.null != nil { return }
        switch section.name {
        case "contracts":
            let items = readItems(
                ConfigurationSchema.contractKeys, node, path: "contracts", empty: TrackedContract(conId: 0, symbol: ""))
            configuration.contracts = items
            return
        case "alerts":
            configuration.alerts = readItems(
                ConfigurationSchema.alertKeys, node, path: "alerts", empty: AlertSettings(type: .webhook))
            return
        default: break
        }
        guard case .mapping(let entries, _) = node else {
            report(node.position, "'\(section.name)' must be a section with keys, but is \(node.shape)")
            return
        }
        for entry in entries {
            guard let key = section.keys.first(where: { $0.name == entry.key }) else {
                reportUnknown(entry, section: section.name, known: section.keys.map(\.name))
                continue
            }
            if section.name == "publish", key.name == "tcp" {
                configuration.publish.tcp = readItems(
                    ConfigurationSchema.tcpKeys, entry.value, path: "publish.tcp", empty: TCPEndpoint(endpoint: ""))
            } else {
                apply(key, entry.value, path: "\(section.name).\(key.name)")
            }
        }
    }

    private mutating func readItems<Item>(
        _ keys: [Key<Item>], _ node: YAMLNode, path: String, empty: Item
    ) -> [Item] {
        if node.null != nil { return [] }
        guard case .sequence(let nodes, _) = node else {
            report(node.position, "'\(path)' must be a list, but is \(node.shape)", "begin each entry with '- '")
            return []
        }
        guard nodes.count <= Self.maxContracts else {
            report(node.position, "'\(path)' has more than \(Self.maxContracts) entries")
            return []
        }
        origins[path] = origin(node.position)
        var items: [Item] = []
        for (index, node) in nodes.enumerated() where node.null == nil {
            guard case .mapping(let entries, _) = node else {
                report(node.position, "each entry of '\(path)' must have keys, but this is \(node.shape)")
                continue
            }
            var item = empty
            let before = problems.count
            for entry in entries {
                guard let key = keys.first(where: { $0.name == entry.key }) else {
                    reportUnknown(entry, section: path, known: keys.map(\.name))
                    continue
                }
                apply(key, entry.value, path: "\(path)[\(index)].\(key.name)", to: &item)
            }
            for key in keys where key.required && !entries.contains(where: { $0.key == key.name }) {
                report(node.position, "'\(path)' entry \(index + 1) lacks the key '\(key.name)'")
            }
            if problems.count == before, node.nulls().isEmpty { items.append(item) }
        }
        return items
    }

    private mutating func apply(_ key: Key<Configuration>, _ node: YAMLNode, path: String) {
        var root = configuration
        apply(key, node, path: path, to: &root)
        configuration = root
    }

    private mutating func apply<Root>(_ key: Key<Root>, _ node: YAMLNode, path: String, to root: inout Root) {
        if node.null != nil { return }
        do throws(ValueProblem) {
            try key.set(&root, try value(key.kind, node))
            origins[path] = origin(node.position)
        } catch {
            report(error.position ?? node.position, "'\(path)' \(error.message)", error.suggestion)
        }
    }

    private func value(_ kind: ConfigurationKind, _ node: YAMLNode) throws(ValueProblem) -> ConfigurationValue {
        switch (kind, node) {
        case (.integers(_, let maxCount), .sequence(let items, _)), (.texts(let maxCount), .sequence(let items, _)):
            guard items.count <= maxCount else { throw ValueProblem("has more than \(maxCount) entries") }
            var texts: [String] = []
            for item in items where item.null == nil {
                guard case .scalar(let text, _, _) = item else {
                    throw ValueProblem("must be a list of single values, but holds \(item.shape)").at(item.position)
                }
                do throws(ValueProblem) {
                    _ = try kind.parse(text)
                } catch {
                    throw error.at(item.position)
                }
                texts.append(text)
            }
            return .texts(texts)
        case (.integers, .scalar(let text, _, _)), (.texts, .scalar(let text, _, _)):
            // One value stands for a list of one.
            _ = try kind.parse(text)
            return .texts([text])
        case (_, .scalar(let text, _, _)): return try kind.parse(text)
        case (_, .sequence), (_, .mapping):
            throw ValueProblem("must be \(kind.unit), but is \(node.shape)")
        }
    }

    // MARK: Flags and the end

    mutating func set(root: String) {
        configuration.root = Files.absolute(root)
        origins["root"] = .flag("--root")
    }

    mutating func finish() throws(ConfigurationFailure) -> LoadedConfiguration {
        checkTogether()
        guard problems.isEmpty else { throw ConfigurationFailure(problems: problems) }
        return LoadedConfiguration(
            configuration: configuration, file: file, warnings: warnings, origins: origins)
    }

    // MARK: Problems

    private func origin(_ position: TextPosition) -> ConfigurationOrigin { .file(file ?? "", line: position.line) }

    private mutating func report(_ position: TextPosition, _ message: String, _ suggestion: String? = nil) {
        problems.append(
            ConfigurationProblem(file: file, position: position, message: message, suggestion: suggestion))
    }

    private mutating func reportUnknown(_ entry: YAMLNode.Entry, section: String, known: [String]) {
        let place = section.isEmpty ? "" : " in '\(section)'"
        var suggestion = Spelling.nearest(to: entry.key, in: known).map { "did you mean '\($0)'?" }
        if suggestion == nil {
            // Right key, wrong section.
            let home = ConfigurationSchema.sections.first { $0.keys.contains { $0.name == entry.key } }
            suggestion = home.map { "it belongs \($0.name.isEmpty ? "at the top" : "into '\($0.name)'")" }
        }
        report(
            entry.keyPosition, "unknown key '\(entry.key)'\(place)",
            suggestion ?? "known here: \(known.joined(separator: ", "))")
    }
}
