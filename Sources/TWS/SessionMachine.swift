internal import Ticks

/// The life of the connection to the gateway, as decisions: events and the time go in, actions come out.
///
///     idle → waiting → connecting → handshaking → starting → ready ⇄ degraded
///               ↑___________ every fault leads back here ___________|
///
/// The owner of the socket does what the actions say, in order, and calls `handle(.timer)` at `deadlineNanos`, after it
/// has read what the socket holds. It never gives up. Times are of one monotonic clock.
/// Source: docs/tws.md#handshake and docs/tws.md#codes.
public struct SessionMachine: Sendable {
    /// Where the session is; times are of the one monotonic clock.
    public enum State: Sendable, Equatable {
        case idle
        case waiting(untilNanos: Int64)
        case connecting(port: UInt16, untilNanos: Int64)
        case handshaking(port: UInt16, untilNanos: Int64)
        case starting(Starting, untilNanos: Int64)
        case ready(Session)
        /// Ready, but the gateway has lost its server: until 1101, 1102, or a tick that shows the contrary.
        case degraded(Session, LinkLoss)
        case stopped
    }

    /// What is known between greeting and readiness.
    public struct Starting: Sendable, Equatable {
        public var port: UInt16
        public var hello: ServerHello
        public var accounts: [String]?
        public var nextValidId: Int32?
        public var sinceNanos: Int64
        /// 1100 or 2110 came before the session was ready.
        public var linkLostCode: Int32?
    }

    /// The gateway's own connection is lost, as it says.
    public struct LinkLoss: Sendable, Equatable {
        /// 1100 or 2110.
        public var code: Int32
        public var sinceNanos: Int64
        /// The last sign of a server: a farm's OK, or the loss itself.
        public var signNanos: Int64
    }

    /// What has happened to the socket, the clock or the wishes.
    public enum Event: Sendable, Equatable {
        /// Begin, or begin again at once instead of waiting.
        case start
        /// `deadlineNanos` may have passed.
        case timer
        case connected
        case connectFailed(String)
        case hello(ServerHello)
        case handshakeFailed(HandshakeError)
        case managedAccounts([String])
        case nextValidId(Int32)
        /// An `error` message without a request of its own.
        case notice(code: Int32, text: String)
        /// The socket ended, or what came can't be read: give the cause.
        case lost(SessionFault)
        /// Drop the session and make a new one.
        case reconnect(String)
        case stop
    }

    /// What the owner of the socket has to do now.
    public enum Action: Sendable, Equatable {
        case connect(port: UInt16)
        /// Leave the present address of the host for its next one, on the same port.
        case connectToNextAddress
        case send([UInt8])
        /// Close the socket and forget its unread bytes.
        case close
        /// Ready: subscribe everything that is wanted, with new request ids.
        case opened(Session)
        /// The accounts of the opened session are known now.
        case identified(Session)
        /// The opened session is over: every stream has a gap from here on.
        case ended(SessionFault)
        /// The gateway lost its server: every stream has a gap from here on, subscriptions may survive.
        case suspended(code: Int32)
        /// Ticks come although neither 1101 nor 1102 did: the link is there.
        case recovered(code: Int32)
        /// The client id is in use: the next attempt takes this one.
        case clientIdChanged(Int32)
        /// 1101: the gateway forgot all subscriptions.
        case resubscribeAll
        /// 1102: subscriptions should go on by themselves; see that they do.
        case verifyAll
        /// The gateway does not answer: every stream has a gap from here on, whether the session ends or not.
        case doubted
        /// An attempt failed; the next one comes at `retryAtNanos`.
        case failed(SessionFault, retryAtNanos: Int64)
        case circuitChanged(Circuit)
    }

    /// Whether attempts are made as usual. Open: one probe now and then; half open: the probe is under way or not
    /// proved.
    public enum Circuit: String, Sendable {
        case closed
        case open
        case halfOpen = "half_open"
    }

    public private(set) var state = State.idle
    public private(set) var circuit = Circuit.closed
    /// Failures since the last proof that the way is free.
    public private(set) var failures = 0
    /// Ready sessions so far.
    public private(set) var sessions: UInt64 = 0

    private var policy: SessionPolicy
    private var random: SplitMix64
    /// The port that was ready last, and when it was lost.
    private var preferredPort: UInt16?
    private var lostAtNanos: Int64?
    private var lastAccountKind: AccountKind?
    /// Ports of the present round that have not been tried.
    private var portsLeft: [UInt16] = []
    private var readySinceNanos: Int64 = 0

