internal import Ticks

/// Bytes being written: grows, is emptied without giving its memory back. One thread.
///
/// Rows are put together from many small pieces; an array's bounds and uniqueness checks at each would cost more than
/// the formatting. So: `reserve` once for a row, then append.
public struct TextBuffer: ~Copyable {
    private var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    public private(set) var count = 0

    public init(capacity: Int = 64 << 10) {
        self.capacity = max(64, capacity)
        base = UnsafeMutablePointer<UInt8>.allocate(capacity: self.capacity)
    }

    deinit { base.deallocate() }

    /// What was written, valid until the buffer changes.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    public mutating func removeAll() { count = 0 }

    /// Makes room for `more` bytes.
    @inline(__always) mutating func reserve(_ more: Int) {
        if count + more > capacity { grow(more) }
    }

    private mutating func grow(_ more: Int) {
        let wanted = max(count + more, capacity * 2)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
        larger.update(from: base, count: count)
        base.deallocate()
        base = larger
        capacity = wanted
    }

    // The following need room made by `reserve`.

    @inline(__always) mutating func put(_ byte: UInt8) {
        base[count] = byte
        count += 1
    }

    @inline(__always) mutating func put(_ text: StaticString) {
        (base + count).update(from: text.utf8Start, count: text.utf8CodeUnitCount)
        count += text.utf8CodeUnitCount
    }

    @inline(__always) mutating func put(_ bytes: UnsafeRawBufferPointer) {
        guard let from = bytes.baseAddress else { return }
        UnsafeMutableRawPointer(base + count).copyMemory(from: from, byteCount: bytes.count)
        count += bytes.count
    }

    @inline(__always) mutating func put(decimal value: UInt64) {
        count += FixedPoint.writeDecimal(value, to: base + count)
    }

    @inline(__always) mutating func put(fixed units: Int64) { count += FixedPoint.write(units, to: base + count) }

    /// Two digits, with a zero in front.
    @inline(__always) mutating func put(two value: Int64) {
        put(0x30 + UInt8(truncatingIfNeeded: value / 10 % 10))
        put(0x30 + UInt8(truncatingIfNeeded: value % 10))
    }

    /// A number with leading zeros.
    @inline(__always) mutating func put(_ value: Int64, digits: Int) {
        var rest = value
        var at = digits - 1
        while at >= 0 {
            base[count + at] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
            at -= 1
        }
        count += digits
    }

    // These make room themselves.

    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count)
        put(bytes)
    }

    public mutating func append(_ text: some Collection<UInt8>) {
        reserve(text.count)
        for byte in text { put(byte) }
    }

    public mutating func append(_ text: String) { append(text.utf8) }
}
