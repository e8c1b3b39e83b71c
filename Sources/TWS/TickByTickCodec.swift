public import Ticks

/// Message 99, tick by tick: text to record and back.
///
///     99 | reqId | kind | time | …
///       kind 1 Last, 2 AllLast :  price | size | mask | exchange | conditions     bit 0 pastLimit, 1 unreported
///       kind 3 BidAsk          :  bid | ask | bidSize | askSize | mask            bit 0 bidPastLow, 1 askPastHigh
///       kind 4 MidPoint        :  price
///
/// The layout is the same in every supported version. Source: TWS protocol, tick-by-tick.
public enum TickByTickCodec {
    /// True when the body is a tick-by-tick message: the test before `decode`.
    @inlinable @inline(__always)
    public static func matches(_ body: UnsafeRawBufferPointer) -> Bool {
        body.count > 3 && body[0] == 0x39 && body[1] == 0x39 && body[2] == 0
    }

    /// Decodes a body for which `matches` is true.
    ///
    /// Sets event time, kind, flags (mask bits, `halted`, `inexact`, `moreFollows`) and body of `tick`; key, receive
    /// time, contract and source are the caller's. `texts` is emptied and receives what the record can't hold. Returns
    /// the request id, or nil for a kind that is none of the four (`tick` is undefined then): count it and go on.
    /// Allocates nothing unless `texts` has to grow. Extra trailing fields are ignored.
    @inlinable
    public static func decode(
        _ body: UnsafeRawBufferPointer, into tick: inout Tick, texts: inout MoreTexts
    ) throws(DecodeError) -> Int32? {
        guard matches(body) else { throw DecodeError(.badMessageId, message: 99, field: 0) }
        var cursor = try FieldCursor(body, message: 99)
        cursor.at += 3
        cursor.index = 1
        texts.removeAll()
        let requestId = try cursor.int32()
        let kind = try cursor.int32()
        tick.tsEventNanos = try cursor.eventTimeNanos()
        switch kind {
        case 3:
            tick.kindByte = TickKind.bidAsk.rawValue
            try cursor.quote(into: &tick, texts: &texts)
        case 1, 2:
            tick.kindByte = UInt8(truncatingIfNeeded: kind)
            try cursor.trade(into: &tick, texts: &texts)
        case 4:
            tick.kindByte = TickKind.midPoint.rawValue
            try cursor.midPoint(into: &tick, texts: &texts)
        default: return nil
        }
        return requestId
    }
}

extension FieldCursor {
    /// Epoch seconds as nanoseconds; none for an empty or "unset" field. A time beyond the year 2262 is a fault.
    @inlinable @inline(__always) mutating func eventTimeNanos() throws(DecodeError) -> Int64 {
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
    @inlinable @inline(__always) mutating func maskBits() throws(DecodeError) -> UInt16 {
        UInt16(truncatingIfNeeded: try int64() & 3)
    }

    /// The fields of a quote; its mask stands behind them, or has been read (`mask`) in a historical quote.
    @inlinable @inline(__always)
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

    @inlinable @inline(__always)
    mutating func midPoint(into tick: inout Tick, texts: inout MoreTexts) throws(DecodeError) {
        var flags: UInt16 = 0
        let price = try number(.price, isSize: false, flags: &flags, texts: &texts)
        if !texts.isEmpty { flags |= TickFlags.moreFollows.rawValue }
        tick.flags = TickFlags(rawValue: flags)
        tick.body = TickBody(price, 0)
    }

    /// The fields of a trade; its mask stands behind the numbers, or has been read (`mask`) in a historical trade.
    @inlinable @inline(__always)
    mutating func trade(mask: UInt16? = nil, into tick: inout Tick, texts: inout MoreTexts) throws(DecodeError) {
        var flags: UInt16 = 0
        let price = try number(.price, isSize: false, flags: &flags, texts: &texts)
        let size = try number(.size, isSize: true, flags: &flags, texts: &texts)
        if let mask { flags |= mask } else { flags |= try maskBits() }
        // A halt, or its end, is told by a trade of nothing at no price that is past the limit.
        if price == 0, size == 0, flags & TickFlags.pastLimit.rawValue != 0 { flags |= TickFlags.halted.rawValue }
        let (word2, word3) = try tradeTexts(&texts)
        if !texts.isEmpty { flags |= TickFlags.moreFollows.rawValue }
        tick.flags = TickFlags(rawValue: flags)
        tick.body = TickBody(
            UInt64(bitPattern: price), UInt64(bitPattern: size), word2, word3)
    }

    /// Exchange (10 bytes) and conditions (6 bytes) as the last 16 body bytes.
    @inlinable @inline(__always)
    mutating func tradeTexts(_ texts: inout MoreTexts) throws(DecodeError) -> (UInt64, UInt64) {
        try requireField()
        var word2: UInt64 = 0
        var word3: UInt64 = 0
        var nul = at
        var shift: UInt64 = 0
        while nul.pointee != 0, shift < 64 {
            word2 |= UInt64(nul.pointee) &<< shift
            shift &+= 8
            nul += 1
        }
        if nul.pointee != 0 {
            word3 = try longExchange(&texts)
        } else {
            finish(at: nul)
        }
        try requireField()
        nul = at
        shift = 16
        while nul.pointee != 0, shift < 64 {
            word3 |= UInt64(nul.pointee) &<< shift
            shift &+= 8
            nul += 1
        }
        if nul.pointee != 0 {
            try rest(of: .conditions, beyond: 6, &texts)
        } else {
            finish(at: nul)
        }
        return (word2, word3)
    }

    /// Bytes 8 and 9 of an exchange name longer than 8 bytes; what follows them goes to `texts`.
    @usableFromInline @inline(never)
    mutating func longExchange(_ texts: inout MoreTexts) throws(DecodeError) -> UInt64 {
        var word: UInt64 = UInt64(at[8])
        if at[9] != 0 { word |= UInt64(at[9]) << 8 }
        try rest(of: .exchange, beyond: 10, &texts)
        return word
    }

    /// Finishes a text field; what stands behind its first `capacity` bytes goes to `texts`.
    @usableFromInline @inline(never)
    mutating func rest(of field: MoreField, beyond capacity: Int, _ texts: inout MoreTexts) throws(DecodeError) {
        let before = self
        let text = try bytes()
        guard text.count > capacity else { return }
        guard text.count - capacity <= MoreTexts.maxTextBytes else { throw before.fault(.tooLong) }
        texts.add(field, text[capacity...])
    }
}