    /// Addresses of the host, behind the present one, that were not tried on this port.
    private var addressesLeft = 0
    /// Attempts in a row that were greeted and never became ready.
    private var startTimeouts = 0
    /// How far the client id is from the configured one.
    private var clientIdOffset: Int32 = 0

    /// When bytes came last, and the questions asked since.
    private var receivedAtNanos: Int64 = 0
    /// When the gateway was asked for its time because nothing came; 0: not yet.
    public private(set) var askedAtNanos: Int64 = 0
    private var unanswered = 0
    /// The present silence has been reported.
    private var isDoubted = false

    /// - Parameters:
    ///   - seed: of the jitter.
    ///   - lastAccountKind: of the last session of an earlier process, where the caller knows it.
    public init(policy: SessionPolicy, seed: UInt64, lastAccountKind: AccountKind? = nil) {
        self.policy = policy
        self.lastAccountKind = lastAccountKind
        random = SplitMix64(seed: seed)
    }

    /// The session, while there is one.
    public var session: Session? {
        switch state {
        case .ready(let session), .degraded(let session, _): session
        case .idle, .waiting, .connecting, .handshaking, .starting, .stopped: nil
        }
    }

    /// Bytes came. Cheap: once per read.
    public mutating func noteReceived(nowNanos: Int64) { receivedAtNanos = nowNanos }

    /// Market data would be news: something failed before, or the gateway says that it has lost its server.
    public var awaitsMarketData: Bool {
        if case .degraded = state { return true }
        return failures != 0 || circuit != .closed
    }

    /// Market data came: the way is free, whatever failed or was said before. What comes right behind the news of a lost
    /// link may have been on its way.
    public mutating func noteMarketData(nowNanos now: Int64) -> [Action] {
        var actions: [Action] = []
        if failures != 0 || circuit != .closed, prove() { actions.append(.circuitChanged(.closed)) }
        if case .degraded(let session, let loss) = state, !Straggler.mayBe(atNanos: now, behind: loss.sinceNanos) {
            state = .ready(session)
            actions.append(.recovered(code: loss.code))
        }
        return actions
    }

    /// The host has so many addresses, and the first is being connected to. Each has the whole time for itself.
    public mutating func noteAddresses(_ count: Int, nowNanos now: Int64) {
        guard case .connecting(let port, _) = state else { return }
        addressesLeft = max(0, count - 1)
        state = .connecting(port: port, untilNanos: now + policy.connectTimeoutNanos)
    }

    /// Forgets the failures. True when that closed the circuit.
    private mutating func prove() -> Bool {
        failures = 0
        let wasOpen = circuit != .closed
        circuit = .closed
        return wasOpen
    }

    /// When `handle(.timer)` is due; nil when nothing is.
    public var deadlineNanos: Int64? {
        switch state {
        case .idle, .stopped: nil
        case .waiting(let until), .connecting(_, let until), .handshaking(_, let until), .starting(_, let until): until
        case .ready: askDeadlineNanos
        case .degraded(_, let loss): min(loss.signNanos + policy.linkLossLimitNanos, askDeadlineNanos)
        }
    }

    /// A question is open: nothing at all has come since.
    private var awaitsAnswer: Bool { unanswered > 0 && askedAtNanos >= receivedAtNanos }

    /// How long the gateway has been silent when it is doubted.
    public var doubtNanos: Int64 { policy.askAfterSilenceNanos + policy.doubtAfterNanos }

    private var askDeadlineNanos: Int64 {
        guard awaitsAnswer else { return receivedAtNanos + policy.askAfterSilenceNanos }
        return askedAtNanos + (isDoubted ? policy.answerTimeoutNanos : policy.doubtAfterNanos)
    }

    public mutating func handle(_ event: Event, nowNanos: Int64) -> [Action] {
        switch event {
        case .stop:
            let actions = drop(.requested("stopped"))
            state = .stopped
            return actions
        case .reconnect(let why): return fail(.requested(why), nowNanos)
        case .lost(let fault): return fail(turnedAway(by: fault) ?? fault, nowNanos)
        case .connectFailed(let text): return fail(.connectFailed(text), nowNanos)
        case .handshakeFailed(let error): return fail(.handshake(error), nowNanos)
        case .start: return start(nowNanos)
        case .timer: return timer(nowNanos)
        case .connected: return connected(nowNanos)
        case .hello(let hello): return greeted(hello, nowNanos)
        case .managedAccounts(let accounts):
            return session == nil
                ? starting(nowNanos) { $0.accounts = accounts.isEmpty ? $0.accounts ?? [] : accounts }
                : identified(accounts, nowNanos)
        case .nextValidId(let id):
            return starting(nowNanos) { $0.nextValidId = id }
        case .notice(let code, let text): return notice(code, text, nowNanos)
        }
    }

