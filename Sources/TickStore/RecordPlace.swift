internal import Glibc
public import Ticks

/// In which file of a recording a record lies.
public enum RecordPlace: Sendable, Equatable {
    /// A sealed segment.
    case segment(path: String)
    /// A part of the open log, below its durable offset.
    case part(path: String)

    public var path: String {
        switch self {
        case .segment(let path), .part(let path): path
        }
    }

    /// Looks for the record: first in the footers of the segments from the hour of its receipt on (a record can be
    /// committed later than it was received, hardly earlier), then in the log, then in the earlier segments (the clock
    /// may have been ahead). Nil: it is in none of them (any more).
    public static func find(
        stateDirectory: String, stream: StreamID, key: TickKey, receivedNanos: Int64
    ) throws(StoreError) -> RecordPlace? {
        let ticks = stateDirectory + "/ticks"
        let hour = receivedNanos.floorDivided(by: 3_600_000_000_000) - 1
        if let place = try inSegments(ticks, stream, key, fromHour: hour) { return place }
        if let place = try inLog(stateDirectory + "/log", stream, key) { return place }
        return try inSegments(ticks, stream, key, fromHour: .min)
    }

    private static func inSegments(
        _ ticks: String, _ stream: StreamID, _ key: TickKey, fromHour: Int64
    ) throws(StoreError) -> RecordPlace? {
        for name in try SegmentName.list(ticksDirectory: ticks, streams: [stream], fromHour: fromHour) {
            let path = name.path(in: ticks)
            do throws(StoreError) {
                let footer = try SegmentFooter(of: path)
                if footer.firstKey <= key, key <= footer.lastKey { return .segment(path: path) }
                if footer.firstKey > key { break }
            } catch {
                // Gone with retention, or damaged: then it is not there.
                if error.code == ENOENT { continue }
                guard case .notASegment = error else { throw error }
            }
        }
        return nil
    }

    private static func inLog(
        _ directory: String, _ stream: StreamID, _ key: TickKey
    ) throws(StoreError) -> RecordPlace? {
        var log = LogFollower(directory: directory)
        let kind = stream.kind.rawValue
        while case .records(let ticks, _) = try log.next() {
            for tick in ticks
            where tick.key == key && tick.conId == stream.conId && tick.source == stream.source
                && tick.streamKindByte == kind
            {
                return log.path.map { .part(path: $0) }
            }
        }
        return nil
    }
}
