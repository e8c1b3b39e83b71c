public import Ticks

/// Everything that a user can decide, typed and checked. `Configuration.load` makes one; a plain `Configuration()` has
/// the built-in defaults (and no contract).
public struct Configuration: Sendable, Equatable {
    /// `root: DIR`: state in `DIR/state`, runtime in `DIR/run`. Nil: see `Paths`.
    public var root: String?
    /// Which connector this is (byte 29 of every record whose contract has no source of its own).
    public var source: UInt8 = 0
    public var tws = TWSSettings()
    /// In file order, which decides who gets a tick-by-tick line.
    public var contracts: [TrackedContract] = []
    public var connector = ConnectorSettings()
    public var publish = PublishSettings()
    public var recorder = RecorderSettings()
    public var storage = StorageSettings()
    public var heal = HealSettings()
    public var watchdog = WatchdogSettings()
    public var alerts: [AlertSettings] = []

    public init() {}

    /// Every stream that the contracts ask for, in file order.
    public var streams: [StreamID] {
        contracts.flatMap { contract in contract.ticks.map { StreamID(id(of: contract), $0) } }
    }

    /// The contract that an entry is about: its id, and its source or else this connector's.
    public func id(of contract: TrackedContract) -> ContractID {
        ContractID(conId: contract.conId, source: contract.source ?? source)
    }

    /// The entries by what they are about.
    public var contractOf: [ContractID: TrackedContract] {
        Dictionary(contracts.map { (id(of: $0), $0) }, uniquingKeysWith: { first, _ in first })
    }
}

/// Section `tws`: the gateway.
public struct TWSSettings: Sendable, Equatable {
    /// What happens to the streams that find no tick-by-tick line.
    public enum OnExcess: String, Sendable, CaseIterable {
        /// The first streams in file order are recorded, the others are `no_line`.
        case recordFirst = "record_first"
        /// The others are recorded as level 1.
        case level1
        /// The connector refuses to start.
        case refuse
    }

    public var host = "127.0.0.1"
    /// Tried in this order.
    public var ports: [UInt16] = [4002, 4001, 7497, 7496]
    public var clientId: Int32 = 851
    public var marketDataLines = 100
    public var tickByTickLines = 5
    public var tickByTickSpacingNanos: Int64 = 15_000_000_000
    public var requestsPerSecond = 45
    public var onExcess = OnExcess.recordFirst
    /// 1 live, 2 frozen, 3 delayed, 4 delayed frozen.
    public var marketDataType = 1
    public var anyAccount = false
    public var maintenance = MaintenanceWindow.northAmerica
    /// The greatest server version that is offered; nil: the greatest that the codec knows.
    public var maxServerVersion: Int?

    public init() {}
}

/// One entry of `contracts`.
public struct TrackedContract: Sendable, Equatable {
    public var conId: Int32
    /// Decoration of paths and messages: `[A-Za-z0-9._-]`.
    public var symbol: String
    public var exchange: String?
    /// Tells one venue of a contract from its others; nil: the connector's own.
    public var source: UInt8?
    public var ticks: [TickKind]
    /// The least history, in hours, that retention leaves.
    public var bufferHours: Int
    /// False takes the contract out of `/health`.
    public var required: Bool

    public init(
        conId: Int32, symbol: String, exchange: String? = nil, source: UInt8? = nil,
        ticks: [TickKind] = [.bidAsk, .last], bufferHours: Int = 24, required: Bool = true
    ) {
        self.conId = conId
        self.symbol = symbol
        self.exchange = exchange
        self.source = source
        self.ticks = ticks
        self.bufferHours = bufferHours
        self.required = required
    }
}

/// Section `connector`.
public struct ConnectorSettings: Sendable, Equatable {
    /// Nil: `<runtime>/journal`.
    public var journalDir: String?
    public var journalSizeBytes: Int64 = 256 << 20
    public init() {}
}

/// Section `publish`.
public struct PublishSettings: Sendable, Equatable {
    public var tcp: [TCPEndpoint] = []
    public init() {}
}

/// One entry of `publish.tcp`: the live feed, and if wanted replay and history, on a TCP address.
public struct TCPEndpoint: Sendable, Equatable {
    /// `tcp://ADDRESS:PORT` of the live feed.
    public var endpoint: String
    public var replay: String?
    public var history: String?
    /// Directory with `server.key` (secret, Z85) and `clients/*.key` (public keys that may connect).
    public var curve: String?
    public var insecure: Bool

    public init(
        endpoint: String, replay: String? = nil, history: String? = nil, curve: String? = nil, insecure: Bool = false
    ) {
        self.endpoint = endpoint
        self.replay = replay
        self.history = history
        self.curve = curve
        self.insecure = insecure
    }
}

/// Section `recorder`.
public struct RecorderSettings: Sendable, Equatable {
    public var commitIntervalNanos: Int64 = 100_000_000
    public var holdBackBytes: Int64 = 64 << 20
    public init() {}
}

/// Section `storage`: retention. Nil keeps everything.
public struct StorageSettings: Sendable, Equatable {
    public var keepDays: Int?
    public var keepBytes: Int64?
    public init() {}
}

/// Section `heal`: how gaps are filled from the gateway's history, within its pacing.
public struct HealSettings: Sendable, Equatable {
    public var enabled = true
    public var requestsPer10Minutes = 60
    /// Least time between two identical requests.
    public var identicalNanos: Int64 = 15_000_000_000
    /// Requests for the same contract within 2 s.
    public var perContractIn2Seconds = 6
    public init() {}
}

/// Section `watchdog`.
public struct WatchdogSettings: Sendable, Equatable {
    public var http = HTTPAddress(host: "127.0.0.1", port: 8851)
    /// `http` may be an address that other hosts reach.
    public var httpOpen = false
    public var staleWarnNanos: Int64 = 300_000_000_000
    public var staleRestartNanos: Int64 = 1_800_000_000_000
    public var monitorIntervalNanos: Int64 = 60_000_000_000
    /// A working loop that made no progress for this long hangs.
    public var hangNanos: Int64 = 5_000_000_000
    public init() {}
}

/// Where the watchdog serves HTTP, or the connector its feed.
public struct HTTPAddress: Sendable, Equatable, CustomStringConvertible {
    /// An IPv4 or IPv6 address, without brackets.
    public var host: String
    /// 0: picked by the system.
    public var port: UInt16

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// One entry of `alerts`. What is in `url` is a secret and never shown.
public struct AlertSettings: Sendable, Equatable {
    /// To whom an alert goes.
    public enum Kind: String, Sendable, CaseIterable {
        case webhook, slack, pagerduty, telegram, sendmail, command
        /// The dead man's switch: asked while all is well.
        case deadMan = "dead_man"
    }

    /// How grave an alert is, from the least on.
    public enum Severity: String, Sendable, CaseIterable {
        case info, warning, error, critical
    }

    public var type: Kind
    public var url: String?
    public var urlFile: String?
    public var command: String?
    public var minSeverity = Severity.warning
    /// An alert that goes on is repeated this often.
    public var repeatNanos: Int64 = 3_600_000_000_000

    public init(type: Kind) { self.type = type }
}
