/// The gateway's market-data farms that are down, as far as it says.
///
/// Nothing is learned of which stream comes from which farm: a stream that ticked through one outage may have been back
/// before its farm's word, or have been served by another farm for that time. Pure; times are of
/// the boot clock. Owner: the session thread.
struct MarketFarms {
    /// There are a few dozen farms in all; more names are not remembered.
    static let limit = 64

    private var downSince: [String: Int64] = [:]

    /// True when that is news: the farm was not known to be down, or it was said so long ago that doubts have ended.
    mutating func broken(_ name: String, nowNanos now: Int64) -> Bool {
        if let since = downSince[name], now - since < StreamDoubt.lastingNanos { return false }
        if downSince[name] != nil || downSince.count < MarketFarms.limit { downSince[name] = now }
        return true
    }

    /// A farm is back. True when no other one went down just now. One that is back and was not known to be down may be
    /// any of those that were, under another name.
    mutating func restored(_ name: String, nowNanos now: Int64) -> Bool {
        if downSince.removeValue(forKey: name) == nil { downSince.removeAll() }
        return !downSince.values.contains { now - $0 < StreamDoubt.lastingNanos }
    }

    /// The session is over: the next one begins with the gateway's word on each farm.
    mutating func removeAll() { downSince.removeAll() }
}
