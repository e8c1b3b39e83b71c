internal import Glibc
internal import Ticks

/// Where the effective value of a key came from.
public enum ConfigurationOrigin: Sendable, Equatable, CustomStringConvertible {
    case builtIn
    /// A built-in default that `--simulate` changes.
    case simulation
    case file(String, line: Int)
    case environment(String)
    case flag(String)

    public var description: String {
        switch self {
        case .builtIn: "default"
        case .simulation: "--simulate"
        case .file(let path, let line): "\(path):\(line)"
        case .environment(let name): "environment \(name)"
        case .flag(let name): name
        }
    }
}

/// One line of `config show`.
public struct EffectiveKey: Sendable, Equatable {
    /// Such as `tws.host` or `contracts[0].symbol`.
    public let path: String
    /// As the file writes it; empty for a key without a value. Secrets show as `(hidden)`.
    public let value: String
    public let origin: ConfigurationOrigin
}

/// A configuration with what is to be said about it.
public struct LoadedConfiguration: Sendable {
    public var configuration: Configuration
    /// The file that was read; nil when there was none.
    public var file: String?
    /// One line each, for the log.
    public var warnings: [String]
    /// When it was read, wall clock.
    public let readAtNanos = realNanos()
    /// By path, for keys that are not built-in defaults.
    var origins: [String: ConfigurationOrigin]

    /// The effective value of every key and where it came from.
    public var effectiveKeys: [EffectiveKey] {
        var result: [EffectiveKey] = []
        func add<Root>(_ key: Key<Root>, _ root: Root, _ path: String, _ fallback: ConfigurationOrigin) {
            let value = key.get(root)
            let text = key.secret && value != .none ? "(hidden)" : key.kind.text(value)
            result.append(EffectiveKey(path: path, value: text, origin: origins[path] ?? fallback))
        }
        for section in ConfigurationSchema.sections {
            for key in section.keys where key.kind != .items {
                add(key, configuration, section.name.isEmpty ? key.name : "\(section.name).\(key.name)", .builtIn)
            }
            func addList(_ path: String, isEmpty: Bool) {
                guard isEmpty else { return }
                result.append(EffectiveKey(path: path, value: "[]", origin: origins[path] ?? .builtIn))
            }
            switch section.name {
            case "contracts":
                addList("contracts", isEmpty: configuration.contracts.isEmpty)
                for (index, item) in configuration.contracts.enumerated() {
                    let path = "contracts[\(index)]"
                    for key in ConfigurationSchema.contractKeys {
                        add(key, item, "\(path).\(key.name)", origins["contracts"] ?? .builtIn)
                    }
                }
            case "publish":
                addList("publish.tcp", isEmpty: configuration.publish.tcp.isEmpty)
                for (index, item) in configuration.publish.tcp.enumerated() {
                    for key in ConfigurationSchema.tcpKeys {
                        add(key, item, "publish.tcp[\(index)].\(key.name)", origins["publish.tcp"] ?? .builtIn)
                    }
                }
            case "alerts":
                addList("alerts", isEmpty: configuration.alerts.isEmpty)
                for (index, item) in configuration.alerts.enumerated() {
                    for key in ConfigurationSchema.alertKeys {
                        add(key, item, "alerts[\(index)].\(key.name)", .builtIn)
                    }
                }
            default: break
            }
        }
        return result
    }
}

extension Configuration {
    /// Where the configuration is when no flag names a file.
    public static let defaultFile = "/etc/ib-stream/ib-stream.yaml"
    /// A longer file is refused.
    public static let maxFileBytes = 1 << 20

    /// Reads the configuration: built-in defaults, then the file, then the original system's environment names, then
    /// `IB_STREAM_<SECTION>_<KEY>`, then the `root` flag.
    ///
    /// - file: what `--config` named; nil: the default file if it exists.
    /// - simulate: with it, a configuration without contracts gets the simulator's own, and the gateway's limits
    ///   default to what the simulator allows.
    /// Throws every problem that was found. A configuration without contracts is no problem
    /// here (`LoadedConfiguration.startable`).
    public static func load(
        file: String?, root: String? = nil, simulate: Bool = false, environment: [String: String]
    ) throws(ConfigurationFailure) -> LoadedConfiguration {
        var reader = ConfigurationReader(simulate: simulate)
        if let path = file ?? existingDefaultFile() {
            reader.file = path
            do throws(ConfigurationProblem) {
                let text = try fileBytes(path)
                if let node = try YAMLReader.read(text, file: path) { reader.read(document: node) }
            } catch {
                reader.problems.append(error)
            }
        }
        reader.read(environment: environment)
        if let root { reader.set(root: root) }
        return try reader.finish()
    }

    private static func existingDefaultFile() -> String? { access(defaultFile, F_OK) == 0 ? defaultFile : nil }

    private static func fileBytes(_ path: String) throws(ConfigurationProblem) -> [UInt8] {
        do throws(FileError) {
            return try Files.read(path, maxBytes: maxFileBytes)
        } catch {
            throw ConfigurationProblem(file: path, position: nil, message: "can't be read: \(error.reason)")
        }
    }
}
