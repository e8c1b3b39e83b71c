/// Appends JSON text to a byte buffer: compact, nothing allocated but the buffer's growth.
///
///     var writer = JSONWriter()
///     writer.object {
///         $0.field("next", key)
///         $0.field("names") { $0.array { $0.value("a") } }
///     }
///
/// The caller keeps the grammar: a value at the top, in an array or behind a `key`; a `key` only within an object.
public struct JSONWriter: Sendable {
    public private(set) var bytes: [UInt8]
    /// True when the next value or key in the open array or object needs a comma in front.
    private var needsComma = false

    /// Writes behind `bytes`; give an emptied array with capacity to write without allocation.
    public init(appendingTo bytes: [UInt8] = []) { self.bytes = bytes }

    /// Empties the buffer and keeps its memory.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        needsComma = false
    }

    /// Hands the buffer out and leaves the writer empty.
    public mutating func take() -> [UInt8] {
        let taken = bytes
        bytes = []
        needsComma = false
        return taken
    }

    public mutating func object<E: Error>(_ members: (inout JSONWriter) throws(E) -> Void) throws(E) {
        begin(0x7B)
        try members(&self)
        end(0x7D)
    }

    public mutating func array<E: Error>(_ elements: (inout JSONWriter) throws(E) -> Void) throws(E) {
        begin(0x5B)
        try elements(&self)
        end(0x5D)
    }

    /// The name of the member whose value is written next.
    public mutating func key(_ name: String) {
        comma()
        quote(name)
        bytes.append(0x3A)
        needsComma = false
    }

    public mutating func null() { raw("null") }

    public mutating func value(_ value: Bool) { raw(value ? "true" : "false") }

    public mutating func value(_ value: Int64) {
        comma()
        if value < 0 { bytes.append(0x2D) }
        digits(value.magnitude)
    }

    public mutating func value(_ value: UInt64) {
        comma()
        digits(value)
    }

    public mutating func value(_ value: Int) { self.value(Int64(value)) }
    public mutating func value(_ value: Int32) { self.value(Int64(value)) }
    public mutating func value(_ value: UInt32) { self.value(UInt64(value)) }

    /// The shortest text that reads back as the same double; `null` for what JSON has no number for.
    public mutating func value(_ value: Double) {
        guard value.isFinite else { return null() }
        comma()
        bytes.append(contentsOf: value.description.utf8)
    }

    public mutating func value(_ value: String) {
        comma()
        quote(value)
    }

    public mutating func value(_ value: StaticString) {
        self.value(value.description)
    }

    public mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let value): self.value(value)
        case .integer(let value): self.value(value)
        case .large(let value): self.value(value)
        case .number(let value): self.value(value)
        case .string(let value): self.value(value)
        case .array(let elements): array { for element in elements { $0.value(element) } }
        case .object(let object):
            self.object { writer in
                for member in object.members {
                    writer.key(member.name)
                    writer.value(member.value)
                }
            }
        }
    }

    /// A member with a value that `write` adds.
    public mutating func field<E: Error>(_ name: String, _ write: (inout JSONWriter) throws(E) -> Void) throws(E) {
        key(name)
        try write(&self)
    }

    public mutating func field(_ name: String, _ value: Bool) { member(name) { $0.value(value) } }
    public mutating func field(_ name: String, _ value: Int) { member(name) { $0.value(value) } }
    public mutating func field(_ name: String, _ value: Int32) { member(name) { $0.value(value) } }
    public mutating func field(_ name: String, _ value: UInt32) { member(name) { $0.value(value) } }
    public mutating func field(_ name: String, _ value: Int64) { member(name) { $0.value(value) } }
    public mutating func field(_ name: String, _ value: UInt64) { member(name) { $0.value(value) } }
    public mutating func field(_ name: String, _ value: Double) { member(name) { $0.value(value) } }
    public mutating func field(_ name: String, _ value: String) { member(name) { $0.value(value) } }
    public mutating func field(_ name: String, _ value: JSONValue) { member(name) { $0.value(value) } }

    private mutating func member(_ name: String, _ write: (inout JSONWriter) -> Void) {
        key(name)
        write(&self)
    }

    private mutating func comma() {
        if needsComma { bytes.append(0x2C) }
        needsComma = true
    }

    private mutating func begin(_ bracket: UInt8) {
        comma()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func end(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func raw(_ text: StaticString) {
        comma()
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func digits(_ value: UInt64) {
        var rest = value
        var count = 1
        while rest >= 10 {
            rest /= 10
            count += 1
        }
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0x30, count: count))
        rest = value
        var at = start + count - 1
        while rest > 0 {
            bytes[at] = 0x30 + UInt8(rest % 10)
            rest /= 10
            at -= 1
        }
    }

    private mutating func quote(_ text: String) {
        bytes.append(0x22)
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5C:
                bytes.append(0x5C)
                bytes.append(byte)
            case 0x0A:
                bytes.append(0x5C)
                bytes.append(0x6E)
            case 0x09:
                bytes.append(0x5C)
                bytes.append(0x74)
            case 0x0D:
                bytes.append(0x5C)
                bytes.append(0x72)
            case 0..<0x20, 0x7F:
                for unit in "\\u00".utf8 { bytes.append(unit) }
                bytes.append(JSONWriter.hexadecimal(byte >> 4))
                bytes.append(JSONWriter.hexadecimal(byte & 15))
            default:
                bytes.append(byte)
            }
        }
        bytes.append(0x22)
    }

    private static func hexadecimal(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }
}
