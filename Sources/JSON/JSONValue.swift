/// A JSON value. Objects keep the order of their members; integers are exact from
/// -2^63 to 2^64 - 1, other numbers `Double`.
public enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number without fraction and exponent that is no greater than 2^63 - 1.
    case integer(Int64)
    /// An integer above 2^63 - 1, and nothing else: keys of ticks with an epoch from 2^31 on are such numbers. To be
    /// made with `unsigned(_:)`, which takes the right case.
    case large(UInt64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// The member of that name; nil for other values and for objects without it.
    public subscript(name: String) -> JSONValue? {
        if case .object(let object) = self { object[name] } else { nil }
    }

    public var isNull: Bool { if case .null = self { true } else { false } }

    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// An integer that is not negative, such as a key.
    public static func unsigned(_ value: UInt64) -> JSONValue {
        Int64(exactly: value).map { .integer($0) } ?? .large(value)
    }

    /// The integer; nil for every other value, numbers with a fraction and those above 2^63 - 1 included.
    public var integer: Int64? { if case .integer(let value) = self { value } else { nil } }

    /// The integer when it is not negative.
    public var unsigned: UInt64? {
        switch self {
        case .integer(let value): UInt64(exactly: value)
        case .large(let value): value
        case .null, .bool, .number, .string, .array, .object: nil
        }
    }

    /// The number as a double; an integer above 2^53 loses its last digits.
    public var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .large(let value): Double(value)
        case .number(let value): value
        case .null, .bool, .string, .array, .object: nil
        }
    }

    public var string: String? { if case .string(let value) = self { value } else { nil } }

    public var array: [JSONValue]? { if case .array(let values) = self { values } else { nil } }

    public var object: JSONObject? { if case .object(let object) = self { object } else { nil } }

    /// The value as compact JSON text.
    public var encoded: [UInt8] {
        var writer = JSONWriter()
        writer.value(self)
        return writer.bytes
    }
}

extension JSONValue: CustomStringConvertible {
    public var description: String { String(decoding: encoded, as: UTF8.self) }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(nilLiteral: ()) { self = .null }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(JSONObject(elements.map { JSONObject.Member(name: $0.0, value: $0.1) }))
    }
}

/// The members of a JSON object, in order. Names are unique: setting one that exists replaces its value in place.
public struct JSONObject: Sendable, Equatable {
    /// One name and its value.
    public struct Member: Sendable, Equatable {
        public let name: String
        public var value: JSONValue

        public init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    public private(set) var members: [Member]
    /// Where a name's member stands; only kept for objects large enough to make a search slow.
    private var places: [String: Int]

    private static let searchedUpTo = 16

    /// An object of these members; of several with one name the last wins.
    public init(_ members: [Member] = []) {
        self.members = []
        places = [:]
        self.members.reserveCapacity(members.count)
        for member in members { self[member.name] = member.value }
    }

    /// The value of that name. Setting nil removes it.
    public subscript(name: String) -> JSONValue? {
        get { place(of: name).map { members[$0].value } }
        set {
            switch (place(of: name), newValue) {
            case (let index?, let value?):
                members[index].value = value
            case (nil, let value?):
                members.append(Member(name: name, value: value))
                if members.count == JSONObject.searchedUpTo + 1 {
                    index()
                } else if !places.isEmpty {
                    places[name] = members.count - 1
                }
            case (let index?, nil):
                members.remove(at: index)
                if !places.isEmpty { self.index() }
            case (nil, nil):
                break
            }
        }
    }

    public static func == (a: JSONObject, b: JSONObject) -> Bool { a.members == b.members }

    private func place(of name: String) -> Int? {
        places.isEmpty ? members.firstIndex { $0.name == name } : places[name]
    }

    private mutating func index() {
        places = Dictionary(uniqueKeysWithValues: members.enumerated().map { ($1.name, $0) })
    }
}
