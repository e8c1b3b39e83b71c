internal import Glibc
internal import Ticks

/// Looks whether the parts of a log are all there, at little cost: something is read only
/// where a number is missing among their names.
///
/// That a number is missing proves nothing: a part of which nothing became durable goes without a trace. The table of
/// the part behind it tells how far each stream was when that began: what is in no part in front of it and in no sealed
/// file has gone with a part. One thread, the one that seals.
public struct LogParts {
    /// A part that is gone.
    public struct Gone: Sendable {
        /// As it was called; where nobody has seen it, a name that fits.
        public let name: PartName
        public let path: String
        /// What was in it.
        let keys: [(stream: StreamID, keys: ClosedRange<TickKey>)]
        /// How far each stream was when it began.
        let positions: [StreamID: StreamPosition]

        /// In words.
        public var text: String {
            "\(path): a finished part of the log is gone, with records of \(keys.count) stream\(keys.count == 1 ? "" : "s")"
        }
    }

    private struct Hole: Hashable {
        let before: UInt32
        let behind: UInt32
    }

    private let stateDirectory: String
    private var directory: String { stateDirectory + "/log" }
    /// As they were at the last look.
    private var names: [PartName] = []
    /// Holes that cost nothing, or were told.
    private var passed: Set<Hole> = []

    public init(stateDirectory: String) { self.stateDirectory = stateDirectory }

    /// The parts that are gone since the last look, or were at the first one; each is told once.
    public mutating func look() throws(StoreError) -> [Gone] {
        let before = names
        let now = try PartName.listIfAny(directory)
        guard now != before else { return [] }
        var list: SealedList?
        var holes: Set<Hole> = []
        var gone: [Gone] = []
        for (index, part) in now.enumerated() {
            let last = index > 0 ? now[index - 1] : nil
            guard last.map({ $0.number + 1 < part.number }) ?? true else { continue }
            let hole = Hole(before: last?.number ?? 0, behind: part.number)
            holes.insert(hole)
            guard !passed.contains(hole) else { continue }
            let known = if let list { list } else { try SealedList(stateDirectory: stateDirectory) }
            list = known
            // Without a list nothing tells what was sealed.
            guard !known.isMissing, known.findings.isEmpty else { return [] }
            let seen = before.last { $0.number > hole.before && $0 < part }
            if let found = try look(between: last, and: part, list: known, seen) { gone.append(found) }
            passed.insert(hole)
        }
        passed.formIntersection(holes)
        names = now
        return gone
    }

    /// What stood between two parts that follow each other now, in a part; nil: nothing that is not somewhere else.
    private func look(
        between last: PartName?, and part: PartName, list: SealedList, _ seen: PartName?
    ) throws(StoreError) -> Gone? {
        var cursor = BlockCursor()
        guard let table = try LogParts.table(of: part.path(in: directory), &cursor) else { return nil }
        var inFront: [StreamID: StreamPosition] = [:]
        if let path = last?.path(in: directory) {
            let scan = try PartScan(
                path, cursor: &cursor, file: File(path, O_RDONLY), slotsPath: PartName.durablePath(ofLog: path))
            // What is damaged in it is told otherwise.
            guard !scan.findings.contains(where: \.isAlarm) else { return nil }
            inFront = (scan.table?.positions ?? [:]).merging(scan.positions) { $0.key < $1.key ? $1 : $0 }
        }
        var positions: [StreamID: StreamPosition] = [:]
        var keys: [(stream: StreamID, keys: ClosedRange<TickKey>)] = []
        for (stream, position) in table.positions.sorted(by: { $0.key < $1.key }) {
            let sealed = try list.lastKey(of: stream)
            var known = inFront[stream] ?? Repair.position(.zero)
            if known.key < sealed { known = Repair.position(sealed) }
            if known.key > .zero { positions[stream] = known.key < position.key ? known : position }
            if let range = MissingKeys.range(after: known.key, upTo: position.key) { keys.append((stream, range)) }
        }
        guard !keys.isEmpty else { return nil }
        let name = seen ?? PartName(hour: last?.hour ?? part.hour, number: part.number - 1)
        return Gone(name: name, path: name.path(in: directory), keys: keys, positions: positions)
    }

    /// Nil where there is none that is sound: damage is told otherwise.
    private static func table(of path: String, _ cursor: inout BlockCursor) throws(StoreError) -> KeyTable? {
        let file: File
        do throws(StoreError) { file = try File(path, O_RDONLY) } catch {
            guard error.code == ENOENT else { throw error }
            return nil
        }
        guard case .sound(let table, _) = try PartBeginning(of: file, cursor: &cursor) else { return nil }
        return table
    }
}

extension Repair {
    /// Writes parts of the log that are gone anew under their names, with what the journal has of them and `lost` for
    /// the rest. The log's other parts, and readers, are not disturbed.
    public consuming func mendParts(_ gone: [LogParts.Gone]) throws(StoreError) -> RepairReport {
        for part in gone { try restore(part) }
        return report
    }

    private mutating func restore(_ part: LogParts.Gone) throws(StoreError) {
        var records: [Tick] = []
        var added = 0
        for (stream, keys) in part.keys {
            let found = filler.records(of: stream, keys.lowerBound, keys.upperBound)
            let filled = SegmentMender.filled(
                stream, keys, with: found, before: nil, behind: nil, nowNanos: nanos(hour: part.name.hour))
            records += filled.records
            added += filled.added
        }
        try place(PartContents(of: records, positions: part.positions), at: part.path)
        let what =
            "was gone, written anew: \(added) records taken from the journal, \(records.count - added) ranges lost"
        report.actions.append(.init(path: part.path, what: what))
    }
}
