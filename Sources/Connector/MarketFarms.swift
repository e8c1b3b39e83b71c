/// The gateway's market-data farms that are down, and which contracts are known not to come from which.
///
/// What is learned holds for the life of the process; a stream that stays silent for long while such a farm is down makes
/// its contract forgotten. Pure; times are of the session's receive clock. Owner: the session thread.
struct MarketFarms {
    /// There are a few dozen farms in all; more names are not remembered.
    static let limit = 64
    /// A contract that ticks so long after its farm's end is not served by it.
    static let proofNanos: Int64 = 500_000_000

    private struct Outage {
        var sinceNanos: Int64
        /// Another farm's return may have been this one's, under another name: nothing is learned from it any more.
        var isStale = false
    }

    private var outages: [String: Outage] = [:]
    /// By farm: contracts that ticked while it was down.
    private var spared: [String: Set<Int32>] = [:]

    var isAnyDown: Bool { !outages.isEmpty }

    /// True when the farm was not known to be down, or not surely.
    mutating func broken(_ name: String, nowNanos now: Int64) -> Bool {
        if let outage = outages[name], !outage.isStale { return false }
        guard outages[name] != nil || outages.count < MarketFarms.limit else { return true }
        outages[name] = Outage(sinceNanos: now)
        return true
    }

    /// A farm is back. True when it was known to be down under this name.
    mutating func restored(_ name: String) -> Bool {
        let wasDown = outages.removeValue(forKey: name) != nil
        for other in outages.keys { outages[other]?.isStale = true }
        return wasDown
    }

    /// The contract ticked at this time, and its streams had no gap since `sinceNanos`.
    mutating func learn(_ conId: Int32, tickedAtNanos: Int64, wholeSinceNanos: Int64) {
        for (name, outage) in outages
        where !outage.isStale && wholeSinceNanos <= outage.sinceNanos
            && tickedAtNanos - outage.sinceNanos >= MarketFarms.proofNanos
        {
            guard spared[name] != nil || spared.count < MarketFarms.limit else { continue }
            spared[name, default: []].insert(conId)
        }
    }

    /// The farm's outage does not touch the contract.
    func spares(_ conId: Int32, _ name: String) -> Bool { spared[name]?.contains(conId) ?? false }

    /// Farms went down since then, and all of them are known not to matter to the contract.
    func sparesAll(_ conId: Int32, sinceNanos: Int64) -> Bool {
        let names = outages.filter { $0.value.sinceNanos >= sinceNanos }.keys
        return !names.isEmpty && names.allSatisfy { spares(conId, $0) }
    }

    /// The contract fell silent: what was learned of it may be wrong.
    mutating func forget(_ conId: Int32) {
        for name in spared.keys { spared[name]?.remove(conId) }
    }

    /// The session is over: the next one begins with the gateway's word on each farm.
    mutating func removeAll() { outages.removeAll() }
}
