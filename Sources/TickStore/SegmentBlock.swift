internal import CLinux
internal import Ticks

/// The 40 bytes in front of every block of a segment, little endian.
///
///     offset size field
///          0    4 magic      "IBTC"
///          4    2 version    1
///          6    2 zero
///          8    4 records    1 to 16,384
///         12    4 bytes      of what follows; a multiple of 8
///         16    8 first key
///         24    8 last key
///         32    4 segment id random per file, the same in all its parts
///         36    4 crc32c     over these 40 bytes with this field zero, then what follows
///
/// Behind it: u32 number of rows that stand apart, u32 bytes of their zstd frame, eight `SegmentColumn`s of the other
/// rows, the frame of the rows that stand apart, the frames of the columns, zeros up to a multiple of 8.
struct SegmentBlock: Equatable {
    static let size = 40
    static let checksumOffset = 36
    /// "IBTC" read as a little-endian number.
    static let magic: UInt32 = 0x4354_4249
    static let version = FormatVersion.segment
    /// Blocks are ended here...
    static let usualRecords = 16_000
    /// ...or up to here, so that a `more` record stays with its tick.
    static let maxRecords = 16_384
    static let columns = 8
    /// Behind the header: two counts and the columns' descriptions.
    static let tableBytes = 8 + columns * SegmentColumn.size
    /// Blocks begin at multiples of this.
    static let alignmentBytes = 8
    /// More than any block of `maxRecords` can become.
    static let maxPayloadBytes = 3 << 20

    var records: UInt32
    var payloadBytes: UInt32
    var firstKey: TickKey
    var lastKey: TickKey
    var segmentID: UInt32
    var checksum: UInt32 = 0

    init(records: Int, payloadBytes: Int, firstKey: TickKey, lastKey: TickKey, segmentID: UInt32) {
        self.records = UInt32(records)
        self.payloadBytes = UInt32(payloadBytes)
        self.firstKey = firstKey
        self.lastKey = lastKey
        self.segmentID = segmentID
    }

    /// Nil when these bytes cannot begin a block; the checksum is the caller's to compare. Needs 40 bytes.
    init?(decoding bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= SegmentBlock.size, bytes.number(0, UInt32.self) == SegmentBlock.magic,
            bytes.number(4, UInt16.self) == SegmentBlock.version, bytes.number(6, UInt16.self) == 0
        else { return nil }
        records = bytes.number(8, UInt32.self)
        payloadBytes = bytes.number(12, UInt32.self)
        firstKey = TickKey(rawValue: bytes.number(16, UInt64.self))
        lastKey = TickKey(rawValue: bytes.number(24, UInt64.self))
        segmentID = bytes.number(32, UInt32.self)
        checksum = bytes.number(36, UInt32.self)
        guard (1...SegmentBlock.maxRecords).contains(Int(records)), firstKey <= lastKey,
            (SegmentBlock.tableBytes...SegmentBlock.maxPayloadBytes).contains(Int(payloadBytes)),
            Int(payloadBytes) % SegmentBlock.alignmentBytes == 0
        else { return nil }
    }

    /// Header and payload together.
    var blockBytes: Int { SegmentBlock.size + Int(payloadBytes) }

    /// Writes the header in front of the payload in `block`, with the checksum over both.
    func seal(_ block: UnsafeMutableRawBufferPointer) {
        block.store(SegmentBlock.magic, at: 0)
        block.store(SegmentBlock.version, at: 4)
        block.store(UInt16(0), at: 6)
        block.store(records, at: 8)
        block.store(payloadBytes, at: 12)
        block.store(firstKey.rawValue, at: 16)
        block.store(lastKey.rawValue, at: 24)
        block.store(segmentID, at: 32)
        block.store(
            Checksum.withoutField(UnsafeRawBufferPointer(block), at: SegmentBlock.checksumOffset),
            at: SegmentBlock.checksumOffset)
    }
}

/// CRC-32C over bytes that hold the checksum themselves.
enum Checksum {
    /// The checksum of `bytes` with the four bytes at `field` read as zero.
    static func withoutField(_ bytes: UnsafeRawBufferPointer, at field: Int) -> UInt32 {
        var crc = clx_crc32c(0, bytes.baseAddress, field)
        withUnsafeBytes(of: UInt32(0)) { crc = clx_crc32c(crc, $0.baseAddress, $0.count) }
        let rest = UnsafeRawBufferPointer(rebasing: bytes[(field + 4)...])
        return clx_crc32c(crc, rest.baseAddress, rest.count)
    }

    /// True when the checksum at `field` is right.
    static func isRight(_ bytes: UnsafeRawBufferPointer, at field: Int) -> Bool {
        withoutField(bytes, at: field) == bytes.number(field, UInt32.self)
    }
}
