/// Turns columns of 64-bit values into few bytes: differences, divided by what they all are
/// multiples of, byte-transposed, then zstd. Values that are no numbers (texts, doubles) are
/// transposed as they are where that is smaller. One thread.
struct ColumnEncoder: ~Copyable {
    private let capacity: Int
    private let numbers: UnsafeMutablePointer<UInt64>
    private let planes: UnsafeMutableRawBufferPointer
    /// Two results, of which the smaller is taken.
    private let frames: UnsafeMutableRawBufferPointer
    private let otherFrames: UnsafeMutableRawBufferPointer
    private var zstd = ZstdCompressor()

    /// A column that takes this many planes as differences is also tried as it is.
    private static let triedBothPlanes = 3

    /// - Parameter capacity: most values of a column.
    init(capacity: Int) {
        self.capacity = capacity
        numbers = .allocate(capacity: capacity)
        planes = .allocate(byteCount: capacity * 8, alignment: 64)
        frames = .allocate(byteCount: ZstdCompressor.bound(capacity * 8), alignment: 64)
        otherFrames = .allocate(byteCount: ZstdCompressor.bound(capacity * 8), alignment: 64)
    }

    deinit {
        numbers.deallocate()
        planes.deallocate()
        frames.deallocate()
        otherFrames.deallocate()
    }

    /// Appends the column's bytes to `out` and returns its description.
    mutating func encode(_ values: UnsafeBufferPointer<UInt64>, appendingTo out: inout [UInt8]) -> SegmentColumn {
        precondition(values.count <= capacity)
        guard let first = values.first, let step = ColumnEncoder.commonStep(values) else {
            return SegmentColumn(.constant, base: values.first ?? 0)
        }
        var column = SegmentColumn(.differences, base: first)
        column.step = step
        column.isSigned = difference(values, step: step)
        compress(values.count, &column, into: frames)
        var chosen = frames
        if column.planes.nonzeroBitCount >= ColumnEncoder.triedBothPlanes {
            var plain = SegmentColumn(.values)
            plain.step = 1
            numbers.update(from: values.baseAddress!, count: values.count)
            compress(values.count, &plain, into: otherFrames)
            if plain.byteCount < column.byteCount { (column, chosen) = (plain, otherFrames) }
        }
        out.append(contentsOf: chosen[..<Int(column.byteCount)])
        return column
    }

    /// The greatest number that all differences are multiples of; nil when they all are 0.
    private static func commonStep(_ values: UnsafeBufferPointer<UInt64>) -> UInt64? {
        var step: UInt64 = 0
        for index in 1..<max(1, values.count) {
            let magnitude = Int64(bitPattern: values[index] &- values[index - 1]).magnitude
            if step == 0 {
                step = magnitude
            } else if magnitude % step != 0 {
                step = greatestCommonDivisor(step, magnitude)
                if step == 1 { break }
            }
        }
        // As a signed divisor it must be positive.
        return step == 0 ? nil : step > UInt64(Int64.max) ? 1 : step
    }

    private static func greatestCommonDivisor(_ a: UInt64, _ b: UInt64) -> UInt64 {
        var (a, b) = (a, b)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }

    /// Fills `numbers` with the differences in steps; true if they are zigzag, since some fall.
    private func difference(_ values: UnsafeBufferPointer<UInt64>, step: UInt64) -> Bool {
        let divisor = Int64(bitPattern: step)
        var negative = false
        numbers[0] = 0
        for index in 1..<values.count {
            let difference = Int64(bitPattern: values[index] &- values[index - 1])
            let count = divisor == 1 ? difference : difference / divisor
            negative = negative || count < 0
            numbers[index] = UInt64(bitPattern: count)
        }
        guard negative else { return false }
        for index in 1..<values.count {
            let count = Int64(bitPattern: numbers[index])
            numbers[index] = UInt64(bitPattern: count << 1 ^ count >> 63)
        }
        return true
    }

    /// Transposes and compresses `numbers`; planes of zeros are left out.
    private mutating func compress(_ count: Int, _ column: inout SegmentColumn, into out: UnsafeMutableRawBufferPointer)
    {
        var used: UInt64 = 0
        for index in 0..<count { used |= numbers[index] }
        var end = 0
        for plane in 0..<8 where used >> UInt64(plane * 8) & 0xFF != 0 {
            column.planes |= 1 << UInt8(plane)
            let shift = UInt64(plane * 8)
            let bytes = planes.baseAddress!.assumingMemoryBound(to: UInt8.self) + end
            for index in 0..<count { bytes[index] = UInt8(truncatingIfNeeded: numbers[index] >> shift) }
            end += count
        }
        column.byteCount = UInt32(
            zstd.compress(UnsafeRawBufferPointer(rebasing: planes[..<end]), into: out))
    }
}
