public import Ticks

extension TickByTickCodec {
    /// Appends a whole message 99, length in front, for a tick of one of the four tick-by-tick kinds.
    ///
    /// The texts of `more` join what the record holds, so that decode and encode are each other's inverse. Allocates
    /// nothing while `out` has capacity. Precondition: the kind is one of the four.
    public static func encode(_ tick: Tick, more: MoreTexts, requestId: Int32, to out: inout [UInt8]) {
        out.appendFrame { out in
            out.appendField(ServerMessageID.tickByTick)
            out.appendField(requestId)
            out.appendField(tick.kindByte)
            out.appendEventTime(tick)
            switch tick.kind {
            case .last, .allLast:
                out.appendTradeNumbers(tick, more)
                out.appendField(tick.flags.rawValue & 3)
                out.appendTradeTexts(tick, more)
            case .bidAsk:
                out.appendQuoteNumbers(tick, more)
                out.appendField(tick.flags.rawValue & 3)
            case .midPoint: out.appendTickNumber(Int64(bitPattern: tick.body.word0), .price, more, isSize: false)
            case .level1, .depth, .rtVolume, .more, .marker, nil:
                preconditionFailure("not a tick-by-tick kind: \(tick.kindByte)")
            }
        }
    }

    /// The same for a tick whose record holds everything.
    public static func encode(_ tick: Tick, requestId: Int32, to out: inout [UInt8]) {
        encode(tick, more: MoreTexts(), requestId: requestId, to: &out)
    }
}

extension [UInt8] {
    /// Whole seconds; an empty field for a tick without a time.
    mutating func appendEventTime(_ tick: Tick) {
        guard tick.tsEventNanos != Tick.noEventTime else { return appendEmptyField() }
        appendField(tick.tsEventNanos / 1_000_000_000)
    }

    mutating func appendTradeNumbers(_ tick: Tick, _ more: MoreTexts) {
        appendTickNumber(Int64(bitPattern: tick.body.word0), .price, more, isSize: false)
        appendTickNumber(Int64(bitPattern: tick.body.word1), .size, more, isSize: true)
    }

    mutating func appendQuoteNumbers(_ tick: Tick, _ more: MoreTexts) {
        appendTickNumber(Int64(bitPattern: tick.body.word0), .bidPrice, more, isSize: false)
        appendTickNumber(Int64(bitPattern: tick.body.word1), .askPrice, more, isSize: false)
        appendTickNumber(Int64(bitPattern: tick.body.word2), .bidSize, more, isSize: true)
        appendTickNumber(Int64(bitPattern: tick.body.word3), .askSize, more, isSize: true)
    }

    mutating func appendTradeTexts(_ tick: Tick, _ more: MoreTexts) {
        appendText(tick.body, TradeBody.exchangeRange, rest: more.text(.exchange))
        appendText(tick.body, TradeBody.conditionsRange, rest: more.text(.conditions))
    }

    /// A text of a record's body (NUL-padded) and its rest, as one field.
    mutating func appendText(_ body: TickBody, _ range: Range<Int>, rest: ArraySlice<UInt8>?) {
        Swift.withUnsafeBytes(of: body) { bytes in
            for byte in bytes[range] where byte != 0 { append(byte) }
        }
        if let rest { append(contentsOf: rest) }
        append(0)
    }
}
