internal import Ticks

/// Looks at two columns of a segment's block without the rest of it: whether one of its live ticks
/// counts by an event time that a window has.
///
/// The index has no event times of live ticks, and does not say whose receive times are known to be wrong.
/// The block does: two columns that are a few kilobytes, or nothing where all values are the same. Their
/// checksum is the whole block's, so that nothing is checked here; what can't be decoded may hold anything,
/// and reading it finds the damage. One thread.
struct SegmentGlance: ~Copyable {
    /// Read at once: mostly all that is wanted.
    private static let headBytes = 4096
    private static let eventColumn = 1
    private static let flagsColumn = 3

    private var decoder = ColumnDecoder(capacity: SegmentBlock.maxRecords)
    private let head = Scratch()
    private let frame = Scratch()
    private let values = Scratch()

    /// The block in this range of the file.
    mutating func mayHold(
        _ window: TimeWindow, blockAt range: Range<UInt64>, of file: File
    ) throws(StoreError) -> Bool {
        let bytes = head.room(min(range.count, SegmentGlance.headBytes))
        guard try file.readPastBadSectors(into: bytes, at: range.lowerBound) == bytes.count,
            bytes.count >= SegmentBlock.size + SegmentBlock.tableBytes,
            let header = SegmentBlock(decoding: UnsafeRawBufferPointer(bytes)), header.blockBytes == range.count
        else { return true }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[SegmentBlock.size...])
        let (apartRows, apartBytes) = (Int(payload.number(0, UInt32.self)), Int(payload.number(4, UInt32.self)))
        guard apartRows <= Int(header.records), apartBytes <= Int(header.payloadBytes) else { return true }
        let rows = Int(header.records) - apartRows
        var columns: [(column: SegmentColumn, at: UInt64)] = []
        var at = range.lowerBound + UInt64(SegmentBlock.size + SegmentBlock.tableBytes + apartBytes)
        for number in 0...SegmentGlance.flagsColumn {
            let entry = UnsafeRawBufferPointer(rebasing: payload[(8 + number * SegmentColumn.size)...])
            guard let column = SegmentColumn(decoding: entry) else { return true }
            columns.append((column, at))
            at += UInt64(column.byteCount)
        }
        guard at <= range.upperBound else { return true }
        let (events, flags) = (columns[SegmentGlance.eventColumn], columns[SegmentGlance.flagsColumn])
        // An ordinary clock, and the same flags throughout: nothing more to look at.
        let bad = UInt64(TickFlags.clockBad.rawValue)
        if window.basis == .receive, flags.column.encoding == .constant, flags.column.base & bad == 0 { return false }
        let out = values.room(2 * rows * 8).bindMemory(to: UInt64.self)
        guard rows > 0, let first = out.baseAddress else { return false }
        guard try decode(flags, rows, to: first, from: bytes, range.lowerBound, file) else { return true }
        guard window.basis == .event || out[..<rows].contains(where: { $0 & bad != 0 }) else { return false }
        guard try decode(events, rows, to: first + rows, from: bytes, range.lowerBound, file) else { return true }
        for row in 0..<rows where window.basis == .event || out[row] & bad != 0 {
            let time = Int64(bitPattern: out[rows + row])
            if time != Tick.noEventTime, window.contains(time) { return true }
        }
        return false
    }

    /// False when the bytes are no such column.
    private mutating func decode(
        _ place: (column: SegmentColumn, at: UInt64), _ rows: Int, to out: UnsafeMutablePointer<UInt64>,
        from head: UnsafeMutableRawBufferPointer, _ headAt: UInt64, _ file: File
    ) throws(StoreError) -> Bool {
        let count = Int(place.column.byteCount)
        let start = Int(place.at - headAt)
        if start + count <= head.count {
            let bytes = UnsafeRawBufferPointer(rebasing: head[start..<(start + count)])
            return decoder.decode(place.column, bytes, count: rows, to: out, stride: 1)
        }
        let bytes = frame.room(count)
        guard try file.readPastBadSectors(into: bytes, at: place.at) == count else { return false }
        return decoder.decode(place.column, UnsafeRawBufferPointer(bytes), count: rows, to: out, stride: 1)
    }
}
