/// Decides which connections to the health pages are ended so that others get their answer. Pure; each connection is
/// one request, answered within milliseconds where the client reads and writes.
struct ConnectionTable {
    /// A request that has taken longer is ended, however busily its client sends.
    static let requestNanos: Int64 = 5_000_000_000
    /// At the same time; one more, and the oldest makes room.
    static let limit = 64
    /// Of other hosts: the rest is kept for this one's own short requests.
    static let remoteLimit = 48

    private struct Connection {
        let sinceNanos: Int64
        let isLocal: Bool
    }

    private var connections: [Int32: Connection] = [:]

    /// A connection has begun; returns the one that has to end for it.
    mutating func opened(_ descriptor: Int32, isLocal: Bool, nowNanos: Int64) -> Int32? {
        var victim: Int32?
        if !isLocal, connections.count(where: { !$0.value.isLocal }) >= Self.remoteLimit {
            victim = oldest { !$0.isLocal }
        } else if connections.count >= Self.limit {
            victim = oldest { !$0.isLocal } ?? oldest { _ in true }
        }
        if let victim { connections[victim] = nil }
        connections[descriptor] = Connection(sinceNanos: nowNanos, isLocal: isLocal)
        return victim
    }

    mutating func closed(_ descriptor: Int32) { connections[descriptor] = nil }

    /// Those whose time is over.
    mutating func takeOverdue(nowNanos: Int64) -> [Int32] {
        let overdue = connections.filter { nowNanos - $0.value.sinceNanos >= Self.requestNanos }.map(\.key)
        for descriptor in overdue { connections[descriptor] = nil }
        return overdue
    }

    private func oldest(_ counts: (Connection) -> Bool) -> Int32? {
        connections.filter { counts($0.value) }.min { $0.value.sinceNanos < $1.value.sinceNanos }?.key
    }
}
