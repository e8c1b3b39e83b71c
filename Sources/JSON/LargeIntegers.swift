/// Integers above `Int64.max`, which jansson can't hold: before it parses, they become texts that nothing else can be.
///
/// Such a text is NUL and the digits. No text of a document is one: a document with `\u0000` in a text is left as it
/// is, and refused, and an object's name can't hold NUL at all. Only whole tokens between 2^63 and 2^64 - 1 are taken;
/// what is larger, negative, or has a fraction or an exponent stays what it is, and is the parser's to judge.
///
/// Bounded: each such token becomes 8 bytes longer, so that the copy has less than half as much again.
enum LargeIntegers {
    /// The text in front of the digits, as JSON.
    private static let mark = Array(#""\u0000"#.utf8)
    /// NUL within a text, as JSON.
    private static let nul = Array(#"\u0000"#.utf8)
    /// 2^63 has as many digits as any below it that does not fit; a shorter token always does.
    private static let leastDigits = 19

    /// The document with every large integer marked; nil when it can be parsed as it is: when
    /// there is none, or when it is refused anyway.
    static func marked(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        var out: [UInt8] = []
        var copied = 0
        var at = 0
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                guard let end = endOfText(bytes, from: at) else { return nil }
                at = end
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                let start = at
                while at < bytes.count, isDigit(bytes[at]) { at += 1 }
                guard at - start >= leastDigits, isInteger(bytes, start..<at) else { continue }
                out.append(contentsOf: bytes[copied..<start])
                out.append(contentsOf: mark)
                out.append(contentsOf: bytes[start..<at])
                out.append(UInt8(ascii: "\""))
                copied = at
            default: at += 1
            }
        }
        guard copied > 0 else { return nil }
        out.append(contentsOf: bytes[copied...])
        return out
    }

    /// The integer of a text that `marked` has made; nil for every other one.
    static func value(ofText text: UnsafeRawBufferPointer) -> UInt64? {
        guard text.first == 0 else { return nil }
        return UInt64(String(decoding: text.dropFirst(), as: UTF8.self))
    }

    /// Behind the closing quote; nil when there is none, or NUL stands before it.
    private static func endOfText(_ bytes: UnsafeRawBufferPointer, from quote: Int) -> Int? {
        var at = quote + 1
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""): return at + 1
            case UInt8(ascii: "\\"):
                if bytes[at...].starts(with: nul) { return nil }
                at += 2
            default: at += 1
            }
        }
        return nil
    }

    /// True when the digits are a whole number by themselves, above `Int64.max`, and below 2^64.
    private static func isInteger(_ bytes: UnsafeRawBufferPointer, _ token: Range<Int>) -> Bool {
        guard bytes[token.lowerBound] != UInt8(ascii: "0") else { return false }
        if token.lowerBound > 0 {
            switch bytes[token.lowerBound - 1] {
            case UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
                return false
            default: break
            }
        }
        if token.upperBound < bytes.count {
            switch bytes[token.upperBound] {
            case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): return false
            default: break
            }
        }
        var value: UInt64 = 0
        for byte in bytes[token] {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
            guard !overflow, !carry else { return false }
            value = sum
        }
        return value > UInt64(Int64.max)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}
