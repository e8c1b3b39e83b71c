internal import Ticks

/// Folds the gap ledgers of a recording's streams: of sealed segments their footers are enough, the log is read.
struct MarkerScan {
    private(set) var ledgers: [StreamID: GapLedger] = [:]

    private let streams: Set<StreamID>?
    /// Of records read since the stream's last footer.
    private var collectors: [StreamID: MarkerCollector] = [:]
    private var last: [StreamID: TickKey] = [:]

    /// - Parameter streams: nil for all.
    init(streams: Set<StreamID>?) { self.streams = streams }

    mutating func read(stateDirectory: String) throws(StoreError) {
        var source = RecordSource(stateDirectory: stateDirectory, .init(streams: streams, footersOnly: true))
        scan: while true {
            switch try source.next(after: last) {
            case .part, .removed: continue
            case .segment(_, let stream, let footer, let hasRecords, _):
                if let footer, !hasRecords { take(footer.markers, of: stream) }
            case .records(let ticks): take(ticks)
            case .end: break scan
            }
        }
        for stream in collectors.keys { fold(stream) }
    }

    private mutating func take(_ markers: MarkerCollector, of stream: StreamID) {
        fold(stream)
        ledgers[stream, default: GapLedger(stream: stream)].fold(markers)
        if let key = markers.lastKey { last[stream] = max(key, last[stream] ?? .zero) }
    }

    private mutating func take(_ ticks: UnsafeBufferPointer<Tick>) {
        let runs = TickRuns(ticks: ticks)
        var start = 0
        while start < ticks.count {
            let end = runs.runEnd(from: start)
            defer { start = end }
            guard let stream = ticks[start].stream, streams?.contains(stream) ?? true else { continue }
            var first = start
            if let last = last[stream] { while first < end, ticks[first].key <= last { first += 1 } }
            guard first < end else { continue }
            collectors[stream, default: MarkerCollector()].take(UnsafeBufferPointer(rebasing: ticks[first..<end]))
            last[stream] = ticks[end - 1].key
        }
    }

    private mutating func fold(_ stream: StreamID) {
        guard let collector = collectors.removeValue(forKey: stream) else { return }
        ledgers[stream, default: GapLedger(stream: stream)].fold(collector)
    }
}
