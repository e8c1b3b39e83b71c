internal import Glibc
public import Ticks

/// Reads a journal that another thread or process is writing. One thread. It shares nothing with the writer but the
/// files: what it gives has the right checksum, so a segment that is reused
/// meanwhile shows as gone, never as wrong data.
public struct JournalReader: ~Copyable {
    public let directory: String

    private struct Segment {
        let number: UInt64
        let part: IndexedPart
    }

    private var cursor = BlockCursor()
    private var segments: [Segment] = []
    private let onSegment: () -> Void

    /// Opens nothing yet: the directory is looked at with every request.
    ///
    /// - Parameter onSegment: called after each segment that was opened or looked at: a first request reads the whole
    ///   journal, and on a machine that is short of time the thread's progress must show meanwhile.
    public init(directory: String, onSegment: @escaping () -> Void = {}) {
        self.directory = directory
        self.onSegment = onSegment
    }

    /// Gives records of a stream from a key on, across epochs, as far as the journal goes.
    ///
    /// A key is gone when the journal shows that it existed (a segment's key table, or a later key of its epoch) and
    /// does not hold it, or when it cannot show that it did not exist: from an epoch before the machine's start.
    /// Holes end a page, so that the next request hears of them. `TickKey.zero` asks for all there is and is gone
    /// only if the journal shows that there was more.
    ///
    /// - Parameters:
    ///   - limit: most records of this page; exceeded only by the `more` records of a first tick.
    ///   - emit: gets batches of 1 to 256 records, valid during the call.
    public mutating func read(
        _ stream: StreamID, from key: TickKey, limit: Int, emit: (UnsafeBufferPointer<Tick>) -> Void
    ) throws(StoreError) -> StreamPage {
        var page = PageBuilder(limit: limit)
        var want = key
        while true {
            try refresh()
            switch try read(stream, &want, &page, emit) {
            case .reused where page.records == 0: continue
            case .reused, .finished: return StreamPage(next: want, records: page.records)
            case .gone(let first):
                return page.records == 0 ? .gone(first) : StreamPage(next: want, records: page.records)
            }
        }
    }

    /// How far every stream is numbered: what the newest segment holds, and what its table says of those before it.
    public mutating func positions() throws(StoreError) -> [StreamID: TickKey] {
        try refresh()
        guard let newest = segments.last?.part else { return [:] }
        return try JournalReader.positions(newest, &cursor)
    }

    /// The same for one look, without an index of the older segments.
    public static func positions(in directory: String) throws(StoreError) -> [StreamID: TickKey] {
        var cursor = BlockCursor()
        for number in try Directory.names(directory).compactMap({ JournalFiles.number($0, ".log") }).sorted().reversed()
        {
            // Nil: it is just being begun, and the one before it is the newest.
            guard let part = try IndexedPart(JournalFiles.path(number, in: directory), cursor: &cursor) else {
                continue
            }
            try part.extend(to: nil, passDamage: false, cursor: &cursor)
            return try positions(part, &cursor)
        }
        return [:]
    }

    /// True when ticks were published that the journal was not given and that no table of it names: how far the streams
    /// are numbered nobody knows then, once the connector has ended.
    public func isWithdrawn() throws(StoreError) -> Bool { try JournalReader.isWithdrawn(in: directory) }

    /// The same without a reader. A journal that holds nothing is none.
    public static func isWithdrawn(in directory: String) throws(StoreError) -> Bool {
        guard access(JournalMark.path(in: directory), F_OK) != 0, errno == ENOENT else { return false }
        return try Directory.names(directory).contains { JournalFiles.number($0, ".log") != nil }
    }

    private static func positions(
        _ newest: IndexedPart, _ cursor: inout BlockCursor
    ) throws(StoreError) -> [StreamID: TickKey] {
        var keys = newest.table.positions.mapValues(\.key)
        try newest.forEachRun(cursor: &cursor) { stream, run in keys[stream] = run[run.count - 1].key }
        return keys
    }

