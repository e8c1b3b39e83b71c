internal import CJansson

/// Why bytes are not a JSON value that we take.
public enum JSONError: Error, Equatable, CustomStringConvertible {
    /// The text is longer than the caller allows.
    case tooLong(bytes: Int, limit: Int)
    /// Arrays and objects stand deeper in one another than `JSONValue.greatestDepth`.
    case tooDeep
    /// Not JSON: the parser's words, with the line and column (1 based) where it gave up.
    case malformed(text: String, line: Int, column: Int)

    public var description: String {
        switch self {
        case .tooLong(let bytes, let limit): "JSON text of \(bytes) bytes, at most \(limit) are taken"
        case .tooDeep: "JSON nested deeper than \(JSONValue.greatestDepth)"
        case .malformed(let text, let line, let column): "not JSON: \(text) (line \(line), column \(column))"
        }
    }
}

extension JSONValue {
    /// Arrays and objects in one another up to this depth are taken.
    public static let greatestDepth = 64

    /// Parses one whole JSON text (UTF-8; any value at the top; a name twice in an object is refused).
    ///
    /// Integers from -2^63 to 2^64 - 1 are read exactly. Those outside, NUL characters and numbers beyond a
    /// double's range are refused too. The place of a fault is counted in the text as it came, unless integers
    /// above 2^63 - 1 stand in front of it in the same line.
    public init(parsing bytes: UnsafeRawBufferPointer, maxBytes: Int = 1 << 20) throws(JSONError) {
        guard bytes.count <= maxBytes else { throw .tooLong(bytes: bytes.count, limit: maxBytes) }
        guard let marked = LargeIntegers.marked(bytes) else {
            self = try JSONValue.parsed(bytes, flags: 0)
            return
        }
        let result = marked.withUnsafeBytes { buffer -> Result<JSONValue, JSONError> in
            do throws(JSONError) {
                return .success(try JSONValue.parsed(buffer, flags: JSON_ALLOW_NUL))
            } catch {
                return .failure(error)
            }
        }
        self = try result.get()
    }

    private static func parsed(_ bytes: UnsafeRawBufferPointer, flags more: Int32) throws(JSONError) -> JSONValue {
        var problem = json_error_t()
        let flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | more
        let root =
            bytes.withMemoryRebound(to: CChar.self) { characters in
                // An empty buffer may have no address at all.
                characters.baseAddress.flatMap { json_loadb($0, characters.count, size_t(flags), &problem) }
            }
        guard let root else {
            guard !bytes.isEmpty else { throw .malformed(text: "the text is empty", line: 1, column: 1) }
            let text = withUnsafeBytes(of: problem.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            throw .malformed(text: text, line: Int(problem.line), column: Int(problem.column))
        }
        defer { json_decref(root) }
        return try JSONValue(converting: root, depth: 0)
    }

    public init(parsing bytes: [UInt8], maxBytes: Int = 1 << 20) throws(JSONError) {
        // A closure that throws a typed error through `withUnsafeBytes` keeps its type only as a result.
        let result = bytes.withUnsafeBytes { buffer -> Result<JSONValue, JSONError> in
            do throws(JSONError) {
                return .success(try JSONValue(parsing: buffer, maxBytes: maxBytes))
            } catch {
                return .failure(error)
            }
        }
        self = try result.get()
    }

    public init(parsing text: String, maxBytes: Int = 1 << 20) throws(JSONError) {
        try self.init(parsing: Array(text.utf8), maxBytes: maxBytes)
    }

    private init(converting value: UnsafeMutablePointer<json_t>, depth: Int) throws(JSONError) {
        switch value.pointee.type {
        case JSON_TRUE: self = .bool(true)
        case JSON_FALSE: self = .bool(false)
        case JSON_INTEGER: self = .integer(Int64(json_integer_value(value)))
        case JSON_REAL: self = .number(json_real_value(value))
        case JSON_STRING:
            let text = UnsafeRawBufferPointer(start: json_string_value(value), count: json_string_length(value))
            let large = LargeIntegers.value(ofText: text)
            self = large.map { .unsigned($0) } ?? .string(String(decoding: text, as: UTF8.self))
        case JSON_ARRAY:
            guard depth < JSONValue.greatestDepth else { throw .tooDeep }
            var elements: [JSONValue] = []
            for index in 0..<json_array_size(value) {
                guard let element = json_array_get(value, index) else { continue }
                elements.append(try JSONValue(converting: element, depth: depth + 1))
            }
            self = .array(elements)
        case JSON_OBJECT:
            guard depth < JSONValue.greatestDepth else { throw .tooDeep }
            var members: [JSONObject.Member] = []
            var iterator = json_object_iter(value)
            while let at = iterator {
                if let name = json_object_iter_key(at), let member = json_object_iter_value(at) {
                    members.append(
                        JSONObject.Member(
                            name: String(cString: name), value: try JSONValue(converting: member, depth: depth + 1)))
                }
                iterator = json_object_iter_next(value, at)
            }
            self = .object(JSONObject(members))
        default: self = .null
        }
    }
}
