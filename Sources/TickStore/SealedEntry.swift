internal import Ticks

/// One line of the list of sealed files (`SealedList`), 104 bytes, little endian:
///
///     offset size field
///          0    4 magic      "IBTL"
///          4    2 version    1
///          6    1 what       0 begun, 1 sealed, 2 removed, 3 defined, 4 undefined
///          7    1 more       1: the entry behind it was appended together with it
///          8    8 number     1, 2, 3 … without a hole
///         16    4 con_id
///         20    1 kind
///         21    1 source
///         22    2 place      among the entries that were appended together, from 0
///         24    8 hour       hours since the Unix epoch; -2^63: of no file
///         32    8 first key  that the file stands for
///         40    8 last key
///         48    8 records
///         56    8 bytes      of the file
///         64   32 SHA-256    of the file's blocks and index, as in its footer
///         96    4 previous   the checksum of the entry before, 0 in the first
///        100    4 crc32c     over these 104 bytes with this field zero
struct SealedEntry: Equatable {
    enum What: UInt8 {
        /// The first entry: the list was made; all files sealed from here on are in it.
        case begun = 0
        /// A file is in its place, and has to be there from now on; of one hour's entries the last one counts.
        case sealed = 1
        /// What the stream has up to the last key may be gone: retention took the hour, or it went before there was a list.
        case removed = 2
        /// The contract's definition is kept, and has to be there from now on.
        case defined = 3
        /// It is not to be missed any more.
        case undefined = 4
    }

    static let size = 104
    /// "IBTL" read as a little-endian number.
    private static let magic: UInt32 = 0x4C54_4249
    private static let version = FormatVersion.sealedList
    private static let checksumAt = 100
    /// Of entries that are about no file.
    static let noHour = Int64.min

    var what: What
    var stream = StreamID(conId: 0, kind: .last)
    var hour = noHour
    var firstKey = TickKey.zero
    var lastKey = TickKey.zero
    var records: UInt64 = 0
    var bytes: UInt64 = 0
    var sha256 = [UInt8](repeating: 0, count: SHA256.size)

    init(_ what: What) { self.what = what }

    /// What is to say of a contract's definition.
    init(_ what: What, _ contract: ContractID) {
        self.what = what
        stream = StreamID(contract, .last)
    }

    /// A file that is in its place.
    init(sealed footer: SegmentFooter, hour: Int64, bytes: UInt64) {
        what = .sealed
        stream = footer.stream
        self.hour = hour
        firstKey = footer.firstCoveredKey
        lastKey = footer.lastKey
        records = footer.records
        self.bytes = bytes
        sha256 = footer.sha256
    }

    /// What a stream had up to a key is gone, and is not to be missed.
    init(removed stream: StreamID, upTo lastKey: TickKey, hour: Int64 = noHour) {
        what = .removed
        self.stream = stream
        self.lastKey = lastKey
        self.hour = hour
    }

    /// - Parameters:
    ///   - place: of `count` entries that are appended together and count together, from 0.
    func encoded(
        number: UInt64, previous: UInt32, place: Int = 0, of count: Int = 1
    ) -> (bytes: [UInt8], checksum: UInt32) {
        var out: [UInt8] = []
        out.reserveCapacity(SealedEntry.size)
        out.append(number: SealedEntry.magic)
        out.append(number: SealedEntry.version)
        out.append(what.rawValue)
        out.append(place + 1 < count ? 1 : 0)
        out.append(number: number)
        out.append(number: stream.conId)
        out.append(stream.kind.rawValue)
        out.append(stream.source)
        out.append(number: UInt16(place))
        out.append(number: hour)
        for value in [firstKey.rawValue, lastKey.rawValue, records, bytes] { out.append(number: value) }
        out += sha256
        out.append(number: previous)
        out.append(number: UInt32(0))
        let checksum = out.withUnsafeMutableBytes { raw -> UInt32 in
            let checksum = Checksum.withoutField(UnsafeRawBufferPointer(raw), at: SealedEntry.checksumAt)
            raw.store(checksum, at: SealedEntry.checksumAt)
            return checksum
        }
        return (out, checksum)
    }

    /// An entry's place in the chain, and what of it stands in memory.
    struct Stored {
        var what: What
        var stream: StreamID
        var hour: Int64
        var lastKey: TickKey
        var number: UInt64
        var previous: UInt32
        var checksum: UInt32
        /// Among the entries that were appended together.
        var place: UInt16
        /// True when the next one was appended together with it.
        var hasMore: Bool

        /// Nil when these are not the bytes of a sound entry.
        init?(decoding raw: UnsafeRawBufferPointer) {
            guard raw.count == SealedEntry.size, raw.number(0, UInt32.self) == SealedEntry.magic,
                raw.number(4, UInt16.self) == SealedEntry.version, let what = What(rawValue: raw[6]), raw[7] <= 1,
                let kind = TickKind(rawValue: raw[20]), kind.isMarketData, Checksum.isRight(raw, at: checksumAt)
            else { return nil }
            self.what = what
            stream = StreamID(conId: raw.number(16, Int32.self), kind: kind, source: raw[21])
            hour = raw.number(24, Int64.self)
            lastKey = TickKey(rawValue: raw.number(40, UInt64.self))
            number = raw.number(8, UInt64.self)
            previous = raw.number(96, UInt32.self)
            checksum = raw.number(checksumAt, UInt32.self)
            place = raw.number(22, UInt16.self)
            hasMore = raw[7] == 1
        }
    }

    /// Nil when these are not the bytes of a sound entry.
    init?(decoding raw: UnsafeRawBufferPointer) {
        guard let stored = Stored(decoding: raw) else { return nil }
        what = stored.what
        stream = stored.stream
        hour = stored.hour
        firstKey = TickKey(rawValue: raw.number(32, UInt64.self))
        lastKey = stored.lastKey
        records = raw.number(48, UInt64.self)
        bytes = raw.number(56, UInt64.self)
        sha256 = Array(raw[64..<96])
    }
}
