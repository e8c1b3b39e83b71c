import Testing
import Ticks

private func parse(_ text: String) -> FixedPoint.Value? {
    var copy = text
    return copy.withUTF8 { FixedPoint.parse($0) }
}

@Suite struct FixedPointText {
    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("3", 3_000_000_000), ("3.0", 3_000_000_000), ("23385.25", 23_385_250_000_000),
            ("0.001", 1_000_000), ("1.0E-5", 10_000), ("5.9e-4", 590_000), ("-1.5", -1_500_000_000), ("0.000000001", 1),
            ("1E3", 1_000_000_000_000), ("9223372036.854775806", Int64.max - 1), ("-9223372036.854775807", -Int64.max),
            ("0.10000000000000000000", 100_000_000), ("00012.50", 12_500_000_000), ("1.", 1_000_000_000),
            ("123456789012E-9", 123_456_789_012), (".5", 500_000_000),
        ] as [(String, Int64)])
    func multiplesOfANanoAreExact(text: String, units: Int64) {
        #expect(parse(text) == FixedPoint.Value(units: units, exact: true))
    }

    @Test(arguments: ["0.0000000001", "1.23456789012345", "1e300", "9223372036.854775807", "99999999999", "-1e19"])
    func othersSayThatTheyAreInexact(text: String) {
        #expect(parse(text)?.exact == false)
    }

    @Test(arguments: [
        "", "-", "x", "1x", "1.2.3", "1e", "1e+-3", "Infinity", "NaN", "--1", " 1", "1 ", ".", "1e99999",
        "1e-9223372036854775808", "1e9223372036854775807",
    ])
    func othersAreNoNumbers(text: String) {
        #expect(parse(text) == nil)
    }

    @Test func noiseOfBinaryArithmeticIsTheDecimalItCameFrom() {
        #expect(parse("0.30000000000000004") == FixedPoint.Value(units: 300_000_000, exact: true))
        #expect(parse("1.1199999999999999") == FixedPoint.Value(units: 1_120_000_000, exact: true))
    }

    /// Every value has one text, and the text gives the value back.
    @Test func textAndUnitsRoundTrip() {
        var generator = SplitMix64(seed: 851)
        var units: [Int64] = [0, 1, -1, 999_999_999, 1_000_000_000, Int64.max - 1, -Int64.max]
        for _ in 0..<20_000 { units.append(Int64(bitPattern: generator.next()) >> Int64(generator.next() % 63)) }
        for value in units where value != FixedPoint.absent && value != Int64.min {
            let text = FixedPoint.text(value)
            #expect(parse(text) == FixedPoint.Value(units: value, exact: true), "\(text)")
            #expect(!text.contains(".") || !text.hasSuffix("0"))
        }
        #expect(FixedPoint.text(FixedPoint.absent) == "")
    }

    /// A double made from a decimal with nine places is that decimal again, also four ulp beside it.
    @Test func doublesWithinFourUlpAreTheirMultiple() {
        var generator = SplitMix64(seed: 4)
        for _ in 0..<20_000 {
            let units = Int64(generator.next() % 100_000_000_000_000)  // up to 100,000.0 as prices are
            var near = Double(FixedPoint.text(units))!
            #expect(FixedPoint.from(near) == FixedPoint.Value(units: units, exact: true))
            for _ in 0..<3 { near = near.nextUp }
            #expect(FixedPoint.from(near) == FixedPoint.Value(units: units, exact: true))
        }
        #expect(FixedPoint.from(1.0 + 6 * 1.0.ulp).exact == false)
        #expect(FixedPoint.from(.infinity) == .outOfRange)
        #expect(FixedPoint.from(.nan) == .outOfRange)
        #expect(FixedPoint.from(1e300) == .outOfRange)
        #expect(FixedPoint.double(.min) == -9_223_372_036.854775808)
    }

    @Test func unitsBecomeTheNearestDouble() {
        #expect(FixedPoint.double(23_385_250_000_000) == 23385.25)
        #expect(FixedPoint.double(Int64.max - 1) == 9223372036.854775806)
    }
}
