internal import Glibc
internal import Ticks

/// Walks the parts of a log from the oldest to the newest, block by block, never past what is durable, while the
/// recorder may be writing, rolling and removing parts.
///
/// Sealed segments will stand in front of it as a second source of the same shape.
struct LogSource: ~Copyable {
    enum Step {
        /// A part begins; its table, nil when its first block is damaged.
        case part(path: String, KeyTable?)
        /// Records in the order of commit, valid until the next step.
        case records(UnsafeBufferPointer<Tick>)
        case end
    }

    private enum Origin {
        case directory(String)
        case file(String)
    }

    private let origin: Origin
    private var cursor = BlockCursor()
    private var file: File?
    private var partID: UInt32?
    /// The part being read, or read last.
    private var part: PartName?
    /// True when a listing made before the part's limit was read shows a later part: the limit is final.
    private var superseded = false
    private var fileDone = false
    /// True when durable slots speak of the open part.
    private var hasSlots = false
    /// What could not be read.
    private(set) var findings: [LogFinding] = []
    private(set) var bytesRead: UInt64 = 0

    init(directory: String) { origin = .directory(directory) }

    /// One file: a log part, or a journal segment (which has no durable slots: all that is sound is read).
    init(file: String) { origin = .file(file) }

    /// Bytes that there are to read, as far as known now.
    func bytesTotal() throws(StoreError) -> UInt64 {
        var total: UInt64 = 0
        switch origin {
        case .file(let path): total = try File(path, O_RDONLY).size()
        case .directory(let directory):
            for name in try PartName.list(directory) {
                var status = stat()
                if stat(name.path(in: directory), &status) == 0 { total += UInt64(max(0, status.st_size)) }
            }
        }
        return total
    }

    mutating func next() throws(StoreError) -> Step {
        while true {
            guard let file else {
                guard let step = try open() else { return .end }
                return step
            }
            if let ticks = try nextBlock(file) { return .records(ticks) }
            guard try !goOn(file) else { continue }
            self.file = nil
            if !superseded { fileDone = true }
        }
    }

    /// The next block of records below the limit, nil at the limit.
    private mutating func nextBlock(_ file: File) throws(StoreError) -> UnsafeBufferPointer<Tick>? {
        while cursor.offset < cursor.limit {
            switch try cursor.next(in: file, partID: partID) {
            case .block(let header, let payload, _):
                partID = header.partID
                bytesRead += UInt64(header.blockBytes)
                if header.codec == .records { return TickRuns(payload: payload).ticks }
            case .stop(let offset, _):
                let limit = cursor.limit
                let found = try cursor.resync(in: file, partID: partID)
                // The unused rest of a journal segment is no damage, nor is a tail of a part that was never durable.
                if found || hasSlots {
                    findings.append(
                        LogFinding(
                            meaning: .corruption, path: file.path, range: offset..<(found ? cursor.offset : limit)))
                }
            }
        }
        return nil
    }

    /// At the limit: looks whether the part has grown meanwhile. False when it is finished with.
    private mutating func goOn(_ file: File) throws(StoreError) -> Bool {
        guard case .directory(let directory) = origin, !superseded, let part else { return false }
        superseded = try PartName.list(directory).contains { part < $0 }
        // Without a follower this is the log's end as it was when the reader came here: a running log has no other.
        guard superseded else { return false }
        let limit = try limit(of: file, final: true)
        guard limit > cursor.limit else { return false }
        cursor.extend(limit: limit)
        return true
    }

    /// Opens the next part. Nil when there is none.
    private mutating func open() throws(StoreError) -> Step? {
        guard !fileDone else { return nil }
        switch origin {
        case .file(let path):
            return try open(path, final: true)
        case .directory(let directory):
            while true {
                let names = try PartName.list(directory)
                let last = part
                guard let name = names.first(where: { last == nil || last! < $0 }) else { return nil }
                part = name
                superseded = names.last != name
                do throws(StoreError) {
                    return try open(name.path(in: directory), final: superseded)
                } catch {
                    // Sealed and removed since the list was made: list again.
                    guard error.code == ENOENT else { throw error }
                }
            }
        }
    }

    private mutating func open(_ path: String, final: Bool) throws(StoreError) -> Step {
        let file = try File(path, O_RDONLY)
        self.file = file
        partID = nil
        cursor.seek(to: 0, limit: try file.size())
        var table: KeyTable?
        switch try cursor.next(in: file, partID: nil) {
        case .block(let header, let payload, _):
            partID = header.partID
            if header.codec == .keyTable { table = KeyTable(decoding: payload) }
        case .stop:
            // A damaged beginning of a part is a finding; any other file was never meant.
            if case .file = origin, try !cursor.resync(in: file, partID: nil) { throw .notALog(path: path) }
        }
        let limit = try limit(of: file, final: final)
        cursor.seek(to: table == nil ? 0 : min(cursor.offset, limit), limit: limit)
        bytesRead += cursor.offset
        return .part(path: path, table)
    }

    /// How far the open part may be read.
    private mutating func limit(of file: File, final: Bool) throws(StoreError) -> UInt64 {
        let path = file.path
        let size = try file.size()
        let slotsPath = PartName.durablePath(ofLog: path)
        let slots = try DurableSlots.read(slotsPath, partID: partID)
        let durable = slots.durableTo
        hasSlots = durable > 0
        if slots.isDamaged, !findings.contains(where: { $0.path == slotsPath }) {
            findings.append(LogFinding(meaning: .corruption, path: slotsPath, range: 0..<1024))
        }
        // A finished part without slots, or with a damaged one, is read as far as it is sound.
        if final, durable == 0 || slots.isDamaged { return size }
        if durable > size {
            findings.append(LogFinding(meaning: .lostData, path: path, range: size..<durable))
        }
        return min(durable, size)
    }
}
