internal import Glibc

/// The rules of one time zone, read from `/usr/share/zoneinfo` (TZif, RFC 8536): offsets from UTC by instant, and wall
/// times to instants.
///
/// Transitions come from the file's 64-bit block; times behind the last one follow the file's POSIX rule, so that both
/// "fat" and "slim" files work for years to come.
public struct ZoneRules: Sendable, Equatable {
    /// The name in the tz database.
    public let name: String
    /// Instants (seconds since the Unix epoch) at which an offset begins, rising.
    private let transitions: [Int64]
    /// The offset that begins at the transition of the same index, in seconds east of UTC.
    private let offsets: [Int32]
    /// The offset before the first transition.
    private let firstOffset: Int32
    private let rule: PosixZoneRule?

    static let directory = "/usr/share/zoneinfo"
    static let maxFileBytes = 256 << 10
    static let maxTransitions = 10_000

    /// The host has a tz database. Small systems may have none (the package `tzdata`); then no name says anything.
    public static var isDatabaseThere: Bool { access("\(directory)/Etc/UTC", R_OK) == 0 }

    /// Why a zone can't be used.
    public enum Failure: Error, Sendable, Equatable, CustomStringConvertible {
        case unknown(String)
        case damaged(String)

        public var description: String {
            switch self {
            case .unknown(let name): "time zone '\(name)' is not known"
            case .damaged(let name): "time zone file of '\(name)' is damaged"
            }
        }
    }

    /// Reads a zone by its name in the tz database, or by a name that TWS uses (`ZoneAlias`).
    public init(named wanted: String) throws(Failure) {
        if let offset = ZoneAlias.fixedOffset(wanted) {
            self.init(name: wanted, fixedOffset: Int32(offset))
            return
        }
        let name = ZoneAlias.name(for: wanted)
        let allowed = name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2D, 0x2F, 0x5F: true
            default: false
            }
        }
        guard allowed, !name.isEmpty, !name.hasPrefix("/"), name.utf8.count < 64 else { throw .unknown(wanted) }
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try Files.read("\(Self.directory)/\(name)", maxBytes: Self.maxFileBytes)
        } catch {
            throw .unknown(wanted)
        }
        guard let parsed = ZoneRules(name: name, bytes: bytes) else { throw .damaged(name) }
        self = parsed
    }

    /// A zone whose clocks never change.
    private init(name: String, fixedOffset: Int32) {
        self.name = name
        transitions = []
        offsets = []
        firstOffset = fixedOffset
        rule = nil
    }

    /// Parses a TZif file of version 2 or later; nil if it is anything else.
    init?(name: String, bytes: [UInt8]) {
        var reader = BigEndianReader(bytes: bytes)
        guard let first = TZifHeader(&reader), first.version >= 0x32 else { return nil }
        reader.skip(first.dataBytes(timeBytes: 4))
        guard let header = TZifHeader(&reader), header.times <= Self.maxTransitions, header.types > 0 else {
            return nil
        }
        var transitions: [Int64] = []
        for _ in 0..<header.times {
            guard let time = reader.int64(), time > transitions.last ?? .min else { return nil }
            transitions.append(time)
        }
        var indexes: [Int] = []
        for _ in 0..<header.times {
            guard let index = reader.byte(), Int(index) < header.types else { return nil }
            indexes.append(Int(index))
        }
        var types: [Int32] = []
        for _ in 0..<header.types {
            guard let offset = reader.int32(), offset.magnitude < 100_000, reader.byte() != nil, reader.byte() != nil
            else {
                return nil
            }
            types.append(offset)
        }
        reader.skip(header.designationBytes + header.leaps * 12 + header.standards + header.universals)
        // The footer: the POSIX rule between two newlines.
        guard reader.byte() == 0x0A else { return nil }
        let footer = String(decoding: bytes[reader.at...].prefix { $0 != 0x0A }, as: UTF8.self)
        self.name = name
        self.transitions = transitions
        offsets = indexes.map { types[$0] }
        firstOffset = types[0]
        rule = footer.isEmpty ? nil : PosixZoneRule(footer)
    }

    /// Seconds east of UTC at an instant.
    public func offsetSeconds(at instant: Int64) -> Int {
        guard let last = transitions.last else { return rule?.offsetSeconds(at: instant) ?? Int(firstOffset) }
        if instant >= last { return rule?.offsetSeconds(at: instant) ?? Int(offsets[offsets.count - 1]) }
        // The last transition at or before the instant.
        var low = 0
        var high = transitions.count
        while low < high {
            let middle = (low + high) / 2
            if transitions[middle] <= instant { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? Int(firstOffset) : Int(offsets[low - 1])
    }

    /// The instant of a wall time, given as if it were UTC. A time that comes twice is the first; a time that is
    /// skipped is as long behind the change as it says.
    public func instant(wall: Int64) -> Int64 {
        // Changes of an offset lie further apart than two days, so that only the offsets around the time can apply.
        let before = offsetSeconds(at: wall - 86_400)
        let after = offsetSeconds(at: wall + 86_400)
        let first = wall - Int64(before)
        if offsetSeconds(at: first) == before { return first }
        let second = wall - Int64(after)
        return offsetSeconds(at: second) == after ? second : first
    }
}

/// Sequential big-endian numbers; nil at the end.
private struct BigEndianReader {
    let bytes: [UInt8]
    var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func skip(_ count: Int) { at = min(bytes.count, at + max(0, count)) }

    mutating func byte() -> UInt8? {
        guard at < bytes.count else { return nil }
        at += 1
        return bytes[at - 1]
    }

    mutating func int32() -> Int32? { number(4).map { Int32(truncatingIfNeeded: $0) } }
    mutating func int64() -> Int64? { number(8).map { Int64(bitPattern: $0) } }

    private mutating func number(_ width: Int) -> UInt64? {
        guard at + width <= bytes.count else { return nil }
        var value: UInt64 = 0
        for byte in bytes[at..<(at + width)] { value = value << 8 | UInt64(byte) }
        at += width
        return value
    }
}

/// The 44 bytes in front of each block of a TZif file.
private struct TZifHeader {
    let version: UInt8
    let universals: Int
    let standards: Int
    let leaps: Int
    let times: Int
    let types: Int
    let designationBytes: Int

    init?(_ reader: inout BigEndianReader) {
        for expected in "TZif".utf8 { guard reader.byte() == expected else { return nil } }
        guard let version = reader.byte() else { return nil }
        reader.skip(15)
        var counts: [Int] = []
        for _ in 0..<6 {
            guard let count = reader.int32(), (0...100_000).contains(count) else { return nil }
            counts.append(Int(count))
        }
        self.version = version
        universals = counts[0]
        standards = counts[1]
        leaps = counts[2]
        times = counts[3]
        types = counts[4]
        designationBytes = counts[5]
    }

    func dataBytes(timeBytes: Int) -> Int {
        times * (timeBytes + 1) + types * 6 + designationBytes + leaps * (timeBytes + 4) + standards + universals
    }
}
