internal import Glibc
internal import Ticks

/// One segment file on its way: written beside its place, compared, renamed. Owner: the sealing thread.
///
/// Records of a small stream are gathered in memory, so that one open file at a time suffices; those of a large one go
/// straight to its file.
final class SegmentBuild {
    let tally: StreamTally
    let target: SegmentName
    let gathers: Bool
    private let temporary: String
    private let ticksDirectory: String
    private let workspace: SegmentWorkspace
    private var memory: UnsafeMutableBufferPointer<Tick>
    private var gathered = 0
    private var keys = RisingKeys()
    private var writer: SegmentWriter?
    private var comparison: SegmentComparison?
    /// Of the finished file.
    private(set) var bytes: UInt64 = 0
    private var footer: SegmentFooter?

    init(
        _ tally: StreamTally, target: SegmentName, temporary: String, ticksDirectory: String, gathers: Bool,
        workspace: SegmentWorkspace
    ) {
        self.workspace = workspace
        self.tally = tally
        self.target = target
        self.temporary = temporary
        self.ticksDirectory = ticksDirectory
        self.gathers = gathers
        memory = .allocate(capacity: gathers ? Int(tally.inLog) : 0)
    }

    deinit { memory.deallocate() }

    /// False when an earlier attempt has already sealed all that the log has: then the file is only compared.
    var isNew: Bool { tally.fresh > 0 }

    // MARK: - Writing

    /// Begins the file and copies what an earlier sealing has. A large stream's stays open while the log is read.
    func open(_ definition: [UInt8]) throws(SealError) {
        guard isNew else { return }
        do throws(StoreError) {
            try Directory.remove(temporary)
            writer = try SegmentWriter(
                temporary: temporary, stream: tally.stream, definition: definition, previousKey: tally.previousKey,
                workspace: workspace)
            guard let existing = tally.existing else { return }
            var reader = try SegmentReader(existing.path(in: ticksDirectory), workspace: workspace)
            while let run = try reader.next() { try writer?.append(run) }
        } catch { throw .store(error) }
    }

    /// Takes a run as it stands in the log.
    func take(_ run: UnsafeBufferPointer<Tick>) throws(SealError) {
        guard gathers || isNew else { return }
        var keys = keys
        try keys.take(run) { rising throws(SealError) in
            if gathers {
                try gather(rising)
            } else {
                try append(rising)
            }
        }
        self.keys = keys
    }

    /// Writes the records of a small stream to its file.
    func writeGathered() throws(SealError) {
        guard isNew else { return }
        try append(UnsafeBufferPointer(rebasing: memory[..<gathered]))
    }

    /// Writes the footer and waits until the file is on the disk.
    func finish() throws(SealError) {
        guard let whole = writer.take() else { return }
        do throws(StoreError) {
            footer = try whole.finish()
            bytes = try File(temporary, O_RDONLY).size()
        } catch { throw .store(error) }
    }

    /// The log's records that an earlier sealing does not have.
    private func append(_ run: UnsafeBufferPointer<Tick>) throws(SealError) {
        var first = 0
        while first < run.count, run[first].key <= tally.existingLast { first += 1 }
        guard first < run.count else { return }
        do throws(StoreError) {
            try writer?.append(UnsafeBufferPointer(rebasing: run[first...]))
        } catch { throw .store(error) }
    }

    private func gather(_ run: UnsafeBufferPointer<Tick>) throws(SealError) {
        // The log's finished parts do not change; if one did, nothing is sealed.
        guard gathered + run.count <= memory.count else { throw .differs(path: temporary, key: run[0].key) }
        _ = UnsafeMutableBufferPointer(rebasing: memory[gathered...]).initialize(fromContentsOf: run)
        gathered += run.count
    }

    // MARK: - Comparing

    /// Compares the file with the one of an earlier sealing, and opens it for the comparison with the log.
    func beginComparison() throws(SealError) {
        keys = RisingKeys()
        let existing = tally.existing.map { $0.path(in: ticksDirectory) }
        guard let path = isNew ? temporary : existing else { return }
        if isNew, let existing { try compareEarlier(existing, path) }
        do throws(StoreError) {
            comparison = try SegmentComparison(path, earlierLast: tally.existingLast, workspace: workspace)
        } catch { throw .store(error) }
    }

    /// Compares the file of a small stream.
    func compareGathered() throws(SealError) {
        try comparison?.expect(UnsafeBufferPointer(rebasing: memory[..<gathered]))
        try endComparison()
    }

    /// A second pass's run, as it stands in the log.
    func compare(_ run: UnsafeBufferPointer<Tick>) throws(SealError) {
        var keys = keys
        try keys.take(run) { rising throws(SealError) in try comparison?.expect(rising) }
        self.keys = keys
    }

    func endComparison() throws(SealError) {
        try comparison?.finish(records: tally.sealedRecords)
        comparison = nil
    }

    private func compareEarlier(_ existing: String, _ path: String) throws(SealError) {
        let comparison = try SealError.of { () throws(StoreError) in
            try SegmentComparison(path, earlierLast: .zero, workspace: workspace)
        }
        var earlier = try SealError.of { () throws(StoreError) in try SegmentReader(existing, workspace: workspace) }
        while let run = try SealError.of({ () throws(StoreError) in try earlier.next() }) { try comparison.expect(run) }
    }

    // MARK: - The end

    /// The entry of the file that stands in its place now in the list of sealed files.
    func entry() throws(StoreError) -> SealedEntry {
        let path = target.path(in: ticksDirectory)
        let footer = if let footer { footer } else { try SegmentFooter(of: path) }
        return SealedEntry(sealed: footer, hour: target.hour, bytes: isNew ? bytes : tally.existingBytes)
    }

    /// Gives the finished file its place.
    func rename(to path: String) throws(StoreError) {
        guard Glibc.rename(temporary, path) == 0 else {
            throw .system(call: "rename", path: temporary, code: errno)
        }
    }

    /// Removes the temporary file, if there is one. If that fails too, the next start removes it.
    func abandon() {
        writer = nil
        comparison = nil
        unlink(temporary)
    }
}
