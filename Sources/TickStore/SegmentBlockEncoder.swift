internal import Ticks

/// Makes blocks of segments out of records. One thread.
///
/// Rows whose contract, kind and source are the stream's own go into columns; the others (`more`, markers, whatever
/// else) stand apart with their 64 bytes, so that they do not spoil the columns. Every record comes back bit by bit.
struct SegmentBlockEncoder: ~Copyable {
    private var columns = ColumnEncoder(capacity: SegmentBlock.maxRecords)
    private let values: UnsafeMutablePointer<UInt64>
    private var rows: [Int32] = []
    private var apart: [UInt8] = []
    private let frame = Scratch()
    private let out = Scratch()
    private var zstd = ZstdCompressor()
    private var block: [UInt8] = []

    init() {
        values = .allocate(capacity: SegmentBlock.maxRecords)
        rows.reserveCapacity(SegmentBlock.maxRecords)
    }

    deinit { values.deallocate() }

    /// The block of 1 to 16,384 records with rising keys, valid until the next call.
    mutating func encode(
        _ ticks: UnsafeBufferPointer<Tick>, of stream: StreamID, segmentID: UInt32
    ) -> UnsafeRawBufferPointer {
        precondition((1...SegmentBlock.maxRecords).contains(ticks.count))
        split(ticks, stream)
        block.removeAll(keepingCapacity: true)
        block.append(contentsOf: repeatElement(0, count: SegmentBlock.size + SegmentBlock.tableBytes))
        let apartBytes = appendApart()
        var descriptions: [SegmentColumn] = []
        for column in 0..<SegmentBlock.columns {
            gather(column, ticks)
            let all = UnsafeBufferPointer(start: values, count: rows.count)
            descriptions.append(columns.encode(all, appendingTo: &block))
        }
        while block.count % SegmentBlock.alignmentBytes != 0 { block.append(0) }
        let header = SegmentBlock(
            records: ticks.count, payloadBytes: block.count - SegmentBlock.size, firstKey: ticks[0].key,
            lastKey: ticks[ticks.count - 1].key, segmentID: segmentID)
        let apartRows = ticks.count - rows.count
        block.withUnsafeMutableBytes { bytes in
            bytes.store(UInt32(apartRows), at: SegmentBlock.size)
            bytes.store(UInt32(apartBytes), at: SegmentBlock.size + 4)
            for (index, description) in descriptions.enumerated() {
                let at = SegmentBlock.size + 8 + index * SegmentColumn.size
                description.encode(to: UnsafeMutableRawBufferPointer(rebasing: bytes[at...]))
            }
            header.seal(bytes)
        }
        let bytes = out.room(block.count)
        bytes.copyBytes(from: block)
        return UnsafeRawBufferPointer(bytes)
    }

    /// Finds the rows for the columns, and puts the others apart: all their row numbers (u32), then their records.
    private mutating func split(_ ticks: UnsafeBufferPointer<Tick>, _ stream: StreamID) {
        rows.removeAll(keepingCapacity: true)
        apart.removeAll(keepingCapacity: true)
        let kind = stream.kind.rawValue
        for (index, tick) in ticks.enumerated() {
            if tick.kindByte == kind, tick.conId == stream.conId, tick.source == stream.source {
                rows.append(Int32(index))
            } else {
                apart.append(number: UInt32(index))
            }
        }
        guard rows.count < ticks.count else { return }
        var next = 0
        for (index, tick) in ticks.enumerated() {
            if next < rows.count, rows[next] == index {
                next += 1
            } else {
                withUnsafeBytes(of: tick) { apart.append(contentsOf: $0) }
            }
        }
    }

    /// Appends the frame of the rows that stand apart; returns its bytes.
    private mutating func appendApart() -> Int {
        guard !apart.isEmpty else { return 0 }
        let bytes = frame.room(ZstdCompressor.bound(apart.count))
        let count = apart.withUnsafeBytes { zstd.compress($0, into: bytes) }
        block.append(contentsOf: bytes[..<count])
        return count
    }

    /// Copies one column's values of all rows: the key, both times, the flags, the four words of the body.
    private func gather(_ column: Int, _ ticks: UnsafeBufferPointer<Tick>) {
        guard let base = UnsafeRawPointer(ticks.baseAddress) else { return }
        let words = base.assumingMemoryBound(to: UInt64.self)
        // The fourth word also has contract, kind and source, which are the stream's.
        let shift: UInt64 = column == 3 ? 48 : 0
        for (index, row) in rows.enumerated() {
            values[index] = words[Int(row) &* 8 &+ column] &>> shift
        }
    }
}
