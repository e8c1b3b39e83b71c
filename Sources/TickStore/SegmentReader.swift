internal import Glibc
public import Ticks

/// Reads one sealed segment, block by block, from any key or time on. One thread. What it gives has been checked block
/// by block; `verify` also checks the whole file's hash.
public struct SegmentReader: ~Copyable {
    public var path: String { file.path }
    /// The stream that the records belong to.
    public let stream: StreamID
    /// The instrument as JSON; empty when none was known.
    public let definition: [UInt8]
    /// What the file says of itself.
    public let footer: SegmentFooter
    /// The file's length.
    public let byteCount: UInt64

    let index: SegmentIndex
    private let file: File
    private let segmentID: UInt32
    /// Where the last block ends.
    private let blocksEnd: UInt64
    private let workspace: SegmentWorkspace
    /// Room for the largest block of this file.
    private let ticks: UnsafeMutableBufferPointer<Tick>
    private var nextBlock = 0
    /// Records below are not given: set by `seek`.
    private var wantedKey = TickKey.zero
    private var wantedRecvNanos = Int64.min
    /// Blocks without any record of this time are passed over.
    private var window = TimeWindow()

    /// Opens a segment: reads its header, index and footer.
    ///
    /// Throws `notASegment` when header or footer are damaged, `damagedSegment` when the index is, or when they do not
    /// belong together.
    ///
    /// - Parameter workspace: may be shared with others of this thread.
    public init(_ path: String, workspace: SegmentWorkspace = SegmentWorkspace()) throws(StoreError) {
        try self.init(File(path, O_RDONLY), workspace)
    }

    init(_ file: File, _ workspace: SegmentWorkspace) throws(StoreError) {
        let size = try file.size()
        guard let header = try SegmentHeader(of: file), let footer = try SegmentFooter(of: file, size: size),
            header.stream == footer.stream, header.segmentID == footer.segmentID
        else { throw .notASegment(path: file.path) }
        let indexEnd = size - UInt64(footer.byteCount)
        guard let index = try SegmentReader.index(of: file, footer, from: UInt64(header.byteCount), to: indexEnd) else {
            throw .damagedSegment(path: file.path, offset: footer.indexOffset)
        }
        self.init(file, header, footer, index, size: size, blocksEnd: footer.indexOffset, workspace)
    }

    private init(
        _ file: File, _ header: SegmentHeader, _ footer: SegmentFooter, _ index: SegmentIndex, size: UInt64,
        blocksEnd: UInt64, _ workspace: SegmentWorkspace
    ) {
        self.file = file
        self.workspace = workspace
        self.footer = footer
        self.index = index
        self.blocksEnd = blocksEnd
        stream = header.stream
        definition = header.definition
        segmentID = header.segmentID
        byteCount = size
        let records = index.entries.reduce(0) { max($0, Int($1.records)) }
        ticks = .allocate(capacity: min(records, SegmentBlock.maxRecords))
    }

    deinit { ticks.deallocate() }

    /// The most memory that a reader of this many records has, the workspace and the definition aside.
    public static func memoryBytes(records: Int) -> Int {
        min(records, SegmentBlock.maxRecords) * Tick.size + (4 << 10)
            + 2 * SegmentIndex.entryBytes * (records / SegmentBlock.usualRecords + 1)
    }

