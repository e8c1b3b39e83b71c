internal import Ticks

extension TickText {
    /// One line for people: receive time, stream, key, what it says, flags by name. The buffer has room.
    mutating func putText(_ fields: TickFields, to out: inout TextBuffer) {
        let tick = fields.tick
        putReceived(tick, to: &out)
        out.put(" ")
        putStream(to: &out)
        out.put(" ")
        out.put(decimal: UInt64(tick.epoch))
        out.put(":")
        out.put(decimal: UInt64(tick.seq))
        out.put(" ")
        putContent(fields, to: &out)
        for (flag, name) in flagNames(tick) where tick.flags.contains(flag) {
            out.put(" ")
            out.put(name)
        }
        out.put("\n")
    }

    private func putContent(_ fields: TickFields, to out: inout TextBuffer) {
        let body = fields.tick.body
        switch fields.tick.kind {
        case .last, .allLast:
            number(body.word0, .price, fields, to: &out)
            out.put(" x ")
            number(body.word1, .size, fields, to: &out)
            text(" ", fields.wholeText(TradeBody.exchangeRange, .exchange), to: &out)
            text(" ", fields.wholeText(TradeBody.conditionsRange, .conditions), to: &out)
        case .bidAsk:
            number(body.word0, .bidPrice, fields, to: &out)
            out.put(" x ")
            number(body.word2, .bidSize, fields, to: &out)
            out.put(" | ")
            number(body.word1, .askPrice, fields, to: &out)
            out.put(" x ")
            number(body.word3, .askSize, fields, to: &out)
        case .midPoint: number(body.word0, .price, fields, to: &out)
        case .level1:
            let level1 = Level1Body(body)
            out.put("field ")
            out.put(decimal: UInt64(level1.field))
            text(" ", fields.exactText(.value) ?? Array(TickFields.text(ofValue: level1.value).utf8), to: &out)
            if level1.size != FixedPoint.absent {
                out.put(" x ")
                number(body.word2, .size, fields, to: &out)
            }
            text(" ", fields.wholeText(Level1Body.textRange, .text), to: &out)
        case .depth:
            let depth = DepthBody(body)
            out.put(depth.side == 0 ? "ask " : "bid ")
            out.put(decimal: UInt64(depth.position))
            out.put(depth.operation == 0 ? " insert " : depth.operation == 1 ? " update " : " delete ")
            number(body.word1, .price, fields, to: &out)
            out.put(" x ")
            number(body.word2, .size, fields, to: &out)
            text(" ", fields.wholeText(DepthBody.marketMakerRange, .marketMaker), to: &out)
        case .rtVolume:
            number(body.word0, .price, fields, to: &out)
            out.put(" x ")
            number(body.word1, .size, fields, to: &out)
            out.put(" volume ")
            number(body.word2, .totalVolume, fields, to: &out)
            out.put(" vwap ")
            number(body.word3, .vwap, fields, to: &out)
        case .marker: putMarkerText(fields.tick, to: &out)
        case .more:
            out.put("more")
            text(" ", MoreBody(body)?.text ?? [], to: &out)
        case nil:
            out.put("kind ")
            out.put(decimal: UInt64(fields.tick.kindByte))
        }
    }

    private func putMarkerText(_ tick: Tick, to out: inout TextBuffer) {
        out.put("-- ")
        guard let marker = tick.marker else { return out.put("marker") }
        if let event = marker.event { out.put(event.name) } else { out.put(decimal: UInt64(marker.eventByte)) }
        if marker.ref != .zero { text(" ", Array(marker.ref.description.utf8), to: &out) }
        if marker.code != 0 { text(" code ", Array("\(marker.code)".utf8), to: &out) }
        text(" ", marker.text, to: &out)
    }

    private func number(_ word: UInt64, _ field: MoreField, _ fields: TickFields, to out: inout TextBuffer) {
        if let exact = fields.exactText(field) { return text("", exact, to: &out) }
        if Int64(bitPattern: word) == FixedPoint.absent { return out.put("-") }
        out.put(fixed: Int64(bitPattern: word))
    }

    /// A text that is not empty, as a terminal may show it.
    private func text(_ before: StaticString, _ text: [UInt8], to out: inout TextBuffer) {
        guard !text.isEmpty else { return }
        out.put(before)
        if text.allSatisfy({ 0x20...0x7E ~= $0 }) {
            for byte in text { out.put(byte) }
        } else {
            out.append(String(decoding: text, as: UTF8.self).printable())
        }
    }

    private func flagNames(_ tick: Tick) -> [(TickFlags, StaticString)] {
        let quote = tick.streamKindByte == TickKind.bidAsk.rawValue
        return [
            (.pastLimit, quote ? "bid_past_low" : "past_limit"), (.unreported, quote ? "ask_past_high" : "unreported"),
            (.halted, "halted"), (.inexact, "inexact"), (.delayed, "delayed"), (.healed, "healed"),
            (.clockBad, "clock_bad"), (.simulated, "simulated"), (.frozen, "frozen"),
        ]
    }
}
