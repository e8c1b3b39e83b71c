/// What a program's command line may hold, and what its help says.
public struct FlagSet: Sendable {
    /// One flag, as it is written and as the help explains it.
    public struct Flag: Sendable {
        public let name: String
        /// Nil for a switch; else the word for its value in the help.
        public let value: String?
        public let meaning: String

        public init(_ name: String, value: String? = nil, _ meaning: String) {
            self.name = name
            self.value = value
            self.meaning = meaning
        }
    }

    /// Such as `ib-recorder` or `ib-stream up`.
    public let program: String
    /// Behind the program in the first line of the help.
    public let usage: String
    /// What it does, in one sentence.
    public let summary: String
    public let flags: [Flag]
    /// Command lines with what they do.
    public let examples: [(line: String, meaning: String)]
    /// How many words that are no flags it takes.
    public let words: ClosedRange<Int>

    public init(
        program: String, usage: String = "[FLAGS]", summary: String, flags: [Flag],
        examples: [(line: String, meaning: String)], words: ClosedRange<Int> = 0...0
    ) {
        self.program = program
        self.usage = usage
        self.summary = summary
        self.flags = flags
        self.examples = examples
        self.words = words
    }

    /// The flags that every program takes.
    public static let common: [Flag] = [
        Flag("config", value: "FILE", "read the configuration from FILE (default \(Configuration.defaultFile))"),
        Flag("root", value: "DIR", "keep state in DIR/state and sockets in DIR/run"),
        Flag("help", "print this help"), Flag("version", "print the version"),
    ]

    /// The switch that some programs share.
    public static let simulate = Flag("simulate", "use the simulated gateway and the directories `simulated`")

    /// The help, with examples.
    public var help: String {
        var text = "Usage: \(program) \(usage)\n\n\(summary)\n\nFlags:\n"
        let left = flags.map { "--" + $0.name + ($0.value.map { " " + $0 } ?? "") }
        let width = left.map(\.utf8.count).max() ?? 0
        for (flag, name) in zip(flags, left) {
            text += "  \(name)\(String(repeating: " ", count: width - name.utf8.count))  \(flag.meaning)\n"
        }
        text += "\nExamples:\n"
        for example in examples { text += "  \(example.line)\n      \(example.meaning)\n" }
        return text
    }

    /// Reads a command line. Throws 64 with one line.
    public func parse(_ arguments: [String]) throws(ProgramError) -> ParsedFlags {
        var parsed = ParsedFlags()
        var index = 0
        while index < arguments.count {
            let argument = arguments[index]
            index += 1
            if argument == "--" {
                parsed.words += arguments[index...]
                break
            }
            guard argument.hasPrefix("-"), argument != "-" else {
                parsed.words.append(argument)
                continue
            }
            let body = argument == "-h" ? "help" : String(argument.drop { $0 == "-" })
            let parts = body.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard argument == "-h" || argument.hasPrefix("--"), let flag = flags.first(where: { $0.name == parts[0] })
            else { throw unknown(argument, parts[0]) }
            guard flag.value != nil else {
                guard parts.count == 1 else { throw usageError("--\(flag.name) takes no value") }
                parsed.switches.insert(flag.name)
                continue
            }
            let value: String
            if parts.count == 2 {
                value = parts[1]
            } else {
                guard index < arguments.count else { throw usageError("--\(flag.name) needs a value") }
                value = arguments[index]
                index += 1
            }
            guard !value.isEmpty else { throw usageError("--\(flag.name) needs a value") }
            parsed.values[flag.name, default: []].append(value)
        }
        guard parsed.has("help") || parsed.has("version") || words.contains(parsed.words.count) else {
            throw usageError(
                parsed.words.count > words.upperBound
                    ? "unexpected word '\(parsed.words[words.upperBound])'" : "a word is missing: \(program) \(usage)")
        }
        return parsed
    }

    private func unknown(_ argument: String, _ name: String) -> ProgramError {
        let nearest = Spelling.nearest(to: name, in: flags.map(\.name))
        return usageError("unknown flag '\(argument)'" + (nearest.map { ": did you mean '--\($0)'?" } ?? ""))
    }

    private func usageError(_ text: String) -> ProgramError {
        ProgramError(.usage, "\(text): see '\(program) --help'")
    }
}

/// A command line that was read.
public struct ParsedFlags: Sendable, Equatable {
    /// Words that are no flags, in order.
    public internal(set) var words: [String] = []
    var switches: Set<String> = []
    var values: [String: [String]] = [:]

    public init() {}

    /// True if the switch was given.
    public func has(_ name: String) -> Bool { switches.contains(name) }

    /// The flag's last value.
    public func value(_ name: String) -> String? { values[name]?.last }

    /// The same with one flag's value replaced.
    public func setting(_ name: String, to value: String) -> ParsedFlags {
        var copy = self
        copy.values[name] = [value]
        return copy
    }

    /// All values of a flag that may be repeated, in order.
    public func all(_ name: String) -> [String] { values[name] ?? [] }
}
