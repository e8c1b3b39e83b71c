import Foundation
import Testing
import Ticks

@testable import TickStore

/// A recording whose older hours are sealed, made by hand as the sealer does it.
final class SealedRecording {
    let directory: TemporaryDirectory
    var log: OpenLog
    private var number: Int64 = 0

    var state: String { directory.path }
    var logDirectory: String { directory.file("log") }
    var ticksDirectory: String { directory.file("ticks") }

    init() throws {
        directory = try TemporaryDirectory()
        log = try OpenLog.recovering(directory.file("log"))
    }

    func write(_ runs: [Tick]...) throws {
        for run in runs { try log.append(run) }
        try log.sync()
    }

    /// Begins the part of the next hour.
    func nextHour() throws {
        number += 1
        try log.beginPart(nowNanos: someNanos + number * 3_600_000_000_000)
    }

    static func path(_ state: String, _ stream: StreamID, hour: Int64) throws -> String {
        let path = SegmentName(stream: stream, symbol: "S", hour: someNanos / 3_600_000_000_000 + hour)
            .path(in: state + "/ticks")
        try FileManager.default.createDirectory(
            atPath: PartName.directory(of: path), withIntermediateDirectories: true)
        return path
    }

    /// Puts records into a segment of an hour (0 is the first) by rename.
    @discardableResult
    static func seal(_ state: String, _ stream: StreamID, hour: Int64, _ records: [Tick]) throws -> String {
        let path = try path(state, stream, hour: hour)
        try writeSegment(path + ".new", records, of: stream)
        guard rename(path + ".new", path) == 0 else { throw POSIXError(.EIO) }
        let footer = try SegmentFooter(of: path)
        let bytes = try File(path, O_RDONLY).size()
        let sealed = SealedEntry(sealed: footer, hour: someNanos / 3_600_000_000_000 + hour, bytes: bytes)
        if try SealedList(stateDirectory: state).isMissing {
            var writer = try SealedListWriter(stateDirectory: state)
            try writer.finish()
        }
        try SealedList.append([sealed], stateDirectory: state)
        return path
    }

    /// Removes a sealed file as retention does.
    static func retain(_ state: String, _ stream: StreamID, hour: Int64) throws {
        let path = try path(state, stream, hour: hour)
        let entry = SealedEntry(
            removed: stream, upTo: try SegmentFooter(of: path).lastKey, hour: someNanos / 3_600_000_000_000 + hour)
        try SealedList.append([entry], stateDirectory: state)
        try FileManager.default.removeItem(atPath: path)
    }

    /// Removes the oldest parts of the log.
    static func removeParts(_ state: String, _ count: Int) throws {
        for name in try PartName.list(state + "/log").prefix(count) {
            let path = name.path(in: state + "/log")
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.removeItem(atPath: PartName.durablePath(ofLog: path))
        }
    }

    func all(_ selection: TickReader.Selection = .init()) throws -> [StreamID: [Tick]] {
        try TickReader.all(TickReader(stateDirectory: state, selection)).ticks
    }
}

private func key(_ seq: UInt32) -> TickKey { TickKey(epoch: 100, seq: seq) }

@Suite struct RecordingWithSegmentsTests {
    /// Quotes 1...300 and trades 1...30 over three hours; the first `sealed` of them sealed.
    static func recording(sealed: Int, keepLog: Bool = false) throws -> SealedRecording {
        let recording = try SealedRecording()
        for hour in UInt32(0)..<3 {
            let (q, t) = (
                ticks(quotes, (hour * 100 + 1)...(hour * 100 + 100)), ticks(trades, (hour * 10 + 1)...(hour * 10 + 10))
            )
            try recording.write(q, t)
            if hour < sealed {
                try SealedRecording.seal(recording.state, quotes, hour: Int64(hour), q)
                try SealedRecording.seal(recording.state, trades, hour: Int64(hour), t)
            }
            if hour < 2 { try recording.nextHour() }
        }
        if !keepLog { try SealedRecording.removeParts(recording.state, sealed) }
        return recording
    }

    @Test(arguments: 0...2, [true, false])
    func segmentsAndLogAreReadAsOne(sealed: Int, keepLog: Bool) throws {
        let recording = try Self.recording(sealed: sealed, keepLog: keepLog)
        let expected = [quotes: ticks(quotes, 1...300), trades: ticks(trades, 1...30)]
        for order in [TickReader.Order.time, .arrival] {
            #expect(try recording.all(.init(order: order)) == expected)
            #expect(try recording.all(.init(streams: [trades], order: order)) == [trades: ticks(trades, 1...30)])
        }
        let report = try Verify(stateDirectory: recording.state).run()
        #expect(report.isSound, "\(report.problems) \(report.missing) \(report.findings)")
        #expect(report.records == 330 && report.logEnd != nil)
        #expect((report.streams[quotes]?.repeated ?? 0) == (keepLog ? UInt64(sealed) * 100 : 0))
    }

