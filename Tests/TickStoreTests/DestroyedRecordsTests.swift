import Foundation
import Testing
import Ticks

@testable import TickStore

private let hourNanos: Int64 = 3_600_000_000_000
private let others = StreamID(conId: 265_598, kind: .bidAsk, source: 1)

private final class Quiet: SealObserver {
    var shouldStop: Bool { false }
    func reach(_ step: SealStep) {}
    func work<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) { try body() }
    func note(readBytes: UInt64, ofBytes: UInt64) {}
}

/// A recording made at random: several epochs, parts, sealed hours, runs of healed ticks, hours that retention took.
private struct RandomRecording {
    let directory: TemporaryDirectory
    var state: String { directory.path }
    var log: String { state + "/log" }
    /// Every key that ever was, by stream.
    private(set) var keys: [StreamID: [TickKey]] = [:]
    private(set) var lastEpoch: UInt32 = 0

    init(_ generator: inout SplitMix64, isLong: Bool) throws {
        directory = try TemporaryDirectory(inMemory: true)
        try FileManager.default.createDirectory(atPath: log, withIntermediateDirectories: true)
        // As a recorder's start does.
        try bringList(directory.path)
        var open = OpenLog(directory: log, recovery: LogRecovery())
        var hour: Int64 = 0
        var last: [StreamID: TickKey] = [:]
        var epoch: UInt32 = 100
        try open.beginPart(nowNanos: someNanos)
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            epoch += UInt32.random(in: 1...3, using: &generator)
            lastEpoch = epoch
            var seqs: [StreamID: UInt32] = [:]
            let streams = [quotes, trades, others].filter { _ in Int.random(in: 0..<4, using: &generator) > 0 }
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                for stream in streams {
                    let count = UInt32.random(in: 0...(isLong ? 30_000 : 40), using: &generator)
                    guard count > 0 else { continue }
                    let first = (seqs[stream] ?? 0) + 1
                    seqs[stream] = first + count - 1
                    var run = ticks(stream, epoch: epoch, first...(first + count - 1))
                    if first == 1 {
                        run[0] = Tick(
                            marker: .epochBegun, of: stream, key: run[0].key, tsRecvNanos: someNanos,
                            ref: last[stream] ?? .zero)
                    }
                    last[stream] = run[run.count - 1].key
                    keys[stream, default: []] += run.map(\.key)
                    for start in stride(from: 0, to: run.count, by: 10_000) {
                        try open.append(Array(run[start..<min(start + 10_000, run.count)]))
                    }
                }
                try open.sync()
                guard Int.random(in: 0..<3, using: &generator) == 0 else { continue }
                hour += Int64.random(in: 0...1, using: &generator)
                try open.beginPart(nowNanos: someNanos + hour * hourNanos)
            }
            if Int.random(in: 0..<2, using: &generator) == 0 { try seal(hour) }
        }
        try open.sync()
        if Int.random(in: 0..<6, using: &generator) == 0 { try retain() }
    }

    private func seal(_ hour: Int64) throws {
        let sealer = HourSealer(stateDirectory: state, observer: Quiet()) { _ in
            HourSealer.Identity(symbol: "S", definition: [])
        }
        let now = someNanos / hourNanos + hour
        for hour in SealPlan.hours(parts: try SealPart.list(log), reach: .beforeNewestPart, nowHour: now) {
            _ = try sealer.seal(hour)
        }
    }

    /// The oldest hour goes; its keys are not missed.
    private mutating func retain() throws {
        let names = try SegmentName.list(ticksDirectory: state + "/ticks")
        guard let oldest = names.map(\.hour).min(), names.contains(where: { $0.hour > oldest }) else { return }
        for name in names where name.hour == oldest {
            let last = try SegmentFooter(of: name.path(in: state + "/ticks")).lastKey
            keys[name.stream]?.removeAll { $0 <= last }
        }
        let stock = SegmentStock(stateDirectory: state, observer: Quiet()) { _ in 0 }
        try stock.survey()
        _ = try stock.remove(RetentionPlan.Stock(hour: oldest, bufferHours: 0, files: 0, bytes: 0))
    }

    /// The files that tell of ticks, and what of them may be damaged.
    func targets() throws -> [String] {
        let parts = try PartName.list(log)
        var paths = parts.map { $0.path(in: log) }
        // The slots of a part that another follows say nothing that its blocks do not say.
        if let newest = parts.last { paths.append(PartName.durablePath(ofLog: newest.path(in: log))) }
        paths += try SegmentName.list(ticksDirectory: state + "/ticks").map { $0.path(in: state + "/ticks") }
        // A list of no file tells nothing that could be missed.
        let list = SealedList.path(stateDirectory: state)
        return paths + (try SealedList(stateDirectory: state).hasFiles ? [list] : []) + [NewestPart.path(in: log)]
    }

    /// What readers are given: keys, and ranges that are called lost.
    func read() throws -> (keys: [StreamID: Set<TickKey>], lost: [StreamID: [ClosedRange<TickKey>]]) {
        var keys: [StreamID: Set<TickKey>] = [:]
        var lost: [StreamID: [ClosedRange<TickKey>]] = [:]
        for (stream, run) in try TickReader.all(TickReader(stateDirectory: state, .init())).ticks {
            for tick in run {
                if let marker = tick.marker, marker.event == .lost {
                    lost[stream, default: []].append(marker.ref...tick.key)
                } else {
                    keys[stream, default: []].insert(tick.key)
                }
            }
        }
        return (keys, lost)
    }
}

