internal import Ticks

/// The parts of ticks, live and historical, field by field: whatever a record can hold, and the rest to `texts`.
extension FieldCursor {
    /// Epoch seconds as nanoseconds; none for an empty or "unset" field. A time beyond the year 2262 is a fault.
    mutating func eventTimeNanos() throws(DecodeError) -> Int64 {
        let field = index
        guard at == end || at.pointee != 0 else {
            try skip()
            return Tick.noEventTime
        }
        let seconds = try int64()
        // 9.22e9 s is what 63 bits of nanoseconds hold.
        if seconds.magnitude < 9_223_372_036 { return seconds &* 1_000_000_000 }
        guard seconds == .max else { throw DecodeError(.badNumber, message: message, field: field) }
        return Tick.noEventTime
    }

    /// The two bits that a mask may have.
    mutating func maskBits() throws(DecodeError) -> UInt16 { UInt16(truncatingIfNeeded: try int64() & 3) }

    /// The fields of a quote; its mask stands behind them, or has been read (`mask`) in a historical quote.
    mutating func quote(mask: UInt16? = nil, into tick: inout Tick, texts: inout MoreTexts) throws(DecodeError) {
        var flags: UInt16 = 0
        let bidPrice = try number(.bidPrice, isSize: false, flags: &flags, texts: &texts)
        let askPrice = try number(.askPrice, isSize: false, flags: &flags, texts: &texts)
        let bidSize = try number(.bidSize, isSize: true, flags: &flags, texts: &texts)
        let askSize = try number(.askSize, isSize: true, flags: &flags, texts: &texts)
        if let mask { flags |= mask } else { flags |= try maskBits() }
        if !texts.isEmpty { flags |= TickFlags.moreFollows.rawValue }
        tick.flags = TickFlags(rawValue: flags)
        tick.body = TickBody(bidPrice, askPrice, bidSize, askSize)
    }

    mutating func midPoint(into tick: inout Tick, texts: inout MoreTexts) throws(DecodeError) {
        var flags: UInt16 = 0
        let price = try number(.price, isSize: false, flags: &flags, texts: &texts)
        if !texts.isEmpty { flags |= TickFlags.moreFollows.rawValue }
        tick.flags = TickFlags(rawValue: flags)
        tick.body = TickBody(price, 0)
    }

    /// The fields of a trade; its mask stands behind the numbers, or has been read (`mask`) in a historical trade.
    mutating func trade(mask: UInt16? = nil, into tick: inout Tick, texts: inout MoreTexts) throws(DecodeError) {
        var flags: UInt16 = 0
        let price = try number(.price, isSize: false, flags: &flags, texts: &texts)
        let size = try number(.size, isSize: true, flags: &flags, texts: &texts)
        if let mask { flags |= mask } else { flags |= try maskBits() }
        flags |= TickFlags.halt(price: price, size: size, mask: flags)
        var body = TickBody(price, size)
        body.setText(try text(.exchange, capacity: TradeBody.exchangeRange.count, &texts), TradeBody.exchangeRange)
        body.setText(
            try text(.conditions, capacity: TradeBody.conditionsRange.count, &texts), TradeBody.conditionsRange)
        if !texts.isEmpty { flags |= TickFlags.moreFollows.rawValue }
        tick.flags = TickFlags(rawValue: flags)
        tick.body = body
    }

    /// The first `capacity` bytes of a text; the others go to `texts`.
    mutating func text(
        _ field: MoreField, capacity: Int, _ texts: inout MoreTexts
    ) throws(DecodeError) -> Slice<UnsafeBufferPointer<UInt8>> {
        let before = self
        let text = try bytes()
        guard text.count <= capacity + MoreTexts.maxTextBytes else { throw before.fault(.tooLong) }
        texts.add(field, text.dropFirst(capacity))
        return text.prefix(capacity)
    }
}
