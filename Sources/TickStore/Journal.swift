internal import Glibc
public import Ticks

/// The connector's journal: the last ticks, as a ring of preallocated files of one size, `<n>.log` with rising n. One
/// thread. It is not synced: it outlives every process, not the machine.
///
/// A full segment is followed by another one under a new name, the oldest whose records are durable
/// (`JournalLedger`), so that appending never asks for space and what nobody has made durable yet stays as long
/// as anything else can go. Each segment begins with the key table of all streams, from which a reader knows
/// what stood in the segments that are gone.
public struct Journal: ~Copyable {
    public static let defaultBytes: UInt64 = 256 << 20

    /// The size of one segment: a sixteenth of the journal up to 16 MiB, since a new epoch costs a whole one; never
    /// more than 64 segments, and at least 1 MiB.
    public static func segmentBytes(ofJournal bytes: UInt64) -> UInt64 {
        max(min(16 << 20, bytes / 16), bytes / 64, 1 << 20)
    }

    public var directory: String { files.directory }
    /// How far each stream is numbered: found at open, then every appended piece, also one whose append failed, since
    /// its records are published all the same.
    public private(set) var positions: [StreamID: StreamPosition]
    /// The greatest epoch found at open, or begun since; 0 in an empty journal.
    public private(set) var greatestEpoch: UInt32
    /// Damage found at open; a process that died in the middle of a write leaves none.
    public let findings: [LogFinding]
    /// Bytes that the ring has; less than asked for where the file system had no room.
    public var capacityBytes: UInt64 { UInt64(files.segments.count + files.spares.count) * files.segmentBytes }

    /// Bytes appended since the open, headers and tables included.
    public private(set) var appendedBytes: UInt64 = 0

    private var files: JournalFiles
    private var ledger: JournalLedger
    private var mark: JournalMark
    /// A segment whose beginning could not be marked, and why: tried again once a second.
    private var unmarked: (number: UInt64, fault: StoreError)?
    /// The first epoch since the machine started, or since somebody else used later ones; all that was
    /// numbered from it on went through this journal.
    private var firstEpoch: UInt32
    private var begun = false
    private var retryAtNanos: Int64 = 0
    private var lastFailure: StoreError?
    private static let retryNanos: Int64 = 100_000_000
    private var writer: LogWriter?

    /// Opens a directory (made if missing), reads how far the streams have come, and brings the ring to its size.
    ///
    /// - Parameters:
    ///   - sizeBytes: of all segments together, two at least. Where the file system has less room the ring is smaller;
    ///     without any room `begin` and `append` fail until there is some.
    ///   - segmentBytes: of one, at least 64 KiB; a block takes at most a quarter of it. Nil: as the
    ///   journal's size gives it. - bootID: what names this run of the machine. A journal of an earlier run
    ///   may lack what was in memory alone, so
    ///     it no longer vouches for what it does not hold.
    ///   - afterEach: called often where making the files takes long: a file system that can't reserve room has them
    ///     filled with zeros.
    public init(
        directory: String, sizeBytes: UInt64 = Journal.defaultBytes,
        segmentBytes: UInt64? = nil, bootID: String? = nil, afterEach: () -> Void = {}
    ) throws(StoreError) {
        let segmentBytes = segmentBytes ?? Journal.segmentBytes(ofJournal: sizeBytes)
        precondition(segmentBytes >= 64 << 10, "a segment has at least 64 KiB")
        try Directory.make(directory)
        var files = try JournalFiles(directory: directory, segmentBytes: segmentBytes)
        let state = try JournalState(&files)
        let mark = try JournalMark(directory: directory, bootID: bootID, newest: files.segments.last ?? 0)
        try files.resize(to: max(2, Int(clamping: sizeBytes / segmentBytes)), afterEach: afterEach)
        ledger = JournalLedger(segmentBytes: segmentBytes, tables: state.tables, positions: state.table.positions)
        ledger.keep(files.segments)
        self.files = files
        self.mark = mark
        positions = state.table.positions
        findings = state.findings
        greatestEpoch = state.table.greatestEpoch
        // What was damaged may have been the last of a stream.
        firstEpoch = mark.isSet && state.findings.isEmpty ? state.table.firstEpoch : 0
    }

    /// How far a stream is numbered, and whether that is known to be all: nothing behind it can have been numbered by
    /// this journal's connectors or by others. Nil: no record of it is known.
    public func lastNumbered(of stream: StreamID) -> (key: TickKey, isCertain: Bool)? {
        positions[stream].map { ($0.key, firstEpoch > 0 && $0.key.epoch >= firstEpoch) }
    }

    /// Begins an epoch, in a segment of its own. Must be called before the first `append`.
    ///
    /// - Parameters:
    ///   - epoch: above `greatestEpoch`.
    ///   - followsOthers: epochs between `greatestEpoch` and this one were used by
    ///   somebody else. The journal then vouches
    ///     for this epoch and later ones alone.
    public mutating func begin(epoch: UInt32, followsOthers: Bool = false) throws(StoreError) {
        precondition(epoch > greatestEpoch, "epochs only rise")
        if firstEpoch == 0 || followsOthers { firstEpoch = epoch }
        greatestEpoch = epoch
        begun = true
        try startSegment()
    }

