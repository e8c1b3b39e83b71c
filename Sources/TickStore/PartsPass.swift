internal import Ticks

/// Reads the finished parts of an hour once, from the oldest to the newest, run by run. One thread.
struct PartsPass {
    let directory: String
    let parts: [SealPart]
    let observer: any SealObserver
    /// Bytes that earlier passes have read, and that all passes will have read.
    var bytesBefore: UInt64 = 0
    var bytesTotal: UInt64 = 0

    /// What could not be read, by part.
    private(set) var findings: [PartName: [LogFinding]] = [:]

    init(directory: String, parts: [SealPart], observer: any SealObserver) {
        self.directory = directory
        self.parts = parts
        self.observer = observer
    }

    /// Calls `visit` for every run of records of one stream, `begin` at the beginning of each part, with its table.
    ///
    /// - visit: gets nil for records that name no stream.
    mutating func run(
        begin: (PartName, KeyTable?) -> Void = { _, _ in },
        visit: (StreamID?, UnsafeBufferPointer<Tick>) throws(SealError) -> Void
    ) throws(SealError) {
        var done = bytesBefore
        for part in parts {
            let path = part.name.path(in: directory)
            var reader: LogPartReader
            do throws(StoreError) { reader = try LogPartReader(path) } catch { throw .store(error) }
            begin(part.name, reader.table)
            var goOn = true
            while goOn {
                if observer.shouldStop { throw .stopped }
                try observer.work { () throws(SealError) in goOn = try PartsPass.block(of: &reader, visit) }
                observer.note(readBytes: done + reader.offset, ofBytes: bytesTotal)
            }
            findings[part.name] = reader.findings
            done += part.bytes
        }
    }

    /// One block; false at the part's end.
    private static func block(
        of reader: inout LogPartReader, _ visit: (StreamID?, UnsafeBufferPointer<Tick>) throws(SealError) -> Void
    ) throws(SealError) -> Bool {
        let next: UnsafeBufferPointer<Tick>?
        do throws(StoreError) { next = try reader.next() } catch { throw .store(error) }
        guard let ticks = next else { return false }
        let runs = TickRuns(ticks: ticks)
        var start = 0
        while start < ticks.count {
            let end = runs.runEnd(from: start)
            try visit(ticks[start].stream, UnsafeBufferPointer(rebasing: ticks[start..<end]))
            start = end
        }
        return true
    }
}

/// Cuts a stream's runs, as they stand in the log, into runs of records whose keys rise above everything given before:
/// what an earlier part has already given comes again after a failed write.
struct RisingKeys {
    private(set) var last: TickKey

    init(above last: TickKey = .zero) { self.last = last }

    mutating func take(
        _ run: UnsafeBufferPointer<Tick>, _ give: (UnsafeBufferPointer<Tick>) throws(SealError) -> Void
    ) throws(SealError) {
        var start = 0
        while true {
            while start < run.count, run[start].key <= last { start += 1 }
            guard start < run.count else { return }
            var end = start + 1
            while end < run.count, run[end].key > run[end - 1].key { end += 1 }
            last = run[end - 1].key
            try give(UnsafeBufferPointer(rebasing: run[start..<end]))
            start = end
        }
    }
}
