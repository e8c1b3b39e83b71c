internal import Glibc
internal import Ticks

extension Repair {
    /// Parts with damage below what was durable, and their slots.
    mutating func repairLog() throws(StoreError) {
        var cursor = BlockCursor()
        let names = try parts()
        for name in names {
            let path = name.path(in: logDirectory)
            let slotsPath = PartName.durablePath(ofLog: path)
            let file = try File(path, O_RDONLY)
            let scan = try PartScan(path, cursor: &cursor, file: file, slotsPath: slotsPath)
            if scan.findings.contains(where: \.isAlarm) {
                try rewriteLog(missing: [], damaged: [name])
                continue
            }
            let slots = try DurableSlots.read(slotsPath, partID: scan.partID)
            // A part that another follows is read as far as it is sound where it has none.
            let isNamed = try NewestPart.names(name, in: logDirectory)
            let wasDurable = !slots.isBlank || isNamed
            let isMissing = !slots.isKnown && wasDurable && name == names.last
            guard slots.isDamaged || isMissing, let partID = scan.partID else { continue }
            if access(slotsPath, F_OK) == 0 { try setAside(slotsPath, replacement: nil) }
            // All that is sound counts, as when a recorder starts: it is made durable first.
            try file.syncData()
            var written = try DurableSlots(slotsPath, partID: partID)
            try written.write(max(scan.validEnd, scan.durableTo))
            try written.sync()
            try Directory.sync(logDirectory)
            report.actions.append(.init(path: slotsPath, what: "written anew"))
        }
    }

    func parts() throws(StoreError) -> [PartName] { try PartName.listIfAny(logDirectory) }

    /// Writes damaged parts, and those that have the record behind a missing range, anew.
    mutating func rewriteLog(missing: [KeyRange], damaged: Set<PartName> = []) throws(StoreError) {
        var last = try sealedKeys()
        // Of these nothing is known but that keys are missing: no table may say more.
        var assumed: [StreamID: TickKey] = [:]
        for range in missing where last[range.stream].map({ $0 >= range.first }) ?? true {
            if last[range.stream] == nil { assumed[range.stream] = range.first.previous }
            last[range.stream] = range.first.previous
        }
        let names = try parts()
        let end = damaged.max()
        for (index, name) in names.enumerated() where end.map({ name <= $0 }) ?? true {
            let path = name.path(in: logDirectory)
            var contents = try PartContents(path)
            // What the table says of a stream that is known shows what is missing; it is found at the next record.
            contents.positions = contents.table?.positions ?? [:]
            for (stream, key) in last where contents.positions[stream].map({ $0.key > key }) ?? true {
                contents.positions[stream] = assumed[stream] == key ? nil : Repair.position(key)
            }
            for (stream, position) in contents.positions where last[stream] == nil { last[stream] = position.key }
            let following = index + 1 < names.count ? names[index + 1].path(in: logDirectory) : nil
            // What only this part's table tells of is lost too: the table written anew says it no more.
            let next = if let following { try PartContents(following).table } else { contents.table }
            let records = contents.records
            let isNewest = index + 1 == names.count
            let mended = contents.mend(
                after: &last, isDamaged: damaged.contains(name), next: next, isNewest: isNewest, endOfRun: endOfRun,
                nowNanos: nowNanos, filler: &filler)
            guard damaged.contains(name) || (damaged.isEmpty && mended.isChanged) else { continue }
            if mended.isOpen { report.unknown.append(path) }
            try replace(path, contents)
            report.actions.append(
                .init(
                    path: path,
                    what: "written anew: \(records) records kept, \(mended.added) taken from the journal, "
                        + "\(mended.lost) ranges lost"))
        }
    }

    /// The greatest epoch whose records can have stood at the end of the newest part. Nil while a connector may go on with it, or a
    /// journal has what is behind the last key that is left.
    var endOfRun: UInt32? { filler.hasJournal ? nil : endedEpoch }

    static func position(_ key: TickKey) -> StreamPosition {
        StreamPosition(key: key, tsEventNanos: Tick.noEventTime, tsRecvNanos: 0)
    }

    /// The last key of each stream in its segments.
    func sealedKeys() throws(StoreError) -> [StreamID: TickKey] {
        var keys: [StreamID: TickKey] = [:]
        for name in try SegmentName.list(ticksDirectory: ticksDirectory) {
            let footer = try SegmentFooter(of: name.path(in: ticksDirectory))
            keys[name.stream] = max(keys[name.stream] ?? .zero, footer.lastKey)
        }
        return keys
    }

