import ServiceKit
import TWS
import Testing
import Ticks

@testable import Connector

/// Subscriptions with request ids that count up.
private struct Desk {
    var subscriptions = Subscriptions()
    var last: Int32 = 0

    init(_ count: Int, withLines lines: Int = .max) {
        for index in 0..<count {
            let conId = Int32(index + 1)
            subscriptions.add(
                StreamID(conId: conId, kind: .last), contract: TrackedContract(conId: conId, symbol: "S\(conId)"),
                slot: index, hasLine: index < lines)
        }
    }

    mutating func next(
        at now: Int64 = 0, mayAsk: (Subscriptions.Entry) -> Bool = { _ in true }
    ) -> Subscriptions.Action? {
        var request = last
        defer { last = request }
        return subscriptions.next(
            nowNanos: now,
            request: {
                request += 1
                return request
            }, mayAsk: mayAsk)
    }
}

@Suite struct SubscriptionsTests {
    @Test func streamsAreAskedForInFileOrderAndOnce() {
        var desk = Desk(3)
        #expect(desk.next() == .subscribe(entry: 0, request: 1))
        #expect(desk.next() == .subscribe(entry: 1, request: 2))
        #expect(desk.next() == .subscribe(entry: 2, request: 3))
        #expect(desk.next() == nil)
        #expect(desk.subscriptions.nextDueNanos == nil)
        #expect(desk.subscriptions.entry(of: 2) == 1)
    }

    @Test func aStreamThatPacingHoldsBackDoesNotHoldUpTheOthers() {
        var desk = Desk(2)
        let first = desk.next { $0.stream.conId != 1 }
        #expect(first == .subscribe(entry: 1, request: 1))
        let second = desk.next { $0.stream.conId != 1 }
        #expect(second == nil)
        #expect(desk.next() == .subscribe(entry: 0, request: 2))
    }

    @Test func resubscribingCancelsFirstAndAsksUnderANewId() {
        var desk = Desk(2)
        _ = desk.next()
        desk.subscriptions.resubscribe(0)
        // A late answer belongs to nobody any more.
        #expect(desk.subscriptions.entry(of: 1) == nil)
        #expect(desk.subscriptions.nextDueNanos == .min)
        #expect(desk.next() == .cancel(entry: 0, request: 1))
        #expect(desk.next() == .subscribe(entry: 0, request: 2))
        desk.subscriptions.resubscribe(1)
        #expect(desk.next() == .subscribe(entry: 1, request: 3))
    }

    /// What the gateway has answered with an error may live there all the same.
    @Test func aFailedRequestIsCancelledAndTriedAgainAtItsTime() {
        var desk = Desk(1)
        _ = desk.next()
        desk.subscriptions.failed(request: 1, code: 354, text: "no", retryAtNanos: 500)
        #expect(desk.subscriptions.nextDueNanos == .min)
        #expect(desk.next() == .cancel(entry: 0, request: 1))
        #expect(desk.subscriptions.nextDueNanos == 500)
        #expect(desk.next(at: 499) == nil)
        #expect(desk.next(at: 500) == .subscribe(entry: 0, request: 2))
        #expect(desk.subscriptions.entries[0].lastError?.code == 354)
        desk.subscriptions.failed(request: 1, code: 1, text: "late", retryAtNanos: nil)
        #expect(desk.subscriptions.entry(of: 2) == 0)
    }

    /// Permissions and contracts change; a stream that was refused in one
    /// session must not be missing in all later ones.
    @Test func whatWasRefusedForGoodIsAskedForInTheNextSession() {
        var desk = Desk(1)
        _ = desk.next()
        desk.subscriptions.failed(request: 1, code: 321, text: "no", retryAtNanos: nil)
        #expect(desk.next() == .cancel(entry: 0, request: 1))
        #expect(desk.next(at: .max) == nil)
        #expect(desk.subscriptions.nextDueNanos == nil)
        desk.subscriptions.forgetAll()
        desk.subscriptions.forgetRefusals()
        #expect(desk.next() == .subscribe(entry: 0, request: 2))
    }

    @Test func aStreamWithoutALineWaitsUntilItIsGivenOne() {
        var desk = Desk(2, withLines: 1)
        _ = desk.next()
        #expect(desk.next() == nil)
        desk.subscriptions.giveLine(StreamID(conId: 2, kind: .last))
        #expect(desk.next() == .subscribe(entry: 1, request: 2))
    }

    @Test func aLostSessionWantsEverythingAgainAndCancelsNothing() {
        var desk = Desk(3, withLines: 2)
        _ = desk.next()
        _ = desk.next()
        desk.subscriptions.resubscribe(1)
        desk.subscriptions.forgetAll()
        #expect(desk.subscriptions.entry(of: 1) == nil)
        #expect(desk.next() == .subscribe(entry: 0, request: 3))
        #expect(desk.next() == .subscribe(entry: 1, request: 4))
        #expect(desk.next() == nil)
    }

