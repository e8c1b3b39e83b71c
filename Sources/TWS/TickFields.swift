/// The fields of an ordinary tick, eight bytes at a time and almost without branches.
///
/// It reads what nearly all ticks look like: ids of up to seven digits, ten digits of seconds, plain decimals, short
/// texts. Whatever else it meets only sets `odd`, and the whole message goes to `FieldCursor` afterwards, which
/// decodes everything and tells what is wrong. So no field is checked on its own; what holds all the time is that
/// nothing outside the body is read: a load either has eight bytes in front of `end` or is the body's last eight
/// bytes. When the fields run out, it reads garbage from inside the body until `isOrdinary` says no.
///
/// Method: the known bit tricks on 64-bit words: a byte is zero where `(w - 0x01…) & ~w` has its high bit; eight digits
/// combine in three multiplications.
@usableFromInline @frozen struct TickFields {
    /// The body must have at least this many bytes.
    @usableFromInline static var leastBytes: Int { 16 }

    @usableFromInline var at: UnsafeRawPointer
    @usableFromInline let end: UnsafeRawPointer
    /// High bits of bytes are set when something was not ordinary; the other bits mean nothing.
    @usableFromInline var odd: UInt64 = 0

    /// Starts at a byte offset within `body`, which has at least `leastBytes`.
    @inlinable @inline(__always) init(_ start: UnsafeRawPointer, count: Int, offset: Int) {
        at = start + offset
        end = start + count
    }

    /// True when all fields so far were ordinary and inside the body.
    @inlinable @inline(__always) var isOrdinary: Bool { odd & TickFields.highBits == 0 && at <= end }

    @inlinable @inline(__always) static var highBits: UInt64 { 0x8080_8080_8080_8080 }
    @inlinable @inline(__always) static var signBit: UInt64 { 1 << 63 }

    @inlinable @inline(__always) var left: Int { end - at }

    @inlinable @inline(__always) func load(_ address: UnsafeRawPointer) -> UInt64 {
        UInt64(littleEndian: address.loadUnaligned(as: UInt64.self))
    }

    /// The next eight bytes, the first one lowest; zeros behind the end of the body. Without a branch, since whether a
    /// field is near the end changes from tick to tick.
    @inlinable @inline(__always) func word() -> UInt64 {
        let missing = max(0, 8 &- left)
        return load(at.advanced(by: 0 &- missing)) &>> UInt64(truncatingIfNeeded: missing &* 8)
    }

    /// The number of bytes in front of the first zero byte; 8 when there is none.
    @inlinable @inline(__always) static func bytesBeforeZero(_ word: UInt64) -> Int {
        ((word &- 0x0101_0101_0101_0101) & ~word & highBits).trailingZeroBitCount &>> 3
    }

    /// Ones in the lowest `count` (0 to 8) bytes. Two shifts, since one by 64 is none.
    @inlinable @inline(__always) static func lowBytes(_ count: Int) -> UInt64 {
        let half = UInt64(truncatingIfNeeded: count &* 4)
        return ~((~0 &<< half) &<< half)
    }

    /// The values of the first `count` (1 to 8) bytes as digits, the last one highest; high bits in `odd` if one is
    /// none.
    @inlinable @inline(__always) static func values(_ word: UInt64, _ count: Int, odd: inout UInt64) -> UInt64 {
        let values = (word ^ 0x3030_3030_3030_3030) &<< UInt64(truncatingIfNeeded: 64 &- count &* 8)
        odd |= (values &+ 0x7676_7676_7676_7676) | values
        return values
    }