    /// The events that a message is; no action for all others.
    public mutating func handle(_ message: ServerMessage, nowNanos: Int64) -> [Action] {
        switch message {
        case .managedAccounts(let accounts): handle(Event.managedAccounts(accounts), nowNanos: nowNanos)
        case .nextValidId(let id): handle(Event.nextValidId(id), nowNanos: nowNanos)
        case .error(let error) where error.requestId == -1:
            handle(Event.notice(code: error.code, text: error.text), nowNanos: nowNanos)
        default: []
        }
    }

    // MARK: - Ways through the states

    private mutating func start(_ now: Int64) -> [Action] {
        switch state {
        case .idle, .waiting, .stopped: beginRound(now)
        case .connecting, .handshaking, .starting, .ready, .degraded: []
        }
    }

    private mutating func timer(_ now: Int64) -> [Action] {
        switch state {
        case .idle, .stopped: return []
        case .waiting(let until): return now >= until ? beginRound(now) : []
        case .connecting(_, let until): return now >= until ? fail(.connectTimeout, now) : []
        case .handshaking(_, let until): return now >= until ? fail(.handshakeTimeout, now) : []
        case .starting(let starting, let until): return now >= until ? startTimer(starting, now) : []
        case .degraded(_, let loss) where now >= loss.signNanos + policy.linkLossLimitNanos:
            return fail(.linkLost, now)
        case .ready, .degraded: return keepAlive(now)
        }
    }

    /// All ports in the order of preference, or only the preferred one while it may come back.
    private mutating func beginRound(_ now: Int64) -> [Action] {
        var actions: [Action] = []
        if circuit == .open { actions.append(change(.halfOpen)) }
        if let preferredPort {
            let stays = lostAtNanos.map { now - $0 < policy.stayOnPortNanos } ?? false
            portsLeft = [preferredPort] + (stays ? [] : policy.ports.filter { $0 != preferredPort })
        } else {
            portsLeft = policy.ports
        }
        return actions + connectNext(now)
    }

    private mutating func connectNext(_ now: Int64) -> [Action] {
        let port = portsLeft.removeFirst()
        addressesLeft = 0
        state = .connecting(port: port, untilNanos: now + policy.connectTimeoutNanos)
        return [.connect(port: port)]
    }

    private mutating func connected(_ now: Int64) -> [Action] {
        guard case .connecting(let port, _) = state else { return [] }
        var timeout = policy.handshakeTimeoutNanos
        // Somebody who says nothing must not use up the time of the others; a slow one gets more in each round.
        if addressesLeft > 0 { timeout = min(timeout, policy.connectTimeoutNanos << Int64(min(failures, 3))) }
        state = .handshaking(port: port, untilNanos: now + timeout)
        return [.send(Handshake.clientHello(versions: policy.versions))]
    }

    private mutating func greeted(_ hello: ServerHello, _ now: Int64) -> [Action] {
        guard case .handshaking(let port, _) = state else { return [] }
        guard policy.versions.contains(hello.version) else {
            return fail(.handshake(.unsupportedVersion(hello.version)), now)
        }
        state = .starting(
            Starting(port: port, hello: hello, sinceNanos: now), untilNanos: now + startTimeoutNanos)
        return [.send(bytes(of: .startApi(clientId: clientId), hello.version))]
    }

    /// Longer after each attempt that came to nothing: a gateway may need its time to begin.
    private var startTimeoutNanos: Int64 {
        min(policy.startTimeoutNanos << Int64(min(startTimeouts, 8)), policy.greatestStartTimeoutNanos)
    }

    /// As long as other messages come the gateway is at work, and is waited for.
    private mutating func startTimer(_ starting: Starting, _ now: Int64) -> [Action] {
        let until = min(
            receivedAtNanos + startTimeoutNanos, starting.sinceNanos + policy.startLimitNanos)
        if receivedAtNanos > starting.sinceNanos, until > now {
            state = .starting(starting, untilNanos: until)
            return []
        }
        startTimeouts += 1
        return fail(.startTimeout, now)
    }

    /// The id of the next attempt: the configured one, or one of those behind it while that is in use.
    public var clientId: Int32 {
        let (id, overflows) = policy.clientId.addingReportingOverflow(clientIdOffset)
        return overflows ? policy.clientId - clientIdOffset : id
    }