    /// The key of the first record of a stream that was received at a time or later, nil when there is none (yet).
    public mutating func firstKey(of stream: StreamID, receivedFromNanos nanos: Int64) throws(StoreError) -> TickKey? {
        try refresh()
        var found: TickKey?
        for segment in segments where found == nil {
            _ = try segment.part.read(stream, fromNanos: nanos, cursor: &cursor) { run in
                found = run.first { $0.tsRecvNanos >= nanos }?.key
                return found == nil
            }
        }
        return found
    }

    private enum Outcome {
        case finished
        case reused
        case gone(first: TickKey)
    }

    private mutating func read(
        _ stream: StreamID, _ want: inout TickKey, _ page: inout PageBuilder,
        _ emit: (UnsafeBufferPointer<Tick>) -> Void
    ) throws(StoreError) -> Outcome {
        let vouchedFrom = segments.last?.part.table.firstEpoch ?? 0
        for (index, segment) in segments.enumerated() {
            if let told = segment.part.table.positions[stream]?.key, told >= want {
                return .gone(first: firstKey(of: stream, above: told, fromSegment: index))
            }
            var hole: TickKey?
            let outcome = try segment.part.read(stream, from: want, cursor: &cursor) { run in
                hole = JournalReader.give(run, &want, &page, vouchedFrom: vouchedFrom, emit)
                return hole == nil && !page.isFull
            }
            if let hole { return .gone(first: hole) }
            if case .reused = outcome {
                segments.remove(at: index)
                return .reused
            }
            if page.isFull { return .finished }
        }
        return .finished
    }

    /// Gives a run's records from `want` on as long as they have no hole; returns the key behind a hole.
    private static func give(
        _ run: UnsafeBufferPointer<Tick>, _ want: inout TickKey, _ page: inout PageBuilder, vouchedFrom: UInt32,
        _ emit: (UnsafeBufferPointer<Tick>) -> Void
    ) -> TickKey? {
        var at = 0
        while at < run.count, run[at].key < want { at += 1 }
        while at < run.count, !page.isFull {
            let first = run[at].key
            guard follows(first, want, vouchedFrom: vouchedFrom) else { return first }
            var end = at + 1
            while end < run.count, run[end].key == run[end - 1].key.next { end += 1 }
            let given = page.give(UnsafeBufferPointer(rebasing: run[at..<end]), to: emit)
            guard given > 0 else { return nil }
            at += given
            want = run[at - 1].key.next
        }
        return nil
    }

    /// True when nothing can have stood between the wanted key and the next one that the journal holds.
    private static func follows(_ next: TickKey, _ want: TickKey, vouchedFrom: UInt32) -> Bool {
        if next == want { return true }
        if next.epoch == want.epoch { return next.seq == 1 }
        return next.seq == 1 && (want == .zero || want.epoch >= vouchedFrom)
    }

    private func firstKey(of stream: StreamID, above told: TickKey, fromSegment index: Int) -> TickKey {
        for segment in segments[index...] {
            if let key = segment.part.firstKey(of: stream), key > told { return key }
        }
        return told.next
    }

    /// Looks at the directory: segments that are gone, new ones, and what was appended.
    private mutating func refresh() throws(StoreError) {
        // The list comes first: a segment that has a follower in it is complete before it is read.
        let numbers = try Directory.names(directory).compactMap { JournalFiles.number($0, ".log") }.sorted()
        segments.removeAll { !numbers.contains($0.number) }
        for number in numbers where number > segments.last?.number ?? 0 {
            let path = JournalFiles.path(number, in: directory)
            // Nil: it was renamed just now, or is just being begun and has nothing yet.
            guard let part = try IndexedPart(path, cursor: &cursor) else { continue }
            segments.append(Segment(number: number, part: part))
            onSegment()
        }
        for segment in segments where !segment.part.complete {
            let complete = numbers.last != segment.number
            try segment.part.extend(to: nil, passDamage: complete, cursor: &cursor)
            segment.part.complete = complete
            onSegment()
        }
    }
}
