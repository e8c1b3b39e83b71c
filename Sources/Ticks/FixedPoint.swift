/// Decimal numbers as signed 64-bit integers in units of 1e-9, as prices and sizes stand in records.
///
/// Range: ±9,223,372,036.854775806. `absent` (Int64.max) is "no value". Text and doubles become the nearest multiple;
/// they are `exact` when they are that multiple, or (an artefact of somebody's binary arithmetic, such as
/// `0.30000000000000004`) a double within 4 ulp of it.
public enum FixedPoint {
    public static let unitsPerOne: Int64 = 1_000_000_000
    public static let absent = Int64.max

    /// A number as a multiple of 1e-9. `exact` is false when the record needs the original text beside it; a number
    /// beyond the range has the value `absent` and is inexact.
    public struct Value: Sendable, Equatable, BitwiseCopyable {
        public let units: Int64
        public let exact: Bool
        @inlinable public init(units: Int64, exact: Bool) {
            self.units = units
            self.exact = exact
        }
        public static let outOfRange = Value(units: absent, exact: false)
    }

    /// Parses ASCII decimal text: optional sign, digits, optional point and digits, optional exponent.
    ///
    /// Plain decimals of at most 18 digits and 9 decimal places take the fast path without floating point. Returns nil
    /// when the text is not a number (or is empty, `Infinity` or `NaN`). Allocates only on the slow path.
    @inlinable public static func parse(_ text: UnsafeBufferPointer<UInt8>) -> Value? {
        let count = text.count
        guard count > 0 else { return nil }
        var at = 0
        var negative = false
        if text[0] == 0x2D {
            negative = true
            at = 1
        }
        var magnitude: UInt64 = 0
        let integerStart = at
        while at < count {
            let digit = UInt64(text[at] &- 0x30)
            if digit > 9 { break }
            magnitude = magnitude &* 10 &+ digit
            at &+= 1
        }
        let integerDigits = at &- integerStart
        // 9 integer digits and 9 decimals fit 63 bits with room to spare; anything longer takes the slow path.
        guard integerDigits > 0, integerDigits <= 9 else { return parseSlowly(text) }
        var decimals = 0
        if at < count {
            guard text[at] == 0x2E else { return parseSlowly(text) }
            at &+= 1
            while at < count {
                let digit = UInt64(text[at] &- 0x30)
                if digit > 9 || decimals == 9 { return parseSlowly(text) }
                magnitude = magnitude &* 10 &+ digit
                decimals &+= 1
                at &+= 1
            }
        }
        let units = Int64(bitPattern: magnitude &* powersOfTen(9 &- decimals))
        return Value(units: negative ? 0 &- units : units, exact: true)
    }

    /// 10 to the power `n`, for 0...9.
    @inlinable static func powersOfTen(_ n: Int) -> UInt64 {
        switch n {
        case 0: 1
        case 1: 10
        case 2: 100
        case 3: 1_000
        case 4: 10_000
        case 5: 100_000
        case 6: 1_000_000
        case 7: 10_000_000
        case 8: 100_000_000
        default: 1_000_000_000
        }
    }

    /// Long texts, exponents and long fractions: exact where the text is a multiple of 1e-9 in range, by digits, not by
    /// floating point; else through the nearest double.
    @usableFromInline static func parseSlowly(_ text: UnsafeBufferPointer<UInt8>) -> Value? {
        guard let decimal = Decimal(text) else { return nil }
        if let units = decimal.exactUnits { return Value(units: units, exact: true) }
        guard let double = Double(String(decoding: text, as: UTF8.self)), double.isFinite else { return .outOfRange }
        return from(double)
    }

    /// The nearest multiple of 1e-9 to a double; `exact` when the double is within 4 ulp of it.
    public static func from(_ double: Double) -> Value {
        let scaled = (double * 1e9).rounded(.toNearestOrAwayFromZero)
        // 2^63 as a double; `absent` itself is out of reach since the largest double below 2^63 is 2^63 - 1024.
        guard scaled.isFinite, abs(scaled) < 9_223_372_036_854_774_784 else { return .outOfRange }
        let units = Int64(scaled)
        // Back to the double nearest to that decimal, correctly rounded by the
        // division (both sides are exact up to 2^53).
        let nearest = units.magnitude < 1 << 53 ? Double(units) / 1e9 : Double(FixedPoint.text(units)) ?? .infinity
        return Value(units: units, exact: abs(nearest - double) <= 4 * double.ulp)
    }