    @Test(arguments: 0...2, [true, false]) func countingNeedsNoRecordsOfSegments(sealed: Int, keepLog: Bool) throws {
        let recording = try Self.recording(sealed: sealed, keepLog: keepLog)
        if sealed > 0 {
            // A block that nobody opens may be damaged.
            let path = try SealedRecording.path(recording.state, quotes, hour: 0)
            try RepairTests.flip(path, at: Int(SegmentReader(path).index.entries[0].offset) + 60)
        }
        var survey = RecordingSurvey(stateDirectory: recording.state)
        try survey.run()
        #expect(survey.findings.isEmpty && survey.streams.count == 2)
        let entry = try #require(survey.streams[quotes])
        #expect(entry.ticks == 300 && entry.markers == 0 && entry.lastKey == key(300))
        #expect(entry.firstRecvNanos == someNanos + 1_000 && entry.lastRecvNanos == someNanos + 300_000)
        #expect(survey.streams[trades]?.ticks == 30)
    }

    @Test func historyPagesAcrossSegmentsAndLog() throws {
        let recording = try Self.recording(sealed: 2)
        var history = LogHistory(stateDirectory: recording.state)
        for limit in [1, 7, 64, 1000] {
            var want = TickKey.zero
            var seqs: [UInt32] = []
            while true {
                let page = try history.read(quotes, from: want, limit: limit) { seqs += $0.map(\.seq) }
                #expect(page.goneFirst == nil)
                if page.records == 0 { break }
                want = page.next
            }
            #expect(seqs == Array(1...300))
        }
        for seq: UInt32 in [1, 99, 100, 101, 200, 201, 300] {
            #expect(
                try history.firstKey(of: quotes, receivedFromNanos: someNanos + Int64(seq) * 1000 - 1) == key(seq))
        }
        #expect(try history.firstKey(of: quotes, receivedFromNanos: someNanos + 301_000) == nil)
        // The oldest hour goes, as by retention.
        try SealedRecording.retain(recording.state, quotes, hour: 0)
        #expect(try history.read(quotes, from: key(5), limit: 10) { _ in }.goneFirst == key(101))
        #expect(try history.read(quotes, from: key(101), limit: 10) { _ in }.goneFirst == nil)
        #expect(try history.read(trades, from: key(5), limit: 10) { _ in }.goneFirst == nil)
        let report = try Verify(stateDirectory: recording.state).run()
        #expect(report.isSound && report.streams[quotes]?.beginsAt == key(101))
    }

    @Test func nothingIsGoneBeforeAFileWhoseBeginningNobodyKnows() throws {
        let recording = try Self.recording(sealed: 2)
        let path = try SealedRecording.path(recording.state, quotes, hour: 0)
        try RepairTests.flip(path, at: bytes(of: path).count - 100)
        var history = LogHistory(stateDirectory: recording.state)
        var seqs: [UInt32] = []
        let page = try history.read(quotes, from: key(1), limit: 1000) { seqs += $0.map(\.seq) }
        #expect(page.goneFirst == nil && seqs == Array(1...300))
    }

    @Test func aTimeRangeOpensOnlyWhatCanHoldIt() throws {
        let recording = try Self.recording(sealed: 2)
        // A reader that opened the first hour would find it damaged.
        try write([1, 2, 3], to: SealedRecording.path(recording.state, trades, hour: 0))
        let path = try SealedRecording.path(recording.state, quotes, hour: 0)
        var bytes = try bytes(of: path)
        bytes[200] ^= 1
        try write(bytes, to: path)
        let (all, findings) = try TickReader.all(
            TickReader(
                stateDirectory: recording.state,
                .init(streams: [quotes], fromNanos: someNanos + 150_000, toNanos: someNanos + 250_000)))
        #expect(all[quotes]?.map(\.seq) == Array(150...249) && findings.isEmpty)
    }

    @Test func aReaderSurvivesSealingAtEveryPoint() throws {
        // After each number of steps of the reader, all that can be sealed is sealed and removed.
        for steps in 0...12 {
            let recording = try Self.recording(sealed: 0)
            var reader = try TickReader(stateDirectory: recording.state, .init(order: .arrival))
            var seqs: [StreamID: [UInt32]] = [:]
            func step() throws -> Bool {
                guard let run = try reader.next() else { return false }
                seqs[run.stream, default: []] += run.ticks.map(\.seq)
                return true
            }
            for _ in 0..<steps { _ = try step() }
            for hour in UInt32(0)..<2 {
                try SealedRecording.seal(
                    recording.state, quotes, hour: Int64(hour), ticks(quotes, (hour * 100 + 1)...(hour * 100 + 100)))
                try SealedRecording.seal(
                    recording.state, trades, hour: Int64(hour), ticks(trades, (hour * 10 + 1)...(hour * 10 + 10)))
            }
            try SealedRecording.removeParts(recording.state, 2)
            while try step() {}
            #expect(seqs[quotes] == Array(1...300), "\(steps) steps")
            #expect(seqs[trades] == Array(1...30), "\(steps) steps")
        }
    }

    @Test func aSecondSealingOfAnHourIsNoticedByARunningReader() throws {
        let recording = try SealedRecording()
        try recording.write(ticks(quotes, 1...50))
        try SealedRecording.seal(recording.state, quotes, hour: 0, ticks(quotes, 1...50))
        // Another part of the same hour.
        try recording.log.beginPart(nowNanos: someNanos)
        try SealedRecording.removeParts(recording.state, 1)
        try recording.write(ticks(quotes, 51...80))
        var reader = try TickReader(stateDirectory: recording.state, .init(order: .arrival))
        var seqs = try #require(try reader.next()).ticks.map(\.seq)
        #expect(seqs == Array(1...50))
        try recording.nextHour()
        try recording.write(ticks(quotes, 81...90))
        try SealedRecording.seal(recording.state, quotes, hour: 0, ticks(quotes, 1...80))
        try SealedRecording.removeParts(recording.state, 1)
        while let run = try reader.next() { seqs += run.ticks.map(\.seq) }
        #expect(seqs == Array(1...90))
    }

    @Test func historySurvivesSealingBetweenItsRequests() throws {
        let recording = try Self.recording(sealed: 0)
        var history = LogHistory(stateDirectory: recording.state)
        var seqs: [UInt32] = []
        var next = try history.read(quotes, from: .zero, limit: 50) { seqs += $0.map(\.seq) }.next
        for hour in UInt32(0)..<2 {
            try SealedRecording.seal(
                recording.state, quotes, hour: Int64(hour), ticks(quotes, (hour * 100 + 1)...(hour * 100 + 100)))
        }
        try SealedRecording.removeParts(recording.state, 2)
        while true {
            let page = try history.read(quotes, from: next, limit: 50) { seqs += $0.map(\.seq) }
            if page.records == 0 { break }
            next = page.next
        }
        #expect(seqs == Array(1...300))
    }

    @Test func overlappingSegmentsAndForeignOnesAreFound() throws {
        let recording = try Self.recording(sealed: 2)
        try SealedRecording.seal(recording.state, quotes, hour: 1, ticks(quotes, 95...200))
        #expect(try Verify(stateDirectory: recording.state).run().problems.count == 1)
        try SealedRecording.seal(recording.state, quotes, hour: 1, ticks(quotes, 105...200))
        #expect(
            try Verify(stateDirectory: recording.state).run().missing
                == [KeyRange(stream: quotes, first: key(101), last: key(104))])
        try SealedRecording.seal(recording.state, quotes, hour: 1, ticks(quotes, 101...200))
        #expect(try Verify(stateDirectory: recording.state).run().isSound)
        let foreign = try SealedRecording.path(recording.state, StreamID(conId: 9, kind: .last), hour: 0)
        try FileManager.default.copyItem(
            atPath: SealedRecording.path(recording.state, trades, hour: 0), toPath: foreign)
        #expect(try !Verify(stateDirectory: recording.state).run().isSound)
    }

    /// The one thing that there is below a directory.
    private func verified(_ path: String) throws -> VerifyReport {
        let found = try RecordingSearch.find(under: path)
        #expect(found.count == 1)
        return try Verify(try #require(found.first)).run()
    }

    @Test func filesAndDirectoriesCanBeReadAlone() throws {
        let recording = try Self.recording(sealed: 2)
        let path = try SealedRecording.path(recording.state, quotes, hour: 1)
        #expect(try TickReader.all(TickReader(file: path)).ticks == [quotes: ticks(quotes, 101...200)])
        #expect(try Verify(file: path).run().records == 100)
        #expect(try verified(recording.ticksDirectory).records == 220)
        #expect(try verified(PartName.directory(of: path)).files == 2)
        #expect(try verified(recording.logDirectory).records == 110)
        let copy = recording.directory.file("copy")
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        #expect(try Verify(file: copy).run().isSound)
    }
}
