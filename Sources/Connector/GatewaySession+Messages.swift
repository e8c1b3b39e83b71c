internal import JSON
internal import Messaging
internal import ServiceKit
internal import TWS
internal import Ticks

extension GatewaySession {
    private static let highestForeignId: Int32 = 1 << 30
    /// What the gateway answers when it has no history, or none for us.
    private static let historyCodes: [Int32] = [162, 2_188, 10_187]

    /// Takes one message that is not a tick-by-tick tick. False when the connection ended over it.
    mutating func takeMessage(_ body: UnsafeRawBufferPointer) -> Bool {
        guard case .handshaking = machine.state else { return takeAnswer(body) }
        do throws(HandshakeError) {
            let hello = try ServerHello(parsing: body, offered: GatewaySession.versions(configuration.tws))
            goodAddress = link.address
            drive(machine.handle(.hello(hello), nowNanos: bootNanos()))
        } catch {
            drive(machine.handle(.handshakeFailed(error), nowNanos: bootNanos()))
        }
        return link.isOpen
    }

    private mutating func takeAnswer(_ body: UnsafeRawBufferPointer) -> Bool {
        guard let version = serverVersion else { return link.isOpen }
        let message: ServerMessage
        do throws(DecodeError) {
            message = try ServerMessage(decoding: body, serverVersion: version)
        } catch {
            setAside(body, error)
            return link.isOpen
        }
        take(message)
        drive(machine.handle(message, nowNanos: bootNanos()))
        return link.isOpen
    }

    private mutating func take(_ message: ServerMessage) {
        switch message {
        case .nextValidId(let id):
            // Far ids are left alone: there must be room above ours for ever.
            if id <= GatewaySession.highestForeignId { lastRequest = max(lastRequest, id) }
        case .managedAccounts: break
        case .currentTime(let seconds): noteGatewayTime(seconds, perSecond: 1)
        case .currentTimeMillis(let millis): noteGatewayTime(millis, perSecond: 1_000)
        case .error(let error): takeError(error)
        case .contractData(let request, let details): takeDetails(details, request: request)
        case .contractDataEnd(let request): endOfDetails(request)
        case .reroute(let request, let conId, let exchange): reroute(request, conId, exchange)
        case .symbolSamples(let request, let samples): takeSamples(samples, request: request)
        case .level1(let request, _, let tick, let texts): path.accept(tick, texts: texts, request: request)
        case .marketDataType(let request, let type): noteMarketDataType(type, request: request)
        case .historicalTicks(let ticks): takeHistory(ticks)
        case .tickByTick, .tickReqParams, .tickSnapshotEnd, .headTimestamp, .positionEnd,
            .openOrderEnd, .completedOrdersEnd, .accountUpdateTime, .accountDownloadEnd, .accountUpdateMultiEnd,
            .executionDataEnd:
            // Answers to nothing that this client asks, and ticks before the session is ready.
            counters.unknownMessages &+= 1
        case .unknown: counters.unknownMessages &+= 1
        }
    }

    /// An answer proves that the gateway lives; its clock is compared with the host's.
    private mutating func noteGatewayTime(_ time: Int64, perSecond: Int64) {
        gatewayTime.lastAnswerNanos = bootNanos()
        gatewayTime.answer(time, perSecond: perSecond, realNanos: realNanos(), bootNanos: bootNanos())
        lookAtClock()
    }

    /// Data that are late or frozen: every record says so.
    private mutating func noteMarketDataType(_ number: Int32, request: Int32) {
        guard let index = subscriptions.entry(of: request) else { return }
        let entry = subscriptions.entries[index]
        guard let type = MarketDataType(rawValue: number) else {
            return log(.warning, "market data of an unknown type", ["stream": "\(entry.stream)", "type": "\(number)"])
        }
        let flags = type.flags(isLevel1: entry.stream.kind == .level1)
        guard path.setMarketData(flags, of: entry.slot) else { return }
        log(
            flags.isEmpty ? .notice : .warning, "the type of a stream's market data has changed",
            ["stream": "\(entry.stream)", "type": "\(type)"])
    }

    // MARK: - Errors and notices

