internal import Glibc
internal import Ticks

/// Rebuilds what can be rebuilt of a recording and writes down the rest as lost. Nothing may write to it meanwhile. One
/// thread.
///
/// A damaged file is never changed: what is sound in it goes into a new one, which is read back, and only then takes the
/// name; the damaged one stays beside it as `<name>.damaged`.
///
/// In this order: sealed segments (sound blocks, completed from parts of the log that still exist), files that the list of sealed
/// files has and the disk has not, parts of the log (sound blocks; keys that are gone become `lost` records), durable slots,
/// keys that are missing between files, the list itself.
public struct Repair: ~Copyable {
    /// Of parts that are being written anew, and of their slots.
    static let partSuffix = ".repair.log"
    static let slotsSuffix = ".repair.durable"
    /// What a `lost` record says of keys that went with a damaged file.
    static let lostText = "damaged file"

    let stateDirectory: String
    let nowNanos: Int64
    let workspace = SegmentWorkspace()
    /// The greatest epoch that was ever begun, where no connector can go on with it.
    let endedEpoch: UInt32?
    var filler: JournalFiller
    var report = RepairReport()

    /// - Parameters:
    ///   - stateDirectory: the recorder's, whose lock the caller holds.
    ///   - nowNanos: the clock's, for records that say what is lost where no neighbour gives a time.
    ///   - journalDirectory: the connector's, which may still have what is missing in the log; nil: none.
    ///   - endedEpoch: the greatest epoch that is known to have been begun, where no connector runs that may go on with it; 0:
    ///     none is known. Nil: one may run.
    public init(
        stateDirectory: String, nowNanos: Int64, journalDirectory: String? = nil, endedEpoch: UInt32? = nil
    ) {
        self.endedEpoch = endedEpoch
        self.stateDirectory = stateDirectory
        self.nowNanos = nowNanos
        filler = JournalFiller(directory: journalDirectory)
    }

    var logDirectory: String { stateDirectory + "/log" }
    var ticksDirectory: String { stateDirectory + "/ticks" }

    /// Rounds of looking for missing keys: one mends them all, the next shows that nothing is missing.
    private static let maxRounds = 3

    /// Repairs, then verifies the whole recording again.
    public consuming func run() throws(StoreError) -> RepairReport {
        try removeLeftovers()
        try setAsideWhatIsNoFile()
        let before = try Verify(stateDirectory: stateDirectory).run()
        guard !before.isSound || !report.actions.isEmpty else {
            report.verified = before
            return report
        }
        // What is written anew is listed: so the list comes first where there is none.
        let list = try SealedList(stateDirectory: stateDirectory)
        if list.isMissing || list.entries == 0, try !SegmentName.list(ticksDirectory: ticksDirectory).isEmpty {
            _ = try repairList()
        }
        try repairPlaces()
        try repairSegments()
        try restoreGone()
        try repairLog()
        try repairNewest()
        try repairDefinitions()
        var verified = try fillMissing()
        // A list that is whole may tell of keys of which a damaged one told nothing.
        if !verified.isSound, try repairList() { verified = try fillMissing() }
        report.verified = verified
        return report
    }

    /// Removes what one that was killed has left half written in the log: no reader knows these names.
    private func removeLeftovers() throws(StoreError) {
        let names: [String]
        do throws(StoreError) { names = try Directory.names(logDirectory) } catch {
            guard error.code == ENOENT else { throw error }
            return
        }
        for name in names where name.hasSuffix(Repair.partSuffix) || name.hasSuffix(Repair.slotsSuffix) {
            try Directory.remove(logDirectory + "/" + name)
        }
    }

    /// Mends what verifying finds missing, until it finds nothing more, and returns what it finds then.
    private mutating func fillMissing() throws(StoreError) -> VerifyReport {
        var verified = try Verify(stateDirectory: stateDirectory).run()
        var round = 0
        while !verified.missing.isEmpty, round < Repair.maxRounds {
            try fill(verified.missing)
            verified = try Verify(stateDirectory: stateDirectory).run()
            round += 1
        }
        return verified
    }

    // MARK: - Sealed segments

    private mutating func repairSegments() throws(StoreError) {
        let listed = try SealedList(stateDirectory: stateDirectory)
        for name in try SegmentName.list(ticksDirectory: ticksDirectory) {
            let path = name.path(in: ticksDirectory)
            var scan = try SegmentScan(path, workspace: workspace, hashes: true)
            while try scan.next() != nil {}
            // One that is sound, and has less than was sealed there, is an older version of the file.
            let wanted = try listed.entry(name.stream, hour: name.hour)?.lastKey ?? .zero
            let isLess = scan.storedFooter.map { $0.lastKey < wanted } ?? false
            guard !scan.isWhole || scan.stream != name.stream || isLess else { continue }
            try rewrite(name, footer: scan.storedFooter)
        }
    }

