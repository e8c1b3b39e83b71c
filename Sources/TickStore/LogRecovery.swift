internal import Glibc
public import Ticks

/// What a recorder finds when it starts: how far every stream is committed, and what was wrong with the files.
public struct LogRecovery: Sendable {
    /// The last committed and durable position of every stream that the log knows.
    public var positions: [StreamID: StreamPosition] = [:]
    /// Torn tails (harmless) and alarms, newest part first.
    public var findings: [LogFinding] = []
    /// The newest part, nil in an empty directory.
    public var lastPart: PartName?
    /// The number of a part that is gone although something in it was durable, and that nothing followed.
    var goneNumber: UInt32?
    /// The hour of the newest part, or of the newest segment where there is no part.
    public var lastHour: Int64?
    /// Sound records in the parts that were read.
    public var records: UInt64 = 0
    /// Old parts that could not be made durable now: of these only what was known to be durable counts.
    public var failures: [StoreError] = []

    /// An empty log.
    init() {}

    /// The newest time of the gateway among the streams' last records; nil when none of them has one.
    public var newestEventNanos: Int64? {
        positions.values.map(\.tsEventNanos).filter { $0 != Tick.noEventTime }.max()
    }

    /// Reads the last part (and, while its key table is damaged, the ones before), makes durable what is sound in it
    /// and says so in its slots. Changes no part. Makes the directory if it is missing.
    ///
    /// Owner: the recorder, before it begins a part of its own; nobody else writes meanwhile.
    ///
    /// - Parameter ticksDirectory: of the sealed segments: they tell how far the streams are where no part of the log
    ///   has a sound table, because all older ones are sealed and gone, or because there is no part at all.
    public init(directory: String, ticksDirectory: String? = nil) throws(StoreError) {
        try Directory.make(directory)
        let parts = try PartName.list(directory)
        lastPart = parts.last
        lastHour = lastPart?.hour
        if let gone = try NewestPart.gone(in: directory) {
            goneNumber = gone.number
            findings.append(LogFinding(meaning: .lostData, path: gone.path(in: directory), range: 0..<1))
        }
        var cursor = BlockCursor()
        for part in parts.reversed() {
            let scan = try recover(part.path(in: directory), &cursor)
            findings += scan.findings
            records += scan.records
            positions.merge(scan.positions) { $0.key < $1.key ? $1 : $0 }
            guard let table = scan.table else { continue }
            positions.merge(table.positions) { $0.key < $1.key ? $1 : $0 }
            return
        }
        guard let ticksDirectory else { return }
        if lastHour == nil { lastHour = try SegmentName.list(ticksDirectory: ticksDirectory).map(\.hour).max() }
        let sealed = try SegmentPositions(ticksDirectory: ticksDirectory)
        positions.merge(sealed.positions) { $0.key < $1.key ? $1 : $0 }
        findings += sealed.findings
    }

    private mutating func recover(_ path: String, _ cursor: inout BlockCursor) throws(StoreError) -> PartScan {
        let file = try File(path, O_RDONLY)
        let slotsPath = PartName.durablePath(ofLog: path)
        // Above the known durable offset memory may hold what the disk does not: after a failed fdatasync the kernel
        // keeps such pages and calls them clean. Sync what is dirty, then drop the
        // pages, so that the scan reads the disk.
        let reading = try DurableSlots.read(slotsPath, partID: nil)
        let known = reading.durableTo
        var limit = UInt64.max
        do throws(StoreError) { try file.syncData() } catch {
            failures.append(error)
            limit = known
        }
        let pageStart = known & ~4095
        posix_fadvise(file.descriptor, off_t(clamping: pageStart), 0, POSIX_FADV_DONTNEED)
        let scan = try PartScan(path, cursor: &cursor, file: file, slotsPath: slotsPath, limit: limit)
        // Also that nothing in a part counts has to be said: behind a damaged
        // beginning may stand what was never durable.
        let partID = scan.partID ?? DurableSlots.anyPartID
        do throws(StoreError) {
            // Into a sector that can't be read nothing can be written either.
            if reading.isDamaged { try Directory.remove(slotsPath) }
            var slots = try DurableSlots(slotsPath, partID: partID)
            // This once they are synced, and written before also when they say the right thing already: the part is
            // finished, only they tell readers where it ends, and after a failed
            // sync the kernel calls their page clean.
            try slots.write(max(scan.validEnd, scan.durableTo))
            try slots.sync()
            try Directory.sync(PartName.directory(of: path))
        } catch {
            // Readers would not be told of what lies above: it is fetched again instead.
            failures.append(error)
            return try PartScan(path, cursor: &cursor, file: file, slotsPath: slotsPath, limit: known)
        }
        return scan
    }
}
