internal import JSON
internal import ServiceKit
internal import TickStore
internal import Ticks

/// Whether all that had been published is durable: one answer for `gaps` and `audit`.
///
/// What the files lack of it may have become durable since they were read: the recorder is asked, until it says so or
/// the ticks have waited too long. Beside a running connector its answer is needed in any case.
struct Durability {
    /// What the recorder says when it is asked.
    enum Recorder: Equatable {
        case notRunning
        /// It runs, and there is no answer.
        case silent
        /// The newest durable key of every stream.
        case durable([StreamID: TickKey])
    }

    /// A tick that has been published for longer and is not durable is not recorded. What the watchdog calls red.
    static let limitNanos: Int64 = 5_000_000_000

    /// What is against it, and since when.
    let absences: [Absence]
    /// Published records that are not durable, as far as their number is known.
    let records: UInt64

    /// Asks the recorder where it has to be asked.
    init(_ published: Published, _ report: VerifyReport, _ expected: ExpectedStreams, _ paths: Paths) {
        let recorded = report.streams.mapValues(\.lastKey)
        var recorder = Recorder.notRunning
        if expected.running.contains("ib-recorder"),
            expected.isConnectorRunning || !Durability.behind(published, recorded, recorder).isEmpty
        {
            recorder = Durability.ask(published, recorded, paths)
        }
        self.init(
            published, report, recorder, isConnectorRunning: expected.isConnectorRunning,
            isWanted: { !expected.removesFiles || expected.entries[$0] != nil })
    }

    /// What follows from what is known. Pure.
    ///
    /// - Parameter isWanted: false for a stream whose files may all have been removed since, as they were old.
    init(
        _ published: Published, _ report: VerifyReport, _ recorder: Recorder, isConnectorRunning: Bool,
        isWanted: (StreamID) -> Bool = { _ in true }
    ) {
        let recorded = report.streams.mapValues(\.lastKey)
        let newestNanos = report.streams.values.filter { $0.records > 0 }.map(\.lastRecvNanos).max()
        func general(_ cause: String) -> Absence { Absence(state: .notDurable, fromNanos: newestNanos, cause: cause) }
        var found = published.doubts.map(general)
        if isConnectorRunning {
            switch recorder {
            case .notRunning: found.append(general("ib-recorder does not run, although ib-connector does"))
            case .silent:
                found.append(general("ib-recorder does not answer: nobody knows whether what comes is recorded"))
            case .durable: break
            }
        }
        let behind = Durability.behind(published, recorded, recorder).filter {
            isWanted($0.stream) || recorded[$0.stream] != nil
        }
        found += behind.map { keys in
            Absence(
                stream: keys.stream, state: .notDurable, fromNanos: report.streams[keys.stream]?.lastRecvNanos,
                cause: Durability.cause(keys, recorder), keys: keys)
        }
        let greatest = recorded.values.reduce(UInt32(0)) { max($0, $1.epoch) }
        // A running connector may have begun this very moment.
        if !isConnectorRunning, report.records > 0, published.epoch > greatest,
            !behind.contains(where: { $0.last.epoch == published.epoch })
        {
            found.append(general("a connector ran (epoch \(published.epoch)) of which nothing is recorded"))
        }
        absences = found
        records = behind.reduce(0) { $0 + Durability.count($1) }
    }

    /// Keys that are published and not durable, of each stream that has some.
    static func behind(
        _ published: Published, _ recorded: [StreamID: TickKey], _ recorder: Recorder
    ) -> [KeyRange] {
        var told: [StreamID: TickKey] = [:]
        if case .durable(let keys) = recorder { told = keys }
        return published.keys.sorted { $0.key < $1.key }.compactMap { stream, last in
            let durable = max(recorded[stream] ?? .zero, told[stream] ?? .zero)
            guard last > durable else { return nil }
            let first = durable.epoch == last.epoch ? durable.next : TickKey(epoch: last.epoch, seq: 1)
            return KeyRange(stream: stream, first: first, last: last)
        }
    }

    private static func count(_ keys: KeyRange) -> UInt64 { UInt64(keys.last.seq - keys.first.seq) + 1 }

    private static func cause(_ keys: KeyRange, _ recorder: Recorder) -> String {
        let what = "\(grouped(count(keys))) records are published and not durable"
        switch recorder {
        case .notRunning: return what + ": only the journal may have them: start the recorder before it is overwritten"
        case .silent: return what + ", and ib-recorder does not answer"
        case .durable: return what + " after \(limitNanos / 1_000_000_000) s"
        }
    }

    /// Asks until all is durable, or for as long as it may take.
    private static func ask(_ published: Published, _ recorded: [StreamID: TickKey], _ paths: Paths) -> Recorder {
        while true {
            var recorder = Recorder.silent
            if let streams = ServiceAnswer.ask("recorder", "streams", paths)?["streams"]?.object {
                recorder = .durable(positions(streams))
                if behind(published, recorded, recorder).isEmpty { return recorder }
            }
            guard bootNanos() - published.atNanos < limitNanos else { return recorder }
            sleepMillis(50)
        }
    }

    /// `{"711280073.bid_ask":[epoch,seq,…]}`.
    private static func positions(_ streams: JSONObject) -> [StreamID: TickKey] {
        var keys: [StreamID: TickKey] = [:]
        for member in streams.members {
            guard let stream = StreamID(member.name), let values = member.value.array, values.count >= 2,
                let epoch = values[0].integer.flatMap({ UInt32(exactly: $0) }),
                let seq = values[1].integer.flatMap({ UInt32(exactly: $0) })
            else { continue }
            keys[stream] = TickKey(epoch: epoch, seq: seq)
        }
        return keys
    }
}
