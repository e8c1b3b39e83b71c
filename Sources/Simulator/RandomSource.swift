/// The generator's source of chance: xoshiro256**, seeded through SplitMix64. Same seed, same numbers, on every
/// machine.
struct RandomSource: RandomNumberGenerator, Sendable {
    private var a: UInt64
    private var b: UInt64
    private var c: UInt64
    private var d: UInt64

    /// `stream` tells sources of one seed apart, so that each instrument draws its own numbers.
    init(seed: UInt64, stream: UInt64) {
        var mixer = seed &+ stream &* 0xD1B5_4A32_D192_ED03
        a = RandomSource.splitMix(&mixer)
        b = RandomSource.splitMix(&mixer)
        c = RandomSource.splitMix(&mixer)
        d = RandomSource.splitMix(&mixer)
    }

    mutating func next() -> UInt64 {
        let result = RandomSource.rotate(b &* 5, 7) &* 9
        let shifted = b << 17
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = RandomSource.rotate(d, 45)
        return result
    }

    /// Uniform in 0..<1.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Uniform in 0..<bound, without bias worth noticing for the small bounds used here (at most 2^16).
    mutating func below(_ bound: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: ((next() >> 32) &* UInt64(bound)) >> 32)
    }

    /// True with a probability of `perMille` in a thousand.
    mutating func chance(perMille: UInt32) -> Bool { below(1_000) < perMille }

    /// A geometric number: 1 with probability `1 - more/1000`, and so on, at most `limit`.
    mutating func geometric(morePerMille: UInt32, limit: Int64) -> Int64 {
        var value: Int64 = 1
        while value < limit, chance(perMille: morePerMille) { value += 1 }
        return value
    }

    /// One well-mixed number out of several, without a state of its own: for facts such as "is this minute quiet".
    static func hash(_ values: UInt64...) -> UInt64 {
        var mixer: UInt64 = 0x9E37_79B9_7F4A_7C15
        var result: UInt64 = 0
        for value in values {
            mixer ^= value &+ result
            result = splitMix(&mixer)
        }
        return result
    }

    private static func splitMix(_ state: inout UInt64) -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 { value << count | value >> (64 - count) }
}
