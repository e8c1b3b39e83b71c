import TWS
import Testing
import Ticks

private let second: Int64 = 1_000_000_000
private typealias Event = SessionMachine.Event
private typealias Action = SessionMachine.Action

/// A machine and a clock; the test says what happens when.
private struct Life {
    var machine: SessionMachine
    var now: Int64 = 1_000 * second

    init(ports: [UInt16] = [4002], last: AccountKind? = nil, _ change: (inout SessionPolicy) -> Void = { _ in }) {
        var policy = SessionPolicy(ports: ports, clientId: 7)
        change(&policy)
        machine = SessionMachine(policy: policy, seed: 1, lastAccountKind: last)
    }

    @discardableResult mutating func at(_ seconds: Int64, _ event: Event) -> [Action] {
        now += seconds * second
        return machine.handle(event, nowNanos: now)
    }

    /// Goes to the deadline and says so.
    mutating func wait() -> [Action] {
        guard let deadline = machine.deadlineNanos else { return [] }
        now = max(now, deadline)
        return machine.handle(.timer, nowNanos: now)
    }

    @discardableResult mutating func open(accounts: [String] = ["DU1"], version: Int = 187) -> [Action] {
        at(0, .connected)
        at(0, .hello(ServerHello(version: version, connectionTime: "20250812 20:11:34 US/Central")))
        at(0, .managedAccounts(accounts))
        return at(0, .nextValidId(1))
    }
}

private func ports(_ actions: [Action]) -> [UInt16] {
    actions.compactMap { if case .connect(let port) = $0 { port } else { nil } }
}

private func retryNanos(_ actions: [Action]) -> Int64? {
    actions.compactMap { if case .failed(_, let at) = $0 { at } else { nil } }.last
}

@Test func aSessionOpensStepByStep() {
    var life = Life()
    #expect(life.at(0, .start) == [.connect(port: 4002)])
    #expect(life.at(0, .connected) == [.send(hex("41 50 49 00 00 00 00 09 76 31 35 37 2e 2e 32 30 30"))])
    let hello = ServerHello(version: 187, connectionTime: "20250812 20:11:34 US/Central")
    #expect(life.at(0, .hello(hello)) == [.send(hex("00 00 00 08 37 31 00 32 00 37 00 00"))])
    #expect(life.at(0, .nextValidId(5)).isEmpty)
    let session = Session(
        number: 1, port: 4002, serverVersion: 187, connectionTime: "20250812 20:11:34 US/Central", accounts: ["DU1"],
        nextValidId: 5, clientId: 7)
    #expect(life.at(0, .managedAccounts(["DU1"])) == [.opened(session)])
    #expect(life.machine.session == session)
}

@Test func messagesDriveTheStartAsEventsDo() {
    var life = Life()
    life.at(0, .start)
    life.at(0, .connected)
    life.at(0, .hello(ServerHello(version: 200, connectionTime: "")))
    #expect(life.machine.handle(ServerMessage.managedAccounts(["U1"]), nowNanos: life.now).isEmpty)
    #expect(life.machine.handle(ServerMessage.openOrderEnd, nowNanos: life.now).isEmpty)
    #expect(life.machine.handle(ServerMessage.nextValidId(1), nowNanos: life.now).count == 1)
    let lost = ServerMessage.error(ErrorMessage(code: 1100, text: ""))
    #expect(life.machine.handle(lost, nowNanos: life.now) == [.suspended(code: 1100)])
    let ofRequest = ServerMessage.error(ErrorMessage(requestId: 9, code: 1101, text: ""))
    #expect(life.machine.handle(ofRequest, nowNanos: life.now).isEmpty)
}

@Test(arguments: [0, 1, 2])
func everyStepHasATimeLimit(step: Int) {
    var life = Life()
    life.at(0, .start)
    if step > 0 { life.at(0, .connected) }
    if step > 1 {
        life.at(0, .hello(ServerHello(version: 187, connectionTime: "")))
        life.at(0, .managedAccounts(["DU1"]))
    }
    #expect(life.at(1, .timer).isEmpty)
    let actions = life.wait()
    let faults: [SessionFault] = [.connectTimeout, .handshakeTimeout, .startTimeout]
    #expect(actions.first == .close)
    #expect(actions.contains { if case .failed(faults[step], _) = $0 { true } else { false } })
    #expect(ports(life.wait()) == [4002])
}

