internal import Ticks

/// The time index of a segment: one entry a block, so that a reader finds a key or a time without reading the rest.
///
///     offset size field
///          0    4 magic      "IBTX"
///          4    2 version    1
///          6    2 zero
///          8    4 blocks
///         12    4 segment id
///         16    4 zero
///         20    4 crc32c     over header and entries with this field zero
///
/// Then 48 bytes a block: u64 file offset, u64 first key, u64 last key, u32 records, u32 healed records, i64 least and
/// i64 greatest ts_recv of the records that are not healed (2^63 - 1 and -2^63 when there are none).
struct SegmentIndex: Equatable {
    struct Entry: Equatable {
        var offset: UInt64
        var firstKey: TickKey
        var lastKey: TickKey
        var records: UInt32
        /// Ticks with the healed flag.
        var healed: UInt32 = 0
        var minRecvNanos = Int64.max
        var maxRecvNanos = Int64.min
    }

    static let headerBytes = 24
    static let entryBytes = 48
    /// "IBTX" read as a little-endian number.
    static let magic: UInt32 = 0x5854_4249
    static let version: UInt16 = 1

    var entries: [Entry] = []

    func encoded(segmentID: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(SegmentIndex.headerBytes + entries.count * SegmentIndex.entryBytes)
        bytes.append(number: SegmentIndex.magic)
        bytes.append(number: SegmentIndex.version)
        bytes.append(number: UInt16(0))
        bytes.append(number: UInt32(entries.count))
        bytes.append(number: segmentID)
        bytes.append(number: UInt64(0))
        for entry in entries {
            bytes.append(number: entry.offset)
            bytes.append(number: entry.firstKey.rawValue)
            bytes.append(number: entry.lastKey.rawValue)
            bytes.append(number: entry.records)
            bytes.append(number: entry.healed)
            bytes.append(number: entry.minRecvNanos)
            bytes.append(number: entry.maxRecvNanos)
        }
        bytes.withUnsafeMutableBytes { $0.store(Checksum.withoutField(UnsafeRawBufferPointer($0), at: 20), at: 20) }
        return bytes
    }

    /// Nil when these are not the bytes of a sound index of this segment.
    init?(decoding bytes: UnsafeRawBufferPointer, segmentID: UInt32) {
        guard bytes.count >= SegmentIndex.headerBytes, bytes.number(0, UInt32.self) == SegmentIndex.magic,
            bytes.number(4, UInt16.self) == SegmentIndex.version, bytes.number(12, UInt32.self) == segmentID,
            SegmentIndex.headerBytes + Int(bytes.number(8, UInt32.self)) * SegmentIndex.entryBytes == bytes.count,
            Checksum.isRight(bytes, at: 20)
        else { return nil }
        for at in stride(from: SegmentIndex.headerBytes, to: bytes.count, by: SegmentIndex.entryBytes) {
            entries.append(
                Entry(
                    offset: bytes.number(at, UInt64.self),
                    firstKey: TickKey(rawValue: bytes.number(at + 8, UInt64.self)),
                    lastKey: TickKey(rawValue: bytes.number(at + 16, UInt64.self)),
                    records: bytes.number(at + 24, UInt32.self), healed: bytes.number(at + 28, UInt32.self),
                    minRecvNanos: bytes.number(at + 32, Int64.self), maxRecvNanos: bytes.number(at + 40, Int64.self)))
        }
    }

    init() {}
}