/// One way of destroying a file.
private enum Damage: CaseIterable {
    case bit, noise, zeros, cut, removed

    /// Does it; false where nothing has changed.
    func apply(to path: String, _ generator: inout SplitMix64) throws -> Bool {
        let before = try bytes(of: path)
        if self == .removed {
            try FileManager.default.removeItem(atPath: path)
            return true
        }
        guard !before.isEmpty else { return false }
        var after = before
        // Of slots only these count.
        let places = path.hasSuffix(".durable") ? Array(0..<24) + Array(512..<min(536, max(512, before.count))) : []
        let at = places.randomElement(using: &generator) ?? Int.random(in: 0..<before.count, using: &generator)
        let end = min(before.count, at + Int.random(in: 1...400, using: &generator))
        switch self {
        case .bit: after[at] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
        case .noise: for index in at..<end { after[index] = UInt8.random(in: 0...255, using: &generator) }
        case .zeros: for index in at..<end { after[index] = 0 }
        case .cut: after.removeLast(after.count - at)
        case .removed: break
        }
        guard after != before else { return false }
        try write(after, to: path)
        return true
    }
}

/// Whatever is destroyed of a recording is seen, written down as lost, and nothing else is: each key that ever was is a record or
/// lost, and what was not touched is there.
@Suite struct DestroyedRecordsTests {
    private static func round(_ seed: UInt64, isLong: Bool = false) throws {
        var generator = SplitMix64(seed: seed)
        let recording = try RandomRecording(&generator, isLong: isLong)
        let sound = try Verify(stateDirectory: recording.state).run()
        #expect(sound.isSound, "\(seed): \(sound.problems) \(sound.missing) \(sound.findings)")
        let damage = try #require(Damage.allCases.randomElement(using: &generator))
        let path = try #require(try recording.targets().randomElement(using: &generator))
        let hit = try keys(in: path, of: recording)
        // A part without a record may go: nobody misses anything.
        if damage == .removed, path.hasSuffix(".log"), hit.isEmpty { return }
        guard try damage.apply(to: path, &generator) else { return }
        let what = "seed \(seed): \(damage) \(path.dropFirst(recording.state.utf8.count))"
        #expect(try !Verify(stateDirectory: recording.state).run().isSound, "\(what): verify says sound")
        let report = try Repair(
            stateDirectory: recording.state, nowNanos: someNanos, endedEpoch: recording.lastEpoch
        ).run()
        #expect(
            report.verified.isSound,
            "\(what): \(report.verified.problems) \(report.verified.missing) \(report.verified.findings)")
        let found = try recording.read()
        for (stream, keys) in recording.keys {
            let there = found.keys[stream] ?? []
            let lost = found.lost[stream] ?? []
            let gone = keys.filter { !there.contains($0) }
            let untold = gone.filter { key in !lost.contains { $0.contains(key) } }
            // Of a stream that stood nowhere else nothing can tell which keys it had; repair says that it does not know.
            let isUnknown = !report.unknown.isEmpty && keys.allSatisfy { hit[stream]?.contains($0) == true }
            #expect(
                untold.isEmpty || isUnknown, "\(what): \(stream): \(untold.count) not told, from \(untold.first!)")
            let innocent = gone.filter { hit[stream]?.contains($0) != true }
            #expect(
                innocent.isEmpty, "\(what): \(stream): \(innocent.count) gone that were sound, from \(innocent.first!)")
            #expect(Set(keys).isSuperset(of: there), "\(what): \(stream): invented")
            #expect(
                lost.allSatisfy { range in !there.contains { range.contains($0) } },
                "\(what): \(stream): lost and there")
        }
        #expect(gone(recording, found) == 0 || !report.isWhole, "\(what): whole, and something is gone")
    }

    private static func gone(
        _ recording: RandomRecording,
        _ found: (keys: [StreamID: Set<TickKey>], lost: [StreamID: [ClosedRange<TickKey>]])
    ) -> Int {
        recording.keys.reduce(0) { sum, entry in
            sum + entry.value.filter { found.keys[entry.key]?.contains($0) != true }.count
        }
    }

    /// What stands in a file of ticks.
    private static func keys(in path: String, of recording: RandomRecording) throws -> [StreamID: Set<TickKey>] {
        var found: [StreamID: Set<TickKey>] = [:]
        func take(_ run: UnsafeBufferPointer<Tick>) {
            for tick in run { if let stream = tick.stream { found[stream, default: []].insert(tick.key) } }
        }
        if path.hasSuffix(".ticks") {
            var reader = try SegmentReader(path)
            while let run = try reader.next() { take(run) }
        } else if path.hasSuffix(".log") {
            var reader = try LogPartReader(path)
            while let run = try reader.next() { take(run) }
        }
        return found
    }

    /// Seeds of which something was wrong once.
    private static let once: [UInt64] = [6_930]

    @Test func whatIsDestroyedIsSeenAndWrittenDownAndNothingElseIs() throws {
        for seed in Self.once { try Self.round(seed) }
        for seed in 0..<UInt64(isFull ? 10_000 : 200) { try Self.round(seed) }
    }

    /// With segments of several blocks.
    @Test func whatIsDestroyedOfLongHoursIsSeenAndWrittenDownAndNothingElseIs() throws {
        for seed in 0..<UInt64(isFull ? 100 : 2) { try Self.round(1_000_000 + seed, isLong: true) }
    }
}
