/// The prices that an instrument can have: the multiples of its smallest price step.
///
/// Whether a price is one of them is asked for every tick, so it is answered without a division: for an odd divisor d
/// the product of a number with d's inverse modulo 2^64 is at most (2^64 - 1) / d exactly for the multiples of d, and a
/// power of two in the divisor is a rotation. Source: Granlund and Montgomery, Division by Invariant Integers, section
/// 9, https://gmplib.org/~tege/divcnst-pldi94.pdf.
struct PriceGrid: Equatable, BitwiseCopyable {
    /// Units of 1e-9; 0: not known, and every price is on the grid.
    let step: Int64
    private let inverse: UInt64
    private let shift: UInt64
    private let limit: UInt64

    /// The grid of an instrument of which nothing is known.
    static let any = PriceGrid(step: 0)

    /// A step that is not positive, or absent, gives `any`.
    init(step: Int64) {
        guard step > 0, step != Int64.max else {
            (self.step, inverse, shift, limit) = (0, 0, 0, .max)
            return
        }
        self.step = step
        let divisor = UInt64(step)
        shift = UInt64(divisor.trailingZeroBitCount)
        let odd = divisor >> shift
        // Each round doubles the number of right bits; an odd number is its own inverse modulo 8.
        var inverse = odd
        for _ in 0..<5 { inverse = inverse &* (2 &- odd &* inverse) }
        self.inverse = inverse
        limit = UInt64.max / divisor
    }

    @inline(__always) func holds(_ price: Int64) -> Bool {
        let product = price.magnitude &* inverse
        return product &>> shift | product &<< (64 &- shift) <= limit
    }
}
