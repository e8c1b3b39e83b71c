import Foundation
import Testing
import Ticks

@testable import TickStore

/// Notes the steps, and does something at one of them.
private final class Watch: SealObserver {
    var steps: [SealStep] = []
    var stopsAt: SealStep?
    var act: (SealStep) -> Void = { _ in }
    var shouldStop = false
    var read: UInt64 = 0
    var total: UInt64 = 0

    func reach(_ step: SealStep) {
        steps.append(step)
        if step == stopsAt { shouldStop = true }
        act(step)
    }

    func work<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) { try body() }

    func note(readBytes: UInt64, ofBytes: UInt64) {
        read = readBytes
        total = ofBytes
    }
}

/// A recording whose parts a test writes and seals.
private struct Bench {
    let directory: TemporaryDirectory
    let watch = Watch()
    /// 2026-01-01T00.
    let hour = someNanos / 3_600_000_000_000

    init() throws {
        directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: log, withIntermediateDirectories: true)
        try bringList(directory.path)
    }

    var log: String { directory.path + "/log" }
    var segments: String { directory.path + "/ticks" }

    func sealer(_ bounds: HourSealer.Bounds = HourSealer.Bounds()) -> HourSealer {
        HourSealer(stateDirectory: directory.path, bounds: bounds, observer: watch) { _ in
            HourSealer.Identity(symbol: "MNQ", definition: Array(#"{"symbol":"MNQ"}"#.utf8))
        }
    }

    /// Writes one part for each list of runs, all in the same hour, and a last one that is the newest.
    func record(_ parts: [[[Tick]]]) throws {
        var recording = OpenLog(directory: log, recovery: try LogRecovery(directory: log))
        for runs in parts + [[]] {
            try recording.beginPart(nowNanos: someNanos)
            for run in runs { try recording.append(run) }
            try recording.sync()
        }
    }

    func plan() throws -> [SealHour] {
        SealPlan.hours(parts: try SealPart.list(log), reach: .beforeNewestPart, nowHour: hour)
    }

    @discardableResult func seal(_ bounds: HourSealer.Bounds = HourSealer.Bounds()) throws -> SealedHour {
        let sealer = sealer(bounds)
        _ = try sealer.removeLeftovers()
        let hours = try plan()
        return try sealer.seal(try #require(hours.first))
    }

    func path(_ stream: StreamID) -> String {
        SegmentName(stream: stream, symbol: "MNQ", hour: hour).path(in: segments)
    }

    func sealed(_ stream: StreamID) throws -> [Tick] {
        var reader = try SegmentReader(path(stream))
        var all: [Tick] = []
        while let run = try reader.next() { all += run }
        return all
    }

    /// Parts and their slots.
    func logNames() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: log).filter { $0 != NewestPart.fileName }.sorted()
    }

    func temporaries() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: segments + "/" + HourSealer.temporaryName)
    }
}

private func run(_ stream: StreamID, _ seqs: ClosedRange<UInt32>) -> [Tick] { ticks(stream, seqs) }

@Suite struct HourSealerTests {
    static let bounds: [HourSealer.Bounds] = [
        HourSealer.Bounds(), HourSealer.Bounds(gatherBytes: 64),
        HourSealer.Bounds(memoryBytes: 64, gatherBytes: 64), HourSealer.Bounds(memoryBytes: 1, gatherBytes: 1 << 20),
    ]

    @Test(arguments: bounds) func everyRecordIsSealedOnceAndThePartsGo(bounds: HourSealer.Bounds) throws {
        let bench = try Bench()
        let marker = Tick(marker: .lost, of: trades, key: TickKey(epoch: 100, seq: 4), tsRecvNanos: 9, ref: .zero)
        try bench.record([
            [run(quotes, 1...700), run(trades, 1...3)], [[marker], run(quotes, 701...900)], [],
            [run(trades, 5...6)],
        ])
        let sealed = try bench.seal(bounds)
        #expect(try bench.sealed(quotes) == run(quotes, 1...900))
        #expect(try bench.sealed(trades) == run(trades, 1...3) + [marker] + run(trades, 5...6))
        #expect(try bench.logNames() == ["2026-01-01T00.0005.durable", "2026-01-01T00.0005.log"])
        #expect(try bench.temporaries().isEmpty)
        #expect((sealed.files, sealed.records, sealed.parts) == (2, 906, 4))
        #expect(sealed.kept.isEmpty && sealed.finishedBefore == 0)
        #expect(bench.watch.read > 0 && bench.watch.read == bench.watch.total)
        let grown = try #require(sealed.growth[quotes.contract])
        #expect(grown.files == 2 && grown.bytes == Int64(sealed.bytes))
    }

