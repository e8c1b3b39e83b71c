internal import ServiceKit
internal import Supervision
internal import Ticks

/// What the judge knew at one moment: a value that every face reads without touching the judge.
struct Snapshot: Sendable {
    struct Service: Sendable {
        var name = ""
        var state = ""
        var isUp = false
        var pid: Int32?
        var restarts = 0
        var startedAtNanos: Int64 = 0
        var lastExit = ""
        /// The service's own status line.
        var status = ""
        /// `name:state:restarts` of its threads, separated by commas.
        var tasks = ""
        var silentNanos: Int64 = 0
        var diskWaitNanos: Int64 = 0
        /// The nonce of a recent ping came back in its heartbeat.
        var answersPing = false
        /// Names the configuration that it runs with, and when it was read.
        var configuration: String?
        var configurationRead: String?
        var ticks: UInt64?
        /// The recorder's alone: ticks that it knows of and that are not durable.
        var backlog: UInt64?
        /// The recorder's alone: `ok` or why sealing fails; the newest sealed hour; bytes of all sealed files.
        var sealing: String?
        var sealedTo: String?
        var sealedBytes: Int64?
    }

    struct Stream: Sendable {
        var id: StreamID
        var symbol: String
        /// As configured.
        var exchange: String?
        var required: Bool
        var state: StreamState
        var reason: String
        /// Since the last durable tick that the watchdog saw come; nil: none yet.
        var silentNanos: Int64?
        /// How long the oldest published record that is not durable has been waiting; nil: not known.
        var durableLagNanos: Int64?
        var durable: TickKey?
        var published: TickKey?
        var tsEventNanos: Int64
        /// 0: never.
        var tsRecvNanos: Int64
        var ticksPerSecond: Double
        /// Nil: its trading hours are not known.
        var marketOpen: Bool?

        /// Published records that are not durable yet, when both are of one epoch.
        var lag: UInt32? {
            guard let durable, let published, durable.epoch == published.epoch else { return nil }
            return published.seq > durable.seq ? published.seq - durable.seq : 0
        }
    }

    var bootNanos: Int64 = 0
    var wallNanos: Int64 = 0
    var services: [Service] = []
    /// How far back the journal reaches, and how long until it has to overwrite what is not durable, at the present
    /// rate; nil: not known, or too long to matter.
    var journalReachSeconds: Int64?
    var journalLeftSeconds: Int64?
    var sessionReady: Bool?
    /// What the connector says of a session that is not ready.
    var sessionWhy = ""
    var session = "unknown"
    var inMaintenance = false
    var streams: [Stream] = []
    var health = HealthModel(services: [], sessionReady: nil, inMaintenance: false, streams: [])
    var contracts: [(id: ContractID, entry: TrackedContract)] = []
    var simulated = false
    /// Names the watchdog's own configuration.
    var configuration = ""
    var marketDataLines = 0
    var staleWarnNanos: Int64 = 0
    var staleRestartNanos: Int64 = 0

    /// Facts older than this are no facts: the judge's loop stands still.
    static let limitNanos: Int64 = 5_000_000_000

    func isFresh(nowNanos: Int64) -> Bool { bootNanos > 0 && nowNanos - bootNanos <= Self.limitNanos }
}
