import Foundation
import ServiceKit
import Testing
import Ticks

@testable import OperatorCLI
@testable import TickStore

/// Whether what was published is durable, as `gaps` and `audit` both have it.
@Suite struct DurabilityTests {
    private static let quotes = HoursRecording.quotes
    private static let trades = HoursRecording.trades

    private func key(_ epoch: UInt32, _ seq: UInt32) -> TickKey { TickKey(epoch: epoch, seq: seq) }

    private func report(_ keys: [StreamID: TickKey]) -> VerifyReport {
        var report = VerifyReport()
        for (stream, last) in keys {
            var recorded = VerifyReport.Stream()
            (recorded.records, recorded.lastKey, recorded.lastRecvNanos) = (1, last, Int64(last.seq))
            report.streams[stream] = recorded
        }
        return report
    }

    private func published(_ keys: [StreamID: TickKey], epoch: UInt32 = 9) -> Published {
        Published(atNanos: 0, keys: keys, epoch: epoch)
    }

    @Test func whatIsPublishedAndNotDurableIsTold() throws {
        let recorded = report([Self.quotes: key(9, 10), Self.trades: key(9, 20)])
        let all = published([Self.quotes: key(9, 10), Self.trades: key(9, 20)])
        #expect(Durability(all, recorded, .notRunning, isConnectorRunning: false).absences.isEmpty)
        let more = published([Self.quotes: key(9, 14), Self.trades: key(9, 20)])
        let durability = Durability(more, recorded, .notRunning, isConnectorRunning: false)
        let absence = try #require(durability.absences.first)
        #expect(durability.absences.count == 1 && durability.records == 4)
        #expect(absence.state == .notDurable && absence.stream == Self.quotes && absence.fromNanos == 10)
        #expect(absence.keys == KeyRange(stream: Self.quotes, first: key(9, 11), last: key(9, 14)))
        #expect(absence.cause.hasPrefix("4 records are published and not durable: only the journal may have them"))
        // What the recorder has made durable since the files were read.
        let told = Durability.Recorder.durable([Self.quotes: key(9, 14)])
        #expect(Durability(more, recorded, told, isConnectorRunning: true).absences.isEmpty)
        let some = Durability(
            more, recorded, .durable([Self.quotes: key(9, 12)]), isConnectorRunning: true)
        #expect(some.absences.map(\.cause) == ["2 records are published and not durable after 5 s"])
        // Another epoch, of which not one is recorded; a stream without any record.
        let anew = Durability(
            published([Self.quotes: key(10, 3), Self.trades: key(9, 20), StreamID(conId: 8, kind: .last): key(9, 1)]),
            recorded, .notRunning, isConnectorRunning: false)
        #expect(anew.records == 4 && anew.absences.compactMap(\.keys?.first) == [key(10, 1), key(9, 1)])
    }

    @Test func besideAConnectorTheRecorderHasToAnswer() {
        let recorded = report([Self.quotes: key(9, 10)])
        let all = published([Self.quotes: key(9, 10)])
        let silent = Durability(all, recorded, .silent, isConnectorRunning: true)
        #expect(silent.absences.count == 1 && silent.absences[0].cause.hasPrefix("ib-recorder does not answer"))
        let none = Durability(all, recorded, .notRunning, isConnectorRunning: true)
        #expect(none.absences.map(\.cause) == ["ib-recorder does not run, although ib-connector does"])
        #expect(none.absences[0].fromNanos == 10 && none.absences[0].stream == nil)
        #expect(Durability(all, recorded, .silent, isConnectorRunning: false).absences.isEmpty)
    }

