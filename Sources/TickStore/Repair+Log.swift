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
            if let alarm = scan.findings.last(where: { $0.isAlarm }) {
                // Nothing sound stands behind it, and no later part tells what stood there.
                if name == names.last, alarm.range.upperBound >= scan.validEnd { report.unknown.append(path) }
                try rewriteLog(missing: [], damaged: [name])
                continue
            }
            let slots = try DurableSlots.read(slotsPath, partID: scan.partID)
            // A part that another follows is read as far as it is sound where it has none.
            let isMissing = !slots.isKnown && !slots.isBlank && name == names.last
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

    private func parts() throws(StoreError) -> [PartName] {
        do throws(StoreError) { return try PartName.list(logDirectory) } catch {
            guard error.code == ENOENT else { throw error }
            return []
        }
    }

    /// Writes damaged parts, and those that have the record behind a missing range, anew.
    mutating func rewriteLog(missing: [KeyRange], damaged: Set<PartName> = []) throws(StoreError) {
        var last = try sealedKeys()
        let names = try parts()
        let end = damaged.max()
        for (index, name) in names.enumerated() where end.map({ name <= $0 }) ?? true {
            let path = name.path(in: logDirectory)
            var contents = try PartContents(path)
            // What the table says of a stream that is known shows what is missing; it is found at the next record.
            contents.positions = contents.table?.positions ?? [:]
            for (stream, key) in last where contents.positions[stream].map({ $0.key > key }) ?? true {
                contents.positions[stream] = Repair.position(key)
            }
            for (stream, position) in contents.positions where last[stream] == nil { last[stream] = position.key }
            let following = index + 1 < names.count ? names[index + 1].path(in: logDirectory) : nil
            // What only this part's table tells of is lost too: the table written anew says it no more.
            let next = if let following { try PartContents(following).table } else { contents.table }
            let records = contents.records
            let mended = contents.mend(
                after: &last, isDamaged: damaged.contains(name), next: next, nowNanos: nowNanos, filler: &filler)
            guard damaged.contains(name) || (damaged.isEmpty && mended.isChanged) else { continue }
            try replace(path, contents)
            report.actions.append(
                .init(
                    path: path,
                    what: "written anew: \(records) records kept, \(mended.added) taken from the journal, "
                        + "\(mended.lost) ranges lost"))
        }
    }

    private static func position(_ key: TickKey) -> StreamPosition {
        StreamPosition(key: key, tsEventNanos: Tick.noEventTime, tsRecvNanos: 0)
    }

    /// The last key of each stream in its segments.
    private func sealedKeys() throws(StoreError) -> [StreamID: TickKey] {
        var keys: [StreamID: TickKey] = [:]
        for name in try SegmentName.list(ticksDirectory: ticksDirectory) {
            let footer = try SegmentFooter(of: name.path(in: ticksDirectory))
            keys[name.stream] = max(keys[name.stream] ?? .zero, footer.lastKey)
        }
        return keys
    }

    /// Writes a part beside the damaged one, reads it back, and gives it the name.
    private mutating func replace(_ path: String, _ contents: borrowing PartContents) throws(StoreError) {
        let temporary = path.dropLast(4) + ".repair.log"
        try Directory.remove(String(temporary))
        let temporarySlots = PartName.durablePath(ofLog: String(temporary))
        try Directory.remove(temporarySlots)
        var writer = try LogWriter(creating: String(temporary), positions: contents.positions)
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
        let written = try PartContents(String(temporary))
        guard written.blocks == contents.blocks else { throw .notALog(path: String(temporary)) }
        let slotsPath = PartName.durablePath(ofLog: path)
        if access(slotsPath, F_OK) == 0 { try setAside(slotsPath, replacement: nil) }
        try setAside(path, replacement: String(temporary))
        guard rename(temporarySlots, slotsPath) == 0 else {
            throw .system(call: "rename", path: slotsPath, code: errno)
        }
        try Directory.sync(logDirectory)
    }
}

/// The sound blocks of one part, in memory: a part has 256 MiB and a little at most.
struct PartContents {
    var table: KeyTable?
    /// Whole records, at most 1 MiB each.
    private(set) var blocks: [[Tick]] = []
    /// What the table of the part written anew says.
    var positions: [StreamID: StreamPosition] = [:]

    var records: Int { blocks.reduce(0) { $0 + $1.count } }

    init(_ path: String) throws(StoreError) {
        var cursor = BlockCursor()
        let file = try File(path, O_RDONLY)
        let scan = try PartScan(path, cursor: &cursor, file: file, slotsPath: PartName.durablePath(ofLog: path))
        table = scan.table
        // A torn tail is no part of the log.
        let end = scan.findings.first { !$0.isAlarm }?.range.lowerBound ?? .max
        cursor.seek(to: 0, limit: min(end, try file.size()))
        while cursor.offset < cursor.limit {
            switch try cursor.next(in: file, partID: scan.partID) {
            case .block(let header, let payload, _):
                if header.codec == .records { blocks.append(Array(TickRuns(payload: payload).ticks)) }
            case .stop:
                guard try cursor.resync(in: file, partID: scan.partID) else { return }
            }
        }
    }

    /// What `mend` put in.
    struct Mended {
        /// Records from the journal.
        var added = 0
        /// Ranges that are lost.
        var lost = 0
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
    /// - isDamaged: something of the part was destroyed: a stream of which nothing is known in front begins with its epoch's
    ///   first key, and what is in front of its first record here is missing. That may say too much, never too little.
    mutating func mend(
        after last: inout [StreamID: TickKey], isDamaged: Bool, next: KeyTable?, nowNanos: Int64,
        filler: inout JournalFiller
    ) -> Mended {
        var mended: [[Tick]] = []
        var did = Mended()
        for block in blocks {
            var lost: [Tick] = []
            for tick in block {
                guard let stream = tick.stream else { continue }
                let covered = SegmentMender.firstKeyCovered(by: tick)
                let previous = last[stream] ?? (isDamaged ? .zero : tick.key)
                if let hole = Verify.hole(after: previous, before: covered) {
                    let end = TickKey(rawValue: covered.rawValue - 1)
                    let from = last[stream]?.next ?? hole
                    let filled = SegmentMender.filled(
                        stream, hole, end, with: filler.records(of: stream, from, end), from: from, before: nil,
                        behind: tick, nowNanos: nowNanos)
                    did.note(filled.records, added: filled.added)
                    lost += filled.records
                }
                if tick.key > last[stream] ?? .zero { last[stream] = tick.key }
            }
            if !lost.isEmpty { mended.append(PartContents.merge(lost, into: block)) } else { mended.append(block) }
        }
        var lost: [Tick] = []
        for (stream, position) in (next?.positions ?? [:]).sorted(by: { $0.key < $1.key }) {
            let begin = isDamaged ? TickKey(epoch: position.key.epoch, seq: 1) : nil
            guard let from = last[stream]?.next ?? begin, from <= position.key else { continue }
            let filled = SegmentMender.filled(
                stream, from, position.key, with: filler.records(of: stream, from, position.key), from: from,
                before: nil, behind: nil, nowNanos: position.tsRecvNanos)
            did.note(filled.records, added: filled.added)
            lost += filled.records
            last[stream] = position.key
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
