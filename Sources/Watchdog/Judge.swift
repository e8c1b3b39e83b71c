internal import Messaging
internal import ServiceKit
internal import Supervision
internal import Ticks

/// What the judge decides by.
struct JudgeSetting: Sendable {
    let configuration: Configuration
    let paths: Paths
    /// The judge itself never waits for a disk.
    let budgets: BudgetKeeper
    /// Names the configuration, and when it was read (wall clock).
    let identity: (hash: String, readAtNanos: Int64)
    /// What goes to `ib-stream up` with the heartbeats.
    let facts: HeartbeatFacts
    /// How the operator restarts all, such as `systemctl restart …`.
    let restartAdvice: String
}

/// What outlives a restart of the judge's thread: the heartbeat socket and the processes.
struct JudgeParts: ~Copyable {
    var receiver: NotifyReceiver
    let owner: any ProcessOwner
    /// Filled at the judge's first start.
    var services: [ManagedService] = []

    init(receiver: consuming NotifyReceiver, owner: any ProcessOwner) {
        self.receiver = receiver
        self.owner = owner
    }
}

/// The judge's thread: heartbeats, exits, durable facts in; starts, signals, snapshots out. Everything else of the
/// watchdog reads what it puts on the board.
func runJudge(
    _ task: TaskContext, setting: JudgeSetting, box: HandOver<JudgeParts>, board: Board, messaging: Context
) throws {
    try box.withValue { parts in
        if parts.services.isEmpty {
            parts.services = [.recorder, .connector].map {
                ManagedService($0, configuration: setting.configuration, paths: setting.paths)
            }
        }
        var judge = Judge(setting: setting, board: board)
        try judge.run(&parts, task, messaging)
    }
}

/// The judge's knowledge beside the processes.
struct Judge {
    static let roundMillis = 200
    /// Messages taken from the feed between two looks at everything else.
    static let messagesPerRound = 512

    let setting: JudgeSetting
    let board: Board
    var streams: [StreamID: WatchedStream] = [:]
    let order: [StreamID]
    var durableHeardNanos: Int64?
    var publishedHeardNanos: Int64?
    /// Since when the present session with the gateway is known to be ready; nil: none is.
    var sessionReadySinceNanos: Int64?
    var monitor: StreamMonitor
    var clock: MarketClock
    var refusedMessages = 0
    private var toldHealth = ""
    var selfDoubt = SelfDoubt()
    var stretch: Double = 1
    private var pressureAtNanos: Int64 = 0
    /// 0: the next round makes one.
    var snapshotAtNanos: Int64 = 0
    private var lastRoundNanos: Int64

    init(setting: JudgeSetting, board: Board) {
        self.setting = setting
        self.board = board
        let now = bootNanos()
        lastRoundNanos = now
        clock = MarketClock(maintenance: setting.configuration.tws.maintenance)
        order = setting.configuration.streams
        monitor = StreamMonitor(setting.configuration.watchdog, nowNanos: now)
        for contract in setting.configuration.contracts {
            for kind in contract.ticks {
                let id = StreamID(setting.configuration.id(of: contract), kind)
                streams[id] = WatchedStream(
                    judge: StreamJudge(staleWarnNanos: setting.configuration.watchdog.staleWarnNanos, nowNanos: now),
                    contract: contract, sinceNanos: now)
            }
        }
    }

    mutating func run(_ parts: inout JudgeParts, _ task: TaskContext, _ messaging: Context) throws {
        var feed = try Subscriber(in: messaging)
        for topic in ["watermark", "durable", "definition."] { try feed.subscribe(topic) }
        try feed.connect(Paths.endpoint(setting.paths.ticksSocket))
        try feed.connect(Paths.endpoint(setting.paths.durableSocket))
        var poller = Poller()
        let feedEntry = poller.add(feed)
        _ = poller.add(descriptor: parts.receiver.fileDescriptor)
        _ = poller.add(descriptor: task.stop.fileDescriptor)
        let orderEntry = poller.add(descriptor: board.stopOrderDescriptor)
        let exitEntries = parts.services.map { _ in poller.add(descriptor: -1) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Subscriber.longestPayloadBytes, alignment: 16)
        defer { buffer.deallocate() }

        lookAtProcesses(&parts)
        while !task.stop.isStopped {
            for (index, entry) in exitEntries.enumerated() {
                poller.setDescriptor(parts.services[index].process?.pidfd ?? -1, at: entry)
            }
            if board.isStopOrdered { poller.clear(orderEntry) }
            _ = try poller.wait(timeoutMillis: Self.roundMillis)
            task.progress.advance()
            receiveHeartbeats(&parts)
            if poller[feedEntry].contains(.readable) { try receiveFacts(feed, buffer, &parts) }
            lookAtProcesses(&parts)
            if board.isStopOrdered, stopInOrder(&parts) {
                board.reportStopped()
                return task.stop.isStopped ? () : waitForStop(task)
            }
            let now = bootNanos()
            if now - snapshotAtNanos >= 500_000_000 {
                snapshotAtNanos = now
                let snapshot = makeSnapshot(parts.services, now)
                board.put(snapshot)
                tell(snapshot.health)
                monitor.look(snapshot, board: board, nowNanos: now)
            }
        }
    }

    /// Health for whoever started the watchdog; a change at once.
    private mutating func tell(_ health: HealthModel) {
        let name = health.overall.name.description
        setting.facts.set("HEALTH", name)
        setting.facts.set("REASON", String((health.reasons.first ?? "").prefix(300)))
        if name != toldHealth { setting.facts.tellNow() }
        toldHealth = name
    }

    /// Everything has ended; `main` will end this thread next.
    private func waitForStop(_ task: TaskContext) {
        while !task.stop.wait(millis: 500) { task.progress.advance() }
    }

    /// How much longer deadlines are now: the machine's pressure, looked at once a second; and a judge that comes round
    /// late adds its own lateness, since those whom it judges were held up as well.
    mutating func stretchNow(_ now: Int64) -> Double {
        if now - pressureAtNanos >= 1_000_000_000 {
            pressureAtNanos = now
            stretch = Pressure.stretch()
        }
        return stretch
    }

    /// Nanoseconds by which this round came later than it should have.
    mutating func lateness(_ now: Int64) -> Int64 {
        defer { lastRoundNanos = now }
        return max(0, now - lastRoundNanos - Int64(Self.roundMillis) * 1_000_000 - 300_000_000)
    }
}

/// One configured stream in the judge's hands.
struct WatchedStream {
    var judge: StreamJudge
    let contract: TrackedContract
    var tsEventNanos: Int64 = Tick.noEventTime
    var tsRecvNanos: Int64 = 0
    /// Durable records a second, smoothed over some seconds.
    var ticksPerSecond: Double = 0
    private var countedKey: TickKey?
    private var countedAtNanos: Int64

    init(judge: StreamJudge, contract: TrackedContract, sinceNanos: Int64) {
        self.judge = judge
        self.contract = contract
        countedAtNanos = sinceNanos
    }

    /// Brings the rate up to date; call it about once a second.
    mutating func countRate(nowNanos: Int64) {
        let seconds = Double(nowNanos - countedAtNanos) / 1e9
        guard seconds >= 0.9, let key = judge.durable else { return }
        if let last = countedKey, last.epoch == key.epoch, last.seq <= key.seq {
            ticksPerSecond += (Double(key.seq - last.seq) / seconds - ticksPerSecond) * 0.4
        }
        countedKey = key
        countedAtNanos = nowNanos
    }
}
