/// One value of a configuration key in the form that all its sources share.
enum ConfigurationValue: Sendable, Equatable {
    case none
    case flag(Bool)
    case integer(Int64)
    case text(String)
    case texts([String])
}

/// Which values a key takes, and how they are written.
public enum ConfigurationKind: Sendable, Equatable {
    case flag
    case integer(ClosedRange<Int64>)
    /// A list of integers.
    case integers(ClosedRange<Int64>, maxCount: Int)
    /// Written `100ms`, `15s`, `5m`, `24h`, `7d`; nanoseconds inside. The range is in nanoseconds.
    case duration(ClosedRange<Int64>)
    /// Written `64MiB`, `10GB` or as plain bytes. The range is in bytes.
    case size(ClosedRange<Int64>)
    case choice([String])
    case text(maxBytes: Int)
    case texts(maxCount: Int)
    /// A list of sections, read by a schema of its own.
    case items

    /// The kind in the words of the documentation.
    public var unit: String {
        switch self {
        case .flag: "true or false"
        case .integer: "integer"
        case .integers: "list of integers"
        case .duration: "duration"
        case .size: "size"
        case .choice: "one word"
        case .text: "text"
        case .texts: "list of texts"
        case .items: "list of sections"
        }
    }

    /// The values that it takes, in the words of the documentation.
    public var rangeText: String {
        switch self {
        case .flag: "true, false"
        case .integer(let range), .integers(let range, _): "\(range.lowerBound) to \(range.upperBound)"
        case .duration(let range):
            "\(DurationText.text(range.lowerBound)) to \(DurationText.text(range.upperBound))"
        case .size(let range): "\(SizeText.text(range.lowerBound)) to \(SizeText.text(range.upperBound))"
        case .choice(let words): words.joined(separator: ", ")
        case .text(let maxBytes): "up to \(maxBytes) bytes"
        case .texts(let maxCount): "up to \(maxCount)"
        case .items: "see below"
        }
    }

    /// Reads one value from text (a YAML scalar, an environment variable). The error is the second half of a sentence.
    func parse(_ text: String) throws(ValueProblem) -> ConfigurationValue {
        switch self {
        case .flag:
            switch text {
            case "true", "yes", "on", "True", "TRUE", "1": return .flag(true)
            case "false", "no", "off", "False", "FALSE", "0": return .flag(false)
            default: throw ValueProblem("'\(shortened(text))' is neither true nor false")
            }
        case .integer(let range), .integers(let range, _):
            guard let value = Int64(text) else { throw ValueProblem("'\(shortened(text))' is not an integer") }
            return .integer(try checked(value, range, shown: text))
        case .duration(let range):
            guard let value = DurationText.parse(text) else {
                throw ValueProblem(
                    "'\(shortened(text))' is not a duration", "write a number and a unit, such as 15s or 5m")
            }
            return .integer(try checked(value, range, shown: text))
        case .size(let range):
            guard let value = SizeText.parse(text) else {
                throw ValueProblem("'\(shortened(text))' is not a size", "write a number and a unit, such as 64MiB")
            }
            return .integer(try checked(value, range, shown: text))
        case .choice(let words):
            guard words.contains(text) else {
                let nearest = Spelling.nearest(to: text, in: words)
                throw ValueProblem(
                    "'\(shortened(text))' is none of \(words.joined(separator: ", "))",
                    nearest.map { "did you mean '\($0)'?" })
            }
            return .text(text)
        case .text(let maxBytes), .texts(let maxBytes):
            let limit = self == .texts(maxCount: maxBytes) ? 256 : maxBytes
            guard !text.isEmpty else { throw ValueProblem("is empty") }
            guard text.utf8.count <= limit else { throw ValueProblem("is longer than \(limit) bytes") }
            guard !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
                throw ValueProblem("contains a control character")
            }
            return .text(text)
        case .items: throw ValueProblem("must be a list of sections")
        }
    }

    private func checked(
        _ value: Int64, _ range: ClosedRange<Int64>, shown: String
    ) throws(ValueProblem) -> Int64 {
        guard range.contains(value) else {
            throw ValueProblem("\(shortened(shown)) is out of range", "use \(rangeText)")
        }
        return value
    }

    private func shortened(_ text: String) -> String {
        text.utf8.count <= 60 ? text : String(text.prefix(57)) + "..."
    }

    /// The text form of a value of this kind, as the configuration file writes it.
    func text(_ value: ConfigurationValue) -> String {
        switch (self, value) {
        case (_, .none): ""
        case (_, .flag(let flag)): flag ? "true" : "false"
        case (.duration, .integer(let nanos)): DurationText.text(nanos)
        case (.size, .integer(let bytes)): SizeText.text(bytes)
        case (_, .integer(let value)): String(value)
        case (_, .text(let text)): text
        case (_, .texts(let texts)): "[" + texts.joined(separator: ", ") + "]"
        }
    }
}

