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
    /// Sound records in the parts that were read.
    public var records: UInt64 = 0
    /// Old parts that could not be made durable now: of these only what was known to be durable counts.
    public var failures: [StoreError] = []

    /// An empty log.
    init() {}

    /// Reads the last part (and, while its key table is damaged, the ones before), makes durable what is sound in it and
    /// says so in its slots. Changes no part. Makes the directory if it is missing.
    ///
    /// Owner: the recorder, before it begins a part of its own; nobody else writes meanwhile.
    public init(directory: String) throws(StoreError) {
        try Directory.make(directory)
        let parts = try PartName.list(directory)
        lastPart = parts.last
        var cursor = BlockCursor()
        for part in parts.reversed() {
            let scan = try recover(part.path(in: directory), &cursor)
            findings += scan.findings
            records += scan.records
            positions.merge(scan.positions) { $0.key < $1.key ? $1 : $0 }
            guard let table = scan.table else { continue }
            positions.merge(table.positions) { $0.key < $1.key ? $1 : $0 }
            break
        }
    }

    private mutating func recover(_ path: String, _ cursor: inout BlockCursor) throws(StoreError) -> PartScan {
        let file = try File(path, O_RDONLY)
        let slotsPath = PartName.durablePath(ofLog: path)
        // Above the known durable offset memory may hold what the disk does not: after a failed fdatasync the kernel
        // keeps such pages and calls them clean. Sync what is dirty, then drop the pages, so that the scan reads the disk.
        let known = try DurableSlots.read(slotsPath, partID: nil).durableTo
        var limit = UInt64.max
        do throws(StoreError) { try file.syncData() } catch {
            failures.append(error)
            limit = known
        }
        let pageStart = known & ~4095
        posix_fadvise(file.descriptor, off_t(pageStart), 0, POSIX_FADV_DONTNEED)
        let scan = try PartScan(path, cursor: &cursor, file: file, slotsPath: slotsPath, limit: limit)
        guard let partID = scan.partID, scan.validEnd > scan.durableTo || scan.durableTo > known else { return scan }
        do throws(StoreError) {
            var slots = try DurableSlots(slotsPath, partID: partID)
            try slots.write(max(scan.validEnd, scan.durableTo))
        } catch {
            // Readers would not be told of what lies above: it is fetched again instead.
            failures.append(error)
            return try PartScan(path, cursor: &cursor, file: file, slotsPath: slotsPath, limit: known)
        }
        return scan
    }
}
