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

    /// True for an empty plain scalar, `~` or `null`: a key that was left empty.
    var isNull: Bool {
        guard case .scalar(let text, quoted: false, _) = self else { return false }
        return text.isEmpty || text == "~" || text == "null"
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