    @Test func whatTheGatewaySaysItForgotIsCancelledBeforeItIsAskedForAgain() {
        var desk = Desk(2)
        _ = desk.next()
        _ = desk.next()
        desk.subscriptions.resubscribeAll()
        let cancels = [desk.next(), desk.next()]
        #expect(cancels == [.cancel(entry: 1, request: 2), .cancel(entry: 0, request: 1)])
        #expect(desk.next() == .subscribe(entry: 0, request: 3))
    }

    @Test func whatFailedWithACodeIsAskedForAtOnceWhenItsCauseIsOver() {
        var desk = Desk(2)
        _ = desk.next()
        _ = desk.next()
        desk.subscriptions.failed(request: 1, code: 200, text: "none", retryAtNanos: 500)
        desk.subscriptions.failed(request: 2, code: 354, text: "no", retryAtNanos: 500)
        while case .cancel = desk.next() {}
        desk.subscriptions.hasten(code: 200)
        #expect(desk.next(at: 1) == .subscribe(entry: 0, request: 3))
        #expect(desk.next(at: 1) == nil)
    }

    @Test func anEndedStreamIsCancelledAndCanBeWantedAgain() {
        var desk = Desk(1)
        _ = desk.next()
        desk.subscriptions.end(0)
        #expect(desk.next() == .cancel(entry: 0, request: 1))
        desk.subscriptions.forgetRefusals()
        desk.subscriptions.giveLine(StreamID(conId: 1, kind: .last))
        #expect(desk.next() == nil)
        let contract = TrackedContract(conId: 1, symbol: "NEW")
        desk.subscriptions.revive(0, contract: contract, hasLine: true)
        #expect(desk.next() == .subscribe(entry: 0, request: 2))
        #expect(desk.subscriptions.entries[0].contract == contract)
        // Only what was ended comes back: a living stream stays as it is.
        desk.subscriptions.revive(0, contract: contract, hasLine: false)
        #expect(desk.subscriptions.entry(of: 2) == 0)
        #expect(desk.next() == nil)
    }
}

@Suite struct ShownStateTests {
    private let stream = StreamID(conId: 7, kind: .last)

    private func subscriptions(hasLine: Bool = true) -> Subscriptions {
        var subscriptions = Subscriptions()
        let contract = TrackedContract(conId: 7, symbol: "X", ticks: [.last], required: true)
        subscriptions.add(stream, contract: contract, slot: 0, hasLine: hasLine)
        return subscriptions
    }

    /// The state after a refused request is the table's, for every code that
    /// ends one, whether it is tried again or not.
    @Test func aRefusedStreamShowsWhatTheTableSaysOfTheCode() {
        for row in ErrorPolicy.table where row.endsRequest {
            for retryAt in [nil, 1_000 as Int64?] {
                var subscriptions = subscriptions()
                _ = subscriptions.next(nowNanos: 0, request: { 5 }, mayAsk: { _ in true })
                #expect(subscriptions.entries[0].shown(isDelayed: false, nowNanos: 0) == "subscribed")
                #expect(subscriptions.entries[0].shown(isDelayed: true, nowNanos: 0) == "delayed")
                subscriptions.failed(request: 5, code: row.code, text: "words", retryAtNanos: retryAt)
                #expect(
                    subscriptions.entries[0].shown(isDelayed: false, nowNanos: 1) == row.shown.rawValue, "\(row.code)")
                let reason = subscriptions.entries[0].lastError?.description ?? ""
                #expect(reason.hasPrefix("TWS says \(row.code): words"))
            }
        }
    }

    @Test func theTextDecidesWhereTheTableSaysSo() {
        var subscriptions = subscriptions()
        _ = subscriptions.next(nowNanos: 0, request: { 5 }, mayAsk: { _ in true })
        let text = "Max number of tick-by-tick requests has been reached."
        subscriptions.failed(request: 5, code: 322, text: text, retryAtNanos: 100)
        #expect(subscriptions.entries[0].shown(isDelayed: false, nowNanos: 0) == "no_line")
        #expect(
            subscriptions.entries[0].shown(isDelayed: false, nowNanos: 100) == "pending", "it is asked for again now")
    }

    @Test func aCompetingSessionIsShownUntilTheRequestIsFoundWell() {
        var subscriptions = subscriptions()
        subscriptions.noteAll(.init(code: 10197, text: "competing"))
        #expect(subscriptions.entries[0].lastError == nil, "nothing is asked for yet")
        _ = subscriptions.next(nowNanos: 0, request: { 5 }, mayAsk: { _ in true })
        subscriptions.noteAll(.init(code: 10197, text: "competing"))
        #expect(subscriptions.entries[0].shown(isDelayed: false, nowNanos: 0) == "competing_session")
        subscriptions.note(nil, of: 0)
        #expect(subscriptions.entries[0].shown(isDelayed: false, nowNanos: 0) == "subscribed")
    }

    @Test func frozenIsWorseThanDelayed() {
        var subscriptions = subscriptions()
        _ = subscriptions.next(nowNanos: 0, request: { 5 }, mayAsk: { _ in true })
        #expect(subscriptions.entries[0].shown(isDelayed: true, isFrozen: true, nowNanos: 0) == "frozen")
        subscriptions.noteAll(.init(code: 10197, text: "competing"))
        #expect(subscriptions.entries[0].shown(isDelayed: true, isFrozen: true, nowNanos: 0) == "competing_session")
    }

    @Test func aStreamWithoutALineIsNoLine() {
        #expect(subscriptions(hasLine: false).entries[0].shown(isDelayed: false, nowNanos: 0) == "no_line")
    }
}

