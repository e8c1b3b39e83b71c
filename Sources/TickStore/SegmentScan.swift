internal import Glibc
internal import Ticks

/// Reads a segment from its first byte to its last, whatever is damaged in it: gives the blocks that are sound, and
/// knows at the end what is not. Needs neither index nor footer. One thread.
struct SegmentScan: ~Copyable {
    let path: String
    let stream: StreamID
    /// Nil when the header is damaged.
    let definition: [UInt8]?
    let byteCount: UInt64
    /// The footer as the file has it, nil when it is damaged.
    let storedFooter: SegmentFooter?
    /// Bytes that are not what was written there. Complete once `next` has given nil.
    private(set) var findings: [LogFinding] = []
    /// Index and footer as the sound blocks make them.
    private(set) var summary: SegmentSummary
    /// File offset of the next block.
    private(set) var offset: UInt64

    private let file: File
    private let segmentID: UInt32?
    private let workspace: SegmentWorkspace
    private let memory = Scratch()
    /// Where the index begins, or the file's end while nobody knows.
    private let blocksEnd: UInt64
    private var lastKey = TickKey.zero
    private var hash = SHA256()
    private let hashes: Bool
    private let hasHeader: Bool
    private var hasBegun = false
    private var isDone = false

    /// - Parameter hashes: also check the SHA-256 of the whole.
    ///
    /// Throws `notASegment` when neither header nor footer nor the path say of which stream it is.
    init(_ path: String, workspace: SegmentWorkspace, hashes: Bool) throws(StoreError) {
        let file = try File(path, O_RDONLY)
        let size = try file.size()
        let header = try SegmentHeader(of: file)
        let footer = try SegmentFooter(of: file, size: size)
        guard let stream = header?.stream ?? footer?.stream ?? SegmentName(path: path)?.stream else {
            throw .notASegment(path: path)
        }
        self.path = path
        self.file = file
        self.stream = stream
        self.workspace = workspace
        self.hashes = hashes && footer != nil
        definition = header?.definition
        byteCount = size
        storedFooter = footer
        segmentID = header?.segmentID ?? footer?.segmentID
        blocksEnd = footer?.indexOffset ?? size
        offset = header.map { UInt64($0.byteCount) } ?? 0
        summary = SegmentSummary(stream: stream, segmentID: segmentID ?? 0, previousKey: footer?.previousKey)
        hasHeader = header != nil
    }

    /// Finds the first block where the header is damaged.
    private mutating func begin() throws(StoreError) {
        hasBegun = true
        if hasHeader { return try hashBytes(0..<offset) }
        // A header is as long as its definition; the first block shows where it ended.
        offset = try firstBlock(from: 0) ?? blocksEnd
        bad(0..<max(1, offset))
    }

    /// Room for the records of one block.
    private var ticks: UnsafeMutableBufferPointer<Tick> {
        memory.room(SegmentBlock.maxRecords * Tick.size).bindMemory(to: Tick.self)
    }

    /// The records of the next sound block, valid until the next call; nil at the end.
    mutating func next() throws(StoreError) -> UnsafeBufferPointer<Tick>? {
        if !hasBegun { try begin() }
        while offset < blocksEnd, !isDone {
            if let block = try block(at: offset) {
                let start = offset
                offset += UInt64(block.blockBytes)
                let records = UnsafeBufferPointer(rebasing: ticks[..<Int(block.records)])
                guard block.firstKey > lastKey else {
                    // A sound block in the wrong place: bytes of another version of the file.
                    bad(start..<offset)
                    continue
                }
                lastKey = block.lastKey
                summary.take(records, at: start)
                return records
            }
            // Without a footer the index ends the blocks.
            if storedFooter == nil, try isIndex(at: offset) { break }
            let from = offset
            offset = try firstBlock(from: offset + UInt64(SegmentBlock.alignmentBytes)) ?? blocksEnd
            bad(from..<offset)
        }
        if !isDone { try finish() }
        return nil
    }

    /// True when every byte of the file is what it should be. Only once `next` has given nil.
    var isWhole: Bool { findings.isEmpty }

    private mutating func bad(_ range: Range<UInt64>) {
        findings.append(LogFinding(meaning: .corruption, path: path, range: range))
    }

