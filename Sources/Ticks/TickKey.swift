/// (epoch, seq) as one number: the total order of a stream for ever.
///
/// The little-endian u64 at offset 0 of a record: `seq` in the low half, `epoch` in the high half. Key 0 is below every
/// record, since `seq` counts from 1.
public struct TickKey: Sendable, Hashable, Comparable, BitwiseCopyable, CustomStringConvertible {
    public let rawValue: UInt64

    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public init(epoch: UInt32, seq: UInt32) { rawValue = UInt64(epoch) << 32 | UInt64(seq) }

    /// Below every key that a record can have.
    public static let zero = TickKey(rawValue: 0)

    @inlinable public var epoch: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }
    @inlinable public var seq: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
    /// The next key of the same epoch; behind the last possible one, the start of the next epoch.
    @inlinable public var next: TickKey { TickKey(rawValue: rawValue &+ 1) }
    /// The next key that a record can have: behind an epoch's last possible one the first of the next epoch.
    @inlinable public var following: TickKey { seq == .max ? TickKey(epoch: epoch &+ 1, seq: 1) : next }
    /// The key before: of an epoch's first key, the greatest that the epoch before it
    /// can have; `zero` has none below itself.
    public var previous: TickKey {
        if seq > 1 { return TickKey(rawValue: rawValue - 1) }
        return epoch > 0 ? TickKey(epoch: epoch - 1, seq: .max) : .zero
    }
    /// The greatest key that this epoch can have: stands for "to the epoch's end" in a `lost` record.
    @inlinable public var endOfEpoch: TickKey { TickKey(epoch: epoch, seq: .max) }

    @inlinable public static func < (a: TickKey, b: TickKey) -> Bool { a.rawValue < b.rawValue }

    /// `epoch:seq`, for people. JSON carries `rawValue` as an integer.
    public var description: String { "\(epoch):\(seq)" }
}
