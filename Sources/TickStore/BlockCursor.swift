/// Walks a part block by block through a buffer of its own. Nothing it hands out has a wrong checksum.
struct BlockCursor: ~Copyable {
    enum Step {
        /// A sound block of the wanted part; the payload is valid until the cursor moves.
        case block(BlockHeader, payload: UnsafeRawBufferPointer, offset: UInt64)
        /// Here stands no sound block; the cursor stays. `damaged` tells a block that began but is not whole or has a
        /// wrong checksum from bytes that are no block of this part at all.
        case stop(offset: UInt64, damaged: Bool)
    }

    /// Room for the largest block and a chunk of what follows.
    private static let capacityBytes = BlockHeader.maxPayloadBytes + BlockHeader.size + chunkBytes
    private static let chunkBytes = 256 << 10

    private let buffer: UnsafeMutableRawBufferPointer
    /// File offset of the buffer's first byte; a multiple of 32, so that records are aligned in memory.
    private var bufferOffset: UInt64 = 0
    private var filled = 0
    /// File offset of the next block.
    private(set) var offset: UInt64 = 0
    /// Nothing at or above this file offset is looked at.
    private(set) var limit: UInt64 = 0

    init() {
        buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: BlockCursor.capacityBytes, alignment: 64)
    }

    deinit { buffer.deallocate() }

    /// Goes to a block's offset; what was read before is forgotten.
    mutating func seek(to offset: UInt64, limit: UInt64) {
        self.offset = offset
        self.limit = limit
        bufferOffset = offset
        filled = 0
    }

    /// Lets the cursor go on to a higher limit, reading anew what it could not make sense of.
    mutating func extend(limit: UInt64) { seek(to: offset, limit: limit) }

    /// The block at the cursor; moves behind it.
    ///
    /// - Parameter partID: the id that blocks must have; nil takes the one found (for a part's first block).
    mutating func next(in file: File, partID: UInt32?) throws(StoreError) -> Step {
        guard try load(BlockHeader.size, from: file) else { return .stop(offset: offset, damaged: false) }
        guard let header = BlockHeader(decoding: UnsafeRawBufferPointer(window(BlockHeader.size))),
            partID == nil || header.partID == partID
        else { return .stop(offset: offset, damaged: false) }
        guard try load(header.blockBytes, from: file) else { return .stop(offset: offset, damaged: true) }
        let payload = self.payload(of: header)
        guard header.isSound(payload: payload) else { return .stop(offset: offset, damaged: true) }
        let start = offset
        offset += UInt64(header.blockBytes)
        return .block(header, payload: payload, offset: start)
    }

    /// Moves on from a stop to the next sound block of the part (nil: of any); false (and the cursor at the limit) when
    /// none follows.
    mutating func resync(in file: File, partID: UInt32?) throws(StoreError) -> Bool {
        while true {
            offset += UInt64(BlockHeader.alignmentBytes)
            guard try load(BlockHeader.size, from: file) else {
                offset = max(offset, limit)
                return false
            }
            guard let header = BlockHeader(decoding: UnsafeRawBufferPointer(window(BlockHeader.size))),
                partID == nil || header.partID == partID, try load(header.blockBytes, from: file),
                header.isSound(payload: payload(of: header))
            else { continue }
            return true
        }
    }

    private func payload(of header: BlockHeader) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: window(header.blockBytes)[BlockHeader.size...])
    }

    private func window(_ count: Int) -> UnsafeMutableRawBufferPointer {
        let start = Int(offset - bufferOffset)
        return UnsafeMutableRawBufferPointer(rebasing: buffer[start..<(start + count)])
    }

    /// Makes sure that `count` bytes from `offset` are in the buffer; false when the file or the limit ends before.
    private mutating func load(_ count: Int, from file: File) throws(StoreError) -> Bool {
        if offset + UInt64(count) <= bufferOffset + UInt64(filled) { return true }
        guard offset + UInt64(count) <= limit else { return false }
        let consumed = Int(offset - bufferOffset)
        if consumed >= filled {
            filled = 0
            bufferOffset = offset
        } else if consumed > 0 {
            let rest = filled - consumed
            buffer.baseAddress?.copyMemory(from: UnsafeRawPointer(buffer.baseAddress! + consumed), byteCount: rest)
            filled = rest
            bufferOffset = offset
        }
        // No more than the limit allows and no more than one chunk ahead: a page read early would only be read again.
        let ahead = min(UInt64(max(count, filled + BlockCursor.chunkBytes)), limit - bufferOffset)
        let wanted = min(Int(ahead), buffer.count)
        if wanted > filled {
            filled += try file.readPastBadSectors(
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<wanted]),
                at: bufferOffset + UInt64(filled))
        }
        return filled >= count
    }
}