    /// Compares what stands behind the blocks with what they make.
    private mutating func finish() throws(StoreError) {
        isDone = true
        guard let stored = storedFooter else {
            return bad(min(offset, byteCount)..<max(byteCount, min(offset, byteCount) + 1))
        }
        let footerStart = byteCount - UInt64(stored.byteCount)
        let wasSound = findings.isEmpty
        let index = summary.index.encoded(segmentID: stored.segmentID)
        var found = [UInt8](repeating: 0, count: index.count)
        let indexFits = stored.indexOffset + UInt64(index.count) == footerStart
        let indexRead = try file.read(into: &found, at: stored.indexOffset)
        if !wasSound {
            // The blocks that are missing are missing in the index made from the rest: only its own checksum counts.
            if try storedIndex() == nil { bad(stored.indexOffset..<footerStart) }
            return
        }
        if !indexFits || !indexRead || found != index {
            bad(stored.indexOffset..<max(stored.indexOffset + 1, footerStart))
        }
        let made = summary.finished(indexOffset: stored.indexOffset, sha256: stored.sha256)
        if made != stored { bad(footerStart..<byteCount) }
        // Only an index that is as long as it should be is read into memory.
        guard hashes, findings.isEmpty else { return }
        try hashBytes(stored.indexOffset..<footerStart)
        if hash.finish() != stored.sha256 { bad(0..<footerStart) }
    }

    /// The index as the file has it; nil when it is damaged, or the footer is.
    func storedIndex() throws(StoreError) -> SegmentIndex? {
        guard let stored = storedFooter else { return nil }
        let end = byteCount - UInt64(stored.byteCount)
        guard end >= stored.indexOffset, end - stored.indexOffset <= UInt64(SegmentFooter.maxBytes) else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(end - stored.indexOffset))
        guard try file.read(into: &bytes, at: stored.indexOffset) else { return nil }
        return bytes.withUnsafeBytes { SegmentIndex(decoding: $0, segmentID: stored.segmentID) }
    }

    private func isIndex(at offset: UInt64) throws(StoreError) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 4)
        guard try file.read(into: &bytes, at: offset) else { return false }
        return bytes.withUnsafeBytes { $0.number(0, UInt32.self) } == SegmentIndex.magic
    }

    /// Reads and decodes the block at an offset; nil when there is no sound one. What was read goes into the hash.
    private mutating func block(at offset: UInt64) throws(StoreError) -> SegmentBlock? {
        guard let header = try blockHeader(at: offset) else { return nil }
        let bytes = workspace.room(header.blockBytes)
        guard try file.readPastBadSectors(into: bytes, at: offset) == bytes.count else { return nil }
        let raw = UnsafeRawBufferPointer(bytes)
        guard let block = workspace.decode(block: raw, of: stream, segmentID: segmentID, into: ticks) else {
            return nil
        }
        if hashes { hash.update(raw) }
        return block
    }

    private func blockHeader(at offset: UInt64) throws(StoreError) -> SegmentBlock? {
        var bytes = [UInt8](repeating: 0, count: SegmentBlock.size)
        guard offset < blocksEnd, try file.read(into: &bytes, at: offset),
            let header = bytes.withUnsafeBytes({ SegmentBlock(decoding: $0) }),
            header.segmentID == segmentID ?? header.segmentID, UInt64(header.blockBytes) <= blocksEnd - offset
        else { return nil }
        return header
    }

    /// Where the next sound block begins.
    private mutating func firstBlock(from start: UInt64) throws(StoreError) -> UInt64? {
        var at = start
        var chunk = [UInt8](repeating: 0, count: 256 << 10)
        while at < blocksEnd {
            let count = Int(min(UInt64(chunk.count), blocksEnd - at))
            if count < chunk.count { chunk.removeLast(chunk.count - count) }
            guard try file.read(into: &chunk, at: at) else { return nil }
            for place in stride(from: 0, to: count - 3, by: SegmentBlock.alignmentBytes) {
                let magic = chunk.withUnsafeBytes { $0.number(place, UInt32.self) }
                guard magic == SegmentBlock.magic, let header = try blockHeader(at: at + UInt64(place)) else {
                    continue
                }
                let bytes = workspace.room(header.blockBytes)
                guard try file.readPastBadSectors(into: bytes, at: at + UInt64(place)) == bytes.count,
                    workspace.decode(
                        block: UnsafeRawBufferPointer(bytes), of: stream, segmentID: segmentID, into: ticks) != nil
                else { continue }
                return at + UInt64(place)
            }
            at += UInt64(count)
        }
        return nil
    }

    private mutating func hashBytes(_ range: Range<UInt64>) throws(StoreError) {
        guard hashes else { return }
        var bytes = [UInt8](repeating: 0, count: range.count)
        guard try file.read(into: &bytes, at: range.lowerBound) else { return }
        bytes.withUnsafeBytes { hash.update($0) }
    }
}
