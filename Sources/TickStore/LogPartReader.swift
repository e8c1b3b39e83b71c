internal import Glibc
public import Ticks

/// Reads one finished part of the log, block by block, as readers may: up to its durable offset, or as far as it is
/// sound where its slots are missing or damaged. One thread.
///
/// Finished means that another part follows: nobody appends to it any more.
public struct LogPartReader: ~Copyable {
    public let path: String
    /// What was durable once and can't be read; torn tails are none.
    public private(set) var findings: [LogFinding] = []
    /// Bytes that will be read.
    public let durableBytes: UInt64

    /// Each stream's last key in front of this part; nil when the first block is damaged.
    let table: KeyTable?

    private let file: File
    private var cursor = BlockCursor()
    private var partID: UInt32?

    /// Throws ENOENT when the part has gone.
    public init(_ path: String) throws(StoreError) {
        let file = try File(path, O_RDONLY)
        var cursor = BlockCursor()
        let size = try file.size()
        cursor.seek(to: 0, limit: size)
        var partID: UInt32?
        var table: KeyTable?
        if case .block(let header, let payload, _) = try cursor.next(in: file, partID: nil) {
            partID = header.partID
            if header.codec == .keyTable { table = KeyTable(decoding: payload) }
        }
        let slotsPath = PartName.durablePath(ofLog: path)
        let slots = try DurableSlots.read(slotsPath, partID: partID)
        let isUnknown = !slots.isKnown || slots.isDamaged
        let limit = isUnknown ? size : min(size, slots.durableTo)
        cursor.seek(to: 0, limit: limit)
        self.path = path
        self.file = file
        self.partID = partID
        self.table = table
        self.cursor = cursor
        durableBytes = limit
        if !isUnknown, slots.durableTo > size {
            findings.append(LogFinding(meaning: .lostData, path: path, range: size..<slots.durableTo))
        }
        hasSlots = !isUnknown
    }

    private let hasSlots: Bool

    /// The records of the next block, valid until the next call; nil at the end. A key table is passed over.
    public mutating func next() throws(StoreError) -> UnsafeBufferPointer<Tick>? {
        while cursor.offset < cursor.limit {
            switch try cursor.next(in: file, partID: partID) {
            case .block(let header, let payload, _):
                partID = header.partID
                if header.codec == .records { return TickRuns(payload: payload).ticks }
            case .stop(let offset, _):
                let limit = cursor.limit
                let found = try cursor.resync(in: file, partID: partID)
                // Without slots the end of what was durable is unknown: bad bytes at the end are a torn tail then.
                if found || hasSlots {
                    findings.append(
                        LogFinding(meaning: .corruption, path: path, range: offset..<(found ? cursor.offset : limit)))
                }
            }
        }
        return nil
    }

    /// Bytes read so far.
    public var offset: UInt64 { cursor.offset }
}
