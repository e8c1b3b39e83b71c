internal import JSON
internal import ServiceKit
internal import Supervision

/// One process in the judge's hands: what the keeper decided, the process itself, what its heartbeats said.
struct ManagedService {
    let name: ManagedName
    var keeper: ProcessKeeper
    var process: HeldProcess?
    /// Wall clock of the start (or of the adoption).
    var startedAtNanos: Int64 = 0
    var lastExit = ""
    /// The last notification of the running process.
    var notification = Notification()
    var notifiedAtNanos: Int64 = 0

    private let budgetPath: String

    init(_ name: ManagedName, configuration: Configuration, paths: Paths) {
        self.name = name
        budgetPath = "\(paths.state)/\(name.rawValue).restarts"
        var limits = ProcessKeeper.Limits(hangNanos: configuration.watchdog.hangNanos)
        limits.stopNanos = name == .recorder ? 15_000_000_000 : 8_000_000_000
        keeper = ProcessKeeper(
            limits: limits, budget: RestartBudget(spentAtNanos: ManagedService.readBudget(budgetPath)),
            backoff: Backoff(seed: UInt64(bitPattern: realNanos())), nowNanos: bootNanos())
    }

    /// True while it runs and is heard of in time.
    func isUp(nowNanos: Int64) -> Bool {
        keeper.state == .running && keeper.silenceNanos(nowNanos: nowNanos) <= keeper.limits.hardNanos
    }

    /// A field of the last heartbeat, nil when that is older than a fact may be.
    func fact(_ key: String, nowNanos: Int64) -> String? {
        guard process != nil, nowNanos - notifiedAtNanos <= StreamJudge.factLimitNanos else { return nil }
        return notification["X_IB_" + key]
    }

    /// How long the longest present disk call of the service has lasted.
    func diskWaitNanos(nowNanos: Int64) -> Int64 {
        let millis = fact("DISK_WAIT_MILLIS", nowNanos: nowNanos).flatMap { Int64($0) } ?? 0
        return millis * 1_000_000
    }

    /// Ticks that the recorder knows of and that are not durable, as it last said; nil: it never did.
    var backlog: UInt64? { notification["X_IB_BACKLOG"].flatMap { UInt64($0) } }

    /// What an end leaves undone.
    var backlogText: String {
        guard let backlog, backlog > 0 else { return "" }
        return ": \(grouped(backlog)) ticks were not durable when it last told"
    }

    /// What it means that it is down when everything ends.
    var missedText: String {
        let how = lastExit.isEmpty ? "could not be started" : "had ended with \(lastExit)"
        return "\(name.rawValue) did not run at the stop (it \(how)): what it did not write stays in the journal"
    }

    // MARK: Budget on disk

    private static func readBudget(_ path: String) -> [Int64] {
        do {
            let json = try JSONValue(parsing: try Files.read(path, maxBytes: 64 << 10))
            return json["spent_at_nanos"]?.array?.compactMap(\.integer) ?? []
        } catch let error as FileError {
            // The ordinary case: nothing was ever spent.
            if !error.isMissing { log(.warning, "restart budget can't be read", ["error": "\(error)"]) }
        } catch {
            log(.warning, "restart budget can't be read", ["path": path, "error": "\(error)"])
        }
        return []
    }

    /// Keeps the spent restarts for the next watchdog.
    func saveBudget(with keeper: BudgetKeeper) {
        let json: JSONValue = ["spent_at_nanos": .array(self.keeper.budget.spentAtNanos.map { .integer($0) })]
        keeper.keep(json.encoded, path: budgetPath)
    }
}
