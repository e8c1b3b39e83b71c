import Foundation
import Testing
import TickStore
import Ticks

/// A recording of some hours of two streams, ten ticks an hour each: all hours but the last
/// are sealed, and an ordinary stop ends it.
final class HoursRecording {
    static let quotes = StreamID(conId: 5, kind: .bidAsk)
    static let trades = StreamID(conId: 7, kind: .last)
    /// 2026-01-01T00:00:00Z.
    static let zero: Int64 = 1_767_225_600_000_000_000
    static let hourNanos: Int64 = 3_600_000_000_000

    let root: TestDirectory
    let state: String
    var config: String { root.path + "/ib-stream.yaml" }
    var ticks: String { state + "/ticks" }
    private var seqs: [StreamID: UInt32] = [:]

    /// - Parameters:
    ///   - below: where the state directory is, below the root.
    ///   - gapIn: an hour in the middle of which `quotes` has a gap that nobody has healed.
    init(in root: TestDirectory? = nil, below: String = "state", hours: Int = 4, gapIn: Int? = nil) throws {
        let root = try root ?? TestDirectory()
        self.root = root
        state = root.path + "/" + below
        let directory = state + "/log"
        var log = OpenLog(directory: directory, recovery: try LogRecovery(directory: directory))
        for hour in 0..<hours {
            let start = Self.zero + Int64(hour) * Self.hourNanos
            try log.beginPart(nowNanos: start)
            for stream in [Self.quotes, Self.trades] {
                var run = (0..<10).map { tick(stream, start + $0 * 360_000_000_000) }
                if stream == Self.quotes, hour == gapIn {
                    run.insert(marker(stream, .gapOpened, start + 1_800_000_000_000, "disconnect"), at: 5)
                    run = renumbered(run)
                }
                if hour == hours - 1 {
                    run.append(marker(stream, .gapOpened, run[9].tsRecvNanos + 1_000_000, "stopped"))
                }
                try run.withUnsafeBytes {
                    try log.append(block: $0, newest: [stream: StreamPosition(run[run.count - 1])])
                }
            }
            try log.sync()
        }
        try seal()
        try configure([Self.quotes, Self.trades])
    }

    private func next(_ stream: StreamID) -> TickKey {
        seqs[stream, default: 0] += 1
        return TickKey(epoch: 9, seq: seqs[stream] ?? 0)
    }

    private func tick(_ stream: StreamID, _ nanos: Int64) -> Tick {
        let body =
            stream == Self.quotes
            ? QuoteBody(bidPrice: 1_500_000_000, askPrice: 2_000_000_000, bidSize: 0, askSize: 0).body
            : TradeBody(price: 1_000_000_000, size: 0, exchange: Array("CME".utf8)).body
        return Tick(
            key: next(stream), tsEventNanos: nanos, tsRecvNanos: nanos, conId: stream.conId, kind: stream.kind,
            body: body)
    }

    private func marker(_ stream: StreamID, _ event: MarkerEvent, _ nanos: Int64, _ text: String) -> Tick {
        Tick(marker: event, of: stream, key: next(stream), tsRecvNanos: nanos, ref: .zero, text: text)
    }

    /// The same records with keys in their order.
    private func renumbered(_ run: [Tick]) -> [Tick] {
        let keys = run.map(\.key).sorted()
        return zip(run, keys).map { tick, key in
            var tick = tick
            tick.seq = key.seq
            return tick
        }
    }

    private final class Observer: SealObserver {
        var shouldStop: Bool { false }
        func reach(_ step: SealStep) {}
        func work<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) { try body() }
        func note(readBytes: UInt64, ofBytes: UInt64) {}
    }

    private func seal() throws {
        try SealedFiles(stateDirectory: state, opensAll: false).bringList()
        let sealer = HourSealer(stateDirectory: state, observer: Observer()) { _ in
            HourSealer.Identity(symbol: "S", definition: Array("{}".utf8))
        }
        let parts = try SealPart.list(state + "/log")
        let hours = SealPlan.hours(parts: parts, reach: .beforeNewestPart, nowHour: Self.zero / Self.hourNanos + 1_000)
        for hour in hours { _ = try sealer.seal(hour) }
    }

    /// Writes the configuration that names these streams.
    func configure(_ streams: [StreamID]) throws {
        var text = "root: \(root.path)\ncontracts:\n"
        for stream in streams {
            text += "  - con_id: \(stream.conId)\n    symbol: S\(stream.conId)\n    ticks: [\(stream.kind.name)]\n"
        }
        try text.write(toFile: config, atomically: false, encoding: .utf8)
    }

    /// The sealed file of an hour.
    func segment(_ stream: StreamID, hour: Int64) -> String {
        SegmentName(stream: stream, symbol: "S", hour: Self.zero / Self.hourNanos + hour).path(in: ticks)
    }

    /// The part of the log that is left.
    func part() throws -> String {
        try #require(try PartName.list(state + "/log").last).path(in: state + "/log")
    }

    /// Changes a byte in the middle of a file.
    static func damage(_ path: String) throws {
        var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        bytes[bytes.count / 2] ^= 0x41
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    func run(_ arguments: String...) throws -> Programs.Outcome {
        try Programs.run("ib-stream", arguments + ["--config", config])
    }
}
