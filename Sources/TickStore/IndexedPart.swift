internal import Glibc
internal import Ticks

/// One part (log part or journal segment) with a sparse index, for readers that page through streams by key. It follows
/// a part that is still being written. One thread.
final class IndexedPart {
    /// Where a stream's records go on, about every 128 KiB.
    struct Mark {
        var offset: UInt64
        var key: TickKey
        /// Of the stream's records from here to the next mark. Receive times fall where the clock was set back.
        var greatestRecvNanos: Int64
    }

    enum Outcome {
        /// Read to the end of what is indexed, or as far as the visitor wanted.
        case read
        /// The file now holds another part: its use ended while it was read.
        case reused
    }

    private static let markDistanceBytes: UInt64 = 128 << 10

    let path: String
    let table: KeyTable
    /// False when the first block is damaged: then `table` says nothing.
    let hasTable: Bool
    private let file: File
    private let partID: UInt32
    private var marks: [StreamID: [Mark]] = [:]
    /// Everything below is indexed.
    private(set) var indexedTo: UInt64
    /// Set by the owner once all is indexed and nothing more can be appended.
    var complete = false

    /// Nil when the file is gone or does not begin with a sound key table.
    ///
    /// - Parameter passDamage: look for a sound block behind a damaged beginning;
    ///   nil is returned only if there is none.
    init?(_ path: String, passDamage: Bool = false, cursor: inout BlockCursor) throws(StoreError) {
        let opened: File
        do throws(StoreError) { opened = try File(path, O_RDONLY) } catch {
            if error.code == ENOENT { return nil }
            throw error
        }
        cursor.seek(to: 0, limit: try opened.size())
        var step = try cursor.next(in: opened, partID: nil)
        if case .stop = step, passDamage, try cursor.resync(in: opened, partID: nil) {
            step = try cursor.next(in: opened, partID: nil)
        }
        guard case .block(let header, let payload, let offset) = step, passDamage || header.codec == .keyTable else {
            return nil
        }
        self.path = path
        file = opened
        partID = header.partID
        hasTable = offset == 0 && header.codec == .keyTable
        table = hasTable ? KeyTable(decoding: payload) : KeyTable()
        indexedTo = hasTable ? cursor.offset : 0
    }

    /// True when the file has no name any more.
    func isRemoved() throws(StoreError) -> Bool { try file.isRemoved() }

    /// How far readers may go: what the durable slots say; for a part that another follows and whose slots are missing
    /// or damaged, all that is sound.
    func durableLimit(isFinished: Bool) throws(StoreError) -> UInt64 {
        let slots = try DurableSlots.read(PartName.durablePath(ofLog: path), partID: partID)
        return isFinished && (!slots.isKnown || slots.isDamaged) ? try file.size() : slots.durableTo
    }

    /// Indexes what was appended since the last call, up to `limit` (nil: the file's end).
    ///
    /// - Parameter passDamage: look for sound blocks behind damaged bytes; false while the part is being written, where
    ///   such bytes are only not yet whole.
    func extend(to limit: UInt64?, passDamage: Bool, cursor: inout BlockCursor) throws(StoreError) {
        let end = if let limit { limit } else { try file.size() }
        guard end > indexedTo else { return }
        cursor.seek(to: indexedTo, limit: end)
        while true {
            switch try cursor.next(in: file, partID: partID) {
            case .block(let header, let payload, let offset):
                if header.codec == .records { mark(payload, offset) }
                indexedTo = cursor.offset
            case .stop:
                guard passDamage, try cursor.resync(in: file, partID: partID) else { return }
            }
        }
    }

