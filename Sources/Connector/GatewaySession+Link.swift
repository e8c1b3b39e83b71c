internal import Glibc
internal import Messaging
internal import ServiceKit
internal import TWS
internal import Ticks

extension GatewaySession {
    static func versions(_ settings: TWSSettings) -> ClosedRange<Int> {
        let all = ServerVersion.supported
        return all.lowerBound...min(max(settings.maxServerVersion ?? all.upperBound, all.lowerBound), all.upperBound)
    }

    static func policy(_ settings: TWSSettings) -> SessionPolicy {
        var policy = SessionPolicy(ports: settings.ports, clientId: settings.clientId)
        policy.versions = versions(settings)
        policy.anyAccount = settings.anyAccount
        return policy
    }

    static func excess(_ setting: TWSSettings.OnExcess) -> LineBudget.Excess {
        switch setting {
        case .recordFirst: .recordFirst
        case .level1: .level1
        case .refuse: .refuse
        }
    }

    var isConnecting: Bool {
        if case .connecting = machine.state { true } else { false }
    }

    /// The negotiated version, once the gateway has greeted.
    var serverVersion: Int? {
        if case .starting(let starting, _) = machine.state { return starting.hello.version }
        return machine.session?.serverVersion
    }

    /// What every record of the running session carries.
    var sessionFlags: TickFlags { machine.session?.accountKind == .simulated ? .simulated : [] }

    // MARK: - Doing what the machine says

    mutating func drive(_ actions: [SessionMachine.Action]) {
        for action in actions { carryOut(action) }
        gatewayTime.noteAsked(bootNanos: machine.askedAtNanos)
    }

    private mutating func carryOut(_ action: SessionMachine.Action) {
        switch action {
        case .connect(let port):
            decodeFaults.beginConnection()
            connect(port)
        case .connectToNextAddress:
            reader.removeAll()
            guard !link.connectToNextAddress() else { break }
            drive(machine.handle(.connectFailed("no address of the host is left"), nowNanos: bootNanos()))
        case .send(let bytes): sendBytes(bytes)
        case .close:
            resolver.forget()
            link.close()
            reader.removeAll()
        case .opened(let session): opened(session)
        case .identified(let session): identified(session)
        case .ended(let fault): ended(fault)
        case .suspended(let code):
            awaitsProof = true
            interruptAll(cause: "tws \(code)", code: code, withinNanos: StreamWatch.firstNanos)
            publishStatus(nowNanos: bootNanos())
            facts.tellNow()
        case .recovered(let code):
            log(.notice, "ticks come although the gateway did not say that its server is back", ["code": "\(code)"])
            publishStatus(nowNanos: bootNanos())
            facts.tellNow()
        case .clientIdChanged(let id):
            log(
                .warning, "the client id is in use, trying another",
                ["configured": "\(configuration.tws.clientId)", "next": "\(id)"])
        case .resubscribeAll:
            openAllGaps(cause: "tws 1101", code: 1101)
            noteGoodNews()
            resubscribeAll()
        case .verifyAll:
            // A tick that was still on its way may have closed the gap that 1100 opened.
            openAllGaps(cause: "tws 1102", code: 1102)
            noteGoodNews()
            suspectStreams(cause: "tws 1102", code: 1102)
        case .doubted:
            log(.warning, "the gateway does not answer")
            noteSilence()
        case .failed(let fault, let retryAt): failed(fault, retryAt)
        case .circuitChanged(let circuit):
            log(circuit == .closed ? .notice : .warning, "connection circuit", ["state": circuit.rawValue])
            publishEvent("circuit", cause: circuit.rawValue, text: "attempts to connect: circuit \(circuit.rawValue)")
        }
    }

    /// A host that is a number is connected to at once; a name is asked for first (`takeAddresses`).
    private mutating func connect(_ port: UInt16) {
        link.close()
        if let literal = SocketAddress.literal(configuration.tws.host, port) {
            connect(.success(literal))
        } else {
            resolver.ask(configuration.tws.host, port)
        }
    }

    mutating func connect(_ found: Result<[SocketAddress], LinkError>) {
        do throws(LinkError) {
            // Where the gateway was last is where it is looked for first.
            let all = try found.get()
            let ordered = all.filter { $0.isSameHost(as: goodAddress) } + all.filter { !$0.isSameHost(as: goodAddress) }
            machine.noteAddresses(ordered.count, nowNanos: bootNanos())
            try link.connect(to: ordered)
        } catch {
            let why = "\(configuration.tws.host): \(error.description)"
            drive(machine.handle(.connectFailed(why), nowNanos: bootNanos()))
        }
    }