@Test func itNeverGivesUpAndNeverHammers() {
    var life = Life()
    life.at(0, .start)
    var delays: [Int64] = []
    for _ in 0..<200 {
        let actions = life.at(0, .connectFailed("refused"))
        let retry = retryNanos(actions)
        delays.append((retry ?? 0) - life.now)
        #expect(ports(life.wait()) == [4002])
    }
    #expect(delays[0] <= second / 4)
    #expect(delays[1...].allSatisfy { $0 >= second / 8 && $0 <= 15 * second })
    #expect(delays.suffix(100).allSatisfy { $0 >= 7 * second })
    #expect(life.machine.circuit == .halfOpen)
}

@Test func theCircuitClosesOnDataNotOnAHandshake() {
    var life = Life { $0.failuresToOpen = 2 }
    life.at(0, .start)
    life.at(0, .connectFailed("refused"))
    _ = life.wait()
    #expect(life.at(0, .connectFailed("refused")).contains(.circuitChanged(.open)))
    #expect(life.wait().first == .circuitChanged(.halfOpen))
    life.open()
    #expect(life.machine.circuit == .halfOpen)
    #expect(life.at(1, .lost(.closedByPeer)).contains(.circuitChanged(.open)))
    _ = life.wait()
    life.open()
    #expect(life.machine.noteMarketData(nowNanos: life.now) == [.circuitChanged(.closed)])
    #expect(life.machine.circuit == .closed)
    #expect(life.machine.failures == 0)
}

@Test func aQuietSessionProvesItselfByLasting() {
    var life = Life()
    life.at(0, .start)
    life.at(0, .connectFailed("refused"))
    _ = life.wait()
    life.open()
    #expect(life.machine.failures == 1)
    for _ in 0..<20 {
        _ = life.wait()
        life.machine.noteReceived(nowNanos: life.now + 1)
    }
    #expect(life.machine.failures == 0)
}

@Test func itStaysOnItsPortForAMinuteThenTriesTheOthers() {
    var life = Life(ports: [4002, 4001, 7497])
    #expect(ports(life.at(0, .start)) == [4002])
    #expect(ports(life.at(0, .connectFailed("refused"))) == [4001])
    life.open()
    _ = life.machine.noteMarketData(nowNanos: life.now)
    life.at(100, .lost(.closedByPeer))
    let lostAt = life.now
    var early: Set<UInt16> = []
    var later: [UInt16] = []
    while later.count < 8 {
        let tried = ports(life.wait()) + ports(life.at(0, .connectFailed("refused")))
        if life.now < lostAt + 60 * second { early.formUnion(tried) } else { later += tried }
    }
    #expect(early == [4001])
    #expect(Array(later.prefix(4)) == [4001, 4002, 7497, 4001])
}

@Test func aProbeShakesHandsOnce() {
    var life = Life(ports: [1, 2, 3]) { $0.failuresToOpen = 1 }
    life.at(0, .start)
    life.at(0, .connectFailed("refused"))
    life.at(0, .connectFailed("refused"))
    life.at(0, .connectFailed("refused"))
    #expect(life.machine.circuit == .open)
    #expect(ports(life.wait()) == [1])
    #expect(ports(life.at(0, .connectFailed("refused"))) == [2])
    life.at(0, .connected)
    #expect(ports(life.wait()).isEmpty)
    #expect(life.machine.circuit == .open)
}

/// A gateway holds the id of a dead connection, for minutes: the ids behind it are tried, and only when all are taken
/// is there a longer wait. The next session begins with the configured one.
@Test func takenClientIdsAreRotatedInABoundedRange() throws {
    var life = Life()
    let text = "Unable to connect as the client id is already in use. Retry with a unique client id."
    var ids: [Int32] = []
    life.at(0, .start)
    for number in 1...10 {
        life.at(0, .connected)
        let sent = life.at(0, .hello(ServerHello(version: 187, connectionTime: "")))
        let id = life.machine.clientId
        ids.append(id)
        #expect(sent == [.send(startApi(id))])
        let actions = life.at(0, .notice(code: 326, text: text))
        #expect(actions.first == .close)
        let wait = try #require(retryNanos(actions)) - life.now
        #expect(number == 8 ? wait >= 5 * second : wait <= second)
        #expect(actions.contains(.clientIdChanged(life.machine.clientId)) == (number != 8))
        _ = life.wait()
    }
    #expect(ids == [7, 8, 9, 10, 11, 12, 13, 14, 7, 8])
    life.open()
    #expect(life.machine.session?.clientId == 9)
    life.at(1, .lost(.closedByPeer))
    _ = life.wait()
    life.open()
    #expect(life.machine.session?.clientId == 7)
}

