/// A stream: one kind of tick of one contract from one source (a venue, a connector).
///
/// Written `711280073.bid_ask`, with `@source` behind it when the source is not 0. Ordered by source, contract, kind.
public struct StreamID: Sendable, Hashable, Comparable, BitwiseCopyable, CustomStringConvertible {
    public let conId: Int32
    public let kind: TickKind
    public let source: UInt8

    @inlinable public init(conId: Int32, kind: TickKind, source: UInt8 = 0) {
        self.conId = conId
        self.kind = kind
        self.source = source
    }

    public init(_ contract: ContractID, _ kind: TickKind) {
        self.init(conId: contract.conId, kind: kind, source: contract.source)
    }

    /// The contract, as its source records it.
    public var contract: ContractID { ContractID(conId: conId, source: source) }

    /// Parses the written form; nil if it is anything else.
    public init?(_ text: some StringProtocol) {
        let sourceParts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let parts = sourceParts[0].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let conId = Int32(parts[0]), conId > 0, let kind = TickKind(streamName: parts[1])
        else { return nil }
        var source: UInt8 = 0
        if sourceParts.count == 2 {
            guard let number = UInt8(sourceParts[1]) else { return nil }
            source = number
        }
        self.init(conId: conId, kind: kind, source: source)
    }

    public var description: String {
        source == 0 ? "\(conId).\(kind.name)" : "\(conId).\(kind.name)@\(source)"
    }

    /// The topic of the stream's ticks on the live feed, such as `tick.711280073.bid_ask` or
    /// `tick.265598@1.last`. The source stands in front of the kind: topics are matched from their beginning, and
    /// who subscribes to source 0 must not get others.
    public var topic: String { "tick.\(contract).\(kind.name)" }

    public static func < (a: StreamID, b: StreamID) -> Bool {
        (a.source, a.conId, a.kind.rawValue) < (b.source, b.conId, b.kind.rawValue)
    }
}

extension StreamID {
    /// True when all records belong to this stream and their keys count up by one within one epoch, from 1 or later.
    public func hasRun(_ records: UnsafeBufferPointer<Tick>) -> Bool {
        guard let first = records.first, first.seq > 0 else { return false }
        for index in 0..<records.count {
            let tick = records[index]
            guard owns(tick), tick.epoch == first.epoch,
                tick.seq == first.seq &+ UInt32(truncatingIfNeeded: index)
            else { return false }
        }
        return true
    }

    /// True when all records belong to this stream and each key is above the one before.
    public func hasRisingKeys(_ records: UnsafeBufferPointer<Tick>) -> Bool {
        var before = TickKey.zero
        for tick in records {
            guard owns(tick), tick.key > before else { return false }
            before = tick.key
        }
        return true
    }

    /// The record belongs to this stream; `more` and `marker` records name it in their body.
    func owns(_ tick: Tick) -> Bool {
        tick.conId == conId && tick.source == source && tick.streamKindByte == kind.rawValue
    }
}
