public import Ticks

/// One answer to `reqHistoricalTicks`, or the ticks in front of a subscription: messages 96, 97 and 98.
///
///     96 | reqId | n | { time | 0 | price | size }×n | done                                      MIDPOINT
///     97 | reqId | n | { time | mask | bid | ask | bidSize | askSize }×n | done                  BID_ASK
///     98 | reqId | n | { time | mask | price | size | exchange | conditions }×n | done           TRADES
///
/// In 97, and there alone, the mask's bits are the other way round: bit 0 askPastHigh, bit 1 bidPastLow.
/// Source: docs/tws.md#historical-ticks.
public struct HistoricalTicks: Sendable, Equatable {
    /// The most ticks of one message. A request brings up to 1,000 and whatever completes its last second.
    public static let maxTicks = 200_000

    /// Which of the three messages, and so which ticks.
    public enum Kind: Sendable, CaseIterable {
        case midPoint
        case bidAsk
        case trades

        /// The kind of the records: trades are `last`; the caller changes them for an `all_last` stream.
        public var tickKind: TickKind {
            switch self {
            case .midPoint: .midPoint
            case .bidAsk: .bidAsk
            case .trades: .last
            }
        }

        /// As `reqHistoricalTicks` spells it. Crypto wants `AGGTRADES` for trades.
        public var whatToShow: String {
            switch self {
            case .midPoint: "MIDPOINT"
            case .bidAsk: "BID_ASK"
            case .trades: "TRADES"
            }
        }

        var messageId: Int32 {
            switch self {
            case .midPoint: ServerMessageID.historicalTicks
            case .bidAsk: ServerMessageID.historicalTicksBidAsk
            case .trades: ServerMessageID.historicalTicksLast
            }
        }
    }

    public var requestId: Int32
    public var kind: Kind
    /// In the order of the message: oldest first, several of one second in their own order.
    public var ticks: [HistoricalTick]
    /// False when further messages of the same answer follow.
    public var done: Bool

    public init(requestId: Int32, kind: Kind, ticks: [HistoricalTick], done: Bool) {
        self.requestId = requestId
        self.kind = kind
        self.ticks = ticks
        self.done = done
    }
}

/// One past tick: a record without key, receive time, contract and source, and the texts that it can't hold.
public struct HistoricalTick: Sendable, Equatable {
    public var tick: Tick
    public var more: MoreTexts

    public init(tick: Tick, more: MoreTexts = MoreTexts()) {
        self.tick = tick
        self.more = more
    }
}

extension HistoricalTicks {
    init(_ cursor: inout FieldCursor, kind: Kind) throws(DecodeError) {
        requestId = try cursor.int32()
        self.kind = kind
        let count = try cursor.count(atMost: HistoricalTicks.maxTicks)
        ticks = []
        for _ in 0..<count {
            var tick = Tick(kind: kind.tickKind)
            var more = MoreTexts()
            tick.tsEventNanos = try cursor.eventTimeNanos()
            let mask = try cursor.maskBits()
            switch kind {
            case .midPoint: try cursor.midPoint(into: &tick, texts: &more)
            case .bidAsk: try cursor.quote(mask: HistoricalTicks.swapped(mask), into: &tick, texts: &more)
            case .trades: try cursor.trade(mask: mask, into: &tick, texts: &more)
            }
            // A midpoint has a size, which is always 0.
            if kind == .midPoint { try cursor.skip() }
            ticks.append(HistoricalTick(tick: tick, more: more))
        }
        done = try cursor.bool()
    }

    func encode(to out: inout [UInt8]) {
        out.appendField(kind.messageId)
        out.appendField(requestId)
        out.appendField(ticks.count)
        for item in ticks {
            let mask = item.tick.flags.rawValue & 3
            out.appendEventTime(item.tick)
            switch kind {
            case .midPoint:
                out.appendField(0)
                out.appendTickNumber(Int64(bitPattern: item.tick.body.word0), .price, item.more, isSize: false)
                out.appendField(0)
            case .bidAsk:
                out.appendField(HistoricalTicks.swapped(mask))
                out.appendQuoteNumbers(item.tick, item.more)
            case .trades:
                out.appendField(mask)
                out.appendTradeNumbers(item.tick, item.more)
                out.appendTradeTexts(item.tick, item.more)
            }
        }
        out.appendField(done)
    }

    /// Bits 0 and 1 exchanged.
    private static func swapped(_ mask: UInt16) -> UInt16 { (mask & 1) << 1 | mask >> 1 & 1 }
}
