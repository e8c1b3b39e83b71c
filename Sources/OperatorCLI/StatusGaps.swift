internal import JSON
internal import ServiceKit

/// The gaps as far as the running connector knows them: which are open, and how many wait to be healed. What became of
/// all others stands in the files (`ib-stream gaps`).
struct StatusGaps {
    /// Streams without a tick since an interruption; nil: the connector does not answer.
    let open: [String]?
    /// Nil: the connector does not answer, or does not heal.
    let pending: Int?
    let etaSeconds: Int64?

    /// Asks the connector.
    init(_ paths: Paths) {
        self.init(streams: ConnectorHeals.answer("streams", paths), heals: ConnectorHeals.ask(paths))
    }

    private init(streams: JSONValue?, heals: ConnectorHeals?) {
        open = streams?["streams"]?.object.map { streams in
            streams.members.filter { $0.value["gap_open"]?.bool == true }.map(\.name)
        }
        pending = heals?.count
        etaSeconds = heals?.longestSeconds
    }

    /// One line for the table.
    var line: String {
        guard let open else { return "gaps: unknown, the connector does not answer: see 'ib-stream gaps'" }
        let names = open.prefix(5).joined(separator: " ") + (open.count > 5 ? " ..." : "")
        var text = "gaps: \(open.count) open" + (open.isEmpty ? "" : " (\(names))")
        if let pending { text += ", \(pending) to be healed" }
        if let etaSeconds, pending ?? 0 > 0 { text += " in about \(etaSeconds) s" }
        return text
    }

    var json: JSONValue {
        [
            "open": open.map { .array($0.map { .string($0) }) } ?? .null,
            "pending": pending.map { .integer(Int64($0)) } ?? .null,
            "eta_seconds": etaSeconds.map { .integer($0) } ?? .null,
        ]
    }
}
