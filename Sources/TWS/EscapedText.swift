/// Texts in which everything beyond printable ASCII is written `\uXXXX` (UTF-16 units, hexadecimal).
///
/// Used for error texts, reject JSON and long names by every version that this library speaks.
/// Source: docs/tws.md#text-encoding.
enum EscapedText {
    /// Turns escapes into characters; a malformed escape stays as it is, a lone surrogate becomes U+FFFD.
    static func decode(_ field: UnsafeBufferPointer<UInt8>) -> String {
        guard field.contains(0x5C) else { return String(decoding: field, as: UTF8.self) }
        var text = ""
        var plainFrom = 0
        var units: [UInt16] = []
        var at = 0
        while at < field.count {
            if let unit = escape(field, at) {
                if units.isEmpty { text += String(decoding: field[plainFrom..<at], as: UTF8.self) }
                units.append(unit)
                at += 6
                plainFrom = at
            } else {
                if !units.isEmpty {
                    text += String(decoding: units, as: UTF16.self)
                    units.removeAll(keepingCapacity: true)
                }
                at += 1
            }
        }
        if !units.isEmpty { text += String(decoding: units, as: UTF16.self) }
        return text + String(decoding: field[plainFrom...], as: UTF8.self)
    }

    private static func escape(_ field: UnsafeBufferPointer<UInt8>, _ at: Int) -> UInt16? {
        guard at + 6 <= field.count, field[at] == 0x5C, field[at + 1] == 0x75 else { return nil }
        var unit: UInt16 = 0
        for byte in field[(at + 2)..<(at + 6)] {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x41 + 10
            case 0x61...0x66: digit = byte - 0x61 + 10
            default: return nil
            }
            unit = unit << 4 | UInt16(digit)
        }
        return unit
    }

    /// Appends `text` with everything beyond printable ASCII escaped (tab and line ends as well: the official clients
    /// read them either way).
    static func encode(_ text: String, to out: inout [UInt8]) {
        for unit in text.utf16 {
            if (0x20...0x7E).contains(unit) {
                out.append(UInt8(unit))
            } else {
                out.append(0x5C)
                out.append(0x75)
                for shift: UInt16 in [12, 8, 4, 0] {
                    let digit = UInt8(unit >> shift & 0xF)
                    out.append(digit < 10 ? 0x30 + digit : 0x61 + digit - 10)
                }
            }
        }
    }
}
