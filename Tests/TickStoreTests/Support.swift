import Foundation
import Ticks

@testable import TickStore

/// A directory that goes away with the test.
final class TemporaryDirectory {
    let path: String

    /// - inMemory: for tests that sync thousands of times, where the machine has such a place.
    init(inMemory: Bool = false) throws {
        let place = inMemory && FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm/" : nil
        path = (place ?? NSTemporaryDirectory()) + "tickstore-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    /// Log parts and journal segments, in order of name.
    func logs() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".log") }.sorted()
    }
}

func bytes(of path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

func write(_ bytes: [UInt8], to path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }

/// Makes the list of sealed files what the files are. True when something was written.
@discardableResult
func bringList(_ state: String) throws -> Bool {
    try SealedFiles(stateDirectory: state, opensAll: false).bringList()
}

extension SealedList {
    /// All that has to be there.
    var files: [StreamID: [Int64: SealedEntry]] {
        get throws {
            var files: [StreamID: [Int64: SealedEntry]] = [:]
            for stream in streams {
                for hour in hours(of: stream) { files[stream, default: [:]][hour] = try entry(stream, hour: hour) }
            }
            return files
        }
    }
}

/// Full counts with `IB_STREAM_FULL=1`.
let isFull = ProcessInfo.processInfo.environment["IB_STREAM_FULL"] == "1"

/// Bits of a file for a test to flip one by one, none of them twice: ten thousand
/// at full count, or all that the file has.
func bitsToFlip(of bytes: [UInt8], quick: Int, seed: UInt64) -> ArraySlice<Int> {
    var generator = SplitMix64(seed: seed)
    return (0..<(bytes.count * 8)).shuffled(using: &generator).prefix(isFull ? 10_000 : quick)
}

let quotes = StreamID(conId: 711_280_073, kind: .bidAsk)
let trades = StreamID(conId: 711_280_073, kind: .last)

/// 2026-01-01T00:00:00Z.
let someNanos: Int64 = 1_767_225_600_000_000_000

/// Ticks of a stream with keys of one epoch.
func ticks(_ stream: StreamID, epoch: UInt32 = 100, _ seqs: ClosedRange<UInt32>) -> [Tick] {
    seqs.map { seq in
        let price = Int64(seq) * 250_000_000
        let body =
            stream.kind == .bidAsk
            ? QuoteBody(bidPrice: price, askPrice: price + 250_000_000, bidSize: 5_000_000_000, askSize: 7_000_000_000)
                .body
            : TradeBody(price: price, size: 1_000_000_000, exchange: Array("CME".utf8)).body
        return Tick(
            key: TickKey(epoch: epoch, seq: seq), tsEventNanos: someNanos, tsRecvNanos: someNanos + Int64(seq) * 1000,
            conId: stream.conId, kind: stream.kind, source: stream.source, body: body)
    }
}

/// Calls `body` with the runs as pieces.
func withPieces<Result>(
    _ runs: [[Tick]], _ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) throws -> Result
) rethrows -> Result {
    let copies = runs.map { run in
        let copy = UnsafeMutableBufferPointer<Tick>.allocate(capacity: run.count)
        _ = copy.initialize(from: run)
        return copy
    }
    defer { for copy in copies { copy.deallocate() } }
    return try copies.map { UnsafeRawBufferPointer($0) }.withUnsafeBufferPointer(body)
}

extension OpenLog {
    /// Begins a log where recovery ends.
    static func recovering(_ directory: String, partBytes: UInt64 = OpenLog.defaultPartBytes) throws -> OpenLog {
        var log = OpenLog(directory: directory, recovery: try LogRecovery(directory: directory), partBytes: partBytes)
        try log.beginPart(nowNanos: someNanos)
        return log
    }

    mutating func append(_ runs: [Tick]...) throws { try withPieces(runs) { try append($0) } }
}

extension Journal {
    mutating func append(_ runs: [Tick]...) throws { try withPieces(runs) { try append($0) } }
}

extension JournalReader {
    /// A page and its ticks.
    mutating func page(_ stream: StreamID, from key: TickKey, limit: Int = .max) throws -> (StreamPage, [Tick]) {
        var all: [Tick] = []
        let page = try read(stream, from: key, limit: limit) { all += $0 }
        return (page, all)
    }
}

extension TickReader {
    /// All that a reader gives, by stream, and what it passed over.
    static func all(_ reader: consuming TickReader) throws -> (ticks: [StreamID: [Tick]], findings: [LogFinding]) {
        var all: [StreamID: [Tick]] = [:]
        while let run = try reader.next() { all[run.stream, default: []] += run.ticks }
        return (all, reader.findings)
    }
}
