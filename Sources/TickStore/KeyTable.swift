internal import Ticks

/// The first block of every part: each stream's last key in all that was written before this part. 32 bytes an entry:
///
///     offset size field
///          0    4 con_id
///          4    1 kind
///          5    1 source
///          6    2 zero
///          8    8 key
///         16    8 ts_event
///         24    8 ts_recv
///
/// In a journal one entry has con_id 0 and kind 0: its key is (first epoch that this journal vouches for, 0). All that
/// was numbered from that epoch on went through this journal.
struct KeyTable: Equatable {
    static let entrySize = 32

    var positions: [StreamID: StreamPosition] = [:]
    /// 0 in the recorder's log.
    var firstEpoch: UInt32 = 0

    init(positions: [StreamID: StreamPosition] = [:], firstEpoch: UInt32 = 0) {
        self.positions = positions
        self.firstEpoch = firstEpoch
    }

    /// Reads a table's payload; entries that name no stream (from a later version) are passed over.
    init(decoding payload: UnsafeRawBufferPointer) {
        for offset in stride(from: 0, to: payload.count - KeyTable.entrySize + 1, by: KeyTable.entrySize) {
            func word<T: FixedWidthInteger>(_ at: Int, _: T.Type) -> T {
                T(littleEndian: payload.loadUnaligned(fromByteOffset: offset + at, as: T.self))
            }
            let conId = word(0, Int32.self)
            let key = TickKey(rawValue: word(8, UInt64.self))
            if conId == 0, payload[offset + 4] == 0 {
                firstEpoch = key.epoch
            } else if let kind = TickKind(rawValue: payload[offset + 4]), kind.isMarketData {
                positions[StreamID(conId: conId, kind: kind, source: payload[offset + 5])] = StreamPosition(
                    key: key, tsEventNanos: word(16, Int64.self), tsRecvNanos: word(24, Int64.self))
            }
        }
    }

    /// The payload, streams in order.
    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        func append(_ conId: Int32, _ kind: UInt8, _ source: UInt8, _ position: StreamPosition) {
            append(conId)
            append(kind)
            append(source)
            append(UInt16(0))
            append(position.key.rawValue)
            append(position.tsEventNanos)
            append(position.tsRecvNanos)
        }
        if firstEpoch != 0 {
            let key = TickKey(epoch: firstEpoch, seq: 0)
            append(0, 0, 0, StreamPosition(key: key, tsEventNanos: Tick.noEventTime, tsRecvNanos: 0))
        }
        for (stream, position) in positions.sorted(by: { $0.key < $1.key }) {
            append(stream.conId, stream.kind.rawValue, stream.source, position)
        }
        return bytes
    }

    /// The greatest epoch that any entry names.
    var greatestEpoch: UInt32 { positions.values.reduce(firstEpoch) { max($0, $1.key.epoch) } }
}
