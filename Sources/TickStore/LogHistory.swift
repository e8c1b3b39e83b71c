public import Ticks

/// Pages through the recorder's files by key: what the history server reads from. One thread; the recorder's writing
/// thread may go on meanwhile. Never past what is durable.
public struct LogHistory: ~Copyable {
    public let directory: String

    private struct Part {
        let name: PartName
        let part: IndexedPart
    }

    private var cursor = BlockCursor()
    private var parts: [Part] = []

    /// - Parameter directory: of the open log. Opens nothing yet: it is looked at with every request.
    public init(directory: String) { self.directory = directory }

    /// Gives records of a stream from a key on, in the order of keys, each once, up to the newest durable one.
    ///
    /// A key is gone when the oldest part's table shows that it existed before.
    ///
    /// - Parameters:
    ///   - limit: most records of this page; exceeded only by the `more` records of a first tick.
    ///   - emit: gets batches of 1 to 256 records, valid during the call.
    public mutating func read(
        _ stream: StreamID, from key: TickKey, limit: Int, emit: (UnsafeBufferPointer<Tick>) -> Void
    ) throws(StoreError) -> StreamPage {
        try refresh()
        if let told = parts.first?.part.table.positions[stream]?.key, told >= key {
            for index in parts.indices where mayHold(stream, index) {
                if let first = try indexed(index).firstKey(of: stream), first > told { return .gone(first) }
            }
            return .gone(told.next)
        }
        var page = PageBuilder(limit: limit)
        var want = key
        for index in parts.indices where !page.isFull && mayHold(stream, index, from: want) {
            let part = try indexed(index)
            _ = try part.read(stream, from: want, cursor: &cursor) { run in
                var at = 0
                while at < run.count, run[at].key < want { at += 1 }
                let given = page.give(UnsafeBufferPointer(rebasing: run[at...]), to: emit)
                if given > 0 { want = run[at + given - 1].key.next }
                return !page.isFull
            }
        }
        return StreamPage(next: want, records: page.records)
    }

    /// The key of the first record of a stream that was received at a time or later, nil when there is none (yet).
    public mutating func firstKey(of stream: StreamID, receivedFromNanos nanos: Int64) throws(StoreError) -> TickKey? {
        try refresh()
        var found: TickKey?
        for index in parts.indices where found == nil && mayHold(stream, index, receivedFromNanos: nanos) {
            let part = try indexed(index)
            _ = try part.read(stream, fromNanos: nanos, cursor: &cursor) { run in
                found = run.first { $0.tsRecvNanos >= nanos }?.key
                return found == nil
            }
        }
        return found
    }

    /// False when the tables of a part and of the next one show that it has nothing of the stream that is looked for: such
    /// parts need not be read at all.
    private func mayHold(
        _ stream: StreamID, _ index: Int, from key: TickKey = .zero, receivedFromNanos: Int64 = .min
    ) -> Bool {
        guard index + 1 < parts.count, parts[index + 1].part.hasTable else { return true }
        guard let after = parts[index + 1].part.table.positions[stream] else { return false }
        if after.key < key || after.tsRecvNanos < receivedFromNanos { return false }
        guard parts[index].part.hasTable, let before = parts[index].part.table.positions[stream] else { return true }
        return before.key < after.key
    }

    /// The part, indexed as far as it is durable.
    private mutating func indexed(_ index: Int) throws(StoreError) -> IndexedPart {
        let part = parts[index].part
        guard !part.complete else { return part }
        // Parts are listed in order: one that another follows has its final durable offset.
        part.complete = index + 1 < parts.count
        try part.extend(to: try part.durableLimit(), passDamage: true, cursor: &cursor)
        return part
    }

    private mutating func refresh() throws(StoreError) {
        // The list comes first: a part that has a follower in it has its final durable offset.
        let names = try PartName.list(directory)
        parts.removeAll { !names.contains($0.name) }
        for (index, name) in names.enumerated() where parts.last.map({ $0.name < name }) ?? true {
            let path = name.path(in: directory)
            // Nil: sealed and removed just now, or nothing in it yet.
            guard let part = try IndexedPart(path, passDamage: index + 1 < names.count, cursor: &cursor) else {
                continue
            }
            parts.append(Part(name: name, part: part))
        }
    }
}
