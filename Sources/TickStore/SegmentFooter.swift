internal import Glibc
public import Ticks

/// The end of a segment: what it holds, for readers that need no more. Little endian.
///
///     offset size field
///          0    4 magic      "IBTF"
///          4    2 version    2; 1 has no previous key, and its markers stand where that does
///          6    2 zero
///          8    4 con_id
///         12    1 kind
///         13    1 source
///         14    2 zero
///         16    4 segment id
///         20    4 crc32c     over the whole footer with this field zero
///         24    8 index      file offset of the time index, which ends where the footer begins
///         32    4 blocks
///         36    4 marker bytes
///         40    8 records
///         48    8 ticks      records that are neither `more` nor markers
///         56    8 markers
///         64    8 healed     ticks with the healed flag
///         72    8 first key
///         80    8 last key
///         88   16 ts_recv of the first and of the last record
///        104   16 least and greatest ts_recv of the records that are not healed
///        120   16 least and greatest ts_event of the healed ticks
///        136   32 SHA-256    of all that stands before the footer
///        168    8 previous   the stream's last key in front of the file's first; 0: it begins here, or nothing was
///                            known
///        176      the markers with the live ticks beside them, as `MarkerCollector` has them
///         -8    4 footer     bytes, from the magic to the file's end
///         -4    4 magic      "IBTE"
///
/// Where there is nothing of a sort, the least time is 2^63 - 1 and the greatest -2^63.
public struct SegmentFooter: Sendable, Equatable {
    public var stream: StreamID
    /// Random per file, the same in all its parts.
    public var segmentID: UInt32
    public var records: UInt64 = 0
    /// Records that are neither `more` nor markers.
    public var ticks: UInt64 = 0
    /// Markers of any sort.
    public var markerCount: UInt64 = 0
    /// Ticks from history.
    public var healed: UInt64 = 0
    /// Key 0 in a segment without records.
    public var firstKey: TickKey = .zero
    public var lastKey: TickKey = .zero
    public var firstRecvNanos: Int64 = 0
    public var lastRecvNanos: Int64 = 0
    /// Of the records that are not healed; `Int64.max` and `Int64.min` when there are none.
    public var minRecvNanos = Int64.max
    public var maxRecvNanos = Int64.min
    /// Of the healed ticks; `Int64.max` and `Int64.min` when there are none.
    public var minHealedEventNanos = Int64.max
    public var maxHealedEventNanos = Int64.min
    /// SHA-256 of all bytes before the footer.
    public var sha256: [UInt8] = []
    /// The stream's last key in front of the file's first one, as the file was made: 0 where it begins, or where
    /// nothing was known. Nil in files of version 1, which do not tell.
    public var previousKey: TickKey?
    /// What the gap ledger needs of this file.
    public var markers = MarkerCollector()

    var indexOffset: UInt64 = 0
    var blocks: UInt32 = 0

    /// Of version 1, the shortest; the others have a previous key more.
    static let fixedBytes = 168
    static let trailerBytes = 8
    /// "IBTF" and "IBTE" read as little-endian numbers.
    static let magic: UInt32 = 0x4654_4249
    static let endMagic: UInt32 = 0x4554_4249
    private static let versionWithoutPrevious: UInt16 = 1
    private static let version = FormatVersion.footer
    /// Room for half a million markers in one hour of one stream.
    static let maxBytes = 64 << 20

    /// The first key that the file stands for: of its first record, or of the range that this one calls lost.
    var firstCoveredKey: TickKey {
        guard let entry = markers.entries.first, entry.marker.key == firstKey else { return firstKey }
        return MissingKeys.firstKeyCovered(by: entry.marker)
    }

    /// What is missing between the stream's last key in front of this file and the
    /// file's first; nil: nothing is known to be.
    func missing(after known: TickKey) -> ClosedRange<TickKey>? {
        let first = firstCoveredKey
        let previous = max(known, previousKey ?? .zero)
        let begins = first.epoch != previous.epoch && first.seq <= 1
        return MissingKeys.range(after: known, upTo: begins || first <= previous ? previous : first.previous)
    }

    init(stream: StreamID, segmentID: UInt32, previousKey: TickKey? = nil) {
        self.stream = stream
        self.segmentID = segmentID
        self.previousKey = previousKey
    }

    /// Reads the footer of a segment: one or two small reads from its end. Its own checksum is
    /// right; the rest of the file is not looked at.
    ///
    /// Throws `notASegment` when the file does not end with a sound footer.
    public init(of path: String) throws(StoreError) {
        let file = try File(path, O_RDONLY)
        guard let footer = try SegmentFooter(of: file, size: try file.size()) else { throw .notASegment(path: path) }
        self = footer
    }