    @Test func everyFaultPointIsReached() throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...5)], [run(quotes, 6...9)]])
        try bench.seal()
        #expect(Set(bench.watch.steps) == Set(SealStep.allCases))
        let order = bench.watch.steps.filter { $0 != .midRemoval }
        #expect(
            order == [
                .beforeWrite, .midWrite, .beforeFsync, .beforeRename, .afterRename, .afterDirectoryFsync,
                .betweenRemovals, .afterRemoval,
            ])
    }

    /// After a failed fdatasync the records are written again into a new part.
    @Test(arguments: bounds) func whatTwoPartsHaveIsSealedOnce(bounds: HourSealer.Bounds) throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...10)], [run(quotes, 8...15), run(quotes, 12...20)]])
        #expect(try bench.seal(bounds).records == 20)
        #expect(try bench.sealed(quotes) == run(quotes, 1...20))
    }

    @Test(arguments: bounds) func whatWasNeverDurableIsNotSealed(bounds: HourSealer.Bounds) throws {
        let bench = try Bench()
        var recording = OpenLog(directory: bench.log, recovery: LogRecovery())
        try recording.beginPart(nowNanos: someNanos)
        try recording.append(run(quotes, 1...5))
        try recording.sync()
        let slots = try bytes(of: bench.log + "/2026-01-01T00.0001.durable")
        try recording.append(run(quotes, 6...9))
        try recording.beginPart(nowNanos: someNanos)
        // As if the fdatasync behind the last append had failed.
        try write(slots, to: bench.log + "/2026-01-01T00.0001.durable")
        #expect(try bench.seal(bounds).records == 5)
        #expect(try bench.sealed(quotes) == run(quotes, 1...5))
    }

    @Test(arguments: bounds) func aSecondSealingOfTheHourHoldsBoth(bounds: HourSealer.Bounds) throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...10), run(trades, 1...4)]])
        try bench.seal(bounds)
        try bench.record([[run(quotes, 11...30)], [run(quotes, 31...40)]])
        let second = try bench.seal(bounds)
        #expect(try bench.sealed(quotes) == run(quotes, 1...40))
        #expect(try bench.sealed(trades) == run(trades, 1...4))
        #expect((second.files, second.records) == (1, 30))
        #expect(second.growth[quotes.contract]?.files == 0)
    }

    @Test func theFileStaysWhereItIsWhenTheSymbolChanges() throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...10)]])
        try bench.seal()
        try bench.record([[run(quotes, 11...20)]])
        let renamed = HourSealer(stateDirectory: bench.directory.path, observer: bench.watch) { _ in
            HourSealer.Identity(symbol: "OTHER", definition: [])
        }
        _ = try renamed.seal(try #require(try bench.plan().first))
        #expect(try bench.sealed(quotes) == run(quotes, 1...20))
        #expect(try SegmentName.list(ticksDirectory: bench.segments).map(\.symbol) == ["MNQ"])
    }

    /// Died between the rename and the removal: the sealed file and the log are both there.
    @Test(arguments: bounds) func partsWhoseRecordsAreSealedAlreadyGo(bounds: HourSealer.Bounds) throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...500)], [run(quotes, 501...600), run(trades, 1...4)]])
        let copy = bench.directory.path + "/copy"
        try FileManager.default.copyItem(atPath: bench.log, toPath: copy)
        try bench.seal(bounds)
        // Only the second part is left of it.
        for name in ["2026-01-01T00.0002.log", "2026-01-01T00.0002.durable"] {
            try FileManager.default.copyItem(atPath: "\(copy)/\(name)", toPath: "\(bench.log)/\(name)")
        }
        let again = try bench.seal(bounds)
        #expect((again.files, again.finishedBefore, again.records, again.parts) == (0, 2, 0, 1))
        #expect(try bench.sealed(quotes) == run(quotes, 1...600))
        #expect(try bench.logNames().count == 2)
    }

    @Test(arguments: bounds) func aSealedFileThatDiffersFromTheLogKeepsTheLog(bounds: HourSealer.Bounds) throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...500)]])
        var wrong = run(quotes, 1...500)
        wrong[321].tsRecvNanos += 1
        try FileManager.default.createDirectory(
            atPath: PartName.directory(of: bench.path(quotes)), withIntermediateDirectories: true)
        var writer = try SegmentWriter(temporary: bench.path(quotes), stream: quotes, definition: [])
        try wrong.withUnsafeBufferPointer { try writer.append($0) }
        _ = try writer.finish()
        #expect(throws: SealError.self) { try bench.seal(bounds) }
        #expect(try bench.logNames().contains("2026-01-01T00.0001.log"))
    }

    @Test func aDamagedPartIsSealedAsFarAsItCanBeReadAndStays() throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...10), run(quotes, 11...20), run(quotes, 21...30)], [run(quotes, 31...35)]])
        let part = bench.log + "/2026-01-01T00.0001.log"
        var damaged = try bytes(of: part)
        // In the payload of the second block of records, behind the table (32 bytes of header) and the first one.
        damaged[32 + (32 + 640) + 100] ^= 1
        try write(damaged, to: part)
        let sealed = try bench.seal()
        #expect(sealed.kept.map(\.part.number) == [1])
        #expect(sealed.parts == 1)
        #expect(try bench.sealed(quotes) == run(quotes, 1...10) + run(quotes, 21...35))
        #expect(try bench.logNames().filter { $0.hasSuffix(".log") }.count == 2)
    }

    @Test(arguments: SealStep.allCases) func aStopLeavesTheLogOrTheFiles(step: SealStep) throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...50)], [run(quotes, 51...60), run(trades, 1...4)]])
        bench.watch.stopsAt = step
        do { try bench.seal() } catch { #expect(error as? SealError == .stopped) }
        #expect(try bench.temporaries().isEmpty)
        bench.watch.stopsAt = nil
        bench.watch.shouldStop = false
        if try bench.logNames().count > 2 { try bench.seal() }
        #expect(try bench.sealed(quotes) == run(quotes, 1...60))
        #expect(try bench.sealed(trades) == run(trades, 1...4))
    }

    /// Only the newest part's table tells how far the streams are once the others have gone.
    @Test func partsStayUntilANewerOneHasASoundTable() throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...50)]])
        let newest = bench.log + "/2026-01-01T00.0002.log"
        let sound = try bytes(of: newest)
        var damaged = sound
        damaged[40] ^= 1
        try write(damaged, to: newest)
        #expect(throws: SealError.self) { try bench.seal() }
        #expect(try bench.logNames().contains("2026-01-01T00.0001.log"))
        #expect(try bench.sealed(quotes) == run(quotes, 1...50))
        try write(sound, to: newest)
        #expect(try bench.seal().parts == 1)
    }

    @Test func aFileThatCountsBeyondAllNumbersKeepsTheLog() throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...50)]])
        try bench.seal()
        try CraftedFilesTests.changeFooter(bench.path(quotes)) { $0.records = .max }
        try bench.record([[run(quotes, 51...60)]])
        let before = try bench.logNames()
        #expect(throws: SealError.self) { try bench.seal() }
        #expect(try bench.logNames() == before)
    }

    @Test func whatACrashLeftIsRemoved() throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...5)]])
        let temporary = bench.segments + "/" + HourSealer.temporaryName
        try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
        try write([1, 2, 3], to: temporary + "/711280073.bid_ask.490896")
        try write([1], to: bench.log + "/2025-12-31T23.0000.durable")
        #expect(try bench.sealer().removeLeftovers() == 2)
        #expect(try bench.temporaries().isEmpty)
        #expect(try bench.logNames().filter { $0.hasSuffix(".durable") }.count == 2)
        #expect(try bench.sealer().removeLeftovers() == 0)
    }

    @Test func aFullDiskLeavesTheLogAsItIs() async {
        await #expect(processExitsWith: .success) {
            let bench = try Bench()
            try bench.record([[run(quotes, 1...3000)]])
            let before = try bench.logNames()
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 100, rlim_max: rlim_t.max)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            #expect(throws: SealError.self) { try bench.seal() }
            #expect(try bench.temporaries().isEmpty)
            #expect(try bench.logNames() == before)
            limit.rlim_cur = 1 << 30
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            try bench.seal()
            #expect(try bench.sealed(quotes) == run(quotes, 1...3000))
        }
    }
}

