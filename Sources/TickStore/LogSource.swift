internal import Glibc
internal import Ticks

/// Walks the parts of a log from the oldest to the newest, block by block, never past what is durable, while the
/// recorder may be writing, rolling and removing parts.
///
/// It reads from a list of parts that its owner has it make (`Step.list`): sealed segments have to be looked at between
/// the making of a list and the reading of its parts, see `RecordSource`.
struct LogSource: ~Copyable {
    enum Step {
        /// A part begins; its table, nil when its first block is damaged.
        case part(path: String, KeyTable?)
        /// Records in the order of commit, valid until the next step.
        case records(UnsafeBufferPointer<Tick>)
        /// The list of parts has to be made, or made anew: the caller calls `list`.
        case list
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
    /// The parts as listed last.
    private var names: [PartName] = []
    private var needsList = true
    /// True when the list was made after the last part of the list before had been read.
    private var isFinalList = false
    /// True when a listing made before the part's limit was read shows a later part: the limit is final.
    private var superseded = false
    private var fileDone = false
    /// True when durable slots speak of the open part.
    private var hasSlots = false
    /// The id in the open file's first block, nil when that is not sound.
    private var firstPartID: UInt32?
    /// Where the open file was looked at a second time.
    private var secondLook: UInt64?
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
            for name in try PartName.listIfAny(directory) {
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

    /// Where the log ended: the last part read and how far it was durable. Nil unless it is one that grows.
    var end: (path: String, offset: UInt64)? {
        guard fileDone, case .directory(let directory) = origin, let part else { return nil }
        return (part.path(in: directory), cursor.limit)
    }

    /// Makes the list of parts. A missing directory has no parts.
    mutating func list() throws(StoreError) {
        guard case .directory(let directory) = origin else { return }
        names = try PartName.listIfAny(directory)
        needsList = false
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
                if found, try hasChanged(file, at: offset, limit: limit) { continue }
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

    /// For a file that is read beyond what is durable, since it has no slots: somebody may be writing it. True when what could
    /// not be read may be no damage; the cursor stands where reading goes on.
    ///
    /// A block behind which a sound one stands was whole before that one was: it has to be sound now. And a journal file may
    /// be in use again: then the rest belongs to its earlier use.
    private mutating func hasChanged(_ file: File, at offset: UInt64, limit: UInt64) throws(StoreError) -> Bool {
        guard !hasSlots, case .file = origin else { return false }
        if let firstPartID, try PartBeginning.partID(of: file) != firstPartID {
            cursor.seek(to: limit, limit: limit)
            return true
        }
        guard secondLook != offset else { return false }
        secondLook = offset
        cursor.seek(to: offset, limit: limit)
        return true
    }

    /// At the limit: looks whether the part has grown meanwhile. False when it is finished with.
    private mutating func goOn(_ file: File) throws(StoreError) -> Bool {
        guard case .directory(let directory) = origin, !superseded, let part else { return false }
        superseded = try PartName.list(directory).contains { part < $0 }
        // Without a follower this is the log's end as it was when the reader came here: a running log has no other.
        guard superseded else { return false }
        guard let limit = try limit(of: file, final: true) else {
            // Sealed and removed meanwhile: what is not read yet stands in segments now.
            needsList = true
            return false
        }
        guard limit > cursor.limit else { return false }
        cursor.extend(limit: limit)
        return true
    }

    /// Opens the next part of the list. Nil when there is none.
    private mutating func open() throws(StoreError) -> Step? {
        guard !fileDone else { return nil }
        switch origin {
        case .file(let path):
            return try open(path, final: true)
        case .directory(let directory):
            guard !needsList else { return .list }
            guard let name = names.first(where: { part == nil || part! < $0 }) else {
                // What came after this list was made, or went: the next one shows it.
                guard !isFinalList, !names.isEmpty else { return nil }
                isFinalList = true
                needsList = true
                return .list
            }
            let before = (part: part, superseded: superseded)
            part = name
            superseded = names.last != name
            isFinalList = false
            do throws(StoreError) {
                if let step = try open(name.path(in: directory), final: superseded) { return step }
            } catch {
                guard error.code == ENOENT else { throw error }
            }
            // Sealed and removed since the list was made: its records stand in segments now.
            file = nil
            (part, superseded) = before
            needsList = true
            return .list
        }
    }

    /// Nil when the part was removed meanwhile.
    private mutating func open(_ path: String, final: Bool) throws(StoreError) -> Step? {
        let file = try File(path, O_RDONLY)
        self.file = file
        (partID, firstPartID, secondLook) = (nil, nil, nil)
        var table: KeyTable?
        switch try PartBeginning(of: file, cursor: &cursor) {
        case .sound(let found, let id):
            table = found
            (partID, firstPartID) = (id, id)
        case .notBegun:
            if case .file = origin, !PartBeginning.isKnownName(path) { throw .notALog(path: path) }
            hasSlots = false
            return .part(path: path, KeyTable())
        case .damaged:
            // A damaged beginning of a part is a finding; any other file was never meant.
            guard case .file = origin else { break }
            cursor.seek(to: 0, limit: try file.size())
            if try !cursor.resync(in: file, partID: nil) { throw .notALog(path: path) }
            cursor.seek(to: 0, limit: 0)
        }
        guard let limit = try limit(of: file, final: final) else { return nil }
        // Recovery found that nothing in it counts, its beginning included: a power cut while it was begun.
        if hasSlots, limit == 0 { table = KeyTable() }
        cursor.seek(to: table == nil ? 0 : min(cursor.offset, limit), limit: limit)
        bytesRead += cursor.offset
        return .part(path: path, table)
    }

    /// How far the open part may be read; nil when it was removed, its slots perhaps with it.
    private mutating func limit(of file: File, final: Bool) throws(StoreError) -> UInt64? {
        let isListed = if case .directory = origin { true } else { false }
        guard
            let limit = try PartLimit(
                of: file, partID: partID, inDirectory: isListed, isFinal: final, recordsBegin: cursor.offset)
        else { return nil }
        hasSlots = limit.hasSlots
        for finding in limit.findings where !findings.contains(finding) { findings.append(finding) }
        return limit.bytes
    }
}
