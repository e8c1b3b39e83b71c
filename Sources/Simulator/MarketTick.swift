internal import Ticks

/// One thing that happened in the market, as the history keeps it: 40 bytes.
///
/// `body` has the record's layout for `kind` (`TradeBody`, `QuoteBody`, `MidPointBody`), so that making a `Tick` copies
/// four words.
struct MarketTick: Sendable, Equatable, BitwiseCopyable {
    var body: TickBody
    /// Whole seconds since the Unix epoch: all that the protocol's tick-by-tick messages can say.
    var seconds: UInt32
    private var kindByte: UInt8
    private var maskByte: UInt8

    init(kind: TickKind, seconds: UInt32, mask: TickFlags = [], body: TickBody) {
        self.body = body
        self.seconds = seconds
        kindByte = kind.rawValue
        maskByte = UInt8(truncatingIfNeeded: mask.rawValue & 3)
    }

    /// One of the four tick-by-tick kinds.
    var kind: TickKind { TickKind(rawValue: kindByte) ?? .last }

    /// Bits 0 and 1 only.
    var mask: TickFlags { TickFlags(rawValue: UInt16(maskByte)) }

    func with(kind: TickKind) -> MarketTick {
        var copy = self
        copy.kindByte = kind.rawValue
        return copy
    }

    /// The record that a recorder of the simulated gateway makes of this tick, its key and receive time left empty.
    func tick(conId: Int32) -> Tick {
        Tick(
            tsEventNanos: Int64(seconds) * 1_000_000_000, conId: conId, kind: kind, flags: mask.union(.simulated),
            body: body)
    }
}

extension Tick {
    /// Adds to all prices of a tick-by-tick record, as a gateway does whose price base is wrong.
    mutating func shiftPrices(_ units: Int64) {
        body.word0 = UInt64(bitPattern: Int64(bitPattern: body.word0) &+ units)
        if kindByte == TickKind.bidAsk.rawValue {
            body.word1 = UInt64(bitPattern: Int64(bitPattern: body.word1) &+ units)
        }
    }
}

/// The four tick-by-tick kinds as array positions 0...3.
enum StreamSlot {
    static let kinds: [TickKind] = [.last, .allLast, .bidAsk, .midPoint]

    static func index(_ kind: TickKind) -> Int? {
        let raw = Int(kind.rawValue)
        return (1...4).contains(raw) ? raw - 1 : nil
    }
}