    /// Keys that are missing in front of records that are there: they are looked for in the log, else written down as lost,
    /// in the file that has the record behind them.
    private mutating func fill(_ missing: [KeyRange]) throws(StoreError) {
        var inLog: [KeyRange] = []
        for (stream, ranges) in Dictionary(grouping: missing, by: \.stream) {
            var named: Set<SegmentName> = []
            for range in ranges {
                if let name = try segment(of: stream, behind: range.last) {
                    named.insert(name)
                } else {
                    inLog.append(range)
                }
            }
            for name in named { try rewrite(name, footer: nil) }
        }
        if !inLog.isEmpty { try rewriteLog(missing: inLog) }
    }

    /// The segment that has the first record behind a key.
    private func segment(of stream: StreamID, behind key: TickKey) throws(StoreError) -> SegmentName? {
        for name in try SegmentName.list(ticksDirectory: ticksDirectory, streams: [stream]) {
            if try SegmentFooter(of: name.path(in: ticksDirectory)).lastKey > key { return name }
        }
        return nil
    }

    /// Writes a segment anew from its sound blocks, with what the log still has of the keys between them.
    ///
    /// - Parameter footer: what the damaged file says that it had, if that can be read.
    mutating func rewrite(_ name: SegmentName, footer stored: SegmentFooter?) throws(StoreError) {
        let path = name.path(in: ticksDirectory)
        var scan = try SegmentScan(path, workspace: workspace, hashes: false)
        let definition = if let known = scan.definition { known } else { try keptDefinition(name.stream.contract) }
        let temporary = path + ".repair"
        let listed = try SealedList(stateDirectory: stateDirectory).entry(name.stream, hour: name.hour)
        let inFront = try lastKey(of: name.stream, before: name)
        // The stream's first file: what it began with is all that can be missing in front.
        let first = stored?.firstCoveredKey ?? listed?.firstKey ?? .zero
        let before = inFront ?? (first > .zero ? first.previous : nil)
        var builder = SegmentMender(
            stream: name.stream, after: before, logDirectory: logDirectory, nowNanos: nowNanos)
        var writer = try SegmentWriter(
            temporary: temporary, stream: name.stream, definition: definition,
            previousKey: max(inFront ?? .zero, stored?.previousKey ?? .zero), workspace: workspace)
        let index = try scan.storedIndex().flatMap { index in
            stored.map { index.agrees(with: $0, from: 0) } == true ? index : nil
        }
        var kept: UInt64 = 0
        var seen = 0
        while let run = try scan.next() {
            let own = run.allSatisfy { $0.stream == name.stream }
            // A file in the wrong place has nothing for this one.
            guard own else { continue }
            kept += UInt64(run.count)
            let isDamaged = scan.findings.count > seen
            seen = scan.findings.count
            let destroyed = index?.entries.last { $0.lastKey < MissingKeys.firstKeyCovered(by: run[0]) }
            // The scan's memory is needed again while the log is read: the mender has copies.
            let mended = try builder.mended(
                Array(run), isDamaged: isDamaged && (index == nil || destroyed != nil), reached: destroyed?.lastKey,
                with: &filler)
            try Repair.append(mended, to: &writer)
        }
        let reached = [stored?.lastKey, listed?.lastKey].compactMap(\.self).max()
        if let reached, let next = try nextKey(of: name, reached) {
            try Repair.append(try builder.rest(to: next, with: &filler), to: &writer)
        } else if reached == nil, scan.findings.count > seen, let next = try keyInFront(ofFileBehind: name) {
            try Repair.append(try builder.rest(to: next, with: &filler), to: &writer)
        }
        var what = "\(builder.added) taken from log and journal"
        if builder.given == 0, let lost = try allLost(name, listed, after: before) {
            try Repair.append([lost], to: &writer)
            what = "nothing readable: all of it is lost"
        } else if builder.given == 0 {
            // Nothing is known of what was in it: it stays beside its place, and what is missing is found as a hole.
            try Directory.remove(temporary)
            try setAside(path, replacement: nil)
            report.unknown.append(path)
            return report.actions.append(.init(path: path, what: "nothing readable: set aside"))
        }
        let footer = try writer.finish()
        try check(temporary, footer)
        try setAside(path, replacement: temporary)
        try list(name, footer)
        report.actions.append(.init(path: path, what: "written anew: \(kept) records kept, \(what)"))
    }

