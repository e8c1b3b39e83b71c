public import Ticks

/// Pages through the recorder's files by key: what the history server reads from. One thread; the recorder's other
/// threads may write, seal and remove meanwhile. Never past what is durable.
///
/// The parts of the log are opened before the segments are listed: what has gone
/// from the log by then stands in segments.
public struct LogHistory: ~Copyable {
    private struct Part {
        let name: PartName
        let part: IndexedPart
    }

    /// The log changes under a reader at most once an hour for each part; more
    /// than this in one request is another fault.
    private static let maxAttempts = 100

    private let logDirectory: String
    private var segments: SegmentCatalog?
    private var cursor = BlockCursor()
    private var parts: [Part] = []

    /// The log and the segments of a recording. Opens nothing yet: they are looked at with every request.
    public init(stateDirectory: String) {
        logDirectory = stateDirectory + "/log"
        segments = SegmentCatalog(directory: stateDirectory + "/ticks")
    }

    /// - Parameter directory: of an open log; there are no segments.
    public init(directory: String) {
        logDirectory = directory
        segments = nil
    }

    /// Gives records of a stream from a key on, in the order of keys, each once, up to the newest durable one.
    ///
    /// A key is gone when the oldest files show that it existed before them.
    ///
    /// - Parameters:
    ///   - limit: most records of this page; exceeded only by the `more` records of a first tick.
    ///   - emit: gets batches of 1 to 256 records, valid during the call.
    public mutating func read(
        _ stream: StreamID, from key: TickKey, limit: Int, emit: (UnsafeBufferPointer<Tick>) -> Void
    ) throws(StoreError) -> StreamPage {
        try refresh(stream)
        if let gone = try gone(stream, key) { return .gone(gone) }
        var page = PageBuilder(limit: limit)
        var want = key
        var attempt = 0
        while try !read(stream, from: &want, &page, emit: emit) {
            attempt += 1
            guard attempt < LogHistory.maxAttempts else { throw .changing(path: logDirectory) }
            try refresh(stream)
        }
        return StreamPage(next: want, records: page.records)
    }

    /// Reads on from `want`; false when a part was sealed and removed before it could be read.
    private mutating func read(
        _ stream: StreamID, from want: inout TickKey, _ page: inout PageBuilder,
        emit: (UnsafeBufferPointer<Tick>) -> Void
    ) throws(StoreError) -> Bool {
        // What gives the records is not what changes `want`.
        var next = want
        defer { want = next }
        try segments?.read(stream, from: want) { run in
            var at = 0
            while at < run.count, run[at].key < next { at += 1 }
            let given = page.give(UnsafeBufferPointer(rebasing: run[at...]), to: emit)
            if given > 0 { next = run[at + given - 1].key.next }
            return !page.isFull
        }
        for index in parts.indices where !page.isFull && mayHold(stream, index, from: next) {
            guard let part = try indexed(index) else { return false }
            _ = try part.read(stream, from: next, cursor: &cursor) { run in
                var at = 0
                while at < run.count, run[at].key < next { at += 1 }
                let given = page.give(UnsafeBufferPointer(rebasing: run[at...]), to: emit)
                if given > 0 { next = run[at + given - 1].key.next }
                return !page.isFull
            }
        }
        return true
    }

    /// The first key that there is, when the wanted one is no longer there.
    private mutating func gone(_ stream: StreamID, _ key: TickKey) throws(StoreError) -> TickKey? {
        if let first = segments?.firstCoveredKey(of: stream) {
            // Each epoch begins with 1: below the first key of all that is there, other keys have been.
            let began = first.seq <= 1 && (key.epoch == first.epoch || key.seq == 0)
            return key < first && !began ? first : nil
        }
        guard let told = parts.first?.part.table.positions[stream]?.key, told >= key else { return nil }
        for index in parts.indices where mayHold(stream, index) {
            if let first = try indexed(index)?.firstKey(of: stream), first > told { return first }
        }
        return told.next
    }

    /// The key of the first record of a stream that was received at a time or later, nil when there is none (yet).
    public mutating func firstKey(of stream: StreamID, receivedFromNanos nanos: Int64) throws(StoreError) -> TickKey? {
        for _ in 0..<LogHistory.maxAttempts {
            try refresh(stream)
            if let key = try segments?.firstKey(of: stream, receivedFromNanos: nanos) { return key }
            if let found = try firstKeyInLog(stream, nanos) { return found.key }
        }
        throw .changing(path: logDirectory)
    }

    /// Nil when a part was removed before it could be read.
    private mutating func firstKeyInLog(
        _ stream: StreamID, _ nanos: Int64
    ) throws(StoreError) -> (key: TickKey?, Void)? {
        var found: TickKey?
        for index in parts.indices where found == nil && mayHold(stream, index, receivedFromNanos: nanos) {
            guard let part = try indexed(index) else { return nil }
            _ = try part.read(stream, fromNanos: nanos, cursor: &cursor) { run in
                found = run.first { $0.tsRecvNanos >= nanos }?.key
                return found == nil
            }
        }
        return (found, ())
    }

    /// False when the tables of a part and of the next one show that it has nothing of the stream that is looked
    /// for: such parts need not be read at all.
    private func mayHold(
        _ stream: StreamID, _ index: Int, from key: TickKey = .zero, receivedFromNanos: Int64 = .min
    ) -> Bool {
        guard index + 1 < parts.count, parts[index + 1].part.hasTable else { return true }
        guard let after = parts[index + 1].part.table.positions[stream] else { return false }
        if after.key < key { return false }
        guard parts[index].part.hasTable, let before = parts[index].part.table.positions[stream] else { return true }
        // 0: repair did not know the time. Where it fell, the clock was set back,
        // and the last record is not the latest one.
        if after.tsRecvNanos != 0, after.tsRecvNanos < receivedFromNanos, before.tsRecvNanos <= after.tsRecvNanos {
            return false
        }
        return before.key < after.key
    }

    /// The part, indexed as far as it is durable; nil when it was removed before that was known.
    private mutating func indexed(_ index: Int) throws(StoreError) -> IndexedPart? {
        let part = parts[index].part
        guard !part.complete else { return part }
        // Parts are listed in order: one that another follows has its final durable offset.
        let isFinished = index + 1 < parts.count
        let limit = try part.durableLimit(isFinished: isFinished)
        if try part.isRemoved() { return nil }
        try part.extend(to: limit, passDamage: true, cursor: &cursor)
        part.complete = isFinished
        return part
    }

    /// Lists and opens the log's parts, then lists the stream's segments.
    private mutating func refresh(_ stream: StreamID) throws(StoreError) {
        // The list comes first: a part that has a follower in it has its final durable offset.
        let names = try PartName.list(logDirectory)
        // After a wipe new parts may have the old names.
        var kept: [Part] = []
        for entry in parts where names.contains(entry.name) {
            if try !entry.part.isRemoved() { kept.append(entry) }
        }
        parts = kept
        for (index, name) in names.enumerated() where parts.last.map({ $0.name < name }) ?? true {
            let path = name.path(in: logDirectory)
            // Nil: sealed and removed just now (the segments, listed next, have it), or nothing in it yet.
            guard let part = try IndexedPart(path, passDamage: index + 1 < names.count, cursor: &cursor) else {
                continue
            }
            parts.append(Part(name: name, part: part))
        }
        try segments?.refresh(stream)
    }
}