    /// The nearest double.
    public static func double(_ units: Int64) -> Double {
        units.magnitude < 1 << 53 ? Double(units) / 1e9 : Double(text(units)) ?? .nan
    }

    /// Exact decimal text without trailing zeros: `23385.25`, `0.001`, `-3`. Empty for `absent`.
    public static func text(_ units: Int64) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: maxTextLength) { buffer in
            let count = write(units, to: buffer.baseAddress!)
            return String(decoding: UnsafeBufferPointer(start: buffer.baseAddress!, count: count), as: UTF8.self)
        }
    }

    /// The longest text that `write` makes: sign, 10 digits, point, 9 digits.
    public static let maxTextLength = 21

    /// Writes the text of `units` to `out` (room for `maxTextLength` bytes) and returns its length; 0 for `absent`.
    public static func write(_ units: Int64, to out: UnsafeMutablePointer<UInt8>) -> Int {
        guard units != absent else { return 0 }
        var at = 0
        if units < 0 {
            out[0] = 0x2D
            at = 1
        }
        let (whole, fraction) = units.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
        at += writeDecimal(whole, to: out + at)
        guard fraction != 0 else { return at }
        out[at] = 0x2E
        at += 1
        var rest = fraction
        var divisor: UInt64 = 100_000_000
        while rest != 0 {
            let (digit, remainder) = rest.quotientAndRemainder(dividingBy: divisor)
            out[at] = 0x30 + UInt8(digit)
            at += 1
            rest = remainder
            divisor /= 10
        }
        return at
    }

    /// Writes an unsigned number in decimal (at most 20 bytes) and returns its length.
    public static func writeDecimal(_ value: UInt64, to out: UnsafeMutablePointer<UInt8>) -> Int {
        var length = 1
        var probe = value / 10
        while probe != 0 {
            length += 1
            probe /= 10
        }
        var rest = value
        var at = length
        repeat {
            at -= 1
            out[at] = 0x30 + UInt8(rest % 10)
            rest /= 10
        } while rest != 0
        return length
    }
}

/// A decimal text taken apart: sign, significant digits, and the power of ten of the last one.
struct Decimal {
    var negative: Bool
    /// Significant digits without leading and trailing zeros; empty for zero.
    var digits: [UInt8]
    var exponent: Int

    init?(_ text: UnsafeBufferPointer<UInt8>) {
        var at = 0
        negative = false
        if at < text.count, text[at] == 0x2D || text[at] == 0x2B {
            negative = text[at] == 0x2D
            at += 1
        }
        digits = []
        exponent = 0
        var seen = 0
        var pointSeen = false
        scan: while at < text.count {
            switch text[at] {
            case 0x30...0x39:
                seen += 1
                if pointSeen { exponent -= 1 }
                digits.append(text[at] - 0x30)
            case 0x2E where !pointSeen: pointSeen = true
            default: break scan
            }
            at += 1
        }
        guard seen > 0 else { return nil }
        if at < text.count {
            guard text[at] == 0x65 || text[at] == 0x45,
                let power = Int(String(decoding: text[(at + 1)...], as: UTF8.self)), power.magnitude < 10_000
            else { return nil }
            exponent += power
        }
        while digits.last == 0 {
            digits.removeLast()
            exponent += 1
        }
        digits = Array(digits.drop { $0 == 0 })
    }

    /// The value in units of 1e-9 if it is a whole number of them within range.
    var exactUnits: Int64? {
        guard !digits.isEmpty else { return 0 }
        let scale = exponent + 9
        guard scale >= 0, digits.count + scale <= 19 else { return nil }
        var magnitude: UInt64 = 0
        for digit in digits { magnitude = magnitude * 10 + UInt64(digit) }
        for _ in 0..<scale { magnitude *= 10 }
        guard magnitude < UInt64(FixedPoint.absent) + (negative ? 1 : 0) else { return nil }
        return negative ? -Int64(magnitude) : Int64(magnitude)
    }
}
