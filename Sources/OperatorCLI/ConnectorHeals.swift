internal import JSON
internal import ServiceKit
internal import TickStore
internal import Ticks

/// What the connector's healer has before it, as its command `heals` tells.
struct ConnectorHeals {
    private struct Name: Hashable {
        let stream: StreamID
        let key: UInt64
    }

    private var estimates: [Name: Int64] = [:]
    /// Gaps that wait for the gateway's history.
    private(set) var count = 0
    /// Until the last of them is healed, where that is known of each.
    var longestSeconds: Int64? { estimates.count == count ? estimates.values.max() : nil }

    /// Reads the command's result.
    init(_ result: JSONValue) {
        for entry in result["heals"]?.array ?? [] {
            count += 1
            guard let stream = entry["stream"]?.string.flatMap({ StreamID($0) }), let key = entry["gap"]?.unsigned,
                let seconds = entry["eta_seconds"]?.integer
            else { continue }
            estimates[Name(stream: stream, key: key)] = seconds
        }
    }

    func etaSeconds(of gap: Gap) -> Int64? { estimates[Name(stream: gap.stream, key: gap.key.rawValue)] }

    /// Asks the connector; nil when none runs or it does not answer: then nobody knows when a gap will be healed.
    static func ask(_ paths: Paths) -> ConnectorHeals? { answer("heals", paths).map(ConnectorHeals.init) }

    /// The connector's answer to a command without members.
    static func answer(_ command: String, _ paths: Paths) -> JSONValue? {
        ServiceAnswer.ask("connector", command, paths)
    }
}
