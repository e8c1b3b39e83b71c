import Foundation
import Testing
import Ticks

@testable import TickStore

@Suite struct ReaderTests {
    @Test func readersGetWhatIsDurableAndNoMore() throws {
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.file("log"))
        try log.append(ticks(quotes, 1...5), ticks(trades, 1...2))
        try log.sync()
        try log.append(ticks(quotes, 6...9))
        var all = try TickReader.all(try TickReader(stateDirectory: directory.path)).ticks
        #expect(all == [quotes: ticks(quotes, 1...5), trades: ticks(trades, 1...2)])
        try log.sync()
        all = try TickReader.all(try TickReader(stateDirectory: directory.path, .init(streams: [quotes]))).ticks
        #expect(all == [quotes: ticks(quotes, 1...9)])
    }

    @Test func aGivenUpPartIsReadOnce() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("log")
        var log = try OpenLog.recovering(path)
        try log.append(ticks(quotes, 1...5))
        try log.sync()
        // As after a failed write: the next part repeats what was above the watermark, and more.
        try log.append(ticks(quotes, 6...9))
        var recovery = LogRecovery()
        recovery.positions = log.durablePositions
        recovery.lastPart = log.part
        var again = OpenLog(directory: path, recovery: recovery)
        try again.beginPart(nowNanos: someNanos)
        try again.append(ticks(quotes, 6...12))
        try again.sync()
        #expect(
            try TickReader.all(try TickReader(stateDirectory: directory.path)).ticks == [quotes: ticks(quotes, 1...12)])
        let report = try Verify(stateDirectory: directory.path).run()
        #expect(report.isSound && report.ticks == 12)
    }

    @Test func timesSelectLiveTicksByReceiptAndHealedOnesByEvent() throws {
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.file("log"))
        var run = ticks(quotes, 1...9)
        run[6].flags = .healed
        run[6].tsEventNanos = someNanos + 2_500
        run[2].flags = .moreFollows
        run[3].kindByte = TickKind.more.rawValue
        run[3].body = MoreBody(streamKind: .bidAsk, field: .askSize, text: [0x31]).body
        try log.append(run)
        try log.sync()
        let all = try TickReader.all(
            try TickReader(
                stateDirectory: directory.path,
                .init(fromNanos: someNanos + 2_000, toNanos: someNanos + 4_000))
        ).ticks
        // 2 and 3 by receipt, 4 because it completes 3, 7 by its event time.
        #expect(all[quotes]?.map(\.seq) == [2, 3, 4, 7])
        #expect(
            try TickReader.all(try TickReader(stateDirectory: directory.path, .init(fromNanos: .max))).ticks.isEmpty)
    }

    @Test func aReaderKeepsUpWithAWriterThatRolls() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("log")
        var log = try OpenLog.recovering(path, partBytes: 16 << 10)
        var reader = try TickReader(stateDirectory: directory.path)
        var history = LogHistory(directory: path)
        var want = TickKey.zero
        var written: UInt32 = 0
        var read: UInt32 = 0
        for round in 0..<200 {
            try log.append(ticks(quotes, (written + 1)...(written + 10)))
            try log.sync()
            written += 10
            if log.needsPart(nowNanos: someNanos) { try log.beginPart(nowNanos: someNanos) }
            if round % 7 == 0 {
                let page = try history.read(quotes, from: want, limit: 100) { run in
                    for tick in run {
                        #expect(tick.seq == want.seq + (want == .zero ? 1 : 0))
                        want = tick.key.next
                    }
                }
                #expect(page.next == want && page.goneFirst == nil)
            }
            // Starts while the first part is open, goes on, always behind, while the writer rolls.
            if round == 5 || (30..<150).contains(round), let run = try reader.next() {
                #expect(run.ticks.first?.seq == read + 1)
                read = run.ticks[run.ticks.count - 1].seq
            }
        }
        while let run = try reader.next() { read = run.ticks[run.ticks.count - 1].seq }
        #expect(read == written)
        while try history.read(quotes, from: want, limit: 1000, emit: { want = $0[$0.count - 1].key.next }).records > 0
        {}
        #expect(want.seq == written + 1)
        #expect(
            try history.firstKey(of: quotes, receivedFromNanos: someNanos + 1_234_500)
                == TickKey(epoch: 100, seq: 1_235))
        let names = try PartName.list(path)
        #expect(names.count > 5)
        // The oldest parts go: what was in them is gone, and the next table proves it.
        for name in names.prefix(3) { try FileManager.default.removeItem(atPath: name.path(in: path)) }
        let gone = try history.read(quotes, from: TickKey(epoch: 100, seq: 1), limit: 10) { _ in }
        #expect(gone.goneFirst != nil)
        var first: UInt32 = 0
        _ = try history.read(quotes, from: gone.next, limit: 1) { first = $0[0].seq }
        #expect(TickKey(epoch: 100, seq: first) == gone.goneFirst)
    }

    @Test func pagesNeverPartATickFromItsMore() throws {
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.file("log"))
        var run = ticks(trades, 1...600)
        for at in stride(from: 0, to: 600, by: 3) {
            run[at].flags = .moreFollows
            run[at + 1].flags = .moreFollows
            for more in 1...2 {
                run[at + more].kindByte = TickKind.more.rawValue
                run[at + more].body = MoreBody(streamKind: .last, field: .exchange, text: [0x41]).body
            }
        }
        try log.append(run)
        try log.sync()
        #expect(try Verify(stateDirectory: directory.path).run().isSound)
        var history = LogHistory(directory: directory.file("log"))
        for limit in [1, 2, 3, 4, 256, 257, 600] {
            var want = TickKey.zero
            var count = 0
            while count < 600 {
                let page = try history.read(trades, from: want, limit: limit) { batch in
                    #expect(batch.count <= 256 && batch[0].kind == .last)
                    #expect(batch[batch.count - 1].kind == .more && batch.count % 3 == 0)
                    count += batch.count
                }
                #expect(page.records > 0 && page.records <= max(3, limit))
                want = page.next
            }
            #expect(count == 600)
        }
    }

    @Test func aPartThatIsSealedMeanwhileIsPassedOver() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("log")
        var log = try OpenLog.recovering(path)
        for part in UInt32(0)..<4 {
            try log.append(ticks(quotes, (part * 5 + 1)...(part * 5 + 5)))
            try log.beginPart(nowNanos: someNanos)
        }
        let names = try PartName.list(path)
        var reader = try TickReader(stateDirectory: directory.path)
        #expect(try reader.next()?.ticks.first?.seq == 1)
        for name in names[0...1] { try FileManager.default.removeItem(atPath: name.path(in: path)) }
        var seqs: [UInt32] = []
        while let run = try reader.next() { seqs += run.ticks.map(\.seq) }
        #expect(seqs == Array(11...20))
    }

    @Test func historySkipsPartsThatTheTablesRuleOut() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("log")
        var log = try OpenLog.recovering(path)
        try log.append(ticks(trades, 1...3))
        for part in UInt32(0)..<4 {
            try log.beginPart(nowNanos: someNanos)
            try log.append(ticks(quotes, (part * 5 + 1)...(part * 5 + 5)))
        }
        try log.beginPart(nowNanos: someNanos)
        try log.append(ticks(trades, 4...6), ticks(StreamID(conId: 1, kind: .last), 1...1))
        try log.sync()
        // A damaged table in the middle rules nothing out.
        let middle = try PartName.list(path)[2].path(in: path)
        var damaged = try bytes(of: middle)
        damaged[40] ^= 1
        try write(damaged, to: middle)
        var history = LogHistory(directory: path)
        func all(_ stream: StreamID, from key: TickKey) throws -> [UInt32] {
            var seqs: [UInt32] = []
            _ = try history.read(stream, from: key, limit: 1000) { seqs += $0.map(\.seq) }
            return seqs
        }
        #expect(try all(trades, from: .zero) == [1, 2, 3, 4, 5, 6])
        #expect(try all(trades, from: TickKey(epoch: 100, seq: 4)) == [4, 5, 6])
        #expect(try all(quotes, from: TickKey(epoch: 100, seq: 7)) == Array(7...20))
        #expect(try all(StreamID(conId: 1, kind: .last), from: .zero) == [1])
        #expect(try all(StreamID(conId: 2, kind: .last), from: .zero) == [])
        #expect(
            try history.firstKey(of: trades, receivedFromNanos: someNanos + 3_500) == TickKey(epoch: 100, seq: 4))
        #expect(try history.firstKey(of: trades, receivedFromNanos: someNanos + 7_000) == nil)
    }

    /// Repair knows no time for what it puts into a table.
    @Test func aTableWithoutATimeRulesNothingOut() throws {
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.path)
        try log.append(ticks(quotes, 1...10))
        try log.sync()
        var recovery = try LogRecovery(directory: directory.path)
        recovery.positions[quotes]?.tsRecvNanos = 0
        log = OpenLog(directory: directory.path, recovery: recovery)
        try log.beginPart(nowNanos: someNanos)
        try log.append(ticks(quotes, 11...20))
        try log.sync()
        var history = LogHistory(directory: directory.path)
        #expect(
            try history.firstKey(of: quotes, receivedFromNanos: someNanos + 5_000) == TickKey(epoch: 100, seq: 5))
    }

    @Test func aPartThatCouldNotBeReadOnceIsReadLater() throws {
        let directory = try TemporaryDirectory()
        var log = try OpenLog.recovering(directory.path)
        try log.append(ticks(quotes, 1...10))
        try log.sync()
        let slots = PartName.durablePath(ofLog: log.part!.path(in: directory.path))
        try log.beginPart(nowNanos: someNanos)
        try log.append(ticks(quotes, 11...20))
        try log.sync()
        var history = LogHistory(directory: directory.path)
        // A directory can be opened and not be read.
        guard rename(slots, slots + ".aside") == 0, mkdir(slots, 0o700) == 0 else { throw POSIXError(.EIO) }
        #expect(throws: StoreError.self) { _ = try history.read(quotes, from: .zero, limit: 100) { _ in } }
        guard rmdir(slots) == 0, rename(slots + ".aside", slots) == 0 else { throw POSIXError(.EIO) }
        var seen: [Tick] = []
        _ = try history.read(quotes, from: .zero, limit: 100) { seen += $0 }
        #expect(seen == ticks(quotes, 1...20))
    }
}
