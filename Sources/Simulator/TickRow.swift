internal import Ticks

/// Writes ticks as CSV rows with the columns of the operator's export; key and receive time stay empty, since the
/// simulator knows neither. RFC 4180 quoting where a text needs it.
///
/// Owner: the event loop. Keeps the text of the last second, since nearly all rows share it with the row before.
struct TickRow {
    static let header =
        "stream,epoch,seq,ts_event,ts_recv,kind,flags,price,size,exchange,conditions,bid_price,ask_price,bid_size,"
        + "ask_size,field,value,code,text,position,operation,side\n"
    /// No row is longer: the numbers are bounded, and a level-1 text is cut at `maxTextBytes`.
    static let maxRowBytes = 1_024
    static let maxTextBytes = 255

    private var second: Int64 = .min
    private var secondText: [UInt8] = []

    /// Appends the row of a record of one of the tick-by-tick kinds or of level 1. `text` = the whole text of a level-1
    /// string, which the record itself may not hold.
    mutating func append(_ tick: Tick, text: String? = nil, to out: inout [UInt8]) {
        guard let kind = tick.kind else { return }
        if tick.tsEventNanos != Tick.noEventTime { keepSecond(tick.tsEventNanos.floorDivided(by: 1_000_000_000)) }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: TickRow.maxRowBytes) { buffer in
            guard let base = buffer.baseAddress else { return }
            var row = RowCursor(at: base)
            row.decimal(Int64(tick.conId))
            row.byte(UInt8(ascii: "."))
            row.name(kind.name)
            row.commas(3)
            writeTime(tick.tsEventNanos, &row)
            row.commas(2)
            row.name(kind.name)
            row.commas(1)
            row.decimal(Int64(tick.flags.rawValue))
            writeBody(tick, kind, text, &row)
            row.byte(0x0A)
            out.append(contentsOf: UnsafeBufferPointer(start: base, count: row.at - base))
        }
    }

    private func writeBody(_ tick: Tick, _ kind: TickKind, _ text: String?, _ row: inout RowCursor) {
        let body = tick.body
        switch kind {
        case .last, .allLast:
            row.field(Int64(bitPattern: body.word0))
            row.field(Int64(bitPattern: body.word1))
            row.commas(1)
            row.text(body, TradeBody.exchangeRange)
            row.commas(1)
            row.text(body, TradeBody.conditionsRange)
            row.commas(11)
        case .bidAsk:
            row.commas(4)
            row.field(Int64(bitPattern: body.word0))
            row.field(Int64(bitPattern: body.word1))
            row.field(Int64(bitPattern: body.word2))
            row.field(Int64(bitPattern: body.word3))
            row.commas(7)
        case .midPoint:
            row.field(Int64(bitPattern: body.word0))
            row.commas(14)
        case .level1: writeLevel1(Level1Body(body), text, &row)
        case .depth, .rtVolume, .more, .marker: row.commas(15)
        }
    }

    private func writeLevel1(_ body: Level1Body, _ text: String?, _ row: inout RowCursor) {
        row.commas(1)
        row.field(body.size)
        row.commas(7)
        row.decimal(Int64(body.field))
        row.commas(1)
        if !body.value.isNaN { row.fixed(FixedPoint.from(body.value).units) }
        row.commas(1)
        if body.attributes != 0 { row.decimal(Int64(body.attributes)) }
        row.commas(1)
        row.quoted((text.map { Array($0.utf8) } ?? body.text).prefix(TickRow.maxTextBytes))
        row.commas(3)
    }

    private mutating func keepSecond(_ seconds: Int64) {
        guard seconds != second else { return }
        second = seconds
        secondText = Array(unsafeUninitializedCapacity: CivilTime.textBytes + 1) { memory, count in
            CivilTime(seconds: seconds).write(to: UnsafeMutableRawBufferPointer(memory))
            memory[CivilTime.textBytes] = UInt8(ascii: ".")
            count = CivilTime.textBytes + 1
        }
    }

    private func writeTime(_ nanos: Int64, _ row: inout RowCursor) {
        guard nanos != Tick.noEventTime else { return }
        for byte in secondText { row.byte(byte) }
        var divisor: Int64 = 100_000_000
        let fraction = nanos - second * 1_000_000_000
        while divisor > 0 {
            row.byte(0x30 + UInt8(fraction / divisor % 10))
            divisor /= 10
        }
        row.byte(UInt8(ascii: "Z"))
    }
}

/// Writes bytes one behind the other into memory that is large enough; `TickRow` alone uses it.
private struct RowCursor {
    var at: UnsafeMutablePointer<UInt8>

    mutating func byte(_ value: UInt8) {
        at.pointee = value
        at += 1
    }

    mutating func commas(_ count: Int) {
        for _ in 0..<count { byte(UInt8(ascii: ",")) }
    }

    mutating func name(_ name: StaticString) {
        at.update(from: name.utf8Start, count: name.utf8CodeUnitCount)
        at += name.utf8CodeUnitCount
    }

    mutating func decimal(_ value: Int64) {
        if value < 0 { byte(UInt8(ascii: "-")) }
        at += FixedPoint.writeDecimal(value.magnitude, to: at)
    }

    /// Exact decimal of a number in units of 1e-9; nothing when absent.
    mutating func fixed(_ units: Int64) { at += FixedPoint.write(units, to: at) }

    /// A comma and a number.
    mutating func field(_ units: Int64) {
        byte(UInt8(ascii: ","))
        fixed(units)
    }

    /// A NUL-padded text of a record's body, quoted if it must be.
    mutating func text(_ body: TickBody, _ range: Range<Int>) {
        withUnsafeBytes(of: body) { bytes in
            var end = range.upperBound
            while end > range.lowerBound, bytes[end - 1] == 0 { end -= 1 }
            quoted(bytes[range.lowerBound..<end])
        }
    }

    mutating func quoted(_ text: some Collection<UInt8>) {
        let mustQuote = text.contains { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") || $0 < 0x20 }
        if mustQuote { byte(UInt8(ascii: "\"")) }
        for character in text {
            if character == UInt8(ascii: "\"") { byte(character) }
            byte(character)
        }
        if mustQuote { byte(UInt8(ascii: "\"")) }
    }
}