    /// The last key that a stream had in front of what stands behind a segment; nil when nothing tells.
    private func keyInFront(ofFileBehind name: SegmentName) throws(StoreError) -> TickKey? {
        for other in try SegmentName.list(ticksDirectory: ticksDirectory, streams: [name.stream])
        where other.hour > name.hour {
            let file = try File(other.path(in: ticksDirectory), O_RDONLY)
            guard let next = try SegmentFooter(of: file, size: try file.size()) else { return nil }
            if let previous = next.previousKey, previous > .zero { return previous }
            return next.firstCoveredKey.previous
        }
        guard let oldest = try parts().first else { return nil }
        return try PartContents(oldest.path(in: logDirectory)).table?.positions[name.stream]?.key
    }

    /// The `lost` record for a segment of which nothing can be read: up to the next key that is known of the stream. Without
    /// it, nothing would tell of the hole where no earlier file does. Nil when no key behind it is known.
    ///
    /// - Parameter listed: what the list of sealed files says that was in it.
    private func allLost(
        _ name: SegmentName, _ listed: SealedEntry?, after before: TickKey?
    ) throws(StoreError) -> Tick? {
        if let listed, listed.firstKey <= listed.lastKey, listed.lastKey > before ?? .zero {
            let keys = max(listed.firstKey, before?.next ?? .zero)...listed.lastKey
            return SegmentMender.lost(name.stream, keys, like: nil, nowNanos: hourNanos(name))
        }
        var next: TickKey?
        for other in try SegmentName.list(ticksDirectory: ticksDirectory, streams: [name.stream])
        where other.hour > name.hour && next == nil {
            let file = try File(other.path(in: ticksDirectory), O_RDONLY)
            guard let footer = try SegmentFooter(of: file, size: try file.size()) else { return nil }
            next = footer.firstKey
        }
        if next == nil {
            var log = LogHistory(directory: logDirectory)
            var first: TickKey?
            let page = try log.read(name.stream, from: .zero, limit: 1) { run in
                if first == nil { first = run.first.map { MissingKeys.firstKeyCovered(by: $0) } }
            }
            next = page.goneFirst ?? first
        }
        guard let next, next > .zero,
            let keys = MissingKeys.range(after: before ?? TickKey(epoch: next.epoch, seq: 0), upTo: next.previous)
        else { return nil }
        return SegmentMender.lost(name.stream, keys, like: nil, nowNanos: hourNanos(name))
    }

    /// When a segment's hour began; now, where no clock can show that.
    func hourNanos(_ name: SegmentName) -> Int64 { nanos(hour: name.hour) }

    func nanos(hour: Int64) -> Int64 {
        let (nanos, overflow) = hour.multipliedReportingOverflow(by: 3_600_000_000_000)
        return overflow ? nowNanos : nanos
    }

    static func append(_ records: [Tick], to writer: inout SegmentWriter) throws(StoreError) {
        let failure: StoreError? = records.withUnsafeBufferPointer { run in
            do throws(StoreError) {
                try writer.append(run)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }

    /// Reads the new file from its first byte to its last.
    func check(_ path: String, _ footer: SegmentFooter) throws(StoreError) {
        var scan = try SegmentScan(path, workspace: workspace, hashes: true)
        while try scan.next() != nil {}
        guard scan.isWhole, scan.storedFooter == footer else { throw .damagedSegment(path: path, offset: 0) }
    }

    /// The last key of the stream in front of a segment; nil when it is the first file of the stream.
    func lastKey(of stream: StreamID, before name: SegmentName) throws(StoreError) -> TickKey? {
        var last: TickKey?
        for other in try SegmentName.list(ticksDirectory: ticksDirectory, streams: [stream]) where other < name {
            // Those before are whole: they were repaired first.
            last = max(last ?? .zero, try SegmentFooter(of: other.path(in: ticksDirectory)).lastKey)
        }
        return last
    }

    /// The key that a segment reached: what its footer says, but not into the next file's keys.
    private func nextKey(of name: SegmentName, _ expected: TickKey) throws(StoreError) -> TickKey? {
        for other in try SegmentName.list(ticksDirectory: ticksDirectory, streams: [name.stream])
        where other.hour > name.hour {
            // It may be damaged too: then nothing speaks against what this one says.
            let file = try File(other.path(in: ticksDirectory), O_RDONLY)
            guard let next = try SegmentFooter(of: file, size: try file.size()) else { return expected }
            return next.firstKey > expected ? expected : nil
        }
        return expected
    }

    func keptDefinition(_ contract: ContractID) throws(StoreError) -> [UInt8] {
        try KeptDefinitions.read(stateDirectory, contract) ?? []
    }

    /// Gives the damaged file another name and the new one its place. Whatever happens between, the old one is there.
    func setAside(_ path: String, replacement: String?) throws(StoreError) {
        guard let replacement else { return try DamagedFile.rename(path) }
        try DamagedFile.keep(path)
        guard rename(replacement, path) == 0 else { throw .system(call: "rename", path: path, code: errno) }
        try Directory.sync(PartName.directory(of: path))
    }
}