    private func mark(_ payload: UnsafeRawBufferPointer, _ offset: UInt64) {
        TickRuns(payload: payload).forEach { stream, run in
            let greatest = run.reduce(Int64.min) { max($0, $1.tsRecvNanos) }
            if let at = marks[stream]?.indices.last, let last = marks[stream]?[at],
                offset < last.offset + IndexedPart.markDistanceBytes
            {
                marks[stream]?[at].greatestRecvNanos = max(last.greatestRecvNanos, greatest)
                return
            }
            marks[stream, default: []].append(
                Mark(offset: offset, key: run[0].key, greatestRecvNanos: greatest))
        }
    }

    /// The key of the stream's first record in this part.
    func firstKey(of stream: StreamID) -> TickKey? { marks[stream]?.first?.key }

    /// The last mark whose record lies before what is looked for, or the first mark.
    private func start(of stream: StreamID, where isBefore: (Mark) -> Bool) -> UInt64? {
        guard let marks = marks[stream], let first = marks.first else { return nil }
        var low = 0
        var high = marks.count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(marks[middle]) { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? first.offset : marks[low - 1].offset
    }

    /// Visits the stream's runs from about `key` on (earlier records of the first run
    /// included), until the visitor returns false.
    func read(
        _ stream: StreamID, from key: TickKey, cursor: inout BlockCursor,
        visit: (UnsafeBufferPointer<Tick>) -> Bool
    ) throws(StoreError) -> Outcome {
        guard let offset = start(of: stream, where: { $0.key <= key }) else { return .read }
        return try read(stream, fromOffset: offset, cursor: &cursor, visit: visit)
    }

    /// Visits the stream's runs from about a receive time on.
    func read(
        _ stream: StreamID, fromNanos: Int64, cursor: inout BlockCursor, visit: (UnsafeBufferPointer<Tick>) -> Bool
    ) throws(StoreError) -> Outcome {
        // One by one: where the clock was set back, they do not rise.
        guard let offset = marks[stream]?.first(where: { $0.greatestRecvNanos >= fromNanos })?.offset else {
            return .read
        }
        return try read(stream, fromOffset: offset, cursor: &cursor, visit: visit)
    }

    private func read(
        _ stream: StreamID, fromOffset: UInt64, cursor: inout BlockCursor, visit: (UnsafeBufferPointer<Tick>) -> Bool
    ) throws(StoreError) -> Outcome {
        cursor.seek(to: fromOffset, limit: indexedTo)
        while cursor.offset < indexedTo {
            switch try cursor.next(in: file, partID: partID) {
            case .block(let header, let payload, _):
                guard header.codec == .records else { continue }
                var goOn = true
                TickRuns(payload: payload).forEach { if goOn, $0 == stream { goOn = visit($1) } }
                if !goOn { return .read }
            case .stop(let offset, _):
                guard try isStillThere() else { return .reused }
                cursor.seek(to: offset, limit: indexedTo)
                guard try cursor.resync(in: file, partID: partID) else { return .read }
            }
        }
        return .read
    }

    /// Visits every run that is indexed, in the file's order. Ends early where the file is used anew or damaged.
    func forEachRun(
        cursor: inout BlockCursor, visit: (StreamID, UnsafeBufferPointer<Tick>) -> Void
    ) throws(StoreError) {
        cursor.seek(to: 0, limit: indexedTo)
        while cursor.offset < indexedTo {
            switch try cursor.next(in: file, partID: partID) {
            case .block(let header, let payload, _):
                if header.codec == .records { TickRuns(payload: payload).forEach(visit) }
            case .stop(let offset, _):
                guard try isStillThere() else { return }
                cursor.seek(to: offset, limit: indexedTo)
                guard try cursor.resync(in: file, partID: partID) else { return }
            }
        }
    }

    /// False when the file's first block belongs to another use of the file.
    private func isStillThere() throws(StoreError) -> Bool {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: BlockHeader.size, alignment: 8)
        defer { bytes.deallocate() }
        guard try file.readPastBadSectors(into: bytes, at: 0) == BlockHeader.size else { return false }
        return BlockHeader(decoding: UnsafeRawBufferPointer(bytes))?.partID == partID
    }
}
