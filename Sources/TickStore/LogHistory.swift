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
            let first = parts.lazy.compactMap { $0.part.firstKey(of: stream) }.first { $0 > told }
            return .gone(first ?? told.next)
        }
        var page = PageBuilder(limit: limit)
        var want = key
        for (index, part) in parts.enumerated() where !page.isFull {
            // The next part's table tells whether this one has anything from the wanted key on.
            if index + 1 < parts.count, let end = parts[index + 1].part.table.positions[stream]?.key, end < want {
                continue
            }
            _ = try part.part.read(stream, from: want, cursor: &cursor) { run in
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
        for part in parts where found == nil {
            _ = try part.part.read(stream, fromNanos: nanos, cursor: &cursor) { run in
                found = run.first { $0.tsRecvNanos >= nanos }?.key
                return found == nil
            }
        }
        return found
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
        for part in parts where !part.part.complete {
            let hasFollower = part.name != names.last
            part.part.complete = hasFollower
            try part.part.extend(to: try part.part.durableLimit(), passDamage: true, cursor: &cursor)
        }
    }
}
