/// A place in a text: line and column count from 1.
public struct TextPosition: Sendable, Equatable {
    public let line: Int
    public let column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

/// A YAML document as values with their places. No anchors, aliases, tags or several documents: a configuration file
/// that needs them is refused, which also keeps a small file from growing into a large tree.
indirect enum YAMLNode: Sendable {
    struct Entry: Sendable {
        let key: String
        let keyPosition: TextPosition
        let value: YAMLNode
    }

    /// `quoted` scalars are never null, numbers or booleans by their look.
    case scalar(String, quoted: Bool, TextPosition)
    case sequence([YAMLNode], TextPosition)
    case mapping([Entry], TextPosition)

    var position: TextPosition {
        switch self {
        case .scalar(_, _, let position), .sequence(_, let position), .mapping(_, let position): position
        }
    }

    /// What YAML takes for no value: an empty plain scalar, `~` or `null`, as it is written; nil for every value.
    var null: String? {
        guard case .scalar(let text, quoted: false, _) = self else { return nil }
        return ["", "~", "null", "Null", "NULL"].contains(text) ? text : nil
    }

    /// A key or an entry of a list that has no value.
    struct Null {
        /// Such as `contracts[0].symbol`.
        let path: String
        /// As it is written: empty, `~` or `null`.
        let text: String
        /// Of the key, or of the entry.
        let position: TextPosition
    }

    /// All keys and entries below that have no value, in the order of the text.
    func nulls(_ path: String = "") -> [Null] {
        switch self {
        case .scalar: return []
        case .sequence(let items, _):
            return items.enumerated().flatMap { index, item in
                item.nulls("\(path)[\(index)]", at: item.position)
            }
        case .mapping(let entries, _):
            return entries.flatMap { entry in
                entry.value.nulls(path.isEmpty ? entry.key : "\(path).\(entry.key)", at: entry.keyPosition)
            }
        }
    }

    private func nulls(_ path: String, at position: TextPosition) -> [Null] {
        if let null { return [Null(path: path, text: null, position: position)] }
        return nulls(path)
    }

    /// What it is, in the words of an error message.
    var shape: String {
        switch self {
        case .scalar: "a single value"
        case .sequence: "a list"
        case .mapping: "a section with keys"
        }
    }
}
