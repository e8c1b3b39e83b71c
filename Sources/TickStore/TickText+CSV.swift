internal import Ticks

extension TickText {
    /// One CSV row. The buffer has room.
    mutating func putCSV(_ fields: TickFields, to out: inout TextBuffer) {
        let tick = fields.tick
        putStream(to: &out)
        out.put(comma)
        out.put(decimal: UInt64(tick.epoch))
        out.put(comma)
        out.put(decimal: UInt64(tick.seq))
        out.put(comma)
        putEvent(tick, to: &out)
        out.put(comma)
        putReceived(tick, to: &out)
        out.put(comma)
        if let kind = tick.kind { out.put(kind.name) } else { out.put(decimal: UInt64(tick.kindByte)) }
        out.put(comma)
        out.put(decimal: UInt64(tick.flags.rawValue))
        switch tick.kind {
        case .last, .allLast: putTrade(fields, to: &out)
        case .bidAsk: putQuote(fields, to: &out)
        case .midPoint:
            out.put(comma)
            putNumber(tick.body.word0, .price, fields, to: &out)
            out.put(",,,,,,,,,,,,,,")
        case .level1: putLevel1(fields, to: &out)
        case .depth: putDepth(fields, to: &out)
        case .rtVolume: putRTVolume(fields, to: &out)
        case .marker: putMarker(fields, to: &out)
        case .more: putLoneMore(fields, to: &out)
        case nil: out.put(",,,,,,,,,,,,,,,")
        }
        out.put(0x0A)
    }

    private var comma: UInt8 { 0x2C }

    private func putTrade(_ fields: TickFields, to out: inout TextBuffer) {
        let body = fields.tick.body
        out.put(comma)
        putNumber(body.word0, .price, fields, to: &out)
        out.put(comma)
        putNumber(body.word1, .size, fields, to: &out)
        out.put(comma)
        putBodyText(TradeBody.exchangeRange, .exchange, fields, to: &out)
        out.put(comma)
        putBodyText(TradeBody.conditionsRange, .conditions, fields, to: &out)
        out.put(",,,,,,,,,,,")
    }

    private func putQuote(_ fields: TickFields, to out: inout TextBuffer) {
        let body = fields.tick.body
        out.put(",,,,,")
        putNumber(body.word0, .bidPrice, fields, to: &out)
        out.put(comma)
        putNumber(body.word1, .askPrice, fields, to: &out)
        out.put(comma)
        putNumber(body.word2, .bidSize, fields, to: &out)
        out.put(comma)
        putNumber(body.word3, .askSize, fields, to: &out)
        out.put(",,,,,,,")
    }

    private func putLevel1(_ fields: TickFields, to out: inout TextBuffer) {
        let body = Level1Body(fields.tick.body)
        out.put(",,")
        putNumber(UInt64(bitPattern: body.size), .size, fields, to: &out)
        out.put(",,,,,,,")
        out.put(decimal: UInt64(body.field))
        out.put(comma)
        out.append(fields.exactText(.value) ?? Array(TickFields.text(ofValue: body.value).utf8))
        out.put(comma)
        if body.attributes != 0 { out.put(decimal: UInt64(body.attributes)) }
        out.put(comma)
        putBodyText(Level1Body.textRange, .text, fields, to: &out)
        out.put(",,,")
    }

    private func putDepth(_ fields: TickFields, to out: inout TextBuffer) {
        let body = DepthBody(fields.tick.body)
        out.put(comma)
        putNumber(fields.tick.body.word1, .price, fields, to: &out)
        out.put(comma)
        putNumber(fields.tick.body.word2, .size, fields, to: &out)
        out.put(",,,,,,,,,,")
        putBodyText(DepthBody.marketMakerRange, .marketMaker, fields, to: &out)
        out.put(comma)
        out.put(decimal: UInt64(body.position))
        out.put(comma)
        out.put(decimal: UInt64(body.operation))
        out.put(comma)
        out.put(decimal: UInt64(body.side))
    }

    /// `value` has the volume-weighted price, `text` the day's volume.
    private func putRTVolume(_ fields: TickFields, to out: inout TextBuffer) {
        let body = fields.tick.body
        out.put(comma)
        putNumber(body.word0, .price, fields, to: &out)
        out.put(comma)
        putNumber(body.word1, .size, fields, to: &out)
        out.put(",,,,,,,,")
        putNumber(body.word3, .vwap, fields, to: &out)
        out.put(",,")
        putNumber(body.word2, .totalVolume, fields, to: &out)
        out.put(",,,")
    }

    /// `field` has the event, `value` the key that it refers to.
    private func putMarker(_ fields: TickFields, to out: inout TextBuffer) {
        let body = fields.tick.body
        out.put(",,,,,,,,,")
        let event = UInt8(truncatingIfNeeded: body.word0 >> 8)
        if let known = MarkerEvent(rawValue: event) { out.put(known.name) } else { out.put(decimal: UInt64(event)) }
        out.put(comma)
        let ref = TickKey(rawValue: body.word1)
        if ref != .zero {
            out.put(decimal: UInt64(ref.epoch))
            out.put(UInt8(ascii: ":"))
            out.put(decimal: UInt64(ref.seq))
        }
        out.put(comma)
        let code = Int32(truncatingIfNeeded: Int64(bitPattern: body.word0) >> 32)
        if code != 0 {
            if code < 0 { out.put(UInt8(ascii: "-")) }
            out.put(decimal: UInt64(code.magnitude))
        }
        out.put(comma)
        putBodyText(MarkerBody.textRange, .text, fields, to: &out)
        out.put(",,,")
    }

    private func putLoneMore(_ fields: TickFields, to out: inout TextBuffer) {
        out.put(",,,,,,,,,")
        let body = MoreBody(fields.tick.body)
        if let body { out.put(decimal: UInt64(body.fieldByte)) }
        out.put(",,,")
        if let body { putQuoted(body.text, to: &out) }
        out.put(",,,")
    }

    private func putNumber(_ word: UInt64, _ field: MoreField, _ fields: TickFields, to out: inout TextBuffer) {
        if let text = fields.exactText(field) {
            putQuoted(text, to: &out)
        } else {
            out.put(fixed: Int64(bitPattern: word))
        }
    }

    private func putBodyText(_ range: Range<Int>, _ field: MoreField, _ fields: TickFields, to out: inout TextBuffer) {
        guard fields.more.isEmpty else { return putQuoted(fields.wholeText(range, field), to: &out) }
        withUnsafeBytes(of: fields.tick.body) { bytes in
            var end = range.upperBound
            while end > range.lowerBound, bytes[end - 1] == 0 { end -= 1 }
            var plain = true
            for at in range.lowerBound..<end where !TickText.isPlain(bytes[at]) { plain = false }
            let text = UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound..<end])
            if plain { out.put(text) } else { putQuoted(Array(text), to: &out) }
        }
    }

    /// False for what RFC 4180 wants quoted (and for other control characters, which some readers stumble over).
    private static func isPlain(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x22 && byte != 0x2C }

    private func putQuoted(_ text: [UInt8], to out: inout TextBuffer) {
        guard !text.allSatisfy(TickText.isPlain) else { return out.append(text) }
        out.reserve(2 * text.count + 2 + 256)
        out.put(0x22)
        for byte in text {
            if byte == 0x22 { out.put(byte) }
            out.put(byte)
        }
        out.put(0x22)
    }
}
