public import Ticks

/// Which streams get one of the few tick-by-tick lines. IB gives five per user by default, to all clients together.
///
/// Streams stand in line in the order in which they were first wanted (that of the configuration file). Pure.
/// Source: docs/decisions.md#too-few-lines-are-said.
public struct LineBudget: Sendable {
    /// What happens to the streams beyond the budget (`tws.on_excess`).
    public enum Excess: String, Sendable, CaseIterable {
        /// The first streams are recorded, the others have no line.
        case recordFirst = "record_first"
        /// The others are recorded from level 1.
        case level1
        /// Nothing starts with too many.
        case refuse
    }

    /// How a stream is to be recorded.
    public enum Grant: Sendable, Equatable {
        case tickByTick
        /// A level-1 stream, or one of the others in place of tick-by-tick.
        case level1
        case noLine
    }

    /// More streams than lines under `refuse`.
    public struct TooManyStreams: Error, Equatable, Sendable, CustomStringConvertible {
        public let wanted: Int
        public let lines: Int
        public var description: String { "\(wanted) tick-by-tick streams, but \(lines) lines (tws.tick_by_tick_lines)" }
    }

    public let lines: Int
    public let onExcess: Excess
    /// Tick-by-tick streams in the order of their claim.
    private var claims: [StreamID] = []
    private var holders: Set<StreamID> = []
    /// Refused by the gateway (10190): fewer lines than configured are free.
    private var refused: Set<StreamID> = []

    public init(lines: Int = 5, onExcess: Excess = .recordFirst) {
        self.lines = max(0, lines)
        self.onExcess = onExcess
    }

    /// Grants for streams in file order; claims of these streams stay until `release`,
    /// but not of those that get level 1 instead.
    public mutating func claim(_ streams: [StreamID]) throws(TooManyStreams) -> [Grant] {
        let wanted = Set(claims + streams.filter { TickByTickKind($0.kind) != nil }).count
        if onExcess == .refuse, wanted > lines { throw TooManyStreams(wanted: wanted, lines: lines) }
        for stream in streams where TickByTickKind(stream.kind) != nil && !claims.contains(stream) {
            claims.append(stream)
        }
        return streams.map { grant($0) }
    }

    /// The grant of a claimed stream; takes a line for it when one is free.
    public mutating func grant(_ stream: StreamID) -> Grant {
        guard TickByTickKind(stream.kind) != nil else { return .level1 }
        if holders.contains(stream) { return .tickByTick }
        if holders.count < lines, claims.contains(stream), !refused.contains(stream) {
            holders.insert(stream)
            return .tickByTick
        }
        guard onExcess == .level1 else { return .noLine }
        // Recorded from level 1, it waits for no line.
        claims.removeAll { $0 == stream }
        return .level1
    }

    /// The stream is not wanted any more. Returns the one that gets its line, if one waits.
    public mutating func release(_ stream: StreamID) -> StreamID? {
        claims.removeAll { $0 == stream }
        refused.remove(stream)
        return holders.remove(stream) == nil ? nil : promote()
    }

    /// The gateway refused the stream's line (10190): others use it. The stream keeps its claim.
    public mutating func noteRefused(_ stream: StreamID) {
        holders.remove(stream)
        if claims.contains(stream) { refused.insert(stream) }
    }

    /// Tries refused streams again, as after a reconnect; the next in line get what is free.
    public mutating func forgetRefusals() -> [StreamID] {
        refused.removeAll()
        var promoted: [StreamID] = []
        while let stream = promote() { promoted.append(stream) }
        return promoted
    }

    /// Lines in use.
    public var used: Int { holders.count }

    private mutating func promote() -> StreamID? {
        guard holders.count < lines,
            let stream = claims.first(where: { !holders.contains($0) && !refused.contains($0) })
        else { return nil }
        holders.insert(stream)
        return stream
    }
}
