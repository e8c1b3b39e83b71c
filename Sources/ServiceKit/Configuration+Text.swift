internal import CSodium

extension Configuration {
    /// The whole effective configuration as a file: every key that has a value, in the schema's order, the same text
    /// for the same configuration. Read back by `Configuration.load`, it gives an equal one. Holds secrets.
    public var text: String {
        var text = ""
        for section in ConfigurationSchema.sections {
            switch section.name {
            case "": text += Self.lines(ConfigurationSchema.top, self, indent: "")
            case "contracts": text += Self.list("contracts", ConfigurationSchema.contractKeys, contracts, indent: "")
            case "alerts": text += Self.list("alerts", ConfigurationSchema.alertKeys, alerts, indent: "")
            case "publish":
                text += "publish:\n" + Self.list("tcp", ConfigurationSchema.tcpKeys, publish.tcp, indent: "  ")
            default: text += "\(section.name):\n" + Self.lines(section.keys, self, indent: "  ")
            }
        }
        return text
    }

    /// Names the configuration among others: the first 12 hexadecimal digits of the SHA-256 of `text`.
    public var hash: String {
        var digest = [UInt8](repeating: 0, count: 32)
        let bytes = Array(text.utf8)
        crypto_hash_sha256(&digest, bytes, UInt64(bytes.count))
        let digits = Array("0123456789abcdef")
        return String(digest.prefix(6).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    private static func lines<Root>(_ keys: [Key<Root>], _ root: Root, indent: String) -> String {
        var text = ""
        for key in keys where key.kind != .items {
            let value = key.get(root)
            if value != .none { text += "\(indent)\(key.name): \(scalar(key.kind, value))\n" }
        }
        return text
    }

    private static func list<Item>(_ name: String, _ keys: [Key<Item>], _ items: [Item], indent: String) -> String {
        guard !items.isEmpty else { return "\(indent)\(name): []\n" }
        var text = "\(indent)\(name):\n"
        for item in items {
            // The first key follows the dash, the others stand below it.
            let inner = indent + "    "
            let lines = lines(keys, item, indent: inner)
            text += "\(indent)  - " + lines.dropFirst(inner.count)
        }
        return text
    }

    private static func scalar(_ kind: ConfigurationKind, _ value: ConfigurationValue) -> String {
        switch value {
        case .text(let text): quoted(text)
        case .texts(let texts): "[" + texts.map(quoted).joined(separator: ", ") + "]"
        case .none, .flag, .integer: kind.text(value)
        }
    }

    /// In YAML's double quotes. What is not ASCII is escaped: libyaml folds some of it and refuses other.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case " "..."~": result.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16)
                result += "\\U" + String(repeating: "0", count: 8 - digits.utf8.count) + digits
            }
        }
        return result + "\""
    }
}