    /// Writes a part beside the damaged one, reads it back, and gives it the name.
    private mutating func replace(_ path: String, _ contents: borrowing PartContents) throws(StoreError) {
        let temporary = String(path.dropLast(4)) + Repair.partSuffix
        try Directory.remove(temporary)
        let temporarySlots = PartName.durablePath(ofLog: temporary)
        try Directory.remove(temporarySlots)
        try write(contents, to: temporary)
        let slotsPath = PartName.durablePath(ofLog: path)
        // The damaged part keeps its slots until the new one has its name: without them what was durable of it would look torn.
        if access(slotsPath, F_OK) == 0 { try DamagedFile.keep(slotsPath) }
        try setAside(path, replacement: temporary)
        guard rename(temporarySlots, slotsPath) == 0 else {
            throw .system(call: "rename", path: slotsPath, code: errno)
        }
        try Directory.sync(logDirectory)
    }

    /// Writes a part under a name that is free, which it gets when it is whole.
    func place(_ contents: borrowing PartContents, at path: String) throws(StoreError) {
        let temporary = String(path.dropLast(4)) + Repair.partSuffix
        let temporarySlots = PartName.durablePath(ofLog: temporary)
        for old in [temporary, temporarySlots] { try Directory.remove(old) }
        try write(contents, to: temporary)
        // The slots first: a part without them would look as if they had been destroyed.
        for (from, to) in [(temporarySlots, PartName.durablePath(ofLog: path)), (temporary, path)] {
            guard rename(from, to) == 0 else { throw .system(call: "rename", path: to, code: errno) }
        }
        try Directory.sync(logDirectory)
    }

    /// Writes a part under a name that is free, and reads it back.
    func write(_ contents: borrowing PartContents, to path: String) throws(StoreError) {
        var writer = try LogWriter(creating: path, positions: contents.positions)
        for block in contents.blocks {
            let failure: StoreError? = block.withUnsafeBytes { bytes in
                do throws(StoreError) {
                    try withUnsafePointer(to: bytes) { piece throws(StoreError) in
                        try writer.append(UnsafeBufferPointer(start: piece, count: 1))
                    }
                    return nil
                } catch { return error }
            }
            if let failure { throw failure }
        }
        try writer.sync()
        try writer.finish()
        let written = try PartContents(path)
        guard written.blocks == contents.blocks else { throw .notALog(path: path) }
    }
}

/// The sound blocks of one part, in memory: a part has 256 MiB and a little at most.
struct PartContents {
    var table: KeyTable?
    /// Whole records, at most 1 MiB each.
    private(set) var blocks: [[Tick]] = []
    /// Numbers of the blocks in front of which something was destroyed.
    private var damagedBefore: Set<Int> = []
    /// True when something behind the last block was.
    private var isDamagedAtEnd = false
    /// What the table of the part written anew says.
    var positions: [StreamID: StreamPosition] = [:]

    /// A part that is made of these records.
    init(of records: [Tick], positions: [StreamID: StreamPosition]) {
        if !records.isEmpty { blocks = PartContents.cut(records) }
        self.positions = positions
    }

    var records: Int { blocks.reduce(0) { $0 + $1.count } }

    init(_ path: String) throws(StoreError) {
        var cursor = BlockCursor()
        let file = try File(path, O_RDONLY)
        let scan = try PartScan(path, cursor: &cursor, file: file, slotsPath: PartName.durablePath(ofLog: path))
        table = scan.table
        // A torn tail is no part of the log.
        let end = scan.findings.first { !$0.isAlarm }?.range.lowerBound ?? .max
        let size = try file.size()
        isDamagedAtEnd = scan.findings.contains { $0.isAlarm && $0.range.upperBound > size }
        cursor.seek(to: 0, limit: min(end, size))
        while cursor.offset < cursor.limit {
            switch try cursor.next(in: file, partID: scan.partID) {
            case .block(let header, let payload, _):
                if header.codec == .records { blocks.append(Array(TickRuns(payload: payload).ticks)) }
            case .stop:
                guard try cursor.resync(in: file, partID: scan.partID) else {
                    isDamagedAtEnd = true
                    return
                }
                damagedBefore.insert(blocks.count)
            }
        }
    }

    /// What `mend` put in.
    struct Mended {
        /// Records from the journal.
        var added = 0
        /// Ranges that are lost.
        var lost = 0
        /// True when nothing tells which keys stood at the part's end.
        var isOpen = false
        var isChanged: Bool { added + lost > 0 }

        mutating func note(_ records: [Tick], added: Int) {
            self.added += added
            lost += records.count - added
        }
    }