@Test func theGreatestClientIdHasOthersBelowIt() {
    var machine = SessionMachine(policy: SessionPolicy(ports: [1], clientId: .max), seed: 1)
    _ = machine.handle(.start, nowNanos: 0)
    _ = machine.handle(.connected, nowNanos: 0)
    _ = machine.handle(.hello(ServerHello(version: 187, connectionTime: "")), nowNanos: 0)
    _ = machine.handle(.notice(code: 326, text: ""), nowNanos: 0)
    #expect(machine.clientId == Int32.max - 1)
}

private func startApi(_ id: Int32) -> [UInt8] {
    var bytes: [UInt8] = []
    ClientRequest.startApi(clientId: id).encode(to: &bytes, serverVersion: 187)
    return bytes
}

/// A gateway that needs 18 s from `startApi` to its first words was closed at 15 s for ever.
@Test func aGatewayThatIsSlowToStartGetsMoreTimeEachTime() {
    var life = Life()
    life.at(0, .start)
    var waits: [Int64] = []
    for _ in 0..<5 {
        life.at(0, .connected)
        life.at(0, .hello(ServerHello(version: 187, connectionTime: "")))
        let from = life.now
        #expect(life.wait().contains { if case .failed(.startTimeout, _) = $0 { true } else { false } })
        waits.append((life.now - from) / second)
        _ = life.wait()
    }
    #expect(waits == [15, 30, 60, 60, 60])
    life.open()
    life.at(1, .lost(.closedByPeer))
    _ = life.wait()
    life.at(0, .connected)
    life.at(0, .hello(ServerHello(version: 187, connectionTime: "")))
    #expect(life.machine.deadlineNanos == life.now + 15 * second)
}

@Test func aGatewayThatTalksWhileItStartsIsWaitedForButNotForEver() {
    var life = Life()
    life.at(0, .start)
    life.at(0, .connected)
    life.machine.noteReceived(nowNanos: life.now)
    life.at(0, .hello(ServerHello(version: 187, connectionTime: "")))
    let from = life.now
    var actions: [Action] = []
    while actions.isEmpty, life.now < from + 1_000 * second {
        life.now += 5 * second
        life.machine.noteReceived(nowNanos: life.now)
        actions = life.at(0, .timer)
    }
    #expect(actions.contains { if case .failed(.startTimeout, _) = $0 { true } else { false } })
    #expect(life.now - from >= 290 * second && life.now - from <= 310 * second)
}

/// `localhost` is `::1` and `127.0.0.1`, and somebody may listen on the wrong one.
@Test(arguments: ["refused", "silent", "mute", "closed", "rubbish"])
func whateverFailsBeforeTheGreetingGoesOnToTheNextAddressAtOnce(how: String) {
    var life = Life(ports: [4001, 4002])
    #expect(ports(life.at(0, .start)) == [4001])
    life.machine.noteAddresses(3, nowNanos: life.now)
    for _ in 0..<2 {
        let from = life.now
        let actions: [Action]
        switch how {
        case "refused": actions = life.at(0, .connectFailed("refused"))
        case "silent": actions = life.wait()
        case "mute":
            life.at(0, .connected)
            actions = life.wait()
        case "closed":
            life.at(0, .connected)
            actions = life.at(0, .lost(.closedByPeer))
        default:
            life.at(0, .connected)
            actions = life.at(0, .handshakeFailed(.malformed("x")))
        }
        #expect(actions == [.connectToNextAddress])
        #expect(life.now - from <= 3 * second)
        #expect(life.machine.failures == 0)
    }
    // The last one ends the port; the next port begins with all addresses again.
    let last = life.at(0, .connectFailed("refused"))
    #expect(last.first == .close && ports(last) == [4002])
    #expect(life.at(0, .connectFailed("refused")).contains { if case .failed = $0 { true } else { false } })
}

/// The one that greets slowly is not cut off for ever by the others.
@Test func anAddressThatGreetsSlowlyGetsMoreTimeInEachRound() {
    var life = Life()
    life.at(0, .start)
    var times: [Int64] = []
    for _ in 0..<5 {
        life.machine.noteAddresses(2, nowNanos: life.now)
        life.at(0, .connected)
        let from = life.now
        #expect(life.wait() == [.connectToNextAddress])
        times.append((life.now - from) / second)
        life.at(0, .connectFailed("refused"))
        _ = life.wait()
    }
    #expect(times == [3, 6, 12, 15, 15])
}

