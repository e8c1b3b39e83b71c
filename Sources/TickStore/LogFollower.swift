internal import Glibc
internal import Ticks

/// Walks the parts of a log as `LogSource` does, but never ends: after `caughtUp` it goes on with what has become
/// durable since. Damaged bytes are passed over without a word (`verify` names them). One thread; one block in memory.
struct LogFollower: ~Copyable {
    enum Step {
        /// Records in the order of commit, of a part of that hour; valid until the next step.
        case records(UnsafeBufferPointer<Tick>, hour: Int64)
        /// All that is durable has been given.
        case caughtUp
    }

    private let directory: String
    private var cursor = BlockCursor()
    private var file: File?
    private var partID: UInt32?
    /// The part being read, or read last.
    private var part: PartName?
    /// A later part exists: the limit of the present one is final.
    private var isFinal = false
    private(set) var bytesRead: UInt64 = 0
    /// How often the log was found to have begun anew: all of it has been removed, and others have its names.
    private(set) var restarts = 0
    /// The part being read.
    var path: String? { file?.path }

    /// - Parameter directory: of the log; it may be missing still.
    init(directory: String) { self.directory = directory }

    mutating func next() throws(StoreError) -> Step {
        while true {
            if file == nil {
                guard try open() else { return .caughtUp }
            }
            if let file, let ticks = try nextBlock(file), let part {
                return .records(ticks, hour: part.hour)
            }
            switch try goOn() {
            case .grown: continue
            case .finished: file = nil
            case .waiting: return .caughtUp
            }
        }
    }

    /// The next block of records below the limit; nil at the limit.
    private mutating func nextBlock(_ file: File) throws(StoreError) -> UnsafeBufferPointer<Tick>? {
        while cursor.offset < cursor.limit {
            switch try cursor.next(in: file, partID: partID) {
            case .block(let header, let payload, _):
                partID = header.partID
                bytesRead += UInt64(header.blockBytes)
                if header.codec == .records { return TickRuns(payload: payload).ticks }
            case .stop:
                // Below the durable offset only damage stops a reader: what follows it is as good as ever.
                _ = try cursor.resync(in: file, partID: partID)
            }
        }
        return nil
    }

    private enum Growth { case grown, finished, waiting }

    /// At the limit: looks whether more has become durable, or the part is finished with.
    private mutating func goOn() throws(StoreError) -> Growth {
        guard let file, let part, !isFinal else { return .finished }
        isFinal = try names().contains { part < $0 }
        guard let limit = try limit(of: file) else {
            // Sealing never takes the newest part.
            if !isFinal { restart() }
            return .finished
        }
        if limit > cursor.limit {
            cursor.extend(limit: limit)
            return .grown
        }
        return isFinal ? .finished : .waiting
    }

    private mutating func restart() {
        part = nil
        restarts += 1
    }

    /// Opens the next part; false when there is none.
    private mutating func open() throws(StoreError) -> Bool {
        while true {
            let names = try names()
            if let part, let newest = names.last, newest < part { restart() }
            guard let name = names.first(where: { name in part.map { $0 < name } ?? true }) else { return false }
            do throws(StoreError) {
                let opened = try File(name.path(in: directory), O_RDONLY)
                file = opened
                part = name
                partID = nil
                isFinal = names.last != name
                cursor.seek(to: 0, limit: try opened.size())
                if case .block(let header, _, _) = try cursor.next(in: opened, partID: nil) { partID = header.partID }
                guard let limit = try limit(of: opened) else {
                    file = nil
                    continue
                }
                cursor.seek(to: 0, limit: limit)
                return true
            } catch {
                // Sealed and removed since the list was made.
                guard error.code == ENOENT else { throw error }
                part = name
            }
        }
    }

    /// How far the part may be read; nil when it was sealed and removed meanwhile (its records stand in segments).
    private func limit(of file: File) throws(StoreError) -> UInt64? {
        let slots = try DurableSlots.read(PartName.durablePath(ofLog: file.path), partID: partID)
        var status = stat()
        guard fstat(file.descriptor, &status) == 0 else {
            throw .system(call: "stat", path: file.path, code: errno)
        }
        // The part goes first and its slots then: slots that are missing say nothing once the part is gone.
        guard status.st_nlink > 0 else { return nil }
        let size = UInt64(max(0, status.st_size))
        return isFinal && (!slots.isKnown || slots.isDamaged) ? size : min(slots.durableTo, size)
    }

    /// The parts, in order; none while there is no log.
    private func names() throws(StoreError) -> [PartName] {
        do throws(StoreError) { return try PartName.list(directory) } catch {
            if error.code == ENOENT { return [] }
            throw error
        }
    }
}
