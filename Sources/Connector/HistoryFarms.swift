internal import Ticks

/// The gateway's history farms that are down, and whether a contract's history may be asked for nevertheless.
///
/// The gateway does not say which farm has which contract's history, and reports farms that nobody needs
/// (`fundfarm`). So a request is tried a minute after the bad news: an answer with ticks shows that the contract
/// does not need the farms that are down, and that holds until one of its requests fails. Pure; times are of one
/// monotonic clock. Owner: the session thread.
struct HistoryFarms {
    /// There are a few dozen farms in all; more names are not remembered.
    static let limit = 64
    /// After the bad news, and after a trial in vain.
    static let trialNanos: Int64 = 60_000_000_000

    /// By name: since when.
    private(set) var down: [String: Int64] = [:]
    /// By farm: contracts whose history came while it was down.
    private var spared: [String: Set<ContractID>] = [:]
    /// By contract: the last request sent while farms were down that may be its own.
    private var triedAtNanos: [ContractID: Int64] = [:]

    mutating func broken(_ name: String, nowNanos now: Int64) {
        guard down[name] == nil, down.count < HistoryFarms.limit else { return }
        down[name] = now
    }

    /// - Parameter name: nil when the text names none: then nothing is known of any.
    mutating func restored(_ name: String?) {
        guard let name else { return down.removeAll() }
        down[name] = nil
        // It may be this one whose bad news had no name.
        down[""] = nil
    }

    /// Farms that are down and may have the contract's history.
    func missing(_ contract: ContractID) -> [String] {
        down.keys.filter { !(spared[$0]?.contains(contract) ?? false) }.sorted()
    }

    /// Nothing is to be asked for now.
    func isHeld(_ contract: ContractID, nowNanos now: Int64) -> Bool {
        guard let since = missing(contract).compactMap({ down[$0] }).max() else { return false }
        return now < max(since, triedAtNanos[contract] ?? since) + HistoryFarms.trialNanos
    }

    /// A request goes out. While farms are down it is the only one for a minute.
    mutating func sent(_ contract: ContractID, nowNanos now: Int64) {
        if !missing(contract).isEmpty { triedAtNanos[contract] = now }
    }

    /// Ticks came for a request that was sent then.
    mutating func answered(_ contract: ContractID, sentAtNanos: Int64) {
        for (name, since) in down where since <= sentAtNanos {
            guard spared[name] != nil || spared.count < HistoryFarms.limit else { continue }
            spared[name, default: []].insert(contract)
        }
        triedAtNanos[contract] = nil
    }

    /// A request failed or was not answered: the farms that are down matter after all.
    mutating func failed(_ contract: ContractID, nowNanos now: Int64) {
        guard !down.isEmpty else { return }
        for name in down.keys { spared[name]?.remove(contract) }
        triedAtNanos[contract] = now
    }

    /// The session is over: the next one begins with the gateway's word on each farm.
    mutating func removeAll() {
        down.removeAll()
        triedAtNanos.removeAll()
    }
}
