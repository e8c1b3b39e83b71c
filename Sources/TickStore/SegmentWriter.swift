internal import CLinux
internal import Glibc
public import Ticks

/// Writes one sealed segment: header, blocks, time index, footer. One thread. The file has its name only when the
/// caller renames it: whoever finds a temporary one may remove it.
///
/// Memory grows with what is appended, up to one block. The file is made when the first block is full, or by `finish`:
/// a thousand writers of quiet streams take no descriptor.
public struct SegmentWriter: ~Copyable {
    public let stream: StreamID
    public let path: String
    /// Bytes written so far; the records of the last block are not yet among them.
    public private(set) var writtenBytes: UInt64 = 0

    /// The disk is told to begin writing after so much: the sync at the end is short then.
    private static let writebackBytes: UInt64 = 8 << 20

    private let workspace: SegmentWorkspace
    private let segmentID: UInt32
    private let header: [UInt8]
    private var file: File?
    private var summary: SegmentSummary
    private var hash = SHA256()
    private var block: [Tick] = []
    private var lastKey = TickKey.zero
    private var failed = false
    private var writebackAt: UInt64 = 0

    /// Begins a segment.
    ///
    /// - Parameters:
    ///   - path: the temporary name, in a directory that exists; a file that is there already is overwritten.
    ///   - definition: the instrument as JSON, at most 1 MiB; empty when none is known.
    ///   - previousKey: the stream's last key in front of the first one that comes; `zero`: it begins here.
    ///   - workspace: may be shared with others of this thread.
    public init(
        temporary path: String, stream: StreamID, definition: [UInt8], previousKey: TickKey = .zero,
        workspace: SegmentWorkspace = SegmentWorkspace()
    ) throws(StoreError) {
        precondition(definition.count <= SegmentHeader.maxDefinitionBytes, "a definition has 1 MiB at most")
        self.path = path
        self.stream = stream
        self.workspace = workspace
        segmentID = UInt32.random(in: 1 ... .max)
        header = SegmentHeader(stream: stream, segmentID: segmentID, definition: definition).encoded()
        summary = SegmentSummary(stream: stream, segmentID: segmentID, previousKey: previousKey)
    }

    /// The most memory that a writer of this many records has, the workspace and the definition aside.
    public static func memoryBytes(records: Int) -> Int {
        // An array that grows holds twice what is in it, and for a moment the old one beside the new.
        let block = min(records, SegmentBlock.maxRecords) * Tick.size
        return 3 * block + 2 * SegmentIndex.entryBytes * (records / SegmentBlock.usualRecords + 1) + (4 << 10)
    }

    /// Takes records of the stream, in any number. A `more` record stays in the same block as its tick.
    ///
    /// Throws `keysDoNotRise` when a key is not above the one before. After a failure the file is worth nothing.
    public mutating func append(_ run: UnsafeBufferPointer<Tick>) throws(StoreError) {
        guard !failed else { throw .writerFailed(path: path) }
        for tick in run {
            guard tick.key > lastKey else {
                failed = true
                throw .keysDoNotRise(path: path, key: tick.key)
            }
            lastKey = tick.key
            let isMore = tick.kindByte == TickKind.more.rawValue
            if block.count == SegmentBlock.maxRecords || (block.count >= SegmentBlock.usualRecords && !isMore) {
                try writeBlock()
            }
            block.append(tick)
        }
    }

    /// Writes what is left, the index and the footer, and waits until the device has
    /// it all. The name is the caller's to give.
    public consuming func finish() throws(StoreError) -> SegmentFooter {
        guard !failed else { throw .writerFailed(path: path) }
        if !block.isEmpty { try writeBlock() }
        let file = try begun()
        let indexOffset = writtenBytes
        let index = summary.index.encoded(segmentID: segmentID)
        try file.write(index, at: indexOffset)
        index.withUnsafeBytes { hash.update($0) }
        let footer = summary.finished(indexOffset: indexOffset, sha256: hash.finish())
        try file.write(footer.encoded(), at: indexOffset + UInt64(index.count))
        try file.syncData()
        return footer
    }

    /// The file, with its header written.
    private mutating func begun() throws(StoreError) -> File {
        if let file { return file }
        let file = try File(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW)
        try file.write(header, at: 0)
        header.withUnsafeBytes { hash.update($0) }
        writtenBytes = UInt64(header.count)
        self.file = file
        return file
    }

    private mutating func writeBlock() throws(StoreError) {
        failed = true
        let file = try begun()
        let bytes = block.withUnsafeBufferPointer { records in
            summary.take(records, at: writtenBytes)
            return workspace.encode(records, of: stream, segmentID: segmentID)
        }
        try file.write(bytes, at: writtenBytes)
        hash.update(bytes)
        writtenBytes += UInt64(bytes.count)
        block.removeAll(keepingCapacity: true)
        if writtenBytes - writebackAt >= SegmentWriter.writebackBytes {
            clx_start_writeback(file.descriptor, Int64(writebackAt), Int64(writtenBytes - writebackAt))
            writebackAt = writtenBytes
        }
        failed = false
    }
}