    /// The index between `start` and `end` that agrees with the footer; nil when there is none.
    private static func index(
        of file: File, _ footer: SegmentFooter, from start: UInt64, to end: UInt64
    ) throws(StoreError) -> SegmentIndex? {
        let wanted = UInt64(SegmentIndex.headerBytes) + UInt64(footer.blocks) * UInt64(SegmentIndex.entryBytes)
        guard footer.indexOffset >= start, end - footer.indexOffset == wanted else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(wanted))
        guard try file.read(into: &bytes, at: footer.indexOffset),
            let index = bytes.withUnsafeBytes({ SegmentIndex(decoding: $0, segmentID: footer.segmentID) }),
            index.agrees(with: footer, from: start)
        else { return nil }
        return index
    }

    /// The next block's records, valid until the next call; nil at the end.
    ///
    /// Throws `damagedSegment` for a block that is not what was written: the call after that gives the next block.
    public mutating func next() throws(StoreError) -> UnsafeBufferPointer<Tick>? {
        while nextBlock < index.entries.count {
            let number = nextBlock
            nextBlock += 1
            guard try mayHoldWanted(number) else { continue }
            guard let block = try block(number) else {
                throw .damagedSegment(path: path, offset: index.entries[number].offset)
            }
            let wanted = wantedRecords(of: block)
            if !wanted.isEmpty { return wanted }
        }
        return nil
    }

    /// File offsets of the block that `next` gave last or failed at.
    var lastRange: Range<UInt64> { nextBlock == 0 ? 0..<0 : range(of: nextBlock - 1) }

    /// Goes to the first record with this key or a later one.
    public mutating func seek(key: TickKey) {
        wantedKey = key
        wantedRecvNanos = .min
        nextBlock = index.entries.partitionPoint { $0.lastKey < key }
    }

    /// Goes to the first record that was received at this time or later, healed ticks aside.
    public mutating func seek(receivedFromNanos nanos: Int64) {
        wantedKey = .zero
        wantedRecvNanos = nanos
        // Receive times rise within one run of a connector, but a clock may have been set back between two.
        nextBlock = index.entries.firstIndex { $0.maxRecvNanos >= nanos } ?? index.entries.count
    }

    /// From now on blocks that have no record of this time are passed over.
    mutating func select(_ window: TimeWindow) { self.window = window }

    /// False when no record of the block is of the window.
    private func mayHoldWanted(_ number: Int) throws(StoreError) -> Bool {
        let entry = index.entries[number]
        if window.isEverything || window.mayHold(entry, healedOverlap: healedOverlap) { return true }
        // Healed ticks alone have no least receive time.
        guard entry.minRecvNanos <= entry.maxRecvNanos else { return false }
        return try workspace.mayHold(window, blockAt: range(of: number), of: file)
    }

    private var healedOverlap: Bool { window.overlaps(footer.minHealedEventNanos, footer.maxHealedEventNanos) }

    /// What is behind the place that `seek` named.
    private mutating func wantedRecords(of block: UnsafeBufferPointer<Tick>) -> UnsafeBufferPointer<Tick> {
        var first = 0
        if wantedKey > block[0].key {
            first = block.partitionPoint { $0.key < wantedKey }
        } else if wantedRecvNanos > .min {
            let nanos = wantedRecvNanos
            first = block.firstIndex { !$0.isPlacedByEvent && $0.tsRecvNanos >= nanos } ?? block.count
        }
        guard first < block.count else { return UnsafeBufferPointer(rebasing: block[block.count...]) }
        wantedKey = .zero
        wantedRecvNanos = .min
        return UnsafeBufferPointer(rebasing: block[first...])
    }

    private func range(of number: Int) -> Range<UInt64> {
        let start = index.entries[number].offset
        return start..<(number + 1 < index.entries.count ? index.entries[number + 1].offset : blocksEnd)
    }

    /// The records of a block by its number; nil when it is damaged.
    private mutating func block(_ number: Int) throws(StoreError) -> UnsafeBufferPointer<Tick>? {
        let entry = index.entries[number]
        let range = range(of: number)
        guard range.count >= SegmentBlock.size, range.count <= SegmentBlock.size + SegmentBlock.maxPayloadBytes else {
            return nil
        }
        let bytes = workspace.room(range.count)
        guard try file.readPastBadSectors(into: bytes, at: range.lowerBound) == bytes.count,
            let header = workspace.decode(
                block: UnsafeRawBufferPointer(bytes), of: stream, segmentID: segmentID, into: ticks),
            header.blockBytes == bytes.count, header.records == entry.records,
            header.firstKey == entry.firstKey, header.lastKey == entry.lastKey
        else { return nil }
        return UnsafeBufferPointer(rebasing: ticks[..<Int(header.records)])
    }
}

extension SegmentIndex {
    /// True when the entries follow each other and are as many records as the footer says.
    func agrees(with footer: SegmentFooter, from start: UInt64) -> Bool {
        var offset = start
        var records: UInt64 = 0
        var key = TickKey.zero
        for entry in entries {
            guard entry.offset >= offset, entry.offset <= footer.indexOffset, entry.firstKey > key,
                entry.lastKey >= entry.firstKey
            else { return false }
            offset = entry.offset + UInt64(SegmentBlock.size)
            key = entry.lastKey
            records += UInt64(entry.records)
        }
        return offset <= max(footer.indexOffset, start) && records == footer.records
            && (entries.first?.firstKey ?? .zero) == footer.firstKey && key == footer.lastKey
    }
}

extension RandomAccessCollection where Index == Int {
    /// The first index whose element `isBefore` does not hold for; it holds for none behind it.
    func partitionPoint(_ isBefore: (Element) -> Bool) -> Int {
        var low = startIndex
        var high = endIndex
        while low < high {
            let middle = low + (high - low) / 2
            if isBefore(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
