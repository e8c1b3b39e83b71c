/// Decides whom a watchdog suspects that hears nobody any more. Pure.
///
/// When the heartbeats of all services stop at once while the recorder goes on telling what is durable, the services
/// are well and the watchdog's own ear is not: it binds its socket anew and gives everybody a new deadline. Once: who
/// is still silent then is restarted as ever.
public struct SelfDoubt: Sendable {
    /// A durable report younger than this shows a recorder that works.
    static let reportLimitNanos: Int64 = 2_000_000_000

    private var isUsedUp = false

    public init() {}

    /// True when the own socket is to be bound anew, before anybody is judged.
    ///
    /// - silences: since the last heartbeat of each service that is believed to run.
    /// - softNanos: from this silence on a service is under suspicion.
    /// - reportAgeNanos: since the last durable report; nil: there was none.
    public mutating func isDue(silences: [Int64], softNanos: Int64, reportAgeNanos: Int64?) -> Bool {
        guard silences.count > 1, silences.allSatisfy({ $0 > softNanos }) else {
            // Somebody is heard: whoever is silent is so by himself.
            if silences.contains(where: { $0 <= softNanos }) { isUsedUp = false }
            return false
        }
        guard !isUsedUp, let age = reportAgeNanos, age <= Self.reportLimitNanos else { return false }
        isUsedUp = true
        return true
    }
}
