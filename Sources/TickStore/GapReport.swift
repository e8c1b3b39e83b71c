public import JSON
public import Ticks

/// What history answers to the question for a stream's gaps: from what is durable, those first that may still change.
public struct GapReport: Sendable, Equatable {
    /// Gaps in one report, at most.
    public static let maxGaps = 4096

    /// The stream's newest durable key; `TickKey.zero`: nothing is recorded.
    public var last: TickKey
    public var gaps: [Gap]
    /// Gaps that there is no room for.
    public var omitted: Int

    public init(last: TickKey, gaps: [Gap], omitted: Int = 0) {
        self.last = last
        self.gaps = gaps
        self.omitted = omitted
    }

    /// The newest of a ledger's gaps: open and pending ones first, then `partly`, then what is settled.
    public init(_ ledger: GapLedger) {
        let sorted = ledger.gaps.map { (rank: $0.state.rank, gap: $0) }.sorted {
            ($0.rank, $1.gap.key) < ($1.rank, $0.gap.key)
        }
        self.init(
            last: ledger.lastKey, gaps: sorted.prefix(GapReport.maxGaps).map(\.gap),
            omitted: ledger.forgotten + max(0, sorted.count - GapReport.maxGaps))
    }

    /// The JSON text, at most `maxBytes`: gaps that do not fit are counted in `omitted`.
    public func encoded(maxBytes: Int) -> [UInt8] {
        var texts: [[UInt8]] = []
        // Room for what stands around the gaps.
        var bytes = 128
        for gap in gaps {
            var writer = JSONWriter()
            gap.write(to: &writer, withStream: false)
            guard bytes + writer.bytes.count + 1 <= maxBytes else { break }
            bytes += writer.bytes.count + 1
            texts.append(writer.bytes)
        }
        let omitted = omitted + gaps.count - texts.count
        return Array("{\"last\":\(last.rawValue),\"omitted\":\(omitted),\"gaps\":[".utf8)
            + Array(texts.joined(separator: [UInt8(ascii: ",")])) + Array("]}".utf8)
    }

    /// Reads the JSON of a report about `stream`; nil when it is anything else.
    public init?(_ json: JSONValue, stream: StreamID) {
        guard let last = json["last"]?.unsigned, let entries = json["gaps"]?.array else { return nil }
        let gaps = entries.compactMap { Gap($0, stream: stream) }
        guard gaps.count == entries.count else { return nil }
        self.init(
            last: TickKey(rawValue: last), gaps: gaps,
            omitted: json["omitted"]?.integer.flatMap { Int(exactly: $0) } ?? 0)
    }
}

extension GapState {
    /// What may still change comes first.
    fileprivate var rank: Int {
        switch self {
        case .open, .pending: 0
        case .partly: 1
        case .healed, .subset, .edgeUnreconciled, .noHistory: 2
        }
    }
}
