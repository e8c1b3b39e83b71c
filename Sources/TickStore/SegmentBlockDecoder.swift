internal import Ticks

/// Reads blocks of segments. Total for any bytes. One thread.
struct SegmentBlockDecoder: ~Copyable {
    private var columns = ColumnDecoder(capacity: SegmentBlock.maxRecords)
    private var zstd = ZstdDecompressor()
    private let apart = Scratch()

    /// Decodes the block that stands at the beginning of `bytes` (what follows it is not looked at) into the beginning
    /// of `ticks`. Nil when there is no sound block of this segment, or more records than `ticks` has room for.
    mutating func decode(
        block bytes: UnsafeRawBufferPointer, of stream: StreamID, segmentID: UInt32?,
        into ticks: UnsafeMutableBufferPointer<Tick>
    ) -> SegmentBlock? {
        guard let header = SegmentBlock(decoding: bytes), header.segmentID == segmentID ?? header.segmentID,
            header.blockBytes <= bytes.count, Int(header.records) <= ticks.count
        else { return nil }
        let block = UnsafeRawBufferPointer(rebasing: bytes[..<header.blockBytes])
        let payload = UnsafeRawBufferPointer(rebasing: block[SegmentBlock.size...])
        let ticks = UnsafeMutableBufferPointer(rebasing: ticks[..<Int(header.records)])
        guard Checksum.isRight(block, at: SegmentBlock.checksumOffset), decode(payload, of: stream, into: ticks),
            ticks[0].key == header.firstKey, ticks[ticks.count - 1].key == header.lastKey
        else { return nil }
        return header
    }

    /// Fills `ticks`; false when the payload is not one of a block with so many records.
    private mutating func decode(
        _ payload: UnsafeRawBufferPointer, of stream: StreamID, into ticks: UnsafeMutableBufferPointer<Tick>
    ) -> Bool {
        let apartRows = Int(payload.number(0, UInt32.self))
        let apartBytes = Int(payload.number(4, UInt32.self))
        guard apartRows <= ticks.count, (apartRows == 0) == (apartBytes == 0),
            apartBytes <= payload.count - SegmentBlock.tableBytes, let base = ticks.baseAddress
        else { return false }
        let words = UnsafeMutableRawPointer(base).assumingMemoryBound(to: UInt64.self)
        let rows = ticks.count - apartRows
        var at = SegmentBlock.tableBytes + apartBytes
        for number in 0..<SegmentBlock.columns {
            let entry = UnsafeRawBufferPointer(rebasing: payload[(8 + number * SegmentColumn.size)...])
            guard let column = SegmentColumn(decoding: entry), Int(column.byteCount) <= payload.count - at else {
                return false
            }
            let bytes = UnsafeRawBufferPointer(rebasing: payload[at..<(at + Int(column.byteCount))])
            guard columns.decode(column, bytes, count: rows, to: words + number, stride: 8) else { return false }
            at += bytes.count
        }
        guard payload[at...].allSatisfy({ $0 == 0 }), complete(words + 3, rows, of: stream) else { return false }
        let frame = payload[SegmentBlock.tableBytes..<(SegmentBlock.tableBytes + apartBytes)]
        return apartRows == 0 || insert(apartRows, UnsafeRawBufferPointer(rebasing: frame), ticks)
    }

    /// Puts contract, kind and source of the stream beside the flags.
    private func complete(_ words: UnsafeMutablePointer<UInt64>, _ rows: Int, of stream: StreamID) -> Bool {
        let own =
            UInt64(UInt32(bitPattern: stream.conId)) | UInt64(stream.kind.rawValue) << 32 | UInt64(stream.source) << 40
        for index in 0..<rows {
            let flags = words[index &* 8]
            guard flags <= 0xFFFF else { return false }
            words[index &* 8] = flags << 48 | own
        }
        return true
    }

    /// Puts the rows that stand apart between the others.
    private mutating func insert(
        _ apartRows: Int, _ frame: UnsafeRawBufferPointer, _ ticks: UnsafeMutableBufferPointer<Tick>
    ) -> Bool {
        let bytes = apart.room(apartRows * (4 + Tick.size))
        guard zstd.decompress(frame, into: bytes) else { return false }
        let raw = UnsafeRawBufferPointer(bytes)
        // From the back: what moves only moves up.
        var own = ticks.count - apartRows
        var next = ticks.count
        for index in stride(from: apartRows - 1, through: 0, by: -1) {
            let row = Int(raw.number(index * 4, UInt32.self))
            guard row < next, row >= index else { return false }
            while next > row + 1 {
                next -= 1
                own -= 1
                guard own >= 0 else { return false }
                ticks[next] = ticks[own]
            }
            next = row
            ticks[row] = Tick(decoding: raw, at: apartRows * 4 + index * Tick.size)
        }
        // In front of the first of them every row is in its place already.
        return own == next
    }
}
