internal import Ticks

/// The binary form, little endian, as it stands in a sealed segment's footer:
///
///     offset size field
///          0    8 count      of entries
///          8    8 first key  of all records; 0: there was none
///         16    8 last key
///         24   24 first live tick: key, ts_event, ts_recv; 24 zero bytes: none
///         48   24 last live tick
///         72  112 each entry: the marker's 64 bytes, the live tick before it, the live tick behind it
extension MarkerCollector {
    public static let headerBytes = 72
    public static let entryBytes = Tick.size + 2 * edgeBytes
    static let edgeBytes = 24

    /// Bytes of the binary form.
    public var encodedBytes: Int { MarkerCollector.headerBytes + entries.count * MarkerCollector.entryBytes }

    /// Appends the binary form.
    public func encode(to out: inout [UInt8]) {
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { out.append(contentsOf: $0) }
        }
        func append(_ edge: StreamPosition?) {
            append(edge?.key.rawValue ?? 0)
            append(edge?.tsEventNanos ?? 0)
            append(edge?.tsRecvNanos ?? 0)
        }
        out.reserveCapacity(out.count + encodedBytes)
        append(UInt64(entries.count))
        append(firstKey?.rawValue ?? 0)
        append(lastKey?.rawValue ?? 0)
        append(firstLive)
        append(lastLive)
        for entry in entries {
            withUnsafeBytes(of: entry.marker) { out.append(contentsOf: $0) }
            append(entry.before)
            append(entry.after)
        }
    }

    /// Reads the binary form, which takes all of `bytes`. Nil when they are anything else: wrong length, keys that do
    /// not rise, an entry that is no marker of the ledger, edges on the wrong side.
    public init?(decoding bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= MarkerCollector.headerBytes else { return nil }
        func word(_ offset: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        func edge(_ offset: Int) -> StreamPosition? {
            let key = TickKey(rawValue: word(offset))
            guard key != .zero else { return nil }
            return StreamPosition(
                key: key, tsEventNanos: Int64(bitPattern: word(offset + 8)),
                tsRecvNanos: Int64(bitPattern: word(offset + 16)))
        }
        let room = (bytes.count - MarkerCollector.headerBytes) / MarkerCollector.entryBytes
        guard word(0) == UInt64(room),
            MarkerCollector.headerBytes + room * MarkerCollector.entryBytes == bytes.count
        else { return nil }
        var entries: [MarkerEntry] = []
        entries.reserveCapacity(room)
        for index in 0..<room {
            let offset = MarkerCollector.headerBytes + index * MarkerCollector.entryBytes
            entries.append(
                MarkerEntry(
                    marker: Tick(decoding: bytes, at: offset), before: edge(offset + Tick.size),
                    after: edge(offset + Tick.size + MarkerCollector.edgeBytes)))
        }
        let keys = (first: TickKey(rawValue: word(8)), last: TickKey(rawValue: word(16)))
        self.init(
            entries: entries, firstLive: edge(24), lastLive: edge(48), firstKey: keys.first == .zero ? nil : keys.first,
            lastKey: keys.last == .zero ? nil : keys.last)
        guard isConsistent else { return nil }
    }

    /// What a collector that was fed with records always is.
    private var isConsistent: Bool {
        guard (firstKey == nil) == (lastKey == nil), (firstLive == nil) == (lastLive == nil) else { return false }
        guard let firstKey, let lastKey else { return firstLive == nil && entries.isEmpty }
        let range = firstKey.rawValue...max(firstKey.rawValue, lastKey.rawValue)
        func isInside(_ edge: StreamPosition?) -> Bool { edge.map { range.contains($0.key.rawValue) } ?? true }
        guard firstKey <= lastKey, isInside(firstLive), isInside(lastLive) else { return false }
        var previous = TickKey.zero
        for entry in entries {
            let key = entry.marker.key
            guard key > previous, range.contains(key.rawValue), isInside(entry.before), isInside(entry.after),
                MarkerCollector.isCollected(entry.marker.marker?.event), entry.before?.key ?? .zero < key,
                entry.after.map({ $0.key > key }) ?? true
            else { return false }
            previous = key
        }
        return true
    }
}