    /// Looks whether the segment being written is still there. If somebody has removed the files, another one is begun:
    /// what is written to a file without a name can be replayed to nobody. Call it about once a second.
    public mutating func checkFiles() throws(StoreError) {
        files.grow()
        let isLinked: Bool
        switch writer {
        case .some(let writer): isLinked = writer.isLinked
        case .none: return
        }
        if !isLinked { try startSegment() }
        if let unmarked {
            setMark(newest: unmarked.number)
        } else if mark.isGone, let number = files.segments.last {
            setMark(newest: number)
        }
        if let unmarked { throw unmarked.fault }
    }

    private static func monotonicNanos() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private func canTake(payloadBytes: Int) -> Bool {
        switch writer {
        case .some(let writer): !writer.failed && writer.hasRoom(payloadBytes: payloadBytes)
        case .none: false
        }
    }

    private mutating func startSegment() throws(StoreError) {
        writer = nil
        // A file system that has no room now is not asked with every read of the gateway's socket.
        let now = Journal.monotonicNanos()
        guard now >= retryAtNanos else { throw lastFailure ?? .writerFailed(path: directory) }
        do throws(StoreError) { try openSegment() } catch {
            retryAtNanos = now + Journal.retryNanos
            lastFailure = error
            throw error
        }
        lastFailure = nil
    }

    private mutating func openSegment() throws(StoreError) {
        var ledger = ledger
        let file = try files.next { ledger.choose(of: $0) }
        ledger.keep(files.segments)
        self.ledger = ledger
        let next = try LogWriter(
            reusing: file, capacityBytes: files.segmentBytes,
            table: KeyTable(positions: positions, firstEpoch: firstEpoch))
        appendedBytes &+= next.endOffset
        writer = consume next
        guard let number = files.segments.last else { return }
        self.ledger.begin(number, positions: positions)
        // The table names what no segment took.
        setMark(newest: number)
    }

    // MARK: - What the next connector may think of it

    /// While this can't be written the journal passes for less than it is.
    private mutating func setMark(newest number: UInt64) {
        do throws(StoreError) {
            try mark.set(newest: number)
            unmarked = nil
        } catch {
            unmarked = (number, error)
        }
    }

    /// Records are published that no segment has taken: from now on nobody takes this journal for all that there was.
    private mutating func withdrawMark() throws(StoreError) {
        unmarked = nil
        try mark.withdraw()
    }

    // MARK: - What is durable

    /// The recorder says that every stream is durable up to these keys. Call it about once a second.
    public mutating func noteDurable(_ keys: [StreamID: TickKey]) { ledger.noteDurable(keys) }

    /// What a replay can reach back at least: all but the segment that is emptied for new records.
    public var reachBytes: UInt64 { capacityBytes - min(capacityBytes, files.segmentBytes) }

    /// What can be appended before a segment has to go of which a record is not durable.
    public mutating func bytesBeforeLoss() -> UInt64 {
        var room: UInt64 = 0
        switch writer {
        case .some(let writer): room = files.segmentBytes - min(files.segmentBytes, writer.endOffset)
        case .none: break
        }
        return room + UInt64(files.spares.count + ledger.countDurable()) * files.segmentBytes
    }

    /// Appends runs of records, as one block and one system call where they fit in one. Allocates nothing, except
    /// when a segment is full or a stream is new.
    ///
    /// After an error the next append begins a new segment. What could not be appended counts as numbered:
    /// readers of the journal are told that it is gone. Until a segment's table tells of it, the journal does not
    /// vouch for what it holds (`JournalMark`).
    ///
    /// - Parameter pieces: each a run of whole records of one stream in key order; `more` records in the same piece as
    ///   their tick.
    public mutating func append(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) throws(StoreError) {
        precondition(begun, "begin(epoch:) comes first")
        let blockBytes = min(BlockHeader.maxPayloadBytes, Int(files.segmentBytes / 4))
        var groups = BlockGroups(pieces, maxBytes: blockBytes)
        var failure: StoreError?
        while let group = groups.next() {
            do throws(StoreError) {
                if !canTake(payloadBytes: group.byteCount) { try startSegment() }
                try writer?.append(group.pieces)
                appendedBytes &+= UInt64(LogWriter.blockBytes(payloadBytes: group.byteCount))
            } catch {
                failure = error
                do throws(StoreError) { try withdrawMark() } catch let second { failure = second }
            }
            // Only now: the table of a new segment speaks of what stands before it.
            for piece in group.pieces {
                if let last = LastRecord(of: piece) { positions[last.stream] = last.position }
            }
        }
        if let failure { throw failure }
    }
}
