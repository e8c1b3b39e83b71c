/// Times as text and back: RFC 3339, nanoseconds since the Unix epoch. Needs no locale and no time zone files.
public enum Timestamp {
    private static let nanosPerSecond: Int64 = 1_000_000_000

    /// `2025-08-12T20:11:34.976232000Z`, with `digits` (0...9) decimals of a second; further ones are cut.
    public static func text(_ nanos: Int64, digits: Int = 9) -> String {
        precondition((0...9).contains(digits))
        let seconds = nanos.floorDivided(by: nanosPerSecond)
        // Wrapping: near `Int64.min` the product is out of range, the difference is not.
        let fraction = nanos &- seconds &* nanosPerSecond
        return String(unsafeUninitializedCapacity: 30) { memory in
            CivilTime(seconds: seconds).write(to: UnsafeMutableRawBufferPointer(memory))
            var end = CivilTime.textBytes
            if digits > 0 {
                memory[end] = UInt8(ascii: ".")
                end += 1
                var divisor = nanosPerSecond / 10
                for _ in 0..<digits {
                    memory[end] = 0x30 + UInt8(truncatingIfNeeded: fraction / divisor % 10)
                    divisor /= 10
                    end += 1
                }
            }
            memory[end] = UInt8(ascii: "Z")
            return end + 1
        }
    }

    /// Reads a date, a time and an offset (`Z` or `±hh:mm`); decimals behind the ninth are cut.
    ///
    /// Nil for anything else, for a date that does not exist, and for times that no `Int64` of nanoseconds can hold
    /// (before 1678, after 2261). With `shortForms` a person's shorter texts are read too: a date alone, a time without
    /// seconds, and a time without offset, which is UTC.
    public static func parse(_ text: some StringProtocol, shortForms: Bool = false) -> Int64? {
        var scanner = DigitScanner(text)
        guard let year = scanner.number(4), scanner.skip("-"), let month = scanner.number(2), scanner.skip("-"),
            let day = scanner.number(2)
        else { return nil }
        if shortForms && scanner.atEnd {
            return CivilTime(year: year, month: month, day: day).flatMap { nanos($0.seconds, fraction: 0) }
        }
        guard scanner.skip("T") || scanner.skip("t") || scanner.skip(" "), let hour = scanner.number(2),
            scanner.skip(":"), let minute = scanner.number(2)
        else { return nil }
        var second: Int64 = 0
        var fraction: Int64 = 0
        if scanner.skip(":") {
            guard let value = scanner.number(2) else { return nil }
            second = value
            if scanner.skip(".") {
                guard let value = scanner.fractionNanos() else { return nil }
                fraction = value
            }
        } else if !shortForms {
            return nil
        }
        guard
            let civil = CivilTime(
                year: year, month: month, day: day, hour: hour, minute: minute, second: second),
            let offset = scanner.atEnd && shortForms ? 0 : scanner.offsetSeconds(), scanner.atEnd
        else { return nil }
        return nanos(civil.seconds - offset, fraction: fraction)
    }

    private static func nanos(_ seconds: Int64, fraction: Int64) -> Int64? {
        let (product, overflow) = seconds.multipliedReportingOverflow(by: nanosPerSecond)
        let (sum, carry) = product.addingReportingOverflow(fraction)
        return overflow || carry ? nil : sum
    }
}

extension DigitScanner {
    /// One or more digits behind a decimal point, as nanoseconds.
    fileprivate mutating func fractionNanos() -> Int64? {
        guard var value = number(1) else { return nil }
        var scale: Int64 = 100_000_000
        value *= scale
        while let digit = number(1) {
            scale /= 10
            value += digit * scale
        }
        return value
    }

    /// `Z` or `±hh:mm`.
    fileprivate mutating func offsetSeconds() -> Int64? {
        if skip("Z") || skip("z") { return 0 }
        let isEast = skip("+")
        guard isEast || skip("-"), let hours = number(2), hours < 24, skip(":"), let minutes = number(2), minutes < 60
        else { return nil }
        return (isEast ? 1 : -1) * (hours * 3_600 + minutes * 60)
    }
}
