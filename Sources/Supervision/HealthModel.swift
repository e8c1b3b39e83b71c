public import Ticks

/// Turns everything that is known into one answer: 200 or 503, and why.
public struct HealthModel: Sendable, Equatable {
    /// What health looks at of one stream.
    public struct Stream: Sendable, Equatable {
        public let id: StreamID
        /// False: the stream is shown and does not count.
        public let required: Bool
        public let state: StreamState
        public let reason: String

        public init(id: StreamID, required: Bool, state: StreamState, reason: String) {
            self.id = id
            self.required = required
            self.state = state
            self.reason = reason
        }
    }

    /// What health looks at of one service.
    public struct Service: Sendable, Equatable {
        public let name: String
        /// It runs and was heard of in time.
        public let isUp: Bool
        public let state: String

        public init(name: String, isUp: Bool, state: String) {
            self.name = name
            self.isUp = isUp
            self.state = state
        }
    }

    public let overall: Health
    /// One line per thing that is not as it should be, worst first.
    public let reasons: [String]

    /// - sessionReady: nil when it is not known.
    /// - sessionWhy: what the connector says of a session that is not ready; may be empty.
    /// - faults: what else is wrong, such as a journal that can't be written; each is red.
    /// - warnings: what is wrong and costs no tick yet, such as hours that can't be sealed.
    public init(
        services: [Service], sessionReady: Bool?, sessionWhy: String = "", inMaintenance: Bool, faults: [String] = [],
        warnings: [String] = [],
        streams: [Stream]
    ) {
        var found: [(health: Health, text: String)] = []
        for service in services where !service.isUp { found.append((.down, "\(service.name) is \(service.state)")) }
        found += faults.map { (.down, $0) }
        found += warnings.map { (.degraded, $0) }
        if sessionReady != true {
            let why = sessionWhy.isEmpty ? "no session with the gateway" : sessionWhy
            let text = sessionReady == nil ? "the gateway session's state is not known" : why
            found.append((inMaintenance && sessionReady == false ? .degraded : .down, text))
        }
        for stream in streams where stream.required && stream.state.health != .healthy {
            let why = stream.reason.isEmpty ? "" : ": \(stream.reason)"
            found.append((stream.state.health, "\(stream.id) is \(stream.state.rawValue)\(why)"))
        }
        if streams.isEmpty { found.append((.down, "no stream is recorded")) }
        overall = found.map(\.health).max() ?? .healthy
        // Stable: equals stay in the order in which they were found.
        reasons = found.enumerated().sorted {
            ($1.element.health, $0.offset) < ($0.element.health, $1.offset)
        }.map(\.element.text)
    }

    /// 200 while healthy or degraded, else 503.
    public var httpStatus: Int { overall == .down ? 503 : 200 }
}