    /// Eight digits' values as one number.
    @inlinable @inline(__always) static func combine(_ values: UInt64) -> UInt64 {
        let pairs = values &* 10 &+ values &>> 8
        let low = (pairs & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
        let high = (pairs &>> 16 & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
        return (low &+ high) &>> 32
    }

    /// A whole number of one to seven digits.
    @inlinable @inline(__always) mutating func whole() -> UInt64 {
        let word = word()
        let count = TickFields.bytesBeforeZero(word)
        odd |= UInt64(bitPattern: Int64((count &- 1) | (7 &- count))) & TickFields.signBit
        at += count &+ 1
        return TickFields.combine(TickFields.values(word, count, odd: &odd))
    }

    /// One digit.
    @inlinable @inline(__always) mutating func digit() -> UInt64 {
        // The digit and the NUL behind it: both bytes stay below 0x80 when they are right.
        let digit = word() & 0xFFFF ^ 0x30
        odd |= (digit &+ 0x7F76) | digit
        at += 2
        return digit
    }

    /// Ten digits of epoch seconds, as nanoseconds.
    @inlinable @inline(__always) mutating func seconds() -> Int64 {
        guard left >= 11, at.load(fromByteOffset: 10, as: UInt8.self) == 0 else {
            odd = TickFields.signBit
            return 0
        }
        let high = TickFields.combine(TickFields.values(load(at), 8, odd: &odd))
        let low = UInt64(at.loadUnaligned(fromByteOffset: 8, as: UInt16.self).littleEndian) ^ 0x3030
        odd |= (low &+ 0x7676) | low
        at += 11
        let seconds = high &* 100 &+ (low & 0xFF) &* 10 &+ low &>> 8
        // What 63 bits of nanoseconds hold.
        if seconds >= 9_223_372_036 { odd = TickFields.signBit }
        return Int64(bitPattern: seconds &* 1_000_000_000)
    }

    /// A decimal of up to eight characters in units of 1e-9; others by `longDecimal`.
    @inlinable @inline(__always) mutating func price() -> Int64 {
        guard left > 8 else { return longDecimal() }
        let word = load(at)
        let count = TickFields.bytesBeforeZero(word)
        // In range: `left` is more than eight, and `count` at most that.
        guard at.load(fromByteOffset: count, as: UInt8.self) == 0, count > 0 else { return longDecimal() }
        let point = TickFields.bytesBeforeZero(word ^ 0x2E2E_2E2E_2E2E_2E2E)
        // The digits without the point: those behind it move down by one. A point behind the field changes nothing.
        let before = TickFields.lowBytes(point)
        let digits = word & before | word &>> 8 & ~before
        let decimals = max(0, count &- 1 &- point)
        let digitCount = point < count ? count &- 1 : count
        var unusual: UInt64 = 0
        let values = TickFields.values(digits, digitCount, odd: &unusual)
        guard unusual & TickFields.highBits == 0, digitCount > 0 else { return longDecimal() }
        at += count &+ 1
        return Int64(bitPattern: TickFields.combine(values) &* TickFields.scale(decimals: decimals))
    }

    /// A whole number of one to seven digits in units of 1e-9; others by `longDecimal`.
    @inlinable @inline(__always) mutating func size() -> Int64 {
        let word = word()
        let count = TickFields.bytesBeforeZero(word)
        var unusual = UInt64(bitPattern: Int64((count &- 1) | (7 &- count))) & TickFields.signBit
        let values = TickFields.values(word, count, odd: &unusual)
        guard unusual & TickFields.highBits == 0 else { return longDecimal() }
        at += count &+ 1
        return Int64(bitPattern: TickFields.combine(values) &* 1_000_000_000)
    }

    /// 10 to the power 9 − decimals.
    @inlinable @inline(__always) static func scale(decimals: Int) -> UInt64 {
        switch decimals {
        case 0: 1_000_000_000
        case 1: 100_000_000
        case 2: 10_000_000
        case 3: 1_000_000
        case 4: 100_000
        case 5: 10_000
        case 6: 1_000
        default: 100
        }
    }

    @inlinable @inline(__always) mutating func longDecimal() -> Int64 {
        guard let long = TickFields.longDecimal(at, end) else {
            odd = TickFields.signBit
            return 0
        }
        at = long.next
        return long.units
    }

    @usableFromInline @frozen struct LongDecimal {
        @usableFromInline let units: Int64
        @usableFromInline let next: UnsafeRawPointer
    }

    /// A decimal digit by digit, with or without a sign, up to nine digits on either side of the point; nil for others.
    /// Static, so that the fields stay in registers.
    @usableFromInline @inline(never)
    static func longDecimal(_ start: UnsafeRawPointer, _ end: UnsafeRawPointer) -> LongDecimal? {
        guard start < end else { return nil }
        var nul = start.assumingMemoryBound(to: UInt8.self)
        let negative = nul.pointee == 0x2D
        if negative { nul += 1 }
        // The body's last byte is NUL: no run of digits goes beyond it.
        let whole = nul
        var value: UInt64 = 0
        while nul.pointee &- 0x30 <= 9 {
            value = value &* 10 &+ UInt64(nul.pointee &- 0x30)
            nul += 1
        }
        let wholeDigits = nul - whole
        var decimals = 0
        if nul.pointee == 0x2E {
            nul += 1
            let fraction = nul
            while nul.pointee &- 0x30 <= 9 {
                value = value &* 10 &+ UInt64(nul.pointee &- 0x30)
                nul += 1
            }
            decimals = nul - fraction
        }
        guard nul.pointee == 0, wholeDigits > 0, wholeDigits <= 9, decimals <= 9 else { return nil }
        for _ in decimals..<9 { value &*= 10 }
        let units = Int64(bitPattern: value)
        return LongDecimal(units: negative ? 0 &- units : units, next: UnsafeRawPointer(nul + 1))
    }

    /// A text of up to six bytes, zeros behind it.
    @inlinable @inline(__always) mutating func shortText() -> UInt64 {
        let word = word()
        let count = TickFields.bytesBeforeZero(word)
        odd |= UInt64(bitPattern: Int64(6 &- count)) & TickFields.signBit
        at += count &+ 1
        return word & TickFields.lowBytes(count)
    }

    /// A text of up to ten bytes: the first eight, and the other two lowest in a word of their own.
    @inlinable @inline(__always) mutating func longText() -> (UInt64, UInt64) {
        let word = word()
        var count = TickFields.bytesBeforeZero(word)
        var rest: UInt64 = 0
        if count == 8 {
            // Eight bytes without a NUL: they lie inside the body, and so does the ninth, which may be the NUL.
            while count <= 10, count < left, byte(count) != 0 {
                rest |= UInt64(byte(count)) &<< UInt64(truncatingIfNeeded: (count &- 8) &* 8)
                count &+= 1
            }
            if count > 10 { odd = TickFields.signBit }
        }
        at += count &+ 1
        return (word & TickFields.lowBytes(min(count, 8)), rest)
    }

    @inlinable @inline(__always) func byte(_ offset: Int) -> UInt8 { at.load(fromByteOffset: offset, as: UInt8.self) }
}