    /// The name's addresses have come, unless the attempt they were for is over.
    mutating func takeAddresses() {
        guard let answer = resolver.takeAnswer(), isConnecting, !link.isOpen else { return }
        connect(answer)
    }

    mutating func finishConnecting() {
        let code = link.connectOutcome()
        let event: SessionMachine.Event = code == 0 ? .connected : .connectFailed(errorText(code))
        drive(machine.handle(event, nowNanos: bootNanos()))
    }

    mutating func flushLink() {
        do throws(LinkError) {
            try link.flush()
        } catch {
            lose(.inputOutput(error.description))
        }
    }

    private mutating func sendBytes(_ bytes: [UInt8]) {
        guard link.isOpen else { return }
        do throws(LinkError) {
            try link.send(bytes)
        } catch {
            lose(.inputOutput(error.description))
        }
    }

    /// Sends a request of the running session; counts against the budget.
    mutating func send(_ request: ClientRequest) {
        guard let version = serverVersion else { return }
        var bytes: [UInt8] = []
        request.encode(to: &bytes, serverVersion: version)
        pacer.noteSent(GatewaySession.pacing(request), nowNanos: bootNanos())
        sendBytes(bytes)
    }

    private static func pacing(_ request: ClientRequest) -> RequestPacer.Request {
        if case .tickByTick(let request) = request { return .tickByTick(conId: request.contract.conId) }
        return .ordinary
    }

    // MARK: - Beginning and end of a session

    private mutating func opened(_ session: Session) {
        counters.connects &+= 1
        lastFault = nil
        awaitsProof = true
        path.beginSession(flags: sessionFlags)
        subscriptions.forgetRefusals()
        noteFreshSubscriptions()
        for stream in lines.forgetRefusals() { subscriptions.giveLine(stream) }
        log(
            .notice,
            counters.connects == 1 ? "TWS connection established" : "TWS reconnected, restarting all tracked streams",
            [
                "port": "\(session.port)", "server_version": "\(session.serverVersion)",
                "account_kind": session.accountKind?.rawValue ?? "unknown",
            ])
        publishEvent("tws_connected", text: "session \(session.number) with server version \(session.serverVersion)")
        // Before the first tick: it is stamped with a clock that the gateway's has been held against.
        send(.currentTime)
        gatewayTime.noteAsked(bootNanos: bootNanos())
        if configuration.tws.marketDataType != 1 { send(.marketDataType(Int32(configuration.tws.marketDataType))) }
    }

    private mutating func identified(_ session: Session) {
        path.addSessionFlags(sessionFlags)
        log(.notice, "the gateway has named its accounts", ["account_kind": session.accountKind?.rawValue ?? "unknown"])
    }

    private mutating func ended(_ fault: SessionFault) {
        counters.disconnects &+= 1
        log(.warning, "TWS disconnection detected, clearing active streams", ["why": "\(fault)"])
        openAllGaps(cause: GatewaySession.cause(fault))
        forgetSubscriptions()
        gatewayTime.forgetQuestions()
        definitionSchedule.forgetAll()
        // The next session begins with the gateway's word on each farm.
        marketFarms.removeAll()
        path.endDoubts()
        historyFarms.removeAll()
        failLookups("the session with the gateway ended")
        forgetHistoryRequests()
        publishEvent("tws_disconnected", cause: GatewaySession.cause(fault), text: "\(fault)")
        // What led here is on the feed before anything new happens.
        path.flush()
    }

    private mutating func failed(_ fault: SessionFault, _ retryAt: Int64) {
        lastFault = fault
        let wait = max(0, retryAt - bootNanos()) / 1_000_000
        log(
            machine.failures <= 3 ? .warning : .debug, "no session with the gateway",
            ["why": "\(fault)", "attempt": "\(machine.failures)", "retry_millis": "\(wait)"])
    }

    /// Ends the session, or the attempt, with a cause.
    mutating func lose(_ fault: SessionFault) {
        path.flush()
        drive(machine.handle(.lost(fault), nowNanos: bootNanos()))
    }

    /// Ticks came: whatever failed before, the way is free.
    mutating func noteProof() {
        drive(machine.noteMarketData(nowNanos: bootNanos()))
        awaitsProof = machine.awaitsMarketData
    }

    /// A marker's 16 bytes: why ticks may be missing.
    static func cause(_ fault: SessionFault) -> String {
        switch fault {
        case .closedByPeer, .inputOutput: "disconnect"
        case .frame: "framing"
        case .message: "decode"
        case .silent: TickPath.silence
        case .linkLost: "link lost"
        case .portChanged: "port changed"
        case .requested: "reconnect"
        case .connectFailed, .connectTimeout, .handshakeTimeout, .handshake, .startTimeout, .turnedAway, .clientIdInUse,
            .wrongAccount:
            "no session"
        }
    }
}