    /// Puts what is missing wherever keys are missing, from the journal or as a `lost` record: in front of the record behind
    /// them, or at the end where a table (the next part's, or the newest part's own) shows that there were more. `last` goes
    /// on to the part's end.
    ///
    /// Behind destroyed bytes a stream of which nothing is known in front counts as begun with the first key of the epoch that was
    /// the newest there; where none is known, with the first of all keys. That may say too much, never too little.
    ///
    /// - Parameters:
    ///   - isDamaged: something of the part was destroyed.
    ///   - isNewest: nothing follows the part.
    ///   - endOfRun: the greatest epoch whose records may have stood at the end of the newest part; nil: that is left open.
    mutating func mend(
        after last: inout [StreamID: TickKey], isDamaged: Bool, next: KeyTable?, isNewest: Bool, endOfRun: UInt32?,
        nowNanos: Int64, filler: inout JournalFiller
    ) -> Mended {
        var mended: [[Tick]] = []
        var did = Mended()
        // Of each stream: how many destroyed places lie in front of its last record.
        var passed: [StreamID: Int] = [:]
        var destroyed = 0
        var epoch = last.values.reduce(table?.greatestEpoch ?? 0) { max($0, $1.epoch) }
        // The newest in front of the first destroyed place.
        var epochThere: UInt32?
        func begin(_ key: TickKey) -> TickKey { TickKey(epoch: min(epochThere ?? epoch, key.epoch), seq: 0) }
        func fill(_ stream: StreamID, _ keys: ClosedRange<TickKey>, behind: Tick?, _ nanos: Int64) -> [Tick] {
            let found = filler.records(of: stream, keys.lowerBound, keys.upperBound)
            let filled = SegmentMender.filled(
                stream, keys, with: found, before: nil, behind: behind, nowNanos: nanos)
            did.note(filled.records, added: filled.added)
            return filled.records
        }
        for (number, block) in blocks.enumerated() {
            if damagedBefore.contains(number) {
                destroyed += 1
                epochThere = epochThere ?? epoch
            }
            var lost: [Tick] = []
            for tick in block {
                guard let stream = tick.stream else { continue }
                let isBehind = destroyed > passed[stream] ?? 0
                let previous = last[stream] ?? (isBehind ? begin(tick.key) : nil)
                if let keys = previous.flatMap({ MissingKeys.between($0, tick, isDamaged: isBehind) }) {
                    lost += fill(stream, keys, behind: tick, nowNanos)
                }
                passed[stream] = destroyed
                if tick.key > last[stream] ?? .zero { last[stream] = tick.key }
            }
            epoch = block.reduce(epoch) { max($0, $1.key.epoch) }
            if !lost.isEmpty { mended.append(PartContents.merge(lost, into: block)) } else { mended.append(block) }
        }
        var lost: [Tick] = []
        for (stream, position) in (next?.positions ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard let previous = last[stream] ?? (isDamaged ? begin(position.key) : nil),
                let keys = MissingKeys.range(after: previous, upTo: position.key)
            else { continue }
            lost += fill(stream, keys, behind: nil, position.tsRecvNanos)
            last[stream] = position.key
        }
        // What stood behind a stream's last record, nothing tells where no part follows.
        if isDamagedAtEnd { destroyed += 1 }
        if isNewest, destroyed > 0 {
            // There may have been streams that stand nowhere else.
            did.isOpen = isDamagedAtEnd || !filler.hasJournal
            let end = endOfRun.map { TickKey(epoch: max($0, epoch), seq: .max) } ?? .zero
            for (stream, key) in last.sorted(by: { $0.key < $1.key }) where destroyed > passed[stream] ?? 0 {
                guard let keys = MissingKeys.range(after: key, upTo: end) else { continue }
                lost += fill(stream, keys, behind: nil, nowNanos)
                last[stream] = end
            }
        }
        if !lost.isEmpty { mended.append(lost) }
        blocks = mended.flatMap(PartContents.cut)
        return did
    }

    /// Puts each lost range in front of the record that it was found at.
    private static func merge(_ lost: [Tick], into block: [Tick]) -> [Tick] {
        var out: [Tick] = []
        out.reserveCapacity(block.count + lost.count)
        var next = 0
        for tick in block {
            while next < lost.count, lost[next].stream == tick.stream, lost[next].key < tick.key {
                out.append(lost[next])
                next += 1
            }
            out.append(tick)
        }
        return out
    }

    /// Cuts what is too long for one block, without parting a tick from its `more` records.
    private static func cut(_ block: [Tick]) -> [[Tick]] {
        let most = BlockHeader.maxPayloadBytes / Tick.size
        guard block.count > most else { return [block] }
        return block.withUnsafeBufferPointer { all in
            var pieces: [[Tick]] = []
            var at = 0
            while at < all.count {
                let rest = UnsafeBufferPointer(rebasing: all[at...])
                let count = min(rest.prefixWithoutParting(most), most)
                pieces.append(Array(rest[..<count]))
                at += count
            }
            return pieces
        }
    }
}
