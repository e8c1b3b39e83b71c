/// One thing that is wrong with the configuration: where, what, and what to do about it.
public struct ConfigurationProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file's path, or nil for the environment and flags (then `message` begins with the variable's name).
    public let file: String?
    public let position: TextPosition?
    public let message: String
    /// What was probably meant.
    public let suggestion: String?

    public init(file: String?, position: TextPosition?, message: String, suggestion: String? = nil) {
        self.file = file
        self.position = position
        self.message = message
        self.suggestion = suggestion
    }

    /// `FILE:LINE:COLUMN: message: suggestion`, one line.
    public var description: String {
        var text = ""
        if let file {
            text += file
            if let position { text += ":\(position.line):\(position.column)" }
            text += ": "
        }
        text += message
        if let suggestion { text += ": " + suggestion }
        return text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}

/// All that is wrong with a configuration. Never empty.
public struct ConfigurationFailure: Error, Sendable, Equatable {
    public let problems: [ConfigurationProblem]
}

/// Finds the word that was probably meant.
public enum Spelling {
    /// The candidate nearest to `word`, if it is near enough to be a slip: at most a third of the word differs.
    public static func nearest(to word: String, in candidates: some Sequence<String>) -> String? {
        var best: (word: String, distance: Int)?
        let bytes = Array(word.lowercased().utf8.prefix(64))
        for candidate in candidates {
            let distance = distance(bytes, Array(candidate.utf8.prefix(64)))
            if distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        guard let best, best.distance <= max(2, best.word.utf8.count / 3) else { return nil }
        return best.word
    }

    /// Edit distance: insert, delete, replace and exchange of neighbours cost 1; `-` counts as `_`.
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var beforePrevious: [Int] = []
        var previous = Array(0...b.count)
        for i in a.indices {
            var current = [i + 1]
            for j in b.indices {
                let same = a[i] == b[j] || (a[i] == UInt8(ascii: "-") && b[j] == UInt8(ascii: "_"))
                var cost = min(previous[j] + (same ? 0 : 1), previous[j + 1] + 1, current[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforePrevious[j - 1] + 1) }
                current.append(cost)
            }
            beforePrevious = previous
            previous = current
        }
        return previous[b.count]
    }
}
