/// What a session needs to know: where to connect, and how long to wait for what.
public struct SessionPolicy: Sendable, Equatable {
    /// Tried in this order; the one that was ready last comes first. Not empty.
    public var ports: [UInt16]
    public var clientId: Int32
    /// So many ids, from the configured one on, are tried while code 326 says that one is in use: a gateway may hold
    /// the id of a dead connection for long. A new session begins with the configured one again.
    public var clientIds: Int32 = 8
    /// What the client offers; a subrange of `ServerVersion.supported`.
    public var versions = ServerVersion.supported
    /// Lets a paper account replace a live one.
    public var anyAccount = false

    public var connectTimeoutNanos: Int64 = 3_000_000_000
    /// From the connection to the server's greeting. A gateway that is not logged in accepts and says nothing.
    public var handshakeTimeoutNanos: Int64 = 15_000_000_000
    /// From `startApi` to both `managedAccounts` and `nextValidId`; doubled after each attempt that was in vain, up to
    /// the greatest. While other messages come it begins anew with each, up to the limit.
    public var startTimeoutNanos: Int64 = 15_000_000_000
    public var greatestStartTimeoutNanos: Int64 = 60_000_000_000
    public var startLimitNanos: Int64 = 300_000_000_000

    /// The wait behind the first failure; it doubles up to the greatest, and a jitter takes up to half of it away.
    public var firstDelayNanos: Int64 = 250_000_000
    public var greatestDelayNanos: Int64 = 5_000_000_000
    /// The least wait after code 326: TWS may hold the client id of a dead connection for a while.
    public var clientIdInUseDelayNanos: Int64 = 5_000_000_000
    /// The least wait after a fault that only a person can mend, such as a redirect or an unsupported version.
    public var misconfiguredDelayNanos: Int64 = 10_000_000_000
    /// Consecutive failures that open the circuit; from then on one probe per `openDelayNanos`, for ever.
    public var failuresToOpen = 12
    public var openDelayNanos: Int64 = 15_000_000_000

    /// How long after a loss only the port that was ready last is tried.
    public var stayOnPortNanos: Int64 = 60_000_000_000
    /// A session that lasted this long has proved itself, as has one that brought market data.
    public var provenAfterNanos: Int64 = 30_000_000_000

    /// Silence after which the gateway is asked for its time, and the wait for the answer. Two unanswered questions end
    /// the session: 2 s + 2 × 3 s.
    public var askAfterSilenceNanos: Int64 = 2_000_000_000
    public var answerTimeoutNanos: Int64 = 3_000_000_000
    /// An answer that takes longer than this is no answer of a gateway that works: ticks may be missing
    /// already. Less than `answerTimeoutNanos`.
    public var doubtAfterNanos: Int64 = 1_500_000_000
    /// How long a session whose gateway has lost its server may stay without a sign of it:
    /// codes 1101 and 1102, a farm's OK, a tick.
    public var linkLossLimitNanos: Int64 = 300_000_000_000

    public init(ports: [UInt16], clientId: Int32) {
        precondition(!ports.isEmpty, "a session needs a port")
        self.ports = ports
        self.clientId = clientId
    }
}

/// What the accounts of a session are.
public enum AccountKind: String, Sendable, CaseIterable {
    case live
    case paper
    /// The simulated gateway's: all begin with `SIM`.
    case simulated

    /// Paper accounts begin with `D`. Anything that is not surely paper or simulated is live. Nil for a list that names
    /// no account, which says nothing: a gateway may send one while it has none yet.
    public init?(accounts: [String]) {
        if accounts.isEmpty { return nil }
        if accounts.allSatisfy({ $0.hasPrefix("SIM") }) {
            self = .simulated
        } else if accounts.allSatisfy({ $0.hasPrefix("D") }) {
            self = .paper
        } else {
            self = .live
        }
    }

    /// True when a session of this kind may follow one of `previous`: the same, or live after paper.
    func mayFollow(_ previous: AccountKind?) -> Bool {
        previous == nil || previous == self || (previous == .paper && self == .live)
    }
}

/// A session that is ready for requests.
public struct Session: Sendable, Equatable {
    /// Counts the ready sessions of this process from 1. Messages of an older one are late.
    public var number: UInt64
    public var port: UInt16
    public var serverVersion: Int
    public var connectionTime: String
    public var accounts: [String]
    public var nextValidId: Int32
    /// The id that the gateway knows us by.
    public var clientId: Int32

    public init(
        number: UInt64, port: UInt16, serverVersion: Int, connectionTime: String, accounts: [String],
        nextValidId: Int32, clientId: Int32
    ) {
        self.number = number
        self.port = port
        self.serverVersion = serverVersion
        self.connectionTime = connectionTime
        self.accounts = accounts
        accountKind = AccountKind(accounts: accounts)
        self.nextValidId = nextValidId
        self.clientId = clientId
    }

    /// What the accounts are; while none is named, what they were in the session before. Nil: not known.
    public var accountKind: AccountKind?
}

/// Why an attempt failed or a session ended.
public enum SessionFault: Error, Sendable, Equatable, CustomStringConvertible {
    case connectFailed(String)
    case connectTimeout
    case handshakeTimeout
    case handshake(HandshakeError)
    /// Neither or only one of `managedAccounts` and `nextValidId` came.
    case startTimeout
    /// Code 326.
    case clientIdInUse
    case wrongAccount(AccountKind)
    case closedByPeer
    /// Accepted and closed before the greeting, or behind it before the session began: the gateway does not want us.
    case turnedAway(isGreeted: Bool)
    case inputOutput(String)
    case frame(FrameError)
    case message(DecodeError)
    /// Nothing was heard, not even the answers to questions.
    case silent
    /// Code 1100 or 2110 without 1101 or 1102 behind it.
    case linkLost
    /// Code 1300.
    case portChanged(UInt16)
    /// The operator's or our own wish.
    case requested(String)

    /// Another address of the same host may do better.
    var isOfAddress: Bool {
        switch self {
        case .connectFailed, .connectTimeout, .handshakeTimeout, .handshake, .closedByPeer, .turnedAway, .inputOutput,
            .frame, .message:
            true
        case .startTimeout, .clientIdInUse, .wrongAccount, .silent, .linkLost, .portChanged, .requested: false
        }
    }

    public var description: String {
        switch self {
        case .connectFailed(let text): "connect failed: \(text)"
        case .connectTimeout: "connect timed out"
        case .handshakeTimeout: "connected, but no greeting came (not logged in, or waiting for a confirmation?)"
        case .handshake(let error): error.description
        case .startTimeout: "greeted, but accounts and next id did not come"
        case .clientIdInUse: "client id is already in use: end the other client, or set tws.client_id"
        case .wrongAccount(let kind):
            "a \(kind.rawValue) account must not take the place of the one before: log in to "
                + "the other account, or set tws.any_account"
        case .closedByPeer: "closed by the gateway"
        case .turnedAway(let isGreeted):
            "the gateway closes the connection \(isGreeted ? "behind its greeting" : "without a greeting"): is this host "
                + "among its trusted IPs, and its API enabled (API settings of IB Gateway or TWS)?"
        case .inputOutput(let text): text
        case .frame(let error): error.description
        case .message(let error): "too many messages that can't be decoded, at last \(error)"
        case .silent: "the gateway does not answer"
        case .linkLost: "the gateway did not find its server again"
        case .portChanged(let port): "the gateway's port changed to \(port)"
        case .requested(let text): text
        }
    }
}