    mutating func takeError(_ error: ErrorMessage) {
        counters.errors &+= 1
        let entry = subscriptions.entry(of: error.requestId)
        let isLevel1 = entry.map { subscriptions.entries[$0].stream.kind == .level1 } ?? false
        let rule = ErrorPolicy.rule(for: error, isLevel1: isLevel1)
        if historyRefused(error, rule) { return }
        note(error, rule, stream: entry.map { subscriptions.entries[$0].stream })
        if lookupFailed(error, rule) { return }
        if let entry { takeError(error, rule, entry: entry) }
        switch rule.action {
        case .slowDown: pacer.noteRateExceeded(nowNanos: bootNanos())
        case .suspendFarm, .suspendFarmIfUsed:
            // An inactive farm is no news before anything is subscribed.
            if rule.action == .suspendFarm || isAnythingSubscribed { farmDown(error) }
        case .verifyFarm: farmUp(error)
        case .competingSession:
            interruptAll(cause: "tws \(error.code)", code: error.code)
            subscriptions.noteAll(.init(code: error.code, text: error.text))
        case .holdHistory: historyFarms.broken(ErrorPolicy.farm(in: error.text) ?? "", nowNanos: bootNanos())
        case .resumeHistory: historyFarms.restored(ErrorPolicy.farm(in: error.text))
        case .resumeLookups: definitionsAreBack()
        case .note, .suspendAll, .resubscribeAll, .verifyAll, .waitForClientId, .changePort,
            .holdLookups, .renewRequestId, .failForGood,
            .failUnlessOutage, .retrySlowly, .retry, .waitForLine, .delayedData, .resubscribe, .emptyAnswer, .ignore,
            .bug, .misconfigured, .doubt:
            // The link's codes are the machine's; a request's are dealt with above.
            break
        }
    }

    /// A code for one of our subscriptions.
    private mutating func takeError(_ error: ErrorMessage, _ rule: ErrorPolicy.Rule, entry: Int) {
        let slot = subscriptions.entries[entry].slot
        path.mark(slot, .twsCode, code: error.code)
        if path.slot(slot).takesFront, GatewaySession.historyCodes.contains(error.code) {
            // A warning ends nothing: only if the ticks stay away, the same is asked for without the history.
            guard rule.endsRequest else { return suspect(entry, error) }
            // The history in front is refused, not the ticks: the same again without it.
            return resubscribe(entry, cause: "tws \(error.code)", code: error.code)
        }
        if rule.action == .delayedData { path.addCommonFlags(.delayed, of: slot) }
        if rule.action == .doubt { suspect(entry, error) }
        guard rule.endsRequest else { return }
        path.openGap(slot, cause: "tws \(error.code)", code: error.code)
        path.unbind(request: error.requestId)
        watch.release(entry)
        if rule.action == .waitForLine { lines.noteRefused(subscriptions.entries[entry].stream) }
        let retryAt = GatewaySession.retryNanos(rule.action).map { bootNanos() + $0 }
        subscriptions.failed(request: error.requestId, code: error.code, text: error.text, retryAtNanos: retryAt)
    }

    /// How long until a failed subscription is tried again; nil: a person has to act.
    private static func retryNanos(_ action: ErrorPolicy.Action) -> Int64? {
        let second: Int64 = 1_000_000_000
        switch action {
        case .renewRequestId, .resubscribe, .ignore: return second
        case .retry, .emptyAnswer: return 10 * second
        case .waitForLine: return 30 * second
        case .failUnlessOutage: return 60 * second
        case .retrySlowly: return 300 * second
        default: return nil
        }
    }

    /// Says what was counted instead of told; once a second.
    mutating func tellRepeats(nowNanos: Int64) {
        for repeats in notices.takeEnded(nowNanos: nowNanos) {
            guard let notice = repeats.notice else {
                log(.warning, "TWS said more than is told", ["notices": "\(repeats.times)"])
                continue
            }
            log(
                .info, "TWS has said the same again within a minute",
                [
                    "code": "\(notice.code)", "text": notice.text, "stream": notice.stream.map { "\($0)" } ?? "-",
                    "times": "\(repeats.times)",
                ])
        }
    }

    private mutating func note(_ error: ErrorMessage, _ rule: ErrorPolicy.Rule, stream: StreamID?) {
        let notice = NoticeLimiter.Notice(code: error.code, text: error.text, stream: stream)
        guard notices.tells(notice, nowNanos: bootNanos()) else { return }
        // What a person asked for and mistyped is no fault of ours: the answer says it.
        let isQuestion = lookups.contains { $0.openRequests.contains(error.requestId) }
        let level: LogLevel =
            switch rule.severity {
            case _ where isQuestion: .info
            case .info: .info
            case .warning: .warning
            case .error: .error
            case .critical: .critical
            }
        log(
            level, "TWS says",
            ["code": "\(error.code)", "text": error.text, "stream": stream.map { "\($0)" } ?? "-"])
        publishEvent("tws_code", stream: stream, code: error.code, text: error.text)
    }

    mutating func publishEvent(
        _ event: String, stream: StreamID? = nil, code: Int32? = nil, cause: String? = nil, text: String
    ) {
        var writer = JSONWriter()
        FeedEvent(timeNanos: realNanos(), event: event, stream: stream, code: code, cause: cause, text: text)
            .write(to: &writer)
        path.publish(eventTopic, writer.bytes)
    }
}
