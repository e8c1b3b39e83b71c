internal import Ticks

extension TickText {
    /// One JSON object and a newline: the CSV columns as members, absent where the column would be empty. Numbers are
    /// exact decimals; one that 1e-9 cannot hold is the text that TWS sent, as a string. The buffer has room.
    mutating func putJSON(_ fields: TickFields, to out: inout TextBuffer) {
        let tick = fields.tick
        out.put("{\"stream\":\"")
        putStream(to: &out)
        out.put("\",\"epoch\":")
        out.put(decimal: UInt64(tick.epoch))
        out.put(",\"seq\":")
        out.put(decimal: UInt64(tick.seq))
        if tick.tsEventNanos != Tick.noEventTime {
            out.put(",\"ts_event\":\"")
            putEvent(tick, to: &out)
            out.put("\"")
        }
        out.put(",\"ts_recv\":\"")
        putReceived(tick, to: &out)
        out.put("\",\"kind\":")
        if let kind = tick.kind {
            out.put("\"")
            out.put(kind.name)
            out.put("\"")
        } else {
            out.put(decimal: UInt64(tick.kindByte))
        }
        out.put(",\"flags\":")
        out.put(decimal: UInt64(tick.flags.rawValue))
        putMembers(fields, to: &out)
        out.put("}\n")
    }

    private func putMembers(_ fields: TickFields, to out: inout TextBuffer) {
        let body = fields.tick.body
        switch fields.tick.kind {
        case .last, .allLast:
            put(",\"price\":", body.word0, .price, fields, to: &out)
            put(",\"size\":", body.word1, .size, fields, to: &out)
            put(",\"exchange\":", fields.wholeText(TradeBody.exchangeRange, .exchange), to: &out)
            put(",\"conditions\":", fields.wholeText(TradeBody.conditionsRange, .conditions), to: &out)
        case .bidAsk:
            put(",\"bid_price\":", body.word0, .bidPrice, fields, to: &out)
            put(",\"ask_price\":", body.word1, .askPrice, fields, to: &out)
            put(",\"bid_size\":", body.word2, .bidSize, fields, to: &out)
            put(",\"ask_size\":", body.word3, .askSize, fields, to: &out)
        case .midPoint:
            put(",\"price\":", body.word0, .price, fields, to: &out)
        case .level1:
            let level1 = Level1Body(body)
            put(",\"size\":", body.word2, .size, fields, to: &out)
            put(",\"field\":", Int64(level1.field), to: &out)
            if let exact = fields.exactText(.value) {
                put(",\"value\":", exact, to: &out)
            } else if level1.value.isFinite {
                out.put(",\"value\":")
                out.append(TickFields.text(ofValue: level1.value))
            }
            if level1.attributes != 0 { put(",\"code\":", Int64(level1.attributes), to: &out) }
            put(",\"text\":", fields.wholeText(Level1Body.textRange, .text), to: &out)
        case .depth:
            let depth = DepthBody(body)
            put(",\"price\":", body.word1, .price, fields, to: &out)
            put(",\"size\":", body.word2, .size, fields, to: &out)
            put(",\"text\":", fields.wholeText(DepthBody.marketMakerRange, .marketMaker), to: &out)
            put(",\"position\":", Int64(depth.position), to: &out)
            put(",\"operation\":", Int64(depth.operation), to: &out)
            put(",\"side\":", Int64(depth.side), to: &out)
        case .rtVolume:
            put(",\"price\":", body.word0, .price, fields, to: &out)
            put(",\"size\":", body.word1, .size, fields, to: &out)
            put(",\"value\":", body.word3, .vwap, fields, to: &out)
            put(",\"text\":", FixedPoint.text(Int64(bitPattern: body.word2)).utf8.map { $0 }, to: &out)
        case .marker:
            guard let marker = fields.tick.marker else { return }
            let event = marker.event.map { "\($0.name)" } ?? "\(marker.eventByte)"
            put(",\"field\":", Array(event.utf8), to: &out)
            if marker.ref != .zero { put(",\"value\":", Array(marker.ref.description.utf8), to: &out) }
            if marker.code != 0 { put(",\"code\":", Int64(marker.code), to: &out) }
            put(",\"text\":", marker.text, to: &out)
        case .more:
            guard let more = MoreBody(body) else { return }
            put(",\"field\":", Int64(more.fieldByte), to: &out)
            put(",\"text\":", more.text, to: &out)
        case nil: break
        }
    }

    private func put(
        _ name: StaticString, _ word: UInt64, _ field: MoreField, _ fields: TickFields, to out: inout TextBuffer
    ) {
        if let exact = fields.exactText(field) { return put(name, exact, to: &out) }
        let units = Int64(bitPattern: word)
        guard units != FixedPoint.absent else { return }
        out.put(name)
        out.put(fixed: units)
    }

    private func put(_ name: StaticString, _ value: Int64, to out: inout TextBuffer) {
        out.put(name)
        if value < 0 { out.put(UInt8(ascii: "-")) }
        out.put(decimal: value.magnitude)
    }

    /// A text that is not empty, as a JSON string.
    private func put(_ name: StaticString, _ text: [UInt8], to out: inout TextBuffer) {
        guard !text.isEmpty else { return }
        out.put(name)
        // What the gateway sent may not be UTF-8, a JSON text must be.
        let valid = Array(String(decoding: text, as: UTF8.self).utf8)
        out.reserve(valid.count * 6 + 512)
        out.put("\"")
        for byte in valid {
            switch byte {
            case 0x22, 0x5C:
                out.put(0x5C)
                out.put(byte)
            case 0..<0x20, 0x7F:
                out.put("\\u00")
                out.put(hexadecimal(byte >> 4))
                out.put(hexadecimal(byte & 15))
            default: out.put(byte)
            }
        }
        out.put("\"")
    }

    private func hexadecimal(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }
}
