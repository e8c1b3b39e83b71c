/// Reads back what `ColumnEncoder` writes. Total for any bytes: they may come from a damaged file. One thread.
struct ColumnDecoder: ~Copyable {
    private let capacity: Int
    private let numbers: UnsafeMutablePointer<UInt64>
    private let planes: UnsafeMutableRawBufferPointer
    private var zstd = ZstdDecompressor()

    /// - Parameter capacity: most values of a column.
    init(capacity: Int) {
        self.capacity = capacity
        numbers = .allocate(capacity: capacity)
        planes = .allocate(byteCount: capacity * 8, alignment: 64)
    }

    deinit {
        numbers.deallocate()
        planes.deallocate()
    }

    /// Writes the column's `count` values to `out[0]`, `out[stride]`, `out[2 * stride]` ...;
    /// false when the bytes are not such a column.
    mutating func decode(
        _ column: SegmentColumn, _ bytes: UnsafeRawBufferPointer, count: Int, to out: UnsafeMutablePointer<UInt64>,
        stride: Int
    ) -> Bool {
        guard count <= capacity, bytes.count == Int(column.byteCount) else { return false }
        guard column.encoding != .constant else {
            for index in 0..<count { out[index &* stride] = column.base }
            return true
        }
        let stored = UnsafeMutableRawBufferPointer(rebasing: planes[..<(count * column.planes.nonzeroBitCount)])
        guard zstd.decompress(bytes, into: stored) else { return false }
        join(column.planes, count)
        if column.isSigned {
            for index in 0..<count {
                let number = numbers[index]
                numbers[index] = number >> 1 ^ (0 &- (number & 1))
            }
        }
        let step = column.step
        switch column.encoding {
        case .constant: break
        case .values: for index in 0..<count { out[index &* stride] = numbers[index] &* step }
        case .differences:
            var value = column.base
            for index in 0..<count {
                value &+= numbers[index] &* step
                out[index &* stride] = value
            }
        }
        return true
    }

    /// Puts the numbers together from their bytes.
    private func join(_ mask: UInt8, _ count: Int) {
        var bytes = UnsafePointer(planes.baseAddress!.assumingMemoryBound(to: UInt8.self))
        var isFirst = true
        for plane in 0..<8 where mask >> UInt8(plane) & 1 == 1 {
            let shift = UInt64(plane &* 8)
            if isFirst {
                for index in 0..<count { numbers[index] = UInt64(bytes[index]) &<< shift }
            } else {
                for index in 0..<count { numbers[index] |= UInt64(bytes[index]) &<< shift }
            }
            isFirst = false
            bytes += count
        }
    }
}