@Test func aPortThatIsClosedBeforeTheGreetingDoesNotHideTheNext() {
    var life = Life(ports: [4001, 4002])
    life.at(0, .start)
    life.at(0, .connected)
    #expect(ports(life.at(0, .lost(.closedByPeer))) == [4002])
    life.open()
    // Behind the greeting it is the gateway's own matter.
    #expect(ports(life.at(0, .lost(.closedByPeer))).isEmpty)
}

@Test func aPaperAccountNeverReplacesALiveOne() {
    var life = Life()
    life.at(0, .start)
    life.open(accounts: ["U1", "DU2"])
    life.at(1, .lost(.closedByPeer))
    _ = life.wait()
    let actions = life.open(accounts: ["DU2"])
    #expect(actions.contains { if case .failed(.wrongAccount(.paper), _) = $0 { true } else { false } })
    #expect(life.machine.session == nil)
    _ = life.wait()
    #expect(life.open(accounts: ["U1"]).contains { if case .opened = $0 { true } else { false } })
}

@Test(arguments: [
    (AccountKind.live, ["DU1"], false), (.live, ["SIM000001"], false), (.simulated, ["U1"], false),
    (.paper, ["U1"], true), (.simulated, ["SIM000001"], true), (.paper, ["DU1"], true),
])
func accountsFollowOneAnother(last: AccountKind, accounts: [String], opens: Bool) {
    for anyAccount in [false, true] {
        var life = Life(last: last) { $0.anyAccount = anyAccount }
        life.at(0, .start)
        life.open(accounts: accounts)
        #expect((life.machine.session != nil) == (opens || anyAccount))
    }
}

@Test func aSocketThatIsClosedBeforeTheSessionBeganSaysThatWeAreTurnedAway() {
    func fault(_ actions: [Action]) -> SessionFault? {
        actions.compactMap { if case .failed(let fault, _) = $0 { fault } else { nil } }.last
    }
    for lost in [SessionFault.closedByPeer, .inputOutput("read: Connection reset by peer")] {
        var life = Life()
        life.at(0, .start)
        life.at(0, .connected)
        #expect(fault(life.at(0, .lost(lost))) == .turnedAway(isGreeted: false))
        _ = life.wait()
        life.at(0, .connected)
        life.at(0, .hello(ServerHello(version: 187, connectionTime: "")))
        #expect(fault(life.at(0, .lost(lost))) == .turnedAway(isGreeted: true))
        _ = life.wait()
        life.open()
        #expect(life.at(1, .lost(lost)).contains(.ended(lost)), "a session that ran is another matter")
    }
    #expect(SessionFault.turnedAway(isGreeted: true).description.contains("trusted IPs"))
    #expect(SessionFault.handshake(.unsupportedVersion(142)).description.contains("142"))
    #expect(SessionFault.handshake(.unsupportedVersion(142)).description.contains("too old"))
}

/// An empty list is neither live nor paper: what the accounts were before still holds.
@Test(arguments: [nil, .live, .paper, .simulated] as [AccountKind?])
func anEmptyListOfAccountsSaysNothing(last: AccountKind?) {
    var life = Life(last: last)
    life.at(0, .start)
    life.open(accounts: [])
    #expect(life.machine.session?.accounts == [] && life.machine.session?.accountKind == last)
    // The session after it is judged by what was known before.
    life.at(1, .lost(.closedByPeer))
    _ = life.wait()
    life.open(accounts: ["DU1"])
    #expect((life.machine.session != nil) == (last == nil || last == .paper))
}

@Test func accountsThatAreNamedLaterCount() {
    var life = Life(last: .paper)
    life.at(0, .start)
    life.open(accounts: [])
    #expect(life.at(1, .managedAccounts([])).isEmpty)
    let named = life.at(1, .managedAccounts(["DU1"]))
    #expect(named.count == 1 && life.machine.session?.accounts == ["DU1"])
    #expect(life.at(1, .managedAccounts(["U7"])).isEmpty, "what is known is not asked again")
    var other = Life(last: .live)
    other.at(0, .start)
    other.open(accounts: [])
    let refused = other.at(1, .managedAccounts(["DU1"]))
    #expect(refused.prefix(2) == [.close, .ended(.wrongAccount(.paper))])
}

