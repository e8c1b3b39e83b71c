internal import Ticks

/// Level-1 messages as records of kind `level1`.
///
///     tickPrice   1 | 6 | reqId | field | price | size | attributes
///     tickSize    2 | 6 | reqId | field | size
///     tickGeneric 45 | 6 | reqId | field | value
///     tickString  46 | 6 | reqId | field | text
///
/// Attributes: bit 0 canAutoExecute, 1 pastLimit, 2 preOpen. The record keeps the message as it came: no size is
/// derived from a price, and unknown fields stay as they are. Source: docs/tws.md#level-1.
public enum Level1Codec {
    /// Which message a level-1 record came in.
    public enum Form: Int32, Sendable, CaseIterable {
        case price = 1
        case size = 2
        case generic = 45
        case string = 46
    }

    /// Decodes the fields behind the message id. Sets kind, flags and body of `tick`, no event time.
    static func decode(
        _ cursor: inout FieldCursor, form: Form, into tick: inout Tick, texts: inout MoreTexts
    ) throws(DecodeError) -> Int32 {
        try cursor.skip()
        let requestId = try cursor.int32()
        let fieldIndex = cursor.index
        guard let field = UInt16(exactly: try cursor.int64()) else {
            throw DecodeError(.badNumber, message: cursor.message, field: fieldIndex)
        }
        texts.removeAll()
        var body = Level1Body(field: field)
        var flags: UInt16 = 0
        switch form {
        case .price:
            body.value = try cursor.double() ?? .nan
            body.size = try cursor.number(.size, isSize: true, flags: &flags, texts: &texts)
            body.attributes = UInt16(truncatingIfNeeded: try cursor.int64())
        case .size: body.size = try cursor.number(.size, isSize: true, flags: &flags, texts: &texts)
        case .generic: body.value = try cursor.double() ?? .nan
        case .string: body.text = Array(try cursor.text(.text, capacity: Level1Body.textRange.count, &texts))
        }
        if !texts.isEmpty { flags |= TickFlags.moreFollows.rawValue }
        tick.tsEventNanos = Tick.noEventTime
        tick.kindByte = TickKind.level1.rawValue
        tick.flags = TickFlags(rawValue: flags)
        tick.body = body.body
        return requestId
    }

    /// Appends the fields of one message, id first.
    static func encode(_ tick: Tick, form: Form, more: MoreTexts, requestId: Int32, to out: inout [UInt8]) {
        let body = Level1Body(tick.body)
        out.appendField(form.rawValue)
        out.appendField(6)
        out.appendField(requestId)
        out.appendField(body.field)
        switch form {
        case .price:
            out.appendField(body.value.isNaN ? nil : body.value)
            out.appendTickNumber(body.size, .size, more, isSize: true)
            out.appendField(body.attributes)
        case .size: out.appendTickNumber(body.size, .size, more, isSize: true)
        case .generic: out.appendField(body.value.isNaN ? nil : body.value)
        case .string: out.appendText(tick.body, Level1Body.textRange, rest: more.text(.text))
        }
    }
}
