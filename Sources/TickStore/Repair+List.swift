internal import Glibc
internal import Ticks

extension Repair {
    /// All files that the list has and the disk has not.
    mutating func restoreGone() throws(StoreError) {
        var left = Int.max
        while true {
            let files = try SealedFiles(stateDirectory: stateDirectory, opensAll: false)
            // Each round has as many as are kept in memory, and must come on.
            guard !files.gone.isEmpty, files.goneCount < left else { return }
            left = files.goneCount
            try restoreGone(files.gone)
        }
    }

    /// Files that the list has and the disk has not: each is written anew in its place, with what the log still has of
    /// its keys and `lost` for the rest, so that history is asked for them.
    mutating func restoreGone(_ gone: [SealedEntry]) throws(StoreError) {
        var failure: StoreError?
        for entry in gone {
            // One that can't be must not keep the others.
            do throws(StoreError) { try restore(entry) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    private mutating func restore(_ entry: SealedEntry) throws(StoreError) {
        guard entry.firstKey > .zero, entry.firstKey <= entry.lastKey else { return }
        let places = try SegmentPlaces(ticksDirectory)
        let name = SegmentName(stream: entry.stream, symbol: places.symbol(of: entry.stream.conId), hour: entry.hour)
        let path = name.path(in: ticksDirectory)
        var directories = DurableDirectories()
        try directories.make(PartName.directory(of: path), below: ticksDirectory)
        let temporary = path + ".repair"
        var builder = SegmentMender(
            stream: name.stream, after: entry.firstKey.previous, logDirectory: logDirectory, nowNanos: hourNanos(name))
        var writer = try SegmentWriter(
            temporary: temporary, stream: name.stream, definition: try keptDefinition(name.stream.contract),
            previousKey: .zero, workspace: workspace)
        try Repair.append(try builder.rest(to: entry.lastKey, with: &filler), to: &writer)
        let footer = try writer.finish()
        try check(temporary, footer)
        guard rename(temporary, path) == 0 else { throw .system(call: "rename", path: path, code: errno) }
        try Directory.sync(PartName.directory(of: path))
        try list(name, footer)
        report.actions.append(
            .init(path: path, what: "was gone, written anew: \(builder.added) records taken from log and journal"))
    }

    /// Puts a file that was written anew into the list.
    func list(_ name: SegmentName, _ footer: SegmentFooter) throws(StoreError) {
        let bytes = try File(name.path(in: ticksDirectory), O_RDONLY).size()
        try SealedList.append(
            [SealedEntry(sealed: footer, hour: name.hour, bytes: bytes)], stateDirectory: stateDirectory)
    }

    /// Makes the list anew where it is not what the files are. True when that was done.
    mutating func repairList() throws(StoreError) -> Bool {
        let files = try SealedFiles(stateDirectory: stateDirectory, opensAll: true)
        guard try files.bringList() else { return false }
        report.actions.append(.init(path: files.path, what: "written anew from the files that are there"))
        return true
    }

    // MARK: - The newest part of the log

    /// The part that nothing follows, where it is gone, and the file that names it.
    mutating func repairNewest() throws(StoreError) {
        let names = try parts()
        if let gone = try NewestPart.gone(in: logDirectory) { return try restore(gone, behind: names) }
        guard let newest = names.last, try !NewestPart.names(newest, in: logDirectory),
            try DurableSlots.read(PartName.durablePath(ofLog: newest.path(in: logDirectory)), partID: nil).isKnown
        else { return }
        try NewestPart.write(newest, in: logDirectory)
        report.actions.append(.init(path: NewestPart.path(in: logDirectory), what: "written anew"))
    }

    /// Nobody knows which keys stood there: where no connector can have them any more, all
    /// up to the end of the last run are lost.
    private mutating func restore(_ gone: PartName, behind names: [PartName]) throws(StoreError) {
        let path = gone.path(in: logDirectory)
        let last = try positions(of: names)
        var lost: [Tick] = []
        // There may have been streams that stand nowhere else.
        report.unknown.append(path)
        if let endOfRun {
            let epoch = last.values.reduce(endOfRun) { max($0, $1.key.epoch) }
            for (stream, position) in last.sorted(by: { $0.key < $1.key }) {
                let end = TickKey(epoch: epoch, seq: .max)
                guard let keys = MissingKeys.range(after: position.key, upTo: end) else { continue }
                lost.append(SegmentMender.lost(stream, keys, like: nil, nowNanos: nowNanos))
            }
        }
        let contents = PartContents(of: lost, positions: last)
        try place(contents, at: path)
        report.actions.append(.init(path: path, what: "was gone, written anew: \(lost.count) ranges lost"))
    }

    /// How far each stream came in segments and parts.
    private func positions(of names: [PartName]) throws(StoreError) -> [StreamID: StreamPosition] {
        var last = try sealedKeys().mapValues(Repair.position)
        for name in names {
            let contents = try PartContents(name.path(in: logDirectory))
            last.merge(contents.table?.positions ?? [:]) { $0.key < $1.key ? $1 : $0 }
            for tick in contents.blocks.joined() {
                guard let stream = tick.stream, tick.key > last[stream]?.key ?? .zero else { continue }
                last[stream] = StreamPosition(tick)
            }
        }
        return last
    }
}
