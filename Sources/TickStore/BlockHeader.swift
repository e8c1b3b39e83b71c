internal import CLinux
internal import Ticks

/// The 32 bytes in front of every block of a tick log, little endian.
///
///     offset size field
///          0    4 magic      "IBTB"
///          4    2 version    1
///          6    2 codec      0 = records as they are, 1 = key table
///          8    4 records    64-byte records, or 32-byte table entries
///         12    4 bytes      of payload; at most 1 MiB, a multiple of 32
///         16    8 durable_to file offset up to which this part was known to be durable when the block was written
///         24    4 part id    random per use of a file: blocks left by an earlier use never belong to this one
///         28    4 crc32c     over these 32 bytes with this field zero, then the payload
///
/// Source: docs/file-format.md#the-tick-log.
public struct BlockHeader: Sendable, Equatable {
    /// What the payload is.
    public enum Codec: UInt16, Sendable {
        case records = 0
        case keyTable = 1
    }

    public static let size = 32
    /// "IBTB" read as a little-endian number.
    public static let magic: UInt32 = 0x4254_4249
    public static let version = FormatVersion.block
    /// The largest payload: 16,384 records.
    public static let maxPayloadBytes = 1 << 20
    /// Blocks begin at multiples of this, which makes a search behind damaged bytes cheap.
    public static let alignmentBytes = 32
    static let maxTableEntries = maxPayloadBytes / KeyTable.entrySize

    public var codec: Codec
    public var records: UInt32
    public var payloadBytes: UInt32
    public var durableTo: UInt64
    public var partID: UInt32
    public var checksum: UInt32

    init(codec: Codec, records: Int, payloadBytes: Int, durableTo: UInt64, partID: UInt32) {
        self.codec = codec
        self.records = UInt32(records)
        self.payloadBytes = UInt32(payloadBytes)
        self.durableTo = durableTo
        self.partID = partID
        checksum = 0
    }

    /// Nil when these bytes cannot begin a block; the checksum is the caller's to compare. Needs 32 bytes.
    init?(decoding bytes: UnsafeRawBufferPointer) {
        func word<T: FixedWidthInteger>(_ offset: Int, _: T.Type) -> T {
            T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
        guard bytes.count >= BlockHeader.size, word(0, UInt32.self) == BlockHeader.magic,
            word(4, UInt16.self) == BlockHeader.version, let codec = Codec(rawValue: word(6, UInt16.self))
        else { return nil }
        self.codec = codec
        records = word(8, UInt32.self)
        payloadBytes = word(12, UInt32.self)
        durableTo = word(16, UInt64.self)
        partID = word(24, UInt32.self)
        checksum = word(28, UInt32.self)
        let entryBytes = codec == .records ? 64 : UInt64(KeyTable.entrySize)
        guard payloadBytes <= UInt32(BlockHeader.maxPayloadBytes), UInt64(records) * entryBytes == UInt64(payloadBytes)
        else { return nil }
    }

    /// Header and payload together.
    var blockBytes: Int { BlockHeader.size + Int(payloadBytes) }

    /// Writes the 32 bytes to `out`.
    func encode(to out: UnsafeMutableRawPointer) {
        out.storeBytes(of: BlockHeader.magic.littleEndian, as: UInt32.self)
        out.storeBytes(of: BlockHeader.version.littleEndian, toByteOffset: 4, as: UInt16.self)
        out.storeBytes(of: codec.rawValue.littleEndian, toByteOffset: 6, as: UInt16.self)
        out.storeBytes(of: records.littleEndian, toByteOffset: 8, as: UInt32.self)
        out.storeBytes(of: payloadBytes.littleEndian, toByteOffset: 12, as: UInt32.self)
        out.storeBytes(of: durableTo.littleEndian, toByteOffset: 16, as: UInt64.self)
        out.storeBytes(of: partID.littleEndian, toByteOffset: 24, as: UInt32.self)
        out.storeBytes(of: checksum.littleEndian, toByteOffset: 28, as: UInt32.self)
    }

    /// The checksum that belongs into this header when `payload` follows it.
    func checksum(withPayload payload: UnsafeRawBufferPointer) -> UInt32 {
        var unsigned = self
        unsigned.checksum = 0
        return withUnsafeTemporaryAllocation(byteCount: BlockHeader.size, alignment: 8) { bytes in
            unsigned.encode(to: bytes.baseAddress!)
            return clx_crc32c(clx_crc32c(0, bytes.baseAddress, BlockHeader.size), payload.baseAddress, payload.count)
        }
    }

    /// True when the checksum is right for these 32 bytes' fields and the payload.
    func isSound(payload: UnsafeRawBufferPointer) -> Bool { checksum(withPayload: payload) == checksum }
}
