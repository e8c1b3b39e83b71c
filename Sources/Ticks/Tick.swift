/// One tick, 64 bytes, little endian: the same bytes on the wire, in the journal and in the recorder's log.
///
///     offset size field
///          0    4 seq          per stream within the epoch, from 1, no holes, no repeats
///          4    4 epoch        one for the whole connector; (epoch, seq) read as one u64 at offset 0 is the key
///          8    8 tsEventNanos TWS time, ns since the Unix epoch (whole seconds); Int64.min = none
///         16    8 tsRecvNanos  host real-time clock at the socket read, ns, plus the index within the read
///         24    4 conId        IB contract id
///         28    1 kind
///         29    1 source       which connector
///         30    2 flags
///         32   32 body         by kind: `Tick+Body.swift`
///
/// Source: docs/file-format.md#the-record. The struct's memory is exactly these bytes (the fields are naturally aligned
/// and every supported machine is little endian), so an array of `Tick` is a run of records.
public struct Tick: Sendable, Equatable, BitwiseCopyable {
    /// Bytes of one record.
    public static let size = 64
    /// `tsEventNanos` of a record that has no time from TWS; NumPy reads it as NaT.
    public static let noEventTime = Int64.min

    public var seq: UInt32
    public var epoch: UInt32
    public var tsEventNanos: Int64
    public var tsRecvNanos: Int64
    public var conId: Int32
    /// Byte 28 as it stands in the record; `kind` is the same as an enum.
    public var kindByte: UInt8
    public var source: UInt8
    public var flags: TickFlags
    public var body: TickBody

    @inlinable public init(
        key: TickKey = .zero, tsEventNanos: Int64 = Tick.noEventTime, tsRecvNanos: Int64 = 0, conId: Int32 = 0,
        kind: TickKind, source: UInt8 = 0, flags: TickFlags = [], body: TickBody = TickBody()
    ) {
        seq = key.seq
        epoch = key.epoch
        self.tsEventNanos = tsEventNanos
        self.tsRecvNanos = tsRecvNanos
        self.conId = conId
        kindByte = kind.rawValue
        self.source = source
        self.flags = flags
        self.body = body
    }

    @inlinable public var key: TickKey {
        get { TickKey(epoch: epoch, seq: seq) }
        set {
            seq = newValue.seq
            epoch = newValue.epoch
        }
    }

    /// Nil for a byte that no version of this format defines.
    @inlinable public var kind: TickKind? { TickKind(rawValue: kindByte) }

    /// The kind of the stream that the record belongs to: its own kind, or for `more` and `marker` the first body byte.
    @inlinable public var streamKindByte: UInt8 {
        kindByte < 128 ? kindByte : UInt8(truncatingIfNeeded: body.word0)
    }

    /// The stream, or nil when the bytes name none (corrupt or from a later version).
    @inlinable public var stream: StreamID? {
        guard let kind = TickKind(rawValue: streamKindByte), kind.isMarketData else { return nil }
        return StreamID(conId: conId, kind: kind, source: source)
    }

    /// Reads the record at a byte offset; the caller has checked that 64 bytes are there (trapped otherwise).
    @inlinable public init(decoding bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
        precondition(offset >= 0 && offset &+ Tick.size <= bytes.count, "a record needs 64 bytes")
        self = bytes.loadUnaligned(fromByteOffset: offset, as: Tick.self)
    }

    @inlinable public static func == (a: Tick, b: Tick) -> Bool {
        a.key == b.key && a.tsEventNanos == b.tsEventNanos && a.tsRecvNanos == b.tsRecvNanos && a.conId == b.conId
            && a.kindByte == b.kindByte && a.source == b.source && a.flags == b.flags && a.body == b.body
    }

    /// The record's 64 bytes.
    public var bytes: [UInt8] { withUnsafeBytes(of: self) { Array($0) } }
}

/// The last 32 bytes of a record as four little-endian words.
public struct TickBody: Sendable, Hashable, BitwiseCopyable {
    public var word0: UInt64
    public var word1: UInt64
    public var word2: UInt64
    public var word3: UInt64

    @inlinable public init(_ word0: UInt64 = 0, _ word1: UInt64 = 0, _ word2: UInt64 = 0, _ word3: UInt64 = 0) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    @inlinable public init(_ a: Int64, _ b: Int64, _ c: Int64 = 0, _ d: Int64 = 0) {
        self.init(
            UInt64(bitPattern: a), UInt64(bitPattern: b), UInt64(bitPattern: c), UInt64(bitPattern: d))
    }

    /// Body bytes `range`, up to the first NUL from the right: texts are NUL-padded and blanks are kept.
    public func text(_ range: Range<Int>) -> [UInt8] {
        precondition(range.lowerBound >= 0 && range.upperBound <= 32)
        return withUnsafeBytes(of: self) { bytes in
            var end = range.upperBound
            while end > range.lowerBound, bytes[end - 1] == 0 { end -= 1 }
            return Array(bytes[range.lowerBound..<end])
        }
    }

    /// Writes `text` (cut at the range's length by the caller's choice of range) NUL-padded into body bytes `range`.
    public mutating func setText(_ text: some Collection<UInt8>, _ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= 32 && text.count <= range.count)
        withUnsafeMutableBytes(of: &self) { bytes in
            var at = range.lowerBound
            for byte in text {
                bytes[at] = byte
                at += 1
            }
            while at < range.upperBound {
                bytes[at] = 0
                at += 1
            }
        }
    }
}