@Suite struct DefinitionScheduleTests {
    private let second: Int64 = 1_000_000_000

    @Test func allAreAskedForOnceInOrderAndAgainBeforeTheHoursRunOut() {
        var schedule = DefinitionSchedule()
        for contract: ContractID in [30, 10, 20, 10] { schedule.add(contract) }
        var asked: [ContractID] = []
        while let contract = schedule.next(nowNanos: 0) {
            asked.append(contract)
            schedule.sent(Int32(asked.count), contract: contract, nowNanos: 0)
        }
        #expect(asked == [30, 10, 20])
        #expect(schedule.contract(of: 2) == 10)
        for request: Int32 in 1...3 { #expect(schedule.ended(request, succeeded: true, nowNanos: second) == true) }
        #expect(schedule.next(nowNanos: 10 * second) == nil)
        #expect(schedule.nextNanos == second + DefinitionSchedule.refreshNanos)
        #expect(schedule.next(nowNanos: schedule.nextNanos) == 30)
    }

    @Test func aStreamWaitsForItsDefinitionButNotForEver() {
        var schedule = DefinitionSchedule()
        schedule.add(10)
        #expect(schedule.isAwaited(10, nowNanos: 0))
        #expect(!schedule.isAwaited(99, nowNanos: 0))
        _ = schedule.next(nowNanos: 0)
        schedule.sent(1, contract: 10, nowNanos: 0)
        #expect(schedule.isAwaited(10, nowNanos: 0))
        #expect(schedule.nextNanos <= DefinitionSchedule.answerNanos)
        // A gateway that never answers does not keep the stream from being recorded.
        #expect(!schedule.isAwaited(10, nowNanos: DefinitionSchedule.answerNanos))
        #expect(schedule.next(nowNanos: DefinitionSchedule.answerNanos) == nil)
        #expect(schedule.contract(of: 1) == nil)
        #expect(schedule.ended(1, succeeded: true, nowNanos: DefinitionSchedule.answerNanos) == false)
        let again = DefinitionSchedule.answerNanos + DefinitionSchedule.retryNanos
        #expect(schedule.next(nowNanos: again - 1) == nil)
        #expect(schedule.next(nowNanos: again) == 10)
    }

    @Test func aRefusedOneIsAskedForAgainSoonAndAllInTheNextSession() {
        var schedule = DefinitionSchedule()
        schedule.add(10)
        schedule.add(20)
        for request: Int32 in [1, 2] {
            schedule.sent(request, contract: schedule.next(nowNanos: 0) ?? 0, nowNanos: 0)
        }
        #expect(schedule.ended(1, succeeded: false, nowNanos: 0) == true)
        #expect(schedule.ended(2, succeeded: true, nowNanos: 0) == true)
        #expect(!schedule.isAwaited(10, nowNanos: 0))
        #expect(schedule.next(nowNanos: DefinitionSchedule.retryNanos) == 10)
        schedule.forgetAll()
        #expect(schedule.isAwaited(20, nowNanos: second))
        #expect(schedule.next(nowNanos: second) == 10)
    }
    @Test func oneThatCantBeDecodedIsAskedForAgainRarelyAndHoldsUpNobody() {
        var schedule = DefinitionSchedule()
        schedule.add(10)
        schedule.add(20)
        for request: Int32 in [1, 2] {
            schedule.sent(request, contract: schedule.next(nowNanos: 0) ?? 0, nowNanos: 0)
        }
        schedule.notDecodable(1, nowNanos: second)
        #expect(schedule.contract(of: 1) == nil, "its end comes for nobody")
        #expect(!schedule.isAwaited(10, nowNanos: second), "its streams wait no longer")
        #expect(schedule.ended(2, succeeded: true, nowNanos: second) == true)
        #expect(schedule.next(nowNanos: 59 * 60 * second) == nil)
        #expect(schedule.next(nowNanos: 3600 * second + second) == 10)
    }
}
