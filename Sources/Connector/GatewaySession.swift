internal import Glibc
internal import JSON
internal import Messaging
internal import ServiceKit
internal import TWS
internal import TickStore
internal import Ticks

/// The session thread's work: owns the gateway's socket, the numbering, the journal and the live publisher.
///
/// For each readable event: read → frame → decode in place → number → journal → publish. Everything else that this thread
/// does (reconnecting, subscribing, watermarks, commands) happens between reads. Decisions are `SessionMachine`'s and
/// `Subscriptions`'.
struct GatewaySession: ~Copyable {
    /// Reads in a row before the other work gets its turn.
    private static let readsPerRound = 16
    private static let watermarkNanos: Int64 = 1_000_000_000

    let task: TaskContext
    let configuration: Configuration
    let mailbox: SessionMailbox
    let healMail: HealMailbox
    let status: ConnectorStatus
    let facts: HeartbeatFacts

    var path: TickPath
    var link = GatewayLink()
    /// Where a gateway greeted last.
    var goodAddress: SocketAddress?
    var reader = FrameReader()
    var machine: SessionMachine
    var pacer: RequestPacer
    var lines: LineBudget
    var subscriptions = Subscriptions()
    var marketFarms = MarketFarms()
    var historyFarms = HistoryFarms()
    /// Streams that have to show a tick by a time, or are asked for anew.
    var watch = StreamWatch()
    var definitions = DefinitionStore()
    /// By contract: what its definition tells otherwise than before, since this run began. A field at most once.
    var definitionChanges: [ContractID: [DefinitionChange]] = [:]
    var definitionSchedule = DefinitionSchedule()
    var lookups: [ContractLookup] = []
    var healing = HealDesk()
    var notices = NoticeLimiter()
    /// Boot clock.
    let startedNanos = bootNanos()
    /// Requests of lookups that wait for the budget; at most a few per lookup.
    var lookupRequests: [ClientRequest] = []
    let keeper: StateKeeper
    let resolver: NameResolver
    let runtimeEpochs: EpochStore
    let durable: DurableBoard
    var sleep = SleepDetector()
    /// Configured contracts, and those of the `subscribe` command.
    var contractOf: [ContractID: TrackedContract]

    var lastRequest: Int32 = 0
    /// The circuit was not closed or attempts have failed: the next tick is news for the machine.
    var awaitsProof = false
    /// Why the last attempt or session ended; nil while one is ready.
    var lastFault: SessionFault?
    /// The journal's fault as last reported.
    private var reportedJournalFault: String?
    var counters = SessionCounters()
    var decodeFaults = DecodeFaults()
    /// Contracts whose definition can't be decoded, which has been said.
    var undecodableDefinitions: Set<ContractID> = []
    /// Contracts that left, and of which it is not known yet what was kept.
    var unreadDefinitions: Set<ContractID> = []
    var gatewayTime = GatewayTime()
    var hostClock: HostClock
    /// The host's clock when the last round or read began.
    var lastRealNanos = realNanos()
    private var nextWatermarkNanos: Int64 = 0
    private let watermarkTopic = Topic(Watermark.topic.description)
    let eventTopic = Topic(FeedEvent.topic.description)

    init(
        _ task: TaskContext, configuration: Configuration, paths: Paths, mailbox: SessionMailbox,
        healMail: HealMailbox, status: ConnectorStatus, facts: HeartbeatFacts, path: consuming TickPath,
        keeper: StateKeeper, resolver: NameResolver, durable: DurableBoard, wasRecorded: Set<StreamID>,
        clockDoubt: String? = nil
    ) throws(ProgramError) {
        self.task = task
        self.configuration = configuration
        self.mailbox = mailbox
        self.healMail = healMail
        self.status = status
        self.facts = facts
        self.path = path
        self.keeper = keeper
        self.resolver = resolver
        self.durable = durable
        runtimeEpochs = EpochStore(directory: paths.runtime)
        hostClock = HostClock(doubt: clockDoubt)
        machine = SessionMachine(
            policy: GatewaySession.policy(configuration.tws), seed: UInt64(bitPattern: realNanos()))
        pacer = RequestPacer(
            requestsPerSecond: configuration.tws.requestsPerSecond,
            tickByTickSpacingNanos: configuration.tws.tickByTickSpacingNanos)
        lines = LineBudget(
            lines: configuration.tws.tickByTickLines, onExcess: GatewaySession.excess(configuration.tws.onExcess))
        contractOf = configuration.contractOf
        for contract in configuration.contracts { definitionSchedule.add(configuration.id(of: contract)) }
        self.path.setClockBad(hostClock.isWrong)
        self.path.beginRead(atNanos: realNanos(), steadyNanos: bootNanos())
        try addConfiguredStreams(wasRecorded: wasRecorded)
        endVanishedStreams(wasRecorded)
        for contract in configuration.contracts { applyPriceStep(configuration.id(of: contract)) }
    }

