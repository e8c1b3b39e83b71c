internal import JSON
internal import Messaging
internal import ServiceKit
internal import Supervision
internal import Ticks

extension Judge {
    /// Takes what the feed has to say, a bounded number of messages.
    mutating func receiveFacts(
        _ feed: borrowing Subscriber, _ buffer: UnsafeMutableRawBufferPointer, _ parts: inout JudgeParts
    ) throws(MessagingError) {
        for _ in 0..<Self.messagesPerRound {
            do throws(MessagingError) {
                guard let received = try feed.receive(into: buffer, timeoutMillis: 0) else { return }
                try accept(
                    received.topic,
                    UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[0..<received.payloadBytes]),
                    &parts)
            } catch {
                switch error.code {
                case .truncated, .malformed:
                    refusedMessages += 1
                    if refusedMessages == 1 { log(.warning, "message not understood", ["error": "\(error)"]) }
                default: throw error
                }
            }
        }
    }

    private mutating func accept(
        _ topic: ReceivedTopic, _ payload: UnsafeRawBufferPointer, _ parts: inout JudgeParts
    ) throws(MessagingError) {
        let json: JSONValue
        do throws(JSONError) {
            json = try JSONValue(parsing: payload)
        } catch {
            throw MessagingError(.malformed("\(error)"), operation: "read", subject: topic.description)
        }
        let now = bootNanos()
        if topic == Watermark.topic {
            let watermark = try Watermark(json)
            publishedHeardNanos = now
            for (stream, seq) in watermark.streams {
                streams[stream]?.judge.observePublished(TickKey(epoch: watermark.epoch, seq: seq), nowNanos: now)
            }
        } else if topic == DurableReport.topic {
            durableHeardNanos = now
            for entry in try DurableReport(json).entries { acceptDurable(entry, now, &parts) }
        } else if topic.hasPrefix("definition."),
            let contract = ContractID(topic.description.dropFirst("definition.".count))
        {
            clock.accept(definition: json, of: contract)
        }
    }

    private mutating func acceptDurable(_ entry: DurableReport.Entry, _ now: Int64, _ parts: inout JudgeParts) {
        // Markers have no event time, but nor have level 1 ticks. Of these the frozen ones prove nothing.
        let isTick = entry.tsEventNanos != Tick.noEventTime || entry.stream.kind == .level1 && isKnownLive(entry.stream)
        guard
            let isNews = streams[entry.stream]?.judge.observeDurable(entry.key, isTick: isTick, nowNanos: now)
        else { return }
        streams[entry.stream]?.tsEventNanos = entry.tsEventNanos
        streams[entry.stream]?.tsRecvNanos = entry.tsRecvNanos
        guard isNews else { return }
        for index in parts.services.indices where !parts.services[index].keeper.isProductive {
            // The tick must have come through this run: received since its start.
            guard parts.services[index].process != nil, entry.tsRecvNanos > parts.services[index].startedAtNanos else {
                continue
            }
            log(.info, "durable tick since the start", ["service": parts.services[index].name.rawValue])
            step(&parts, index, .productive, now)
        }
    }

    /// The connector has spoken of the stream, and does not call its values frozen.
    private func isKnownLive(_ stream: StreamID) -> Bool {
        board.latestAnswers.streams[stream].map { $0.problem != .frozen } ?? false
    }

    /// What is known about a stream beside its ticks.
    func facts(
        _ id: StreamID, _ answers: Board.Answers, _ snapshot: Snapshot, _ storage: StorageFacts
    ) -> StreamJudge.Facts {
        let now = snapshot.bootNanos
        var facts = StreamJudge.Facts()
        facts.durableHeardNanos = durableHeardNanos
        facts.sessionReady = snapshot.sessionReady
        facts.sessionWhy = snapshot.sessionWhy
        facts.inMaintenance = snapshot.inMaintenance
        facts.marketOpen = clock.isOpen(id.contract, at: snapshot.wallNanos / 1_000_000_000)
        facts.publishedHeardNanos = publishedHeardNanos
        facts.diskFailing = storage.diskFailing
        facts.diskIsSlow = storage.diskIsSlow
        facts.waitCause = storage.waitCause
        // An answer from before the session says nothing of what was on its way when the last one ended.
        if let at = answers.streamsAtNanos, now - at <= StreamJudge.factLimitNanos, at > sessionReadySinceNanos ?? .min
        {
            facts.subscription = answers.streams[id]?.problem
            facts.lacking = answers.streams[id]?.lacking
        } else {
            facts.subscription = .unknown
        }
        return facts
    }

    /// Everything known now, judged.
    mutating func makeSnapshot(_ services: [ManagedService], _ now: Int64) -> Snapshot {
        let answers = board.latestAnswers
        var snapshot = Snapshot()
        snapshot.bootNanos = now
        snapshot.wallNanos = realNanos()
        // The simulated broker never closes.
        snapshot.inMaintenance = !setting.paths.simulated && clock.inMaintenance(at: snapshot.wallNanos / 1_000_000_000)
        snapshot.simulated = setting.paths.simulated
        snapshot.configuration = setting.identity.hash
        snapshot.contracts = setting.configuration.contracts.map { (setting.configuration.id(of: $0), $0) }
        snapshot.marketDataLines = setting.configuration.tws.marketDataLines
        snapshot.staleWarnNanos = setting.configuration.watchdog.staleWarnNanos
        snapshot.staleRestartNanos = setting.configuration.watchdog.staleRestartNanos
        snapshot.services = services.map { describe($0, now) }
        let connector = services.first { $0.name == .connector }
        let recorder = services.first { $0.name == .recorder }
        let session = connector?.fact("SESSION", nowNanos: now)
        snapshot.session = session ?? "unknown"
        snapshot.sessionReady = session.map { $0 == "ready" }
        sessionReadySinceNanos = snapshot.sessionReady == true ? sessionReadySinceNanos ?? now : nil
        snapshot.sessionWhy = connector?.fact("SESSION_WHY", nowNanos: now) ?? ""
        let storage = StorageFacts(recorder: recorder, connector: connector, nowNanos: now)
        for id in order {
            streams[id]?.countRate(nowNanos: now)
            guard let watched = streams[id] else { continue }
            let facts = facts(id, answers, snapshot, storage)
            let judgement = watched.judge.judge(facts, nowNanos: now)
            let said = answers.streams[id]?.reason ?? ""
            snapshot.streams.append(
                Snapshot.Stream(
                    id: id, symbol: watched.contract.symbol, exchange: watched.contract.exchange,
                    required: watched.contract.required,
                    state: judgement.state, reason: Self.reason(judgement, facts, said),
                    silentNanos: judgement.silentNanos, durableLagNanos: judgement.durableLagNanos,
                    durable: watched.judge.durable,
                    published: watched.judge.published, tsEventNanos: watched.tsEventNanos,
                    tsRecvNanos: watched.tsRecvNanos, ticksPerSecond: watched.ticksPerSecond,
                    marketOpen: facts.marketOpen))
        }
        snapshot.journalReachSeconds = storage.reachSeconds
        snapshot.journalLeftSeconds = storage.leftSeconds
        let need = storage.need(waitNanos: snapshot.streams.compactMap(\.durableLagNanos).max())
        let sealing = recorder?.fact("SEALING", nowNanos: now).flatMap {
            $0.hasPrefix("failing") ? "sealing is \($0)" : nil
        }
        let healing = connector?.fact("HEALING", nowNanos: now).flatMap {
            $0.hasPrefix("on hold") ? "healing is \($0)" : nil
        }
        snapshot.health = HealthModel(
            services: snapshot.services.map {
                HealthModel.Service(name: $0.name, isUp: $0.isUp, state: $0.state == "running" ? "silent" : $0.state)
            }, sessionReady: snapshot.sessionReady, sessionWhy: snapshot.sessionWhy,
            inMaintenance: snapshot.inMaintenance,
            faults: [board.httpFault, need.fault].compactMap(\.self) + storage.faults,
            warnings: [need.warning, sealing, healing, clockWarning(connector, now)].compactMap(\.self)
                + storage.warnings + configurationWarnings(services, now),
            streams: snapshot.streams.map {
                HealthModel.Stream(id: $0.id, required: $0.required, state: $0.state, reason: $0.reason)
            })
        return snapshot
    }

    /// The judge's reason, or the connector's where the judge goes by the connector's word: that has the gateway's own.
    static func reason(
        _ judgement: StreamJudge.Judgement, _ facts: StreamJudge.Facts, _ said: String
    ) -> String {
        let isConnectors = facts.sessionReady != false && judgement.state == facts.subscription
        return isConnectors && !said.isEmpty || judgement.reason.isEmpty ? said : judgement.reason
    }

    /// The connector's word on the host's clock; nil while it is as right as a clock should be.
    private func clockWarning(_ connector: ManagedService?, _ now: Int64) -> String? {
        guard let clock = connector?.fact("CLOCK", nowNanos: now),
            let prefix = ["wrong: ", "off: "].first(where: { clock.hasPrefix($0) })
        else { return nil }
        return "\(clock.dropFirst(prefix.count)): set the clock right (NTP)"
    }

    private func describe(_ service: ManagedService, _ now: Int64) -> Snapshot.Service {
        var result = Snapshot.Service()
        result.name = service.name.rawValue
        result.state = service.keeper.state.name.description
        result.isUp = service.isUp(nowNanos: now)
        result.pid = service.process?.pid
        result.restarts = service.keeper.restarts
        result.startedAtNanos = service.startedAtNanos
        result.lastExit = service.lastExit
        result.status = service.notification["STATUS"] ?? ""
        result.tasks = service.notification["X_IB_TASKS"] ?? ""
        result.silentNanos = service.keeper.silenceNanos(nowNanos: now)
        result.diskWaitNanos = service.diskWaitNanos(nowNanos: now)
        result.configuration = service.notification["X_IB_CONFIG"]
        result.configurationRead = service.notification["X_IB_CONFIG_READ"]
        result.ticks = service.notification["X_IB_TICKS"].flatMap { UInt64($0) }
        result.backlog = service.backlog
        result.sealing = service.notification["X_IB_SEALING"]
        result.sealedTo = service.notification["X_IB_SEALED"].flatMap { $0.isEmpty ? nil : $0 }
        result.sealedBytes = service.notification["X_IB_SEALED_BYTES"].flatMap { Int64($0) }
        if let at = service.fact("NONCE", nowNanos: now).flatMap(pingedAtNanos) {
            result.answersPing = now - at <= StreamJudge.factLimitNanos
        }
        return result
    }
}
