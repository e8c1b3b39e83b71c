/// One key of a section: its name, the values that it takes, what it means, and where it stands in `Root`.
///
/// The same list drives reading of files and environment, `config show` and the check of `docs/configuration.md`.
struct Key<Root: Sendable>: Sendable {
    let name: String
    let kind: ConfigurationKind
    /// Items only: the key must be given.
    let required: Bool
    /// Never printed.
    let secret: Bool
    let meaning: String
    let set: @Sendable (inout Root, ConfigurationValue) throws(ValueProblem) -> Void
    let get: @Sendable (Root) -> ConfigurationValue

    init(
        _ name: String, _ kind: ConfigurationKind, required: Bool = false, secret: Bool = false, _ meaning: String,
        set: @escaping @Sendable (inout Root, ConfigurationValue) throws(ValueProblem) -> Void,
        get: @escaping @Sendable (Root) -> ConfigurationValue
    ) {
        self.name = name
        self.kind = kind
        self.required = required
        self.secret = secret
        self.meaning = meaning
        self.set = set
        self.get = get
    }
}

extension Key {
    typealias Path<Value> = any WritableKeyPath<Root, Value> & Sendable

    static func integer<I: FixedWidthInteger & Sendable>(
        _ name: String, _ path: Path<I>, _ range: ClosedRange<Int64>, required: Bool = false, _ meaning: String
    ) -> Key {
        Key(
            name, .integer(range), required: required, meaning,
            set: { root, value in if case .integer(let number) = value { root[keyPath: path] = I(number) } },
            get: { .integer(Int64($0[keyPath: path])) })
    }

    static func optionalInteger<I: FixedWidthInteger & Sendable>(
        _ name: String, _ path: Path<I?>, _ range: ClosedRange<Int64>, _ meaning: String
    ) -> Key {
        Key(
            name, .integer(range), meaning,
            set: { root, value in if case .integer(let number) = value { root[keyPath: path] = I(number) } },
            get: { root in root[keyPath: path].map { .integer(Int64($0)) } ?? .none })
    }

    static func duration(
        _ name: String, _ path: Path<Int64>, _ range: ClosedRange<Int64>, _ meaning: String
    ) -> Key {
        Key(
            name, .duration(range), meaning,
            set: { root, value in if case .integer(let nanos) = value { root[keyPath: path] = nanos } },
            get: { .integer($0[keyPath: path]) })
    }

    static func size(_ name: String, _ path: Path<Int64>, _ range: ClosedRange<Int64>, _ meaning: String) -> Key {
        Key(
            name, .size(range), meaning,
            set: { root, value in if case .integer(let bytes) = value { root[keyPath: path] = bytes } },
            get: { .integer($0[keyPath: path]) })
    }

    static func optionalSize(
        _ name: String, _ path: Path<Int64?>, _ range: ClosedRange<Int64>, _ meaning: String
    ) -> Key {
        Key(
            name, .size(range), meaning,
            set: { root, value in if case .integer(let bytes) = value { root[keyPath: path] = bytes } },
            get: { root in root[keyPath: path].map { .integer($0) } ?? .none })
    }

    static func flag(_ name: String, _ path: Path<Bool>, _ meaning: String) -> Key {
        Key(
            name, .flag, meaning,
            set: { root, value in if case .flag(let flag) = value { root[keyPath: path] = flag } },
            get: { .flag($0[keyPath: path]) })
    }

    static func choice<Word: RawRepresentable<String> & CaseIterable & Sendable>(
        _ name: String, _ path: Path<Word>, required: Bool = false, _ meaning: String
    ) -> Key {
        Key(
            name, .choice(Word.allCases.map(\.rawValue)), required: required, meaning,
            set: { root, value in
                if case .text(let text) = value, let word = Word(rawValue: text) { root[keyPath: path] = word }
            },
            get: { .text($0[keyPath: path].rawValue) })
    }

    static func text(
        _ name: String, _ path: Path<String>, maxBytes: Int = 255, required: Bool = false, _ meaning: String,
        check: @escaping @Sendable (String) throws(ValueProblem) -> Void = { _ in }
    ) -> Key {
        Key(
            name, .text(maxBytes: maxBytes), required: required, meaning,
            set: { root, value throws(ValueProblem) in
                guard case .text(let text) = value else { return }
                try check(text)
                root[keyPath: path] = text
            },
            get: { .text($0[keyPath: path]) })
    }

    static func optionalText(
        _ name: String, _ path: Path<String?>, maxBytes: Int = 255, secret: Bool = false, _ meaning: String,
        check: @escaping @Sendable (String) throws(ValueProblem) -> Void = { _ in }
    ) -> Key {
        Key(
            name, .text(maxBytes: maxBytes), secret: secret, meaning,
            set: { root, value throws(ValueProblem) in
                guard case .text(let text) = value else { return }
                try check(text)
                root[keyPath: path] = text
            },
            get: { root in root[keyPath: path].map { .text($0) } ?? .none })
    }
}