    /// Runs until the stop. Throws for faults of this process, never for what the gateway does.
    mutating func run() throws {
        var poller = Poller()
        let gatewayEntry = poller.add(descriptor: -1)
        let feedEntry = path.addPublisher(to: &poller)
        let mailEntry = poller.add(descriptor: mailbox.forSession.descriptor)
        let healEntry = poller.add(descriptor: healMail.forSession.descriptor)
        let resolverEntry = poller.add(descriptor: resolver.forSession.descriptor)
        _ = poller.add(descriptor: task.stop.fileDescriptor)
        var watched: Int32 = -1
        drive(machine.handle(.start, nowNanos: bootNanos()))
        while !task.stop.isStopped {
            task.progress.advance()
            if link.descriptor != watched {
                watched = link.descriptor
                poller.setDescriptor(watched, at: gatewayEntry)
            }
            let isConnecting = isConnecting
            poller.setEvents(link.hasOutput || isConnecting ? [.readable, .writable] : .readable, at: gatewayEntry)
            _ = try poller.wait(timeoutMillis: waitMillis())
            beginRead()
            let found = poller[gatewayEntry]
            if !found.isEmpty, isConnecting { finishConnecting() }
            if found.contains(.writable), link.hasOutput { flushLink() }
            if !found.isEmpty, !isConnecting { readGateway() }
            noteSleep()
            if !poller[feedEntry].isEmpty { try noteSubscribers() }
            if !poller[mailEntry].isEmpty { carryOutCommands() }
            if !poller[healEntry].isEmpty { carryOutHealOrders() }
            if !poller[resolverEntry].isEmpty { takeAddresses() }
            runTimers()
            path.flush()
            reportClosedGaps()
        }
        shutDown()
    }

    // MARK: - Reading

    /// Reads until the socket is empty, or the other work must have its turn.
    mutating func readGateway() {
        for _ in 0..<GatewaySession.readsPerRound {
            guard link.isOpen else { return }
            switch link.read(into: &reader) {
            case .bytes(let count):
                counters.bytes &+= UInt64(count)
                let now = bootNanos()
                machine.noteReceived(nowNanos: now)
                guard takeFrames(nowNanos: now) else { return }
                path.flush()
                // A read that left room in the buffer emptied the socket.
                if count < FrameReader.startCapacity / 2 { return }
            case .nothing: return
            case .ended:
                lose(.closedByPeer)
                return
            case .failed(let code):
                lose(.inputOutput("read: \(errorText(code))"))
                return
            }
        }
    }

    /// Decodes every complete frame. False when the connection ended over one.
    private mutating func takeFrames(nowNanos now: Int64) -> Bool {
        beginRead()
        let before = path.counters
        var messages = 0
        do throws(FrameError) {
            while let body = try reader.next() {
                messages &+= 1
                if TickByTickCodec.matches(body) {
                    takeTick(body)
                } else {
                    guard takeMessage(body) else { return false }
                }
            }
        } catch {
            counters.framingFaults &+= 1
            log(.error, "the gateway's stream lost its framing", ["why": "\(error)"])
            lose(.frame(error))
            return false
        }
        if awaitsProof, path.counters.ticks &- before.ticks != path.counters.frozen &- before.frozen { noteProof() }
        if path.hasAlarms { heedAlarms() }
        if decodeFaults.endRead(messages: messages, nowNanos: now) {
            loseOutOfStep()
            return false
        }
        return true
    }

    @inline(__always) private mutating func takeTick(_ body: UnsafeRawBufferPointer) {
        do throws(DecodeError) { try path.accept(body) } catch { setAside(body, error) }
    }

