internal import Ticks

/// One record with the `more` records behind it, field by field, as text columns want it.
struct TickFields {
    let tick: Tick
    /// The `more` records that belong to the tick.
    let more: UnsafeBufferPointer<Tick>

    /// The exact text of a number, where the record has only the nearest; nil in the ordinary case.
    func exactText(_ field: MoreField) -> [UInt8]? {
        guard !more.isEmpty else { return nil }
        var text: [UInt8] = []
        for case let body? in more.map({ MoreBody($0.body) }) where body.field == field { text += body.text }
        return text.isEmpty ? nil : text
    }

    /// A text of the body with what its `more` records add.
    func wholeText(_ range: Range<Int>, _ field: MoreField) -> [UInt8] {
        tick.body.text(range) + (exactText(field) ?? [])
    }

    /// How many bytes the texts of the `more` records have at most.
    var moreBytes: Int { more.count * MoreBody.capacity }

    /// The number of a level 1 value as text: exact decimal where it is one,
    /// else the shortest that reads back the same.
    static func text(ofValue value: Double) -> String {
        guard !value.isNaN else { return "" }
        let fixed = FixedPoint.from(value)
        return fixed.exact ? FixedPoint.text(fixed.units) : "\(value)"
    }
}
