internal import Glibc
public import Ticks

/// The gaps of a recording, from its files, while the recorder may be writing, sealing and removing them: the markers
/// of the open log are collected once as they become durable, those of sealed segments come from the footers, a
/// stream's only when somebody asks for it. Nothing is read twice.
///
/// Memory: 112 bytes a marker of the unsealed hours, and the ledgers of the streams that were asked for. One thread.
public struct GapScan: ~Copyable {
    private var log: LogFollower
    /// What the log has of each stream, by hour, in order; dropped once it is sealed and read from there.
    private var tails: [StreamID: [Hour]] = [:]
    /// What is folded of each stream's segments.
    private var sealed: [StreamID: Sealed] = [:]
    private let ticksDirectory: String
    private let keptGaps: Int
    private let fromHour: Int64
    /// Segments whose footer can't be read: what they hold is missing in the ledgers. Bounded.
    public private(set) var unreadable: Set<String> = []
    private static let maxUnreadable = 1000
    /// Of the log, so far.
    public var bytesRead: UInt64 { log.bytesRead }

    private struct Hour {
        let hour: Int64
        var collector = MarkerCollector()
    }

    private struct Sealed {
        var ledger: GapLedger
        /// Of the last segment in it; that file may be written anew with more.
        var hour: Int64
    }

    /// - Parameters:
    ///   - stateDirectory: the recorder's.
    ///   - keptGaps: gaps kept of one stream; beyond that the oldest settled ones are forgotten.
    ///   - fromHour: segments of earlier hours are passed over (hours since the Unix epoch).
    public init(stateDirectory: String, keptGaps: Int = .max, fromHour: Int64 = .min) {
        log = LogFollower(directory: stateDirectory + "/log")
        ticksDirectory = stateDirectory + "/ticks"
        self.keptGaps = keptGaps
        self.fromHour = fromHour
    }

    /// Collects what has become durable in the log since the last call.
    ///
    /// - Parameter maxBytes: stops after about so many bytes.
    /// - Returns: true when nothing more is durable: then the ledgers are up to date.
    public mutating func advance(maxBytes: UInt64 = .max) throws(StoreError) -> Bool {
        let start = log.bytesRead
        while log.bytesRead - start < maxBytes {
            let restarts = log.restarts
            let step = try log.next()
            if log.restarts != restarts { (tails, sealed) = ([:], [:]) }
            switch step {
            case .records(let ticks, let hour):
                let runs = TickRuns(ticks: ticks)
                var at = 0
                while at < ticks.count {
                    let end = runs.runEnd(from: at)
                    if let stream = ticks[at].stream {
                        collect(UnsafeBufferPointer(rebasing: ticks[at..<end]), of: stream, hour: hour)
                    }
                    at = end
                }
            case .caughtUp: return true
            }
        }
        return false
    }

    private mutating func collect(_ run: UnsafeBufferPointer<Tick>, of stream: StreamID, hour: Int64) {
        // In place: the stream's collectors are never copied.
        if tails[stream]?.last?.hour != hour { tails[stream, default: []].append(Hour(hour: hour)) }
        guard let last = tails[stream]?.indices.last else { return }
        tails[stream]?[last].collector.take(run)
    }

    /// The streams that the files have records of, in order.
    public func streams() throws(StoreError) -> [StreamID] {
        Set(tails.keys).union(try SegmentName.streams(ticksDirectory: ticksDirectory)).sorted()
    }

    /// The ledger of a stream, as far as `advance` has come. A stream without records has an empty one.
    public mutating func ledger(of stream: StreamID) throws(StoreError) -> GapLedger {
        // Segments come after the log: what was removed from the log before `advance` saw it is in one of them.
        var ledger = try foldSegments(of: stream)
        tails[stream]?.removeAll { $0.collector.lastKey ?? .zero <= ledger.lastKey }
        for hour in tails[stream] ?? [] { ledger.fold(hour.collector) }
        return ledger
    }

    private mutating func foldSegments(of stream: StreamID) throws(StoreError) -> GapLedger {
        var done = sealed[stream] ?? Sealed(ledger: GapLedger(stream: stream, limit: keptGaps), hour: fromHour)
        for name in try SegmentName.list(ticksDirectory: ticksDirectory, streams: [stream], fromHour: done.hour) {
            let path = name.path(in: ticksDirectory)
            do throws(StoreError) {
                done.ledger.fold(try SegmentFooter(of: path).markers)
                done.hour = name.hour
                unreadable.remove(path)
            } catch {
                // Removed by retention since it was listed.
                if error.code == ENOENT { continue }
                guard case .notASegment = error else { throw error }
                if unreadable.count < GapScan.maxUnreadable { unreadable.insert(path) }
            }
        }
        sealed[stream] = done
        return done.ledger
    }
}