/// Why a text is no value for its key.
struct ValueProblem: Error, Sendable, Equatable {
    let message: String
    let suggestion: String?
    /// Of the entry of a list; nil: the value as a whole.
    var position: TextPosition?

    init(_ message: String, _ suggestion: String? = nil) {
        self.message = message
        self.suggestion = suggestion
    }

    func at(_ position: TextPosition) -> ValueProblem {
        var copy = self
        copy.position = position
        return copy
    }
}

/// Durations as people write them: `100ms`, `15s`, `5m`, `24h`, `7d`.
public enum DurationText {
    private static let units: [(name: String, nanos: Int64)] = [
        ("ns", 1), ("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("min", 60_000_000_000), ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
    ]

    /// Nanoseconds of `15s`, `0.5s` or `1h 30m`; nil if it is anything else, negative or
    /// beyond 64 bits. A bare `0` needs no unit.
    public static func parse(_ text: String) -> Int64? {
        if text == "0" { return 0 }
        var total: Int64 = 0
        var rest = Substring(text)
        var parts = 0
        while !rest.isEmpty {
            if rest.first == " " {
                rest = rest.dropFirst()
                continue
            }
            let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            let unit = rest.dropFirst(number.count).prefix { $0.isASCII && $0.isLetter }
            guard let scale = units.first(where: { $0.name == unit })?.nanos,
                let nanos = ScaledNumber.parse(number, scale: scale)
            else { return nil }
            let (sum, overflow) = total.addingReportingOverflow(nanos)
            guard !overflow else { return nil }
            total = sum
            parts += 1
            rest = rest.dropFirst(number.count + unit.count)
        }
        return parts > 0 ? total : nil
    }

    /// The shortest exact text with one unit.
    public static func text(_ nanos: Int64) -> String {
        if nanos == 0 { return "0s" }
        for (name, scale) in units.reversed() where name != "min" && nanos % scale == 0 {
            // 24h and 48h read better as hours, 7d better as days.
            if name == "d", nanos / scale < 3 { continue }
            if name == "m", nanos / scale < 2 { continue }
            return "\(nanos / scale)\(name)"
        }
        return "\(nanos)ns"
    }
}

/// Sizes as people write them: `64MiB`, `10GB`, `4096`.
public enum SizeText {
    private static let units: [(name: String, bytes: Int64)] = [
        ("", 1), ("B", 1), ("kB", 1000), ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
    ]

    /// Bytes; nil if it is anything else, negative or beyond 64 bits.
    public static func parse(_ text: String) -> Int64? {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(number.count).drop { $0 == " " }
        guard let scale = units.first(where: { $0.name == unit })?.bytes else { return nil }
        return ScaledNumber.parse(number, scale: scale)
    }

    /// The shortest exact text.
    public static func text(_ bytes: Int64) -> String {
        if bytes == 0 { return "0" }
        for (name, scale) in units.reversed() where scale > 1 && bytes % scale == 0 && name.hasSuffix("iB") {
            return "\(bytes / scale)\(name)"
        }
        for (name, scale) in units.reversed() where scale > 1 && bytes % scale == 0 && name != "kB" {
            return "\(bytes / scale)\(name)"
        }
        return "\(bytes)"
    }
}

enum ScaledNumber {
    /// `digits[.digits]` times `scale`, exactly: nil when the product is no whole number or does not fit.
    static func parse(_ text: Substring, scale: Int64) -> Int64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = Int64(parts[0]) else { return nil }
        var (value, overflow) = whole.multipliedReportingOverflow(by: scale)
        guard !overflow else { return nil }
        if parts.count == 2 {
            guard (1...9).contains(parts[1].utf8.count) else { return nil }
            var numerator: Int64 = 0
            var divisor: Int64 = 1
            for digit in parts[1].utf8 {
                guard digit >= 0x30, digit <= 0x39 else { return nil }
                numerator = numerator * 10 + Int64(digit - 0x30)
                divisor *= 10
            }
            let (product, productOverflow) = numerator.multipliedReportingOverflow(by: scale)
            guard !productOverflow, product % divisor == 0 else { return nil }
            (value, overflow) = value.addingReportingOverflow(product / divisor)
            guard !overflow else { return nil }
        }
        return value
    }
}