    private mutating func starting(_ now: Int64, _ change: (inout Starting) -> Void) -> [Action] {
        guard case .starting(var starting, let until) = state else { return [] }
        change(&starting)
        guard let accounts = starting.accounts, let nextValidId = starting.nextValidId else {
            state = .starting(starting, untilNanos: until)
            return []
        }
        if let refused = take(AccountKind(accounts: accounts), now) { return refused }
        sessions += 1
        var session = Session(
            number: sessions, port: starting.port, serverVersion: starting.hello.version,
            connectionTime: starting.hello.connectionTime, accounts: accounts, nextValidId: nextValidId,
            clientId: clientId)
        session.accountKind = lastAccountKind
        state = .ready(session)
        startTimeouts = 0
        preferredPort = session.port
        readySinceNanos = now
        receivedAtNanos = now
        unanswered = 0
        isDoubted = false
        return [.opened(session)] + (starting.linkLostCode.map { suspend(session, $0, now) } ?? [])
    }

    /// What the accounts are, if that is known. The end of the attempt or session if they must not take the place of those
    /// before.
    private mutating func take(_ kind: AccountKind?, _ now: Int64) -> [Action]? {
        guard let kind else { return nil }
        guard policy.anyAccount || kind.mayFollow(lastAccountKind) else { return fail(.wrongAccount(kind), now) }
        lastAccountKind = kind
        return nil
    }

    /// The accounts of a running session, which began without a name of one.
    private mutating func identified(_ accounts: [String], _ now: Int64) -> [Action] {
        guard var session, session.accounts.isEmpty, !accounts.isEmpty else { return [] }
        if let refused = take(AccountKind(accounts: accounts), now) { return refused }
        session.accounts = accounts
        session.accountKind = lastAccountKind
        switch state {
        case .ready: state = .ready(session)
        case .degraded(_, let loss): state = .degraded(session, loss)
        case .idle, .waiting, .connecting, .handshaking, .starting, .stopped: return []
        }
        return [.identified(session)]
    }

    private mutating func suspend(_ session: Session, _ code: Int32, _ now: Int64) -> [Action] {
        state = .degraded(session, LinkLoss(code: code, sinceNanos: now, signNanos: now))
        return [.suspended(code: code)]
    }

    private mutating func notice(_ code: Int32, _ text: String, _ now: Int64) -> [Action] {
        switch (code, state) {
        case (326, .handshaking), (326, .starting): return fail(.clientIdInUse, now)
        case (1300, .ready), (1300, .degraded), (1300, .starting):
            return fail(.portChanged(SessionMachine.port(atEndOf: text) ?? policy.ports[0]), now)
        case (1100, .ready(let session)), (2110, .ready(let session)): return suspend(session, code, now)
        case (1100, .starting), (2110, .starting): return starting(now) { $0.linkLostCode = code }
        case (1101, .starting), (1102, .starting): return starting(now) { $0.linkLostCode = nil }
        case (1101, .ready(let session)), (1101, .degraded(let session, _)):
            state = .ready(session)
            return [.resubscribeAll]
        case (1102, .ready(let session)), (1102, .degraded(let session, _)):
            state = .ready(session)
            return [.verifyAll]
        case (2104, .degraded(let session, var loss)), (2106, .degraded(let session, var loss)),
            (2158, .degraded(let session, var loss)):
            loss.signNanos = now
            state = .degraded(session, loss)
            return []
        default: return []
        }
    }

    /// Asks for the time when nothing has come for a while; ends the session when that brings nothing either.
    private mutating func keepAlive(_ now: Int64) -> [Action] {
        guard let session else { return [] }
        var actions: [Action] = []
        if now - readySinceNanos >= policy.provenAfterNanos, prove() { actions.append(.circuitChanged(.closed)) }
        if askedAtNanos < receivedAtNanos {
            unanswered = 0
            isDoubted = false
        }
        guard now >= askDeadlineNanos else { return actions }
        if awaitsAnswer, !isDoubted {
            isDoubted = true
            return actions + [.doubted]
        }
        if unanswered >= 2 { return actions + fail(.silent, now) }
        unanswered += 1
        askedAtNanos = now
        return actions + [.send(bytes(of: .currentTime, session.serverVersion))]
    }

    // MARK: - Faults

    /// Closes what is open and says that a session is over; the state is the caller's to change.
    private func drop(_ fault: SessionFault) -> [Action] {
        switch state {
        case .idle, .waiting, .stopped: []
        case .connecting, .handshaking, .starting: [.close]
        case .ready, .degraded: [.close, .ended(fault)]
        }
    }