@Test func anEmptyListBehindTheAccountsTakesNothingBack() {
    var life = Life()
    life.at(0, .start)
    life.at(0, .connected)
    life.at(0, .hello(ServerHello(version: 187, connectionTime: "")))
    life.at(0, .managedAccounts(["SIM000001"]))
    life.at(0, .managedAccounts([]))
    life.at(0, .nextValidId(1))
    #expect(life.machine.session?.accountKind == .simulated)
}

@Test func aSilentGatewayIsNoticedWithinTenSeconds() {
    var life = Life()
    life.at(0, .start)
    life.open()
    let openedAt = life.now
    #expect(life.wait() == [.send(hex("00 00 00 05 34 39 00 31 00"))])
    // From here on ticks may be missing, even if the gateway should come round again.
    #expect(life.wait() == [.doubted])
    #expect(life.now - openedAt <= 4 * second)
    #expect(life.wait().count == 1)
    let actions = life.wait()
    #expect(actions.prefix(2) == [.close, .ended(.silent)])
    #expect(life.now - openedAt <= 10 * second)
}

@Test func everySilenceIsDoubtedOnce() {
    var life = Life()
    life.at(0, .start)
    life.open()
    for _ in 0..<3 {
        var doubts = 0
        for _ in 0..<3 { doubts += life.wait().count { $0 == .doubted } }
        #expect(doubts == 1)
        life.machine.noteReceived(nowNanos: life.now + 1)
    }
    #expect(life.machine.session != nil)
}

@Test func anAnswerKeepsTheSession() {
    var life = Life()
    life.at(0, .start)
    life.open()
    for _ in 0..<100 {
        #expect(life.wait().allSatisfy { if case .send = $0 { true } else { false } })
        life.machine.noteReceived(nowNanos: life.now + 1)
    }
    #expect(life.machine.session != nil)
}

@Test func aStoppedProcessAsksBeforeItJudges() {
    var life = Life()
    life.at(0, .start)
    life.open()
    // Ten minutes without running: the first look at the clock must not end a session whose bytes lie in the socket.
    #expect(life.at(600, .timer) == [.send(hex("00 00 00 05 34 39 00 31 00"))])
}

@Test func lossOfTheServerSuspendsAndEndsIfNothingFollows() {
    var life = Life()
    life.at(0, .start)
    life.open()
    #expect(life.at(1, .notice(code: 1100, text: "")) == [.suspended(code: 1100)])
    #expect(life.at(1, .notice(code: 2110, text: "")).isEmpty)
    #expect(life.at(1, .notice(code: 1102, text: "")) == [.verifyAll])
    #expect(life.at(1, .notice(code: 2110, text: "")) == [.suspended(code: 2110)])
    #expect(life.at(1, .notice(code: 1101, text: "")) == [.resubscribeAll])
    life.at(1, .notice(code: 1100, text: ""))
    var ended: [Action] = []
    for _ in 0..<400 where ended.isEmpty {
        life.machine.noteReceived(nowNanos: life.now + 1)
        ended = life.wait().filter { if case .ended = $0 { true } else { false } }
    }
    #expect(ended == [.ended(.linkLost)])
}

/// Neither 1101 nor 1102 comes, and ticks go on: the only working connection is kept.
@Test(arguments: [1100, 2110] as [Int32]) func ticksEndTheStateOfALostLink(code: Int32) {
    var life = Life()
    life.at(0, .start)
    life.open()
    _ = life.machine.noteMarketData(nowNanos: life.now)
    #expect(!life.machine.awaitsMarketData)
    #expect(life.at(1, .notice(code: code, text: "")) == [.suspended(code: code)])
    #expect(life.machine.awaitsMarketData)
    // What was on its way says nothing, also behind the word of a farm.
    #expect(life.machine.noteMarketData(nowNanos: life.now + Straggler.nanos).isEmpty)
    life.at(0, .notice(code: 2104, text: "Market data farm connection is OK:usfarm"))
    #expect(life.machine.noteMarketData(nowNanos: life.now + Straggler.nanos).isEmpty)
    #expect(life.machine.noteMarketData(nowNanos: life.now + Straggler.nanos + 1) == [.recovered(code: code)])
    #expect(!life.machine.awaitsMarketData)
    for _ in 0..<400 {
        life.machine.noteReceived(nowNanos: life.now + 1)
        #expect(!life.wait().contains { if case .ended = $0 { true } else { false } })
    }
    // A late word is heeded.
    #expect(life.at(1, .notice(code: 1102, text: "")) == [.verifyAll])
}