    @Test func aConnectorOfWhichNothingIsRecordedIsTold() {
        let recorded = report([Self.quotes: key(9, 10)])
        func causes(_ epoch: UInt32, running: Bool = false) -> [String] {
            Durability(
                published([Self.quotes: key(9, 10)], epoch: epoch), recorded, running ? .durable([:]) : .notRunning,
                isConnectorRunning: running
            ).absences.map(\.cause)
        }
        #expect(causes(9).isEmpty && causes(8).isEmpty)
        #expect(causes(11) == ["a connector ran (epoch 11) of which nothing is recorded"])
        // One that runs may have begun just now.
        #expect(causes(11, running: true).isEmpty)
        // What is not known is no good word.
        let doubt = Published(atNanos: 0, keys: [:], doubts: ["the journal can't be read"])
        #expect(
            Durability(doubt, recorded, .notRunning, isConnectorRunning: false).absences.map(\.cause)
                == ["the journal can't be read"])
    }

    @Test func aStreamWhoseFilesWereRemovedForTheirAgeIsNotMissed() {
        let keys = [Self.quotes: key(9, 10), Self.trades: key(9, 20)]
        let recorded = report([Self.quotes: key(9, 9)])
        let durability = Durability(
            published(keys), recorded, .notRunning, isConnectorRunning: false, isWanted: { _ in false })
        #expect(durability.absences.map(\.stream) == [Self.quotes])
    }

    // MARK: - The commands

    /// What the journal has of the last connector's run, none of which was recorded.
    private func publish(_ recording: HoursRecording, epoch: UInt32, _ count: UInt32) throws {
        let directory = recording.root.path + "/run/journal"
        try FileManager.default.createDirectory(
            atPath: recording.root.path + "/run", withIntermediateDirectories: true)
        var journal = try Journal(directory: directory, sizeBytes: 256 << 10, segmentBytes: 64 << 10)
        try journal.begin(epoch: epoch)
        let ticks = (1...count).map {
            Tick(
                key: key(epoch, $0), tsEventNanos: HoursRecording.zero, tsRecvNanos: HoursRecording.zero + Int64($0),
                conId: Self.quotes.conId, kind: Self.quotes.kind,
                body: QuoteBody(bidPrice: 1, askPrice: 2, bidSize: 0, askSize: 0).body)
        }
        try ticks.withUnsafeBytes { bytes in
            try withUnsafePointer(to: bytes) { try journal.append(UnsafeBufferPointer(start: $0, count: 1)) }
        }
    }

    @Test func aStopExcusesNothingThatWasPublishedSince() throws {
        let recording = try HoursRecording()
        let asked = ["--to", "2026-01-01T03:54:00Z"]
        // The connector's word of the run that is recorded, and all of it in the journal.
        try "9\n".write(toFile: recording.state + "/epoch", atomically: false, encoding: .utf8)
        try publish(recording, epoch: 9, 5)
        #expect(try recording.run("audit").status == 0)
        #expect(try recording.run("gaps", asked[0], asked[1]).status == 0)
        // Another run, of which the journal has gone with a restart of the machine.
        try FileManager.default.removeItem(atPath: recording.root.path + "/run")
        try "10\n".write(toFile: recording.state + "/epoch", atomically: false, encoding: .utf8)
        let gone = try recording.run("audit")
        #expect(gone.status == 1)
        #expect(
            gone.output.contains("- a connector ran (epoch 10) of which nothing is recorded\n"), "\(gone.output)")
        #expect(gone.output.contains("- 2 gaps still open: stopped") && !gone.output.contains("looked at up to then"))
        // The same with its journal.
        try publish(recording, epoch: 10, 7)
        let audit = try recording.run("audit")
        #expect(audit.status == 1)
        #expect(
            audit.output.contains("- 5.bid_ask: 7 records are published and not durable: only the journal"),
            "\(audit.output)")
        let gaps = try recording.run("gaps")
        #expect(gaps.status == 1 && gaps.output.contains("1 not_durable"), "\(gaps.output)")
        // Of the time before it all is there.
        #expect(try recording.run("gaps", asked[0], asked[1]).status == 0)
        // One that can't be read tells nothing.
        try FileManager.default.removeItem(atPath: recording.root.path + "/run/journal")
        try Data().write(to: URL(fileURLWithPath: recording.root.path + "/run/journal"))
        try "9\n".write(toFile: recording.state + "/epoch", atomically: false, encoding: .utf8)
        let unread = try recording.run("audit")
        #expect(unread.status == 1 && unread.output.contains("- the journal can't be read"), "\(unread.output)")
    }

    @Test func aConnectorWithoutARecorderIsNoSoundSystem() throws {
        let recording = try HoursRecording()
        let paths = Paths(state: recording.state, runtime: recording.root.path + "/run")
        try FileManager.default.createDirectory(atPath: paths.runtime, withIntermediateDirectories: true)
        let connector = try ServiceLock(name: "ib-connector", paths: paths)
        let audit = try recording.run("audit")
        #expect(audit.status == 1)
        for name in ["ib-recorder", "ib-watchdog"] {
            #expect(audit.output.contains("- \(name) does not run, although ib-connector does"), "\(audit.output)")
        }
        _ = consume connector
    }
}
