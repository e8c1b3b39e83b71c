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

    func without(_ flag: TickFlags) -> MarketTick {
        var copy = self
        copy.maskByte &= ~UInt8(truncatingIfNeeded: flag.rawValue)
        return copy
    }

    /// The record that a recorder of the simulated gateway makes of this tick, its key and receive time left empty.
    func tick(conId: Int32) -> Tick {
        Tick(
            tsEventNanos: Int64(seconds) * 1_000_000_000, conId: conId, kind: kind, flags: mask.union(.simulated),
            body: body)
    }
}

extension Int64 {
    /// A size (units of 1e-9) in whole numbers, at least one where there is something at all.
    var wholeSize: Int64 {
        guard self > 0, self != FixedPoint.absent else { return self }
        return Swift.max(1, self / FixedPoint.unitsPerOne) * FixedPoint.unitsPerOne
    }
}

extension TickBody {
    /// The body of a tick of `kind` as sessions below `ServerVersion.fractionalSizes` can say it.
    func withWholeSizes(_ kind: TickKind) -> TickBody {
        func whole(_ word: UInt64) -> UInt64 { UInt64(bitPattern: Int64(bitPattern: word).wholeSize) }
        var copy = self
        switch kind {
        case .last, .allLast: copy.word1 = whole(word1)
        case .bidAsk: (copy.word2, copy.word3) = (whole(word2), whole(word3))
        case .midPoint, .level1, .depth, .rtVolume, .more, .marker: break
        }
        return copy
    }
}

extension MarketTick {
    var withWholeSizes: MarketTick {
        var copy = self
        copy.body = body.withWholeSizes(kind)
        return copy
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
