internal import Glibc
internal import Ticks

/// Bytes of a part that can't be read, and what that means.
public struct LogFinding: Sendable, Equatable, CustomStringConvertible {
    /// What unreadable bytes mean, by what had been durable.
    public enum Meaning: String, Sendable {
        /// Behind all that was ever known to be durable: a write that did not finish. No loss.
        case tornTail = "torn tail"
        /// Was durable once and is damaged now.
        case corruption
        /// Was durable once and is not in the file any more.
        case lostData = "lost data"
    }

    public var meaning: Meaning
    public var path: String
    /// File offsets of the bytes.
    public var range: Range<UInt64>

    /// True for what must not happen on a disk that keeps its promises.
    public var isAlarm: Bool { meaning != .tornTail }

    public var description: String {
        "\(path): \(meaning.rawValue): bytes \(range.lowerBound) to \(range.upperBound)"
    }
}

/// What one part of the log holds, read from its beginning to its end.
struct PartScan {
    /// Nil when no sound block was found.
    var partID: UInt32?
    /// Nil when the first block is not a sound key table.
    var table: KeyTable?
    /// The last position of each stream that has records in the part.
    var positions: [StreamID: StreamPosition] = [:]
    /// Records up to here are good to read, `findings` aside.
    var validEnd: UInt64 = 0
    /// The greatest offset known to be durable: by the slots, or by a later block that says so.
    var durableTo: UInt64 = 0
    var records: UInt64 = 0
    var findings: [LogFinding] = []

    /// Reads a part, as if it ended at `limit`. Damage ends it only above everything that is known to be durable.
    init(
        _ path: String, cursor: inout BlockCursor, file: File, slotsPath: String, limit: UInt64 = .max
    ) throws(StoreError) {
        let size = min(try file.size(), limit)
        try read(path, cursor: &cursor, file: file, slotsPath: slotsPath, size: size, limit: size)
        // Sound blocks behind a tear belong to a write that the tear ended: they count for nothing. Seldom, so the
        // simple way: once more, up to the tear.
        if let tear = findings.first(where: { !$0.isAlarm }), validEnd > tear.range.lowerBound {
            let (durable, all, id) = (durableTo, findings, partID)
            self = PartScan()
            try read(
                path, cursor: &cursor, file: file, slotsPath: slotsPath, size: size, limit: tear.range.lowerBound)
            durableTo = durable
            partID = id
            validEnd = tear.range.lowerBound
            findings =
                all.filter { $0.range.lowerBound < tear.range.lowerBound } + [
                    LogFinding(meaning: .tornTail, path: path, range: tear.range.lowerBound..<size)
                ]
        }
    }

    private init() {}

    private mutating func read(
        _ path: String, cursor: inout BlockCursor, file: File, slotsPath: String, size: UInt64, limit: UInt64
    ) throws(StoreError) {
        cursor.seek(to: 0, limit: limit)
        var bad: [Range<UInt64>] = []
        scan: while cursor.offset < limit {
            switch try cursor.next(in: file, partID: partID) {
            case .block(let header, let payload, let offset):
                partID = header.partID
                durableTo = max(durableTo, header.durableTo)
                validEnd = cursor.offset
                take(header, payload, offset)
            case .stop(let offset, _):
                let found = try cursor.resync(in: file, partID: partID)
                bad.append(offset..<(found ? cursor.offset : limit))
                if !found { break scan }
            }
        }
        durableTo = max(durableTo, try DurableSlots.read(slotsPath, partID: partID).durableTo)
        // Damage up to the known durable offset may have a tear behind it: then
        // sound blocks behind both count for nothing.
        let known = durableTo
        let parted = bad.flatMap { range in
            range.lowerBound < known && known < range.upperBound && range.upperBound < limit
                ? [range.lowerBound..<known, known..<range.upperBound] : [range]
        }
        for range in parted {
            if range.lowerBound >= durableTo {
                findings.append(LogFinding(meaning: .tornTail, path: path, range: range))
            } else if range.upperBound < size || size >= durableTo {
                findings.append(LogFinding(meaning: .corruption, path: path, range: range))
            }
        }
        if limit == size, size < durableTo {
            let start = bad.last.map { $0.upperBound == size ? $0.lowerBound : size } ?? size
            findings.append(LogFinding(meaning: .lostData, path: path, range: start..<durableTo))
        }
    }

    private mutating func take(_ header: BlockHeader, _ payload: UnsafeRawBufferPointer, _ offset: UInt64) {
        switch header.codec {
        case .keyTable:
            if offset == 0 { table = KeyTable(decoding: payload) }
        case .records:
            records += UInt64(header.records)
            TickRuns(payload: payload).forEach { stream, run in
                let position = StreamPosition(run[run.count - 1])
                if position.key > positions[stream]?.key ?? .zero { positions[stream] = position }
            }
        }
    }
}
