internal import Glibc
internal import Ticks

/// Writes ticks as CSV rows with the columns of the operator's export; key and receive time stay empty, since the
/// simulator knows neither. RFC 4180 quoting where a text needs it.
///
/// Owner: the event loop. Keeps the text of the last second, since nearly all rows share it with the row before.
struct TickRow {
    static let header =
        "stream,epoch,seq,ts_event,ts_recv,kind,flags,price,size,exchange,conditions,bid_price,ask_price,bid_size,"
        + "ask_size,field,value,code,text,position,operation,side\n"

    private var second: Int64 = .min
    private var secondText: [UInt8] = []

    /// Appends the row of a record of one of the tick-by-tick kinds or of level 1. `text` = the whole text of a level 1
    /// string, which the record itself may not hold.
    mutating func append(_ tick: Tick, text: String? = nil, to out: inout [UInt8]) {
        guard let kind = tick.kind else { return }
        out.appendDecimal(Int64(tick.conId))
        out.append(UInt8(ascii: "."))
        out.appendName(kind.name)
        out.append(contentsOf: [UInt8](repeating: UInt8(ascii: ","), count: 3))
        appendTime(tick.tsEventNanos, to: &out)
        out.append(contentsOf: [UInt8](repeating: UInt8(ascii: ","), count: 2))
        out.appendName(kind.name)
        out.append(UInt8(ascii: ","))
        out.appendDecimal(Int64(tick.flags.rawValue))
        switch kind {
        case .last, .allLast: appendTrade(tick.body, to: &out)
        case .bidAsk: appendQuote(tick.body, to: &out)
        case .midPoint:
            out.append(UInt8(ascii: ","))
            out.appendFixed(Int64(bitPattern: tick.body.word0))
            out.appendCommas(14)
        case .level1: appendLevel1(Level1Body(tick.body), text: text, to: &out)
        case .depth, .rtVolume, .more, .marker: out.appendCommas(15)
        }
        out.append(0x0A)
    }

    private func appendTrade(_ body: TickBody, to out: inout [UInt8]) {
        out.append(UInt8(ascii: ","))
        out.appendFixed(Int64(bitPattern: body.word0))
        out.append(UInt8(ascii: ","))
        out.appendFixed(Int64(bitPattern: body.word1))
        out.append(UInt8(ascii: ","))
        out.appendText(body, TradeBody.exchangeRange)
        out.append(UInt8(ascii: ","))
        out.appendText(body, TradeBody.conditionsRange)
        out.appendCommas(11)
    }

    private func appendQuote(_ body: TickBody, to out: inout [UInt8]) {
        out.appendCommas(4)
        for word in [body.word0, body.word1, body.word2, body.word3] {
            out.append(UInt8(ascii: ","))
            out.appendFixed(Int64(bitPattern: word))
        }
        out.appendCommas(7)
    }

    private func appendLevel1(_ body: Level1Body, text: String?, to out: inout [UInt8]) {
        out.appendCommas(2)
        out.appendFixed(body.size)
        out.appendCommas(7)
        out.appendDecimal(Int64(body.field))
        out.append(UInt8(ascii: ","))
        if !body.value.isNaN { out.append(contentsOf: FixedPoint.text(FixedPoint.from(body.value).units).utf8) }
        out.appendCommas(2)
        out.appendQuoted(text.map { Array($0.utf8) } ?? body.text)
        out.appendCommas(3)
    }

    private mutating func appendTime(_ nanos: Int64, to out: inout [UInt8]) {
        guard nanos != Tick.noEventTime else { return }
        let seconds = nanos.floorDivided(by: 1_000_000_000)
        if seconds != second {
            second = seconds
            secondText = Array(CivilTime(seconds: seconds).isoText.utf8)
        }
        out.append(contentsOf: secondText)
        out.append(UInt8(ascii: "."))
        let fraction = String(nanos - seconds * 1_000_000_000)
        for _ in fraction.utf8.count..<9 { out.append(0x30) }
        out.append(contentsOf: fraction.utf8)
        out.append(UInt8(ascii: "Z"))
    }
}

extension [UInt8] {
    mutating func appendName(_ name: StaticString) {
        name.withUTF8Buffer { append(contentsOf: $0) }
    }

    mutating func appendCommas(_ count: Int) {
        for _ in 0..<count { append(UInt8(ascii: ",")) }
    }

    mutating func appendDecimal(_ value: Int64) {
        if value < 0 { append(UInt8(ascii: "-")) }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { buffer in
            guard let base = buffer.baseAddress else { return }
            append(
                contentsOf: UnsafeBufferPointer(start: base, count: FixedPoint.writeDecimal(value.magnitude, to: base)))
        }
    }

    /// Exact decimal of a number in units of 1e-9; nothing when absent.
    mutating func appendFixed(_ units: Int64) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: FixedPoint.maxTextLength) { buffer in
            guard let base = buffer.baseAddress else { return }
            append(contentsOf: UnsafeBufferPointer(start: base, count: FixedPoint.write(units, to: base)))
        }
    }

    /// A NUL-padded text of a record's body, quoted if it must be.
    mutating func appendText(_ body: TickBody, _ range: Range<Int>) {
        Swift.withUnsafeBytes(of: body) { bytes in
            var end = range.upperBound
            while end > range.lowerBound, bytes[end - 1] == 0 { end -= 1 }
            appendQuoted(bytes[range.lowerBound..<end])
        }
    }

    mutating func appendQuoted(_ text: some Collection<UInt8>) {
        guard text.contains(where: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") || $0 < 0x20 }) else {
            return append(contentsOf: text)
        }
        append(UInt8(ascii: "\""))
        for byte in text {
            if byte == UInt8(ascii: "\"") { append(byte) }
            append(byte)
        }
        append(UInt8(ascii: "\""))
    }
}