@Suite struct SealedRecoveryTests {
    private func recovered(_ bench: Bench) throws -> LogRecovery {
        try LogRecovery(directory: bench.log, ticksDirectory: bench.segments)
    }

    @Test func theNewestPartTellsHowFarStreamsAreWhenAllOthersAreSealed() throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...700), run(trades, 1...3)]])
        try bench.seal()
        let recovery = try recovered(bench)
        #expect(recovery.positions.mapValues(\.key.seq) == [quotes: 700, trades: 3])
        #expect(recovery.findings.isEmpty)
    }

    @Test(arguments: ["damaged", "gone"]) func sealedFilesTellWhatTheNewestPartCanNot(part: String) throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...700), run(trades, 1...3)]])
        try bench.seal()
        let path = bench.log + "/2026-01-01T00.0002.log"
        if part == "damaged" {
            var content = try bytes(of: path)
            content[40] ^= 1
            try write(content, to: path)
        } else {
            try FileManager.default.removeItem(atPath: path)
        }
        let recovery = try recovered(bench)
        #expect(recovery.positions[quotes] == StreamPosition(run(quotes, 700...700)[0]))
        #expect(recovery.positions[trades] == StreamPosition(run(trades, 3...3)[0]))
    }

    @Test func anOlderFileTellsWhereTheNewestIsDamaged() throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...700)]])
        try bench.seal()
        let later = SegmentName(stream: quotes, symbol: "MNQ", hour: bench.hour + 30).path(in: bench.segments)
        try FileManager.default.createDirectory(
            atPath: PartName.directory(of: later), withIntermediateDirectories: true)
        try write(Array(repeating: 7, count: 500), to: later)
        for name in try bench.logNames() { try FileManager.default.removeItem(atPath: "\(bench.log)/\(name)") }
        let recovery = try recovered(bench)
        #expect(recovery.positions[quotes]?.key.seq == 700)
        #expect(recovery.findings.map(\.path) == [bench.log + "/2026-01-01T00.0002.log", later])
    }
}

