/// What one record is. The raw value is byte 28 of the record.
public enum TickKind: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case last = 1
    case allLast = 2
    case bidAsk = 3
    case midPoint = 4
    case level1 = 5
    case depth = 6
    case rtVolume = 7
    /// The rest of a text, or the exact text of a number, of the record in front of it.
    case more = 254
    /// Something that happened to the stream, in the stream's own order.
    case marker = 255

    /// The name used in stream ids, topics, paths and configuration, such as `bid_ask`.
    public var name: StaticString {
        switch self {
        case .last: "last"
        case .allLast: "all_last"
        case .bidAsk: "bid_ask"
        case .midPoint: "mid_point"
        case .level1: "level1"
        case .depth: "depth"
        case .rtVolume: "rt_volume"
        case .more: "more"
        case .marker: "marker"
        }
    }

    /// The kinds that a stream can have: all but `more` and `marker`, which travel inside the others' streams.
    public static let streamKinds: [TickKind] = [.last, .allLast, .bidAsk, .midPoint, .level1, .depth, .rtVolume]

    /// The stream kinds that the connector can subscribe to; depth and RT volume come with a later version.
    public static let recordableKinds: [TickKind] = [.last, .allLast, .bidAsk, .midPoint, .level1]

    public var isRecordable: Bool { TickKind.recordableKinds.contains(self) }

    /// A stream kind by its name; nil for `more`, `marker` and unknown names.
    public init?(streamName: some StringProtocol) {
        guard let kind = TickKind.streamKinds.first(where: { streamName == $0.name.description }) else { return nil }
        self = kind
    }

    /// True for the kinds that stand for something the gateway sent (not `more`, not `marker`).
    public var isMarketData: Bool { rawValue < 128 }
}

/// The 16 flag bits at offset 30. Bits 9 to 15 are zero.
public struct TickFlags: OptionSet, Sendable, Hashable, BitwiseCopyable {
    public let rawValue: UInt16
    @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Bit 0: `past_limit` of a trade, `bid_past_low` of a quote.
    public static let pastLimit = TickFlags(rawValue: 1 << 0)
    public static let bidPastLow = TickFlags(rawValue: 1 << 0)
    /// Bit 1: `unreported` of a trade, `ask_past_high` of a quote.
    public static let unreported = TickFlags(rawValue: 1 << 1)
    public static let askPastHigh = TickFlags(rawValue: 1 << 1)
    /// Bit 2: this trade tick says that trading halted (or that the halt ended).
    public static let halted = TickFlags(rawValue: 1 << 2)
    /// Bit 3: a `more` record follows directly.
    public static let moreFollows = TickFlags(rawValue: 1 << 3)
    /// Bit 4: a number is not an exact multiple of 1e-9; its text stands in a `more` record.
    public static let inexact = TickFlags(rawValue: 1 << 4)
    /// Bit 5: delayed market data.
    public static let delayed = TickFlags(rawValue: 1 << 5)
    /// Bit 6: taken from the gateway's history, not from the live stream.
    public static let healed = TickFlags(rawValue: 1 << 6)
    /// Bit 7: the host's clock was known to be wrong when this was received.
    public static let clockBad = TickFlags(rawValue: 1 << 7)
    /// Bit 8: from the simulator.
    public static let simulated = TickFlags(rawValue: 1 << 8)
    /// Bit 9: frozen market data, the values of the last close.
    public static let frozen = TickFlags(rawValue: 1 << 9)

    /// A tick with one of these does not show that the stream's live data flow: it ends no gap.
    public static let notLive: TickFlags = [.healed, .frozen]

    public static let all = TickFlags(rawValue: 0x03FF)
}
