/// What the watchdog says about one stream. The raw value is the name on every face.
public enum StreamState: String, Sendable, CaseIterable {
    case live
    /// No tick just now, which is usual for this stream.
    case quiet
    /// Its market is closed.
    case closed
    case halted
    case expired
    /// The broker's maintenance window.
    case maintenance
    case delayed
    /// A tick that was published more than two seconds ago is not durable.
    case lagging
    /// Silent for longer than is usual although its market is open.
    case mute
    case competingSession = "competing_session"
    /// The gateway sends the values of the last close although the market is open.
    case frozen
    case noPermission = "no_permission"
    case noLine = "no_line"
    case farmDown = "farm_down"
    /// A tick that was published more than five seconds ago is not durable, and the disk is not what it waits for.
    case behind
    /// Ticks arrive and do not become durable, or not in time, for the disk's sake.
    case diskFailing = "disk_failing"
    /// Ticks that the gateway may have sent, and that were lost with a connection, are not fetched from history yet.
    case healing
    case notSubscribed = "not_subscribed"
    /// The facts are missing or too old.
    case unknown

    /// Ticks are taken and become durable; true as well while older ones are missing.
    public var isRecorded: Bool { health != .down || self == .healing }

    /// What the state means for health.
    public var health: Health {
        switch self {
        case .live, .quiet, .closed, .halted, .expired: .healthy
        case .delayed, .lagging, .maintenance: .degraded
        case .mute, .competingSession, .frozen, .noPermission, .noLine, .farmDown, .behind, .diskFailing,
            .healing, .notSubscribed, .unknown:
            .down
        }
    }
}

/// Health of a stream or of everything; greater is worse.
public enum Health: Int, Sendable, Comparable {
    case healthy = 0
    case degraded = 1
    case down = 2

    public var name: StaticString {
        switch self {
        case .healthy: "healthy"
        case .degraded: "degraded"
        case .down: "down"
        }
    }

    public static func < (a: Health, b: Health) -> Bool { a.rawValue < b.rawValue }
}
