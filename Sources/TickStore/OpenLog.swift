internal import Glibc
public import Ticks

/// The recorder's open log: one file for all streams, in parts. One thread.
///
/// A new part begins after a start, after every failed write or fdatasync, every 256 MiB and every hour of commit, and
/// nobody ever appends to a file that he did not create.
public struct OpenLog: ~Copyable {
    public static let defaultPartBytes: UInt64 = 256 << 20

    public let directory: String
    /// The part being written, nil before the first and after a failure to begin one.
    public private(set) var part: PartName?
    /// How far each stream is written.
    public private(set) var positions: [StreamID: StreamPosition]
    /// How far each stream is durable: what may be published, and where replay begins after a failure.
    public private(set) var durablePositions: [StreamID: StreamPosition]

    private let partBytes: UInt64
    private var writer: LogWriter?
    /// Streams written since the last sync.
    private var changed: [StreamID: StreamPosition] = [:]
    private var lastHour: Int64?
    private var nextNumber: UInt32
    /// Paths of failed parts of which nothing was ever durable, oldest first: two at most.
    private var empty: [String] = []
    /// The part that the file `newest` names.
    private var toldNewest: PartName?
    /// Why that file could not be written; it is tried again with each sync.
    public private(set) var newestFault: StoreError?

    /// Goes on where recovery found the log's end. Begins no part yet: `beginPart`.
    public init(directory: String, recovery: LogRecovery, partBytes: UInt64 = OpenLog.defaultPartBytes) {
        self.directory = directory
        self.partBytes = partBytes
        positions = recovery.positions
        durablePositions = recovery.positions
        lastHour = recovery.lastHour
        nextNumber = max(recovery.lastPart?.number ?? 0, recovery.goneNumber ?? 0) + 1
    }

    /// Bytes in the current part.
    public var partEndOffset: UInt64 {
        switch writer {
        case .some(let writer): writer.endOffset
        case .none: 0
        }
    }

    /// True when the next append must not happen before `beginPart`, or should not: no part,
    /// a failed one, a full one, or a new hour.
    public func needsPart(nowNanos: Int64) -> Bool {
        guard let part, partIsHealthy else { return true }
        return partEndOffset >= partBytes || nameHour(nowNanos) != part.hour
    }

    /// True when blocks can be appended.
    public var partIsHealthy: Bool {
        switch writer {
        case .some(let writer): !writer.failed
        case .none: false
        }
    }

    /// Begins a part. A healthy one is synced first, and what that made durable is reported as by `sync`. If the
    /// old part has failed, `positions` falls back to `durablePositions` and everything above is to be written
    /// again. A part of which nothing ever became durable gives back the room of its records at once, and goes
    /// once another part is there: a disk that fails for hours does not fill up with them, and at each moment
    /// there is a part that is not older than the one that the file `newest` names. That one may be sealed and
    /// gone by now, and with it all older ones.
    ///
    /// After an error (of the last sync, or of making the file) call it again, with backoff.
    public mutating func beginPart(
        nowNanos: Int64, reporting report: (StreamID, StreamPosition) -> Void = { _, _ in }
    ) throws(StoreError) {
        if partIsHealthy { try sync(reporting: report) }
        try finishPart()
        giveUpPart()
        // The newest of them has to be there for certain before the others go.
        if empty.count > 1 { try Directory.sync(directory) }
        removeEmpty(allBut: 1)
        let name = PartName(hour: nameHour(nowNanos), number: nextNumber)
        // A number is never tried twice, even if what failed left a file behind.
        nextNumber += 1
        do throws(StoreError) {
            writer = try LogWriter(creating: name.path(in: directory), positions: durablePositions)
        } catch {
            // With a table in it somebody may count on it already: what stands before it may be sealed and gone.
            if access(name.path(in: directory), F_OK) == 0 { empty.append(name.path(in: directory)) }
            throw error
        }
        removeEmpty(allBut: 0)
        lastHour = name.hour
        part = name
    }

