internal import Ticks

/// Gathers a segment's index and footer from its records, as they are written or read again.
struct SegmentSummary {
    private(set) var index = SegmentIndex()
    private(set) var footer: SegmentFooter

    init(stream: StreamID, segmentID: UInt32, previousKey: TickKey?) {
        footer = SegmentFooter(stream: stream, segmentID: segmentID, previousKey: previousKey)
    }

    /// Takes the records of the next block, which stands at `offset`.
    mutating func take(_ block: UnsafeBufferPointer<Tick>, at offset: UInt64) {
        guard let first = block.first else { return }
        let last = block[block.count - 1]
        var entry = SegmentIndex.Entry(
            offset: offset, firstKey: first.key, lastKey: last.key, records: UInt32(block.count))
        for tick in block {
            if tick.isPlacedByEvent {
                entry.healed += 1
                footer.minHealedEventNanos = min(footer.minHealedEventNanos, tick.tsEventNanos)
                footer.maxHealedEventNanos = max(footer.maxHealedEventNanos, tick.tsEventNanos)
            } else {
                entry.minRecvNanos = min(entry.minRecvNanos, tick.tsRecvNanos)
                entry.maxRecvNanos = max(entry.maxRecvNanos, tick.tsRecvNanos)
            }
            if tick.kindByte < TickKind.more.rawValue { footer.ticks += 1 }
            if tick.kindByte == TickKind.marker.rawValue { footer.markerCount += 1 }
        }
        if footer.records == 0 {
            footer.firstKey = first.key
            footer.firstRecvNanos = first.tsRecvNanos
        }
        footer.records += UInt64(block.count)
        footer.healed += UInt64(entry.healed)
        footer.lastKey = last.key
        footer.lastRecvNanos = last.tsRecvNanos
        footer.minRecvNanos = min(footer.minRecvNanos, entry.minRecvNanos)
        footer.maxRecvNanos = max(footer.maxRecvNanos, entry.maxRecvNanos)
        footer.blocks += 1
        footer.markers.take(block)
        index.entries.append(entry)
    }

    /// The footer of the file whose index stands at `indexOffset`.
    func finished(indexOffset: UInt64, sha256: [UInt8]) -> SegmentFooter {
        var footer = footer
        footer.indexOffset = indexOffset
        footer.sha256 = sha256
        return footer
    }
}
