import Messaging
import TickStore
import Ticks

@testable import Connector
@testable import ServiceKit

/// A session that has no gateway: what it decides is seen in its journal.
struct SessionBench: ~Copyable {
    let directory: TemporaryDirectory
    let context: Context
    let mailbox: SessionMailbox
    var session: GatewaySession

    /// - Parameters:
    ///   - lines: tick-by-tick lines.
    ///   - contracts: as configured; quotes and trades of one contract, where none are given.
    init(
        epoch: UInt32 = 100, lines: Int = 5, wasRecorded: Set<StreamID> = [quotes, trades], host: String = "127.0.0.1",
        contracts: [TrackedContract] = [
            TrackedContract(conId: quotes.conId, symbol: "MNQ", exchange: "CME", ticks: [.bidAsk, .last])
        ]
    ) throws {
        let directory = try TemporaryDirectory()
        let context = try Context()
        let paths = Paths(state: directory.path + "/state", runtime: directory.path + "/run")
        for path in [paths.state, paths.runtime] { try Files.makeDirectory(path) }
        var configuration = Configuration()
        configuration.tws.tickByTickLines = lines
        configuration.tws.host = host
        configuration.contracts = contracts
        let journal = try Journal(
            directory: directory.path + "/journal", sizeBytes: 256 << 10, segmentBytes: 64 << 10)
        var publisher = try Publisher(in: context)
        try publisher.bind("ipc://" + directory.path + "/ticks.sock")
        let mailbox = try SessionMailbox()
        let lock = try ServiceLock(name: "connector", paths: paths)
        session = try GatewaySession(
            TaskContext(name: "session", stop: StopToken(), progress: ProgressCounter("session")),
            configuration: configuration, paths: paths, mailbox: mailbox,
            healMail: try HealMailbox(configuration.heal), status: ConnectorStatus(), facts: try HeartbeatFacts(),
            path: TickPath(capacity: 8, epoch: epoch, journal: journal, publisher: publisher),
            keeper: try StateKeeper(
                paths: paths, contracts: configuration.contracts.map(configuration.id), lockNote: lock.stateNote),
            resolver: try NameResolver(), durable: DurableBoard(nil), wasRecorded: wasRecorded)
        self.directory = directory
        self.context = context
        self.mailbox = mailbox
    }

    /// The stream's request, asked for now if it may be.
    mutating func subscribe(_ stream: StreamID) throws -> Int32? {
        session.subscribeWhatIsWanted(nowNanos: bootNanos())
        guard let index = session.subscriptions.index(of: stream),
            case .requested(let request, _) = session.subscriptions.entries[index].state
        else { return nil }
        return request
    }

    mutating func take(_ body: [UInt8]) throws { try body.withUnsafeBytes { try session.path.accept($0) } }

    func openGap(_ stream: StreamID) -> TickKey? {
        session.subscriptions.index(of: stream).flatMap {
            session.path.slot(session.subscriptions.entries[$0].slot).openGap
        }
    }

    /// All records of a stream from a key on, but for the first of each epoch; `nil` in
    /// front of what the journal says is gone.
    mutating func journaled(_ stream: StreamID, from key: TickKey = .zero) throws -> [Tick?] {
        session.path.flush()
        var reader = JournalReader(directory: directory.path + "/journal")
        var all: [Tick?] = []
        var next = key
        while true {
            let page = try reader.read(stream, from: next, limit: .max) {
                all += $0.filter { $0.chain == nil }.map { $0 }
            }
            if page.goneFirst != nil { all.append(nil) }
            guard page.goneFirst != nil || page.records > 0 else { return all }
            next = page.next
        }
    }
}

extension Tick {
    /// A marker's event and text.
    var words: String? {
        marker.map { body in
            "\(body.event.map { "\($0)" } ?? "?") \(String(decoding: body.text, as: UTF8.self))"
        }
    }
}