    /// Nil when the file does not end with a sound footer.
    init?(of file: File, size: UInt64) throws(StoreError) {
        var tail = [UInt8](repeating: 0, count: Int(min(size, 4096)))
        guard tail.count >= SegmentFooter.fixedBytes, try file.read(into: &tail, at: size - UInt64(tail.count)) else {
            return nil
        }
        let (bytes, magic) = tail.withUnsafeBytes {
            (Int($0.number($0.count - 8, UInt32.self)), $0.number($0.count - 4, UInt32.self))
        }
        guard magic == SegmentFooter.endMagic, bytes >= SegmentFooter.fixedBytes + SegmentFooter.trailerBytes,
            bytes <= SegmentFooter.maxBytes, UInt64(bytes) <= size
        else { return nil }
        if bytes > tail.count {
            tail = [UInt8](repeating: 0, count: bytes)
            guard try file.read(into: &tail, at: size - UInt64(bytes)) else { return nil }
        } else {
            tail.removeFirst(tail.count - bytes)
        }
        self.init(decoding: tail)
        guard indexOffset <= size - UInt64(bytes) else { return nil }
    }

    /// Bytes of the footer in the file.
    var byteCount: Int {
        SegmentFooter.fixedBytes + (previousKey == nil ? 0 : 8) + markers.encodedBytes + SegmentFooter.trailerBytes
    }

    func encoded() -> [UInt8] {
        precondition(sha256.count == SHA256.size)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        bytes.append(number: SegmentFooter.magic)
        bytes.append(number: previousKey == nil ? SegmentFooter.versionWithoutPrevious : SegmentFooter.version)
        bytes.append(number: UInt16(0))
        bytes.append(number: stream.conId)
        bytes.append(stream.kind.rawValue)
        bytes.append(stream.source)
        bytes.append(number: UInt16(0))
        bytes.append(number: segmentID)
        bytes.append(number: UInt32(0))
        bytes.append(number: indexOffset)
        bytes.append(number: blocks)
        bytes.append(number: UInt32(markers.encodedBytes))
        for count in [records, ticks, markerCount, healed, firstKey.rawValue, lastKey.rawValue] {
            bytes.append(number: count)
        }
        for time in [
            firstRecvNanos, lastRecvNanos, minRecvNanos, maxRecvNanos, minHealedEventNanos, maxHealedEventNanos,
        ] { bytes.append(number: time) }
        bytes += sha256
        if let previousKey { bytes.append(number: previousKey.rawValue) }
        markers.encode(to: &bytes)
        bytes.append(number: UInt32(byteCount))
        bytes.append(number: SegmentFooter.endMagic)
        bytes.withUnsafeMutableBytes { $0.store(Checksum.withoutField(UnsafeRawBufferPointer($0), at: 20), at: 20) }
        return bytes
    }

    /// Nil when these are not the bytes of a sound footer.
    init?(decoding bytes: [UInt8]) {
        let decoded = bytes.withUnsafeBytes { raw -> SegmentFooter? in
            guard raw.count >= SegmentFooter.fixedBytes + SegmentFooter.trailerBytes,
                raw.number(0, UInt32.self) == SegmentFooter.magic
            else { return nil }
            let version = raw.number(4, UInt16.self)
            let fixed = SegmentFooter.fixedBytes + (version == SegmentFooter.version ? 8 : 0)
            let markerBytes = raw.count - fixed - SegmentFooter.trailerBytes
            guard markerBytes >= 0, [SegmentFooter.version, SegmentFooter.versionWithoutPrevious].contains(version),
                Checksum.isRight(raw, at: 20), Int(raw.number(36, UInt32.self)) == markerBytes,
                let kind = TickKind(rawValue: raw[12]), kind.isMarketData,
                let markers = MarkerCollector(
                    decoding: UnsafeRawBufferPointer(rebasing: raw[fixed..<(fixed + markerBytes)]))
            else { return nil }
            let stream = StreamID(conId: raw.number(8, Int32.self), kind: kind, source: raw[13])
            var footer = SegmentFooter(stream: stream, segmentID: raw.number(16, UInt32.self))
            footer.indexOffset = raw.number(24, UInt64.self)
            footer.blocks = raw.number(32, UInt32.self)
            footer.records = raw.number(40, UInt64.self)
            footer.ticks = raw.number(48, UInt64.self)
            footer.markerCount = raw.number(56, UInt64.self)
            footer.healed = raw.number(64, UInt64.self)
            footer.firstKey = TickKey(rawValue: raw.number(72, UInt64.self))
            footer.lastKey = TickKey(rawValue: raw.number(80, UInt64.self))
            footer.firstRecvNanos = raw.number(88, Int64.self)
            footer.lastRecvNanos = raw.number(96, Int64.self)
            footer.minRecvNanos = raw.number(104, Int64.self)
            footer.maxRecvNanos = raw.number(112, Int64.self)
            footer.minHealedEventNanos = raw.number(120, Int64.self)
            footer.maxHealedEventNanos = raw.number(128, Int64.self)
            footer.sha256 = Array(raw[136..<168])
            if version == SegmentFooter.version { footer.previousKey = TickKey(rawValue: raw.number(168, UInt64.self)) }
            footer.markers = markers
            return footer
        }
        guard let decoded else { return nil }
        self = decoded
    }
}