    /// A socket that is closed before the session began says more than that.
    private func turnedAway(by fault: SessionFault) -> SessionFault? {
        switch (fault, state) {
        case (.closedByPeer, .handshaking), (.inputOutput, .handshaking): .turnedAway(isGreeted: false)
        case (.closedByPeer, .starting), (.inputOutput, .starting): .turnedAway(isGreeted: true)
        default: nil
        }
    }

    private mutating func fail(_ fault: SessionFault, _ now: Int64) -> [Action] {
        var actions: [Action] = []
        var isGreeted = true
        switch state {
        case .idle, .waiting, .stopped: return []
        case .connecting(let port, _), .handshaking(let port, _):
            if addressesLeft > 0, fault.isOfAddress {
                addressesLeft -= 1
                state = .connecting(port: port, untilNanos: now + policy.connectTimeoutNanos)
                return [.connectToNextAddress]
            }
            isGreeted = false
            actions = [.close]
        case .starting: actions = [.close]
        case .ready, .degraded:
            // The configured id may be free again.
            clientIdOffset = 0
            actions = [.close, .ended(fault)]
            lostAtNanos = now
            // A session that proved itself starts the count anew.
            if now - readySinceNanos >= policy.provenAfterNanos, prove() {
                actions.append(.circuitChanged(.closed))
            }
            portsLeft = []
        }
        if case .portChanged(let port) = fault {
            preferredPort = port
            if !policy.ports.contains(port) { policy.ports.append(port) }
        }
        if fault == .clientIdInUse, takeNextClientId() {
            let retryAt = now + policy.firstDelayNanos
            state = .waiting(untilNanos: retryAt)
            return actions + [.clientIdChanged(clientId), .failed(fault, retryAtNanos: retryAt)]
        }
        if goesOn(after: fault, isGreeted: isGreeted) {
            state = .waiting(untilNanos: now)
            return actions + [.failed(fault, retryAtNanos: now)] + connectNext(now)
        }
        failures += 1
        if circuit == .halfOpen || (circuit == .closed && failures >= policy.failuresToOpen) {
            actions.append(change(.open))
        }
        let retryAt = now + delayNanos(after: fault)
        state = .waiting(untilNanos: retryAt)
        return actions + [.failed(fault, retryAtNanos: retryAt)]
    }

    /// Whether the round's next port is tried at once: a probe is over as soon as somebody answered it.
    private func goesOn(after fault: SessionFault, isGreeted: Bool) -> Bool {
        guard !portsLeft.isEmpty else { return false }
        switch fault {
        case .connectFailed, .connectTimeout: return true
        case .handshakeTimeout, .handshake, .startTimeout, .wrongAccount: return circuit == .closed
        case .closedByPeer, .turnedAway, .inputOutput, .frame, .message: return !isGreeted && circuit == .closed
        case .clientIdInUse, .silent, .linkLost, .portChanged, .requested: return false
        }
    }

    /// True when there is another id to try at once; false when all were in use, which begins anew with the configured one.
    private mutating func takeNextClientId() -> Bool {
        clientIdOffset = (clientIdOffset + 1) % policy.clientIds
        return clientIdOffset != 0
    }

    private mutating func delayNanos(after fault: SessionFault) -> Int64 {
        var delay: Int64
        if circuit == .open {
            delay = policy.openDelayNanos
        } else {
            delay = policy.firstDelayNanos << Int64(min(failures - 1, 20))
            delay = min(delay, policy.greatestDelayNanos)
        }
        delay -= Int64(random.next() % UInt64(max(delay / 2, 1)))
        switch fault {
        case .clientIdInUse: return max(delay, policy.clientIdInUseDelayNanos)
        case .handshake, .wrongAccount: return max(delay, policy.misconfiguredDelayNanos)
        case .connectFailed, .connectTimeout, .handshakeTimeout, .startTimeout, .closedByPeer, .turnedAway,
            .inputOutput, .frame,
            .message, .silent, .linkLost, .portChanged, .requested:
            return delay
        }
    }

    private mutating func change(_ circuit: Circuit) -> Action {
        self.circuit = circuit
        return .circuitChanged(circuit)
    }

    private func bytes(of request: ClientRequest, _ serverVersion: Int) -> [UInt8] {
        var out: [UInt8] = []
        request.encode(to: &out, serverVersion: serverVersion)
        return out
    }

    /// The port in `… Please reconnect on the new port - 4002`.
    static func port(atEndOf text: String) -> UInt16? {
        let digits = text.reversed().drop { !$0.isASCII || !$0.isNumber }.prefix { $0.isASCII && $0.isNumber }
        return UInt16(String(digits.reversed())).flatMap { $0 > 0 ? $0 : nil }
    }
}