    /// Appends runs of records, as one block where they fit in one.
    ///
    /// - Parameter pieces: each a run of whole records of one stream in key order, not above 1 MiB; `more`
    ///   records in the same piece as their tick.
    public mutating func append(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) throws(StoreError) {
        var groups = BlockGroups(pieces, maxBytes: BlockHeader.maxPayloadBytes)
        while let group = groups.next() {
            guard partIsHealthy else { throw .writerFailed(path: part?.path(in: directory) ?? directory) }
            try writer?.append(group.pieces)
            for piece in group.pieces {
                guard let last = LastRecord(of: piece) else { continue }
                positions[last.stream] = last.position
                changed[last.stream] = last.position
            }
        }
    }

    /// Appends records of several streams that already lie together, as one block.
    ///
    /// - Parameters:
    ///   - block: whole records, at most 1 MiB, each stream's in key order; `more` records directly behind their tick.
    ///   - newest: the last record of every stream that has one in the block.
    public mutating func append(
        block: UnsafeRawBufferPointer, newest: [StreamID: StreamPosition]
    ) throws(StoreError) {
        guard partIsHealthy else { throw .writerFailed(path: part?.path(in: directory) ?? directory) }
        let outcome = withUnsafePointer(to: block) { piece -> Result<Void, StoreError> in
            do throws(StoreError) {
                return .success(try writer?.append(UnsafeBufferPointer(start: piece, count: 1)) ?? ())
            } catch {
                return .failure(error)
            }
        }
        try outcome.get()
        positions.merge(newest) { _, new in new }
        changed.merge(newest) { _, new in new }
    }

    /// Makes durable what was appended and reports the streams that came on. After an error the part is given up.
    public mutating func sync(
        reporting report: (StreamID, StreamPosition) -> Void = { _, _ in }
    ) throws(StoreError) {
        guard partIsHealthy else { throw .writerFailed(path: part?.path(in: directory) ?? directory) }
        try writer?.sync()
        tellNewest()
        for (stream, position) in changed {
            durablePositions[stream] = position
            report(stream, position)
        }
        changed.removeAll(keepingCapacity: true)
    }

    /// Something in the part is durable: it has to be there from now on.
    private mutating func tellNewest() {
        guard let part, part != toldNewest else { return }
        do throws(StoreError) {
            // A part that is named has slots, also after a power cut.
            try writer?.syncSlots()
            try NewestPart.write(part, in: directory)
            toldNewest = part
            newestFault = nil
        } catch { newestFault = error }
    }

    /// Before another part follows. Of one that has failed too: what was durable in it stays so.
    private mutating func finishPart() throws(StoreError) { try writer?.finish() }

    /// False when the part's file has been removed: what is written now would be gone with the process.
    public var partIsStillThere: Bool {
        switch writer {
        case .some(let writer): writer.isLinked
        case .none: true
        }
    }

    /// Ends the use of the present part. If nothing in it ever became durable only its table is left.
    private mutating func giveUpPart() {
        switch writer {
        case .some(let writer) where writer.failed && writer.durableOffset == 0:
            empty.append(writer.path)
            // If that fails its records only stay where they are: nobody reads above what is durable.
            truncate(writer.path, off_t(writer.tableEnd))
        default: break
        }
        writer = nil
        part = nil
        changed.removeAll(keepingCapacity: true)
        positions = durablePositions
    }

    /// Removes parts of which nothing was ever durable, the oldest first. One that can't be removed only stays where it
    /// is: nobody reads above what is durable.
    private mutating func removeEmpty(allBut kept: Int) {
        while empty.count > kept {
            let path = empty.removeFirst()
            // The slots last: a part without them would look as if they had been destroyed.
            if unlink(path) == 0 || errno == ENOENT { unlink(PartName.durablePath(ofLog: path)) }
        }
    }

    /// The hour of a part that begins now. It goes back only where the clock was set back by more than an hour: sealing
    /// makes one hour of what lies between.
    private func nameHour(_ nanos: Int64) -> Int64 {
        let hour = nanos.floorDivided(by: 3_600_000_000_000)
        return lastHour == hour + 1 ? hour + 1 : hour
    }
}
