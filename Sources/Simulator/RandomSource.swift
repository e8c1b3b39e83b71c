internal import Ticks

/// The generator's source of chance: xoshiro256**, seeded through SplitMix64. Same seed, same numbers, on every
/// machine.
struct RandomSource: RandomNumberGenerator, Sendable {
    private var a: UInt64
    private var b: UInt64
    private var c: UInt64
    private var d: UInt64

    /// `stream` tells sources of one seed apart, so that each instrument draws its own numbers.
    init(seed: UInt64, stream: UInt64) {
        var mixer = SplitMix64(seed: seed &+ stream &* 0xD1B5_4A32_D192_ED03)
        a = mixer.next()
        b = mixer.next()
        c = mixer.next()
        d = mixer.next()
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
        var mixer = SplitMix64(seed: 0x9E37_79B9_7F4A_7C15)
        var result: UInt64 = 0
        for value in values {
            mixer.state ^= value &+ result
            result = mixer.next()
        }
        return result
    }

    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 { value << count | value >> (64 - count) }
}
