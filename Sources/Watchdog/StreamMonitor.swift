internal import ServiceKit
internal import Supervision
internal import Ticks

/// The slow look at the contracts: once per monitor interval it compares wanted with running streams, reports staleness
/// in the words that operators match on, and asks the connector to restart what has been silent for too long.
struct StreamMonitor {
    private let settings: WatchdogSettings
    private var nextNanos: Int64
    private var cycle = 0
    /// Contracts whose staleness was reported; a restart of their streams is asked for once per `staleRestartNanos`.
    private var restartedAtNanos: [ContractID: Int64] = [:]

    /// Every tenth cycle says that the monitor lives: ten minutes with the default interval.
    static let cyclesPerHeartbeat = 10

    init(_ settings: WatchdogSettings, nowNanos: Int64) {
        self.settings = settings
        nextNanos = nowNanos + settings.monitorIntervalNanos
    }

    mutating func look(_ snapshot: Snapshot, board: Board, nowNanos: Int64) {
        guard nowNanos >= nextNanos else { return }
        nextNanos = nowNanos + settings.monitorIntervalNanos
        cycle += 1
        if cycle % Self.cyclesPerHeartbeat == 0 {
            log(
                .info,
                "Background stream monitor heartbeat - monitoring \(snapshot.contracts.count) contracts, cycle #\(cycle)"
            )
        }
        // Without a session nothing runs, which the session's own lines say; staleness is reported all the same.
        for (id, contract) in snapshot.contracts {
            let streams = snapshot.streams.filter { $0.id.contract == id }
            let name = "\(id) (\(contract.symbol))"
            if snapshot.sessionReady == true { compare(name, streams, board) }
            checkStaleness(id, name, streams, board, nowNanos)
        }
    }

    private func compare(_ contract: String, _ streams: [Snapshot.Stream], _ board: Board) {
        let active = streams.filter { $0.state != .notSubscribed && $0.published != nil }
        guard active.count < streams.count else { return }
        if active.isEmpty {
            log(.warning, "Missing streams for contract \(contract), will restart")
        } else {
            func names(_ streams: [Snapshot.Stream]) -> String {
                "{" + streams.map { "'\($0.id.kind.name)'" }.sorted().joined(separator: ", ") + "}"
            }
            log(
                .warning,
                "Stream mismatch for contract \(contract): "
                    + "active=\(names(active)), expected=\(names(streams))")
        }
        // The connector's reconciler repairs by itself what it knows to be missing; this asks for the rest.
        board.requestResubscription(streams.filter { $0.state != .notSubscribed && $0.published == nil }.map(\.id))
    }

    private mutating func checkStaleness(
        _ id: ContractID, _ contract: String, _ streams: [Snapshot.Stream], _ board: Board, _ nowNanos: Int64
    ) {
        // Closed and halted streams are silent by right; a stream without a line is reported as such.
        let judged = streams.filter { stream in
            switch stream.state {
            // Nor does a new subscription mend a disk, or thaw what is frozen: it would only open gaps.
            case .frozen, .closed, .halted, .expired, .maintenance, .noLine, .noPermission, .behind, .diskFailing: false
            case .live, .quiet, .delayed, .lagging, .healing, .mute, .competingSession, .farmDown, .notSubscribed,
                .unknown:
                true
            }
        }
        guard let silent = judged.compactMap(\.silentNanos).min(), silent > settings.staleWarnNanos else {
            restartedAtNanos[id] = nil
            return
        }
        log(.warning, "STALE DATA: Contract \(contract) has not received data for \(clock(silent))")
        guard silent > settings.staleRestartNanos else { return }
        if let last = restartedAtNanos[id], nowNanos - last < settings.staleRestartNanos { return }
        restartedAtNanos[id] = nowNanos
        log(.error, "VERY STALE DATA: Restarting streams for contract \(contract)")
        board.requestResubscription(judged.map(\.id))
    }

    /// `0:05:12`, as the seed prints an interval.
    private func clock(_ nanos: Int64) -> String {
        let seconds = nanos / 1_000_000_000
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(seconds / 3600):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
    }
}