@Test func aFarmThatIsOkPutsTheEndOfALostLinkOff() {
    var life = Life()
    life.at(0, .start)
    life.open()
    life.at(1, .notice(code: 1100, text: ""))
    #expect(life.at(0, .notice(code: 2106, text: "HMDS data farm connection is OK:ushmds")).isEmpty)
    #expect(life.machine.noteMarketData(nowNanos: life.now).isEmpty)
    for _ in 0..<5 {
        life.machine.noteReceived(nowNanos: life.now + 200 * second)
        #expect(life.at(200, .notice(code: 2104, text: "Market data farm connection is OK:usfarm")).isEmpty)
        #expect(!life.at(0, .timer).contains { if case .ended = $0 { true } else { false } })
    }
    #expect(life.machine.noteMarketData(nowNanos: life.now) == [.recovered(code: 1100)])
}

@Test func aLinkLostBeforeReadinessIsNotForgotten() {
    var life = Life()
    life.at(0, .start)
    life.at(0, .connected)
    life.at(0, .hello(ServerHello(version: 187, connectionTime: "")))
    life.at(0, .notice(code: 1100, text: ""))
    life.at(0, .managedAccounts(["DU1"]))
    #expect(life.at(0, .nextValidId(1)).last == .suspended(code: 1100))
}

@Test func aMovedPortIsFollowed() {
    var life = Life()
    life.at(0, .start)
    life.open()
    let text =
        "TWS socket port has been reset and this connection is being dropped.   Please reconnect on the new port - 4444"
    #expect(life.at(0, .notice(code: 1300, text: text)).contains(.ended(.portChanged(4444))))
    #expect(ports(life.wait()) == [4444])
}

@Test func faultsEndASessionOnceAndStopIsFinal() {
    var life = Life()
    life.at(0, .start)
    life.open()
    #expect(life.at(0, .lost(.frame(.badLength(0)))).prefix(2) == [.close, .ended(.frame(.badLength(0)))])
    #expect(life.at(0, .lost(.closedByPeer)).isEmpty)
    _ = life.wait()
    life.open()
    #expect(life.machine.sessions == 2)
    #expect(life.at(0, .stop) == [.close, .ended(.requested("stopped"))])
    #expect(life.machine.deadlineNanos == nil)
    #expect(life.at(100, .timer).isEmpty)
}

@Test func aRedirectIsAClearFault() throws {
    let bytes = body("-1|gw.example:4001|")
    let error = #expect(throws: HandshakeError.redirected("gw.example:4001")) {
        try bytes.withUnsafeBytes { raw throws(HandshakeError) in try ServerHello(parsing: raw) }
    }
    var life = Life()
    life.at(0, .start)
    life.at(0, .connected)
    let actions = life.at(0, .handshakeFailed(try #require(error)))
    #expect(actions.first == .close)
    #expect(try #require(retryNanos(actions)) >= life.now + 10 * second)
}

@Test func anythingAtAnyTimeKeepsTheMachineWhole() {
    var random = SplitMix64(seed: 3)
    for seed in 0..<200 {
        var life = Life(ports: [1, 2])
        for _ in 0..<200 {
            let events: [Event] = [
                .start, .timer, .connected, .connectFailed("x"), .hello(ServerHello(version: 187, connectionTime: "")),
                .hello(ServerHello(version: 5, connectionTime: "")), .handshakeFailed(.malformed("x")),
                .managedAccounts(["DU1"]), .managedAccounts([]), .nextValidId(1), .notice(code: 1100, text: ""),
                .notice(code: 1101, text: ""), .notice(code: 326, text: ""), .notice(code: 1300, text: "port"),
                .notice(code: 2104, text: ""), .lost(.closedByPeer), .reconnect("wish"),
            ]
            let before = life.machine.session
            let actions = life.at(
                Int64.random(in: 0...3, using: &random), events.randomElement(using: &random) ?? .timer)
            let ended = actions.contains { if case .ended = $0 { true } else { false } }
            let opened = actions.contains { if case .opened = $0 { true } else { false } }
            #expect(ended == (before != nil && life.machine.session?.number != before?.number), "seed \(seed)")
            #expect(opened == (life.machine.session != nil && life.machine.session?.number != before?.number))
            #expect((life.machine.deadlineNanos == nil) == (life.machine.state == .idle))
        }
    }
}
