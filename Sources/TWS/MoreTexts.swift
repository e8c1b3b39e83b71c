public import Ticks

/// The texts of one tick that its 64 bytes can't hold: long names, and the exact text of inexact numbers.
///
/// A reusable collector: the decoder empties it (keeping its memory) and fills it, the caller writes its `more` records
/// directly behind the tick. In the ordinary case it stays empty and never allocates.
/// Source: docs/file-format.md#the-record, kind `more`.
public struct MoreTexts: Sendable, Equatable {
    /// The longest text of one field. Nothing in the protocol comes near; a longer one is a fault.
    public static let maxTextBytes = 255
    /// The most records that one tick can need: four fields of 255 bytes at 29 bytes each.
    public static let maxRecords = 4 * ((maxTextBytes + MoreBody.capacity - 1) / MoreBody.capacity)

    @usableFromInline struct Entry: Sendable, Equatable {
        var field: MoreField
        var start: Int
        var count: Int
    }

    @usableFromInline var entries: [Entry] = []
    var bytes: [UInt8] = []

    public init() {}

    @inlinable public var isEmpty: Bool { entries.isEmpty }

    @inlinable public mutating func removeAll() { if !entries.isEmpty { discard() } }

    @usableFromInline mutating func discard() {
        entries.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: true)
    }

    /// Adds a text; an empty one adds nothing. Precondition: at most `maxTextBytes`.
    public mutating func add(_ field: MoreField, _ text: some Collection<UInt8>) {
        precondition(text.count <= MoreTexts.maxTextBytes)
        guard !text.isEmpty else { return }
        entries.append(Entry(field: field, start: bytes.count, count: text.count))
        bytes.append(contentsOf: text)
    }

    /// The text of a field: the rest of a text field, or the whole text of a number. Nil when there is none.
    public func text(_ field: MoreField) -> ArraySlice<UInt8>? {
        guard let entry = entries.first(where: { $0.field == field }) else { return nil }
        return bytes[entry.start..<(entry.start + entry.count)]
    }

    /// How many `more` records the texts need.
    public var recordCount: Int {
        entries.reduce(0) { $0 + ($1.count + MoreBody.capacity - 1) / MoreBody.capacity }
    }

    /// Gives the `more` records of `tick` in order: same contract, source and times, flag `moreFollows` on all but the
    /// last, flags such as `simulated` as the tick has them. The caller numbers them.
    public func forEachRecord(after tick: Tick, _ body: (Tick) -> Void) {
        var left = recordCount
        guard left > 0, let kind = tick.kind else { return }
        for entry in entries {
            var at = entry.start
            let end = entry.start + entry.count
            while at < end {
                let piece = bytes[at..<min(at + MoreBody.capacity, end)]
                left -= 1
                var record = tick
                record.key = .zero
                record.kindByte = TickKind.more.rawValue
                record.flags = tick.flags.intersection(MoreTexts.inheritedFlags)
                if left > 0 { record.flags.insert(.moreFollows) }
                record.body = MoreBody(streamKind: kind, field: entry.field, text: Array(piece)).body
                body(record)
                at += piece.count
            }
        }
    }

    /// The `more` records of `tick` as an array.
    public func records(after tick: Tick) -> [Tick] {
        var records: [Tick] = []
        forEachRecord(after: tick) { records.append($0) }
        return records
    }

    /// What is true of a tick and therefore of its `more` records.
    static let inheritedFlags: TickFlags = [.delayed, .frozen, .healed, .clockBad, .simulated]
}
