internal import Ticks

/// The beginning of a segment, little endian.
///
///     offset size field
///          0    4 magic      "IBTK"
///          4    2 version    1
///          6    2 zero
///          8    4 con_id
///         12    1 kind
///         13    1 source
///         14    2 zero
///         16    4 segment id random per file, the same in all its parts
///         20    4 definition bytes of JSON; 0 where none was known
///         24    4 header     bytes up to the first block: a multiple of 8
///         28    4 crc32c     over all of the header with this field zero
///         32      the instrument's definition as JSON, zeros up to a multiple of 8
struct SegmentHeader: Equatable {
    static let size = 32
    /// "IBTK" read as a little-endian number.
    static let magic: UInt32 = 0x4B54_4249
    static let version = FormatVersion.segment
    static let maxDefinitionBytes = 1 << 20

    var stream: StreamID
    var segmentID: UInt32
    var definition: [UInt8]

    var byteCount: Int { (SegmentHeader.size + definition.count + 7) & ~7 }

    func encoded() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        bytes.withUnsafeMutableBytes { raw in
            raw.store(SegmentHeader.magic, at: 0)
            raw.store(SegmentHeader.version, at: 4)
            raw.store(stream.conId, at: 8)
            raw[12] = stream.kind.rawValue
            raw[13] = stream.source
            raw.store(segmentID, at: 16)
            raw.store(UInt32(definition.count), at: 20)
            raw.store(UInt32(raw.count), at: 24)
            UnsafeMutableRawBufferPointer(rebasing: raw[SegmentHeader.size...]).copyBytes(from: definition)
            raw.store(Checksum.withoutField(UnsafeRawBufferPointer(raw), at: 28), at: 28)
        }
        return bytes
    }

    /// Reads a file's header; nil when it is not one, or damaged.
    init?(of file: File) throws(StoreError) {
        var bytes = [UInt8](repeating: 0, count: SegmentHeader.size)
        guard try file.read(into: &bytes, at: 0) else { return nil }
        let total = bytes.withUnsafeBytes { raw -> Int? in
            let count = Int(raw.number(24, UInt32.self))
            guard raw.number(0, UInt32.self) == SegmentHeader.magic,
                raw.number(4, UInt16.self) == SegmentHeader.version,
                count >= SegmentHeader.size, count <= SegmentHeader.size + SegmentHeader.maxDefinitionBytes + 7
            else { return nil }
            return count
        }
        guard let total else { return nil }
        bytes = [UInt8](repeating: 0, count: total)
        guard try file.read(into: &bytes, at: 0) else { return nil }
        self.init(decoding: bytes)
    }

    /// Nil when these are not the bytes of a sound header.
    init?(decoding bytes: [UInt8]) {
        let fields = bytes.withUnsafeBytes { raw -> (StreamID, UInt32, Int)? in
            let definition = Int(raw.number(20, UInt32.self))
            guard raw.count >= SegmentHeader.size, Checksum.isRight(raw, at: 28), definition <= raw.count,
                let kind = TickKind(rawValue: raw[12]), kind.isMarketData
            else { return nil }
            let stream = StreamID(conId: raw.number(8, Int32.self), kind: kind, source: raw[13])
            return (stream, raw.number(16, UInt32.self), definition)
        }
        guard let (stream, segmentID, definitionBytes) = fields else { return nil }
        self.init(
            stream: stream, segmentID: segmentID,
            definition: Array(bytes[SegmentHeader.size...].prefix(definitionBytes)))
        guard byteCount == bytes.count else { return nil }
    }

    init(stream: StreamID, segmentID: UInt32, definition: [UInt8]) {
        self.stream = stream
        self.segmentID = segmentID
        self.definition = definition
    }
}