@Suite struct SegmentStockTests {
    @Test func hoursAreCountedAndRemovedWithTheirDirectories() throws {
        let bench = try Bench()
        try bench.record([[run(quotes, 1...50), run(trades, 1...4)]])
        let sealed = try bench.seal()
        let stock = SegmentStock(stateDirectory: bench.directory.path, observer: bench.watch) { _ in 24 }
        try stock.survey()
        #expect((stock.files, stock.bytes, stock.newestHour) == (2, sealed.bytes, bench.hour))
        let entry = try #require(stock.entries.first)
        #expect(entry == RetentionPlan.Stock(hour: bench.hour, bufferHours: 24, files: 2, bytes: sealed.bytes))
        let removed = try stock.remove(entry)
        #expect((removed.files, removed.bytes) == (2, sealed.bytes))
        #expect(stock.entries.isEmpty)
        #expect(try SegmentName.list(ticksDirectory: bench.segments).isEmpty)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: bench.segments) == [HourSealer.temporaryName])
        // Counting goes on from there.
        stock.add(sealed)
        #expect((stock.files, stock.bytes) == (2, sealed.bytes))
    }

    @Test func theNewestEventIsThatOfALiveTickInASoundFile() throws {
        let recording = try SealedRecording()
        let stock = SegmentStock(stateDirectory: recording.state, observer: Watch()) { _ in 24 }
        #expect(try stock.newestEventNanos() == nil)
        var script = GapScript()
        script.live(3)
        try SealedRecording.seal(recording.state, quotes, hour: 0, script.records)
        let newest = try #require(script.records.last).tsEventNanos
        for hour: Int64 in 1...2 {
            let first = script.records.count
            if hour == 2 { script.live(1) }
            script.mark(.gapOpened, "stopped")
            try SealedRecording.seal(recording.state, quotes, hour: hour, Array(script.records[first...]))
        }
        try SealedRecording.seal(recording.state, trades, hour: 0, ticks(trades, 1...2))
        #expect(try stock.newestEventNanos() == script.records[4].tsEventNanos)
        let path = try SealedRecording.path(recording.state, quotes, hour: 2)
        try RepairTests.flip(path, at: bytes(of: path).count - 100)
        #expect(try stock.newestEventNanos() == newest)
    }

    @Test func anHourIsSealedAlsoWhereItsDirectoriesWereRemovedMeanwhile() throws {
        let bench = try Bench()
        let sealer = bench.sealer()
        try bench.record([[run(quotes, 1...50)]])
        _ = try sealer.seal(try #require(try bench.plan().first))
        try FileManager.default.removeItem(atPath: "\(bench.segments)/711280073-MNQ")
        try bench.record([[run(quotes, 51...60)]])
        // Without a word it finds out at the first attempt and makes them at the second.
        #expect(throws: SealError.self) { try sealer.seal(try #require(try bench.plan().first)) }
        _ = try sealer.seal(try #require(try bench.plan().first))
        #expect(try bench.sealed(quotes) == run(quotes, 51...60))
        try FileManager.default.removeItem(atPath: "\(bench.segments)/711280073-MNQ")
        sealer.forgetDirectories()
        try bench.record([[run(quotes, 61...70)]])
        _ = try sealer.seal(try #require(try bench.plan().first))
        #expect(try bench.sealed(quotes) == run(quotes, 61...70))
    }

    @Test(arguments: [ContractID(conId: 9), ContractID(conId: quotes.conId, source: 1)])
    func onlyContractsWithThisBufferLoseAnHour(contract: ContractID) throws {
        let bench = try Bench()
        let other = StreamID(contract, .last)
        try bench.record([[run(quotes, 1...50), run(other, 1...4)]])
        try bench.seal()
        let stock = SegmentStock(stateDirectory: bench.directory.path, observer: bench.watch) {
            $0 == contract ? 48 : 24
        }
        try stock.survey()
        let entry = try #require(stock.entries.first { $0.bufferHours == 24 })
        #expect(try stock.remove(entry).files == 1)
        #expect(try SegmentName.list(ticksDirectory: bench.segments).map(\.stream) == [other])
        #expect(stock.entries.map(\.bufferHours) == [48])
    }
}