    // MARK: - Feed

    private mutating func noteSubscribers() throws {
        let now = bootNanos()
        var prefixes: [[UInt8]] = []
        try path.receiveSubscriptions { subscribed, topic in
            if subscribed, prefixes.count < 1024 { prefixes.append(Array(topic)) }
        }
        for prefix in prefixes {
            prefix.withUnsafeBytes { definitions.subscribed(to: $0, nowNanos: now) }
        }
    }

    private mutating func publishWatermark() {
        var streams: [(stream: StreamID, seq: UInt32)] = []
        for index in 0..<path.slotCount {
            let slot = path.slot(index)
            streams.append((slot.stream, slot.seq))
        }
        var writer = JSONWriter()
        Watermark(epoch: path.epoch, streams: streams).write(to: &writer)
        path.publish(watermarkTopic, writer.bytes)
    }

    // MARK: - Timers

    private mutating func runTimers() {
        let now = bootNanos()
        if let deadline = machine.deadlineNanos, now >= deadline { drive(machine.handle(.timer, nowNanos: now)) }
        if machine.session != nil {
            giveUpSilent(nowNanos: now)
            subscribeWhatIsWanted(nowNanos: now)
            sendContractRequests(nowNanos: now)
            sendHistoryRequests(nowNanos: now)
        }
        expireLookups(nowNanos: now)
        for (topic, payload) in definitions.takeDue(nowNanos: now) { path.publish(topic, payload) }
        if now >= nextWatermarkNanos {
            nextWatermarkNanos = now + GatewaySession.watermarkNanos
            lookAtClock()
            if path.epochIsUsedUp { beginEpoch(known: path.epoch, cause: "epoch used up") }
            for (contract, json) in keeper.takeDefinitions() { takeKept(json, contract) }
            path.noteDurable(durable.keys)
            reportJournal()
            clearSuspicions()
            expireHistoryRequests(nowNanos: now)
            // Staged ticks go out first: the watermark must not run ahead of them.
            path.flush()
            logRestored(path.restoreFeed(nowNanos: now))
            logEndpoints(path.bindEndpoints(nowNanos: now))
            tellRepeats(nowNanos: now)
            publishWatermark()
            publishStatus(nowNanos: now)
        }
    }

    private func waitMillis() -> Int {
        let now = bootNanos()
        var until = min(nextWatermarkNanos, now + 250_000_000)
        if let deadline = machine.deadlineNanos { until = min(until, deadline) }
        if machine.session != nil {
            // What is due waits for pacing alone.
            if let due = subscriptions.nextDueNanos { until = min(until, max(due, now + 20_000_000)) }
            if !lookupRequests.isEmpty || !healing.waiting.isEmpty { until = min(until, now + 20_000_000) }
            until = min(until, max(definitionSchedule.nextNanos, now + 20_000_000))
            if let due = watch.nextNanos { until = min(until, due) }
        }
        return Int(max(0, until - now + 999_999) / 1_000_000)
    }

    /// A journal that does not take ticks is said once, and once more when it does again.
    private mutating func reportJournal() {
        path.checkJournal()
        guard path.journalFault != reportedJournalFault else { return }
        reportedJournalFault = path.journalFault
        if let fault = path.journalFault {
            log(.critical, "CRITICAL: the journal does not take ticks, publishing them all the same", ["why": fault])
            publishEvent("journal_failing", cause: "journal", text: fault)
        } else {
            log(.notice, "the journal takes ticks again")
            publishEvent("journal_ok", text: "the journal takes ticks again")
        }
        facts.set("JOURNAL", path.journalFault.map { "failing: \($0)" } ?? "ok")
        facts.tellNow()
    }

    /// The last words: what was running is interrupted from here on.
    private mutating func shutDown() {
        openAllGaps(cause: GapCause.stopped)
        path.flush()
        publishWatermark()
        link.close()
    }
}

/// What the session counted since the start.
struct SessionCounters {
    var bytes: UInt64 = 0
    var connects: UInt64 = 0
    var disconnects: UInt64 = 0
    var framingFaults: UInt64 = 0
    /// Messages of ids that this client does not read.
    var unknownMessages: UInt64 = 0
    var errors: UInt64 = 0
}
