import TWS
import Testing
import Ticks

private let second: Int64 = 1_000_000_000

@Test func noSecondSeesMoreRequestsThanTheBudget() {
    var pacer = RequestPacer(requestsPerSecond: 45, tickByTickSpacingNanos: 15 * second)
    var now: Int64 = 0
    var sent: [Int64] = []
    for _ in 0..<500 {
        now = pacer.nextAllowedNanos(.ordinary, nowNanos: now)
        pacer.noteSent(.ordinary, nowNanos: now)
        sent.append(now)
        now += 3_000_000
    }
    for (index, at) in sent.enumerated() where index >= 45 { #expect(at - sent[index - 45] >= second) }
    #expect(sent[499] < 13 * second)
}

@Test func tickByTickRequestsOfOneInstrumentKeepTheirDistance() {
    var pacer = RequestPacer(requestsPerSecond: 45, tickByTickSpacingNanos: 15 * second)
    pacer.noteSent(.tickByTick(conId: 1), nowNanos: second)
    #expect(pacer.nextAllowedNanos(.tickByTick(conId: 1), nowNanos: 2 * second) == 16 * second)
    #expect(pacer.nextAllowedNanos(.tickByTick(conId: 2), nowNanos: 2 * second) == 2 * second)
    #expect(pacer.nextAllowedNanos(.ordinary, nowNanos: 2 * second) == 2 * second)
    #expect(pacer.nextAllowedNanos(.tickByTick(conId: 1), nowNanos: 20 * second) == 20 * second)
}

@Test func aRateWarningKeepsEverythingBackForASecond() {
    var pacer = RequestPacer(requestsPerSecond: 10, tickByTickSpacingNanos: 0)
    pacer.noteRateExceeded(nowNanos: 5 * second)
    #expect(pacer.nextAllowedNanos(.ordinary, nowNanos: 5 * second) == 6 * second)
}

private let streams = (1...4).flatMap { conId in
    [StreamID(conId: conId, kind: .bidAsk), StreamID(conId: conId, kind: .last)]
}

@Test func theFirstStreamsGetTheLines() throws {
    var budget = LineBudget(lines: 5, onExcess: .recordFirst)
    let grants = try budget.claim(streams)
    #expect(grants == Array(repeating: .tickByTick, count: 5) + Array(repeating: .noLine, count: 3))
    #expect(budget.release(streams[0]) == streams[5])
    #expect(budget.grant(streams[5]) == .tickByTick)
    #expect(budget.grant(streams[6]) == .noLine)
    #expect(budget.release(streams[6]) == nil)
    #expect(budget.used == 5)
}

@Test func excessGoesToLevel1WhereWanted() throws {
    var budget = LineBudget(lines: 1, onExcess: .level1)
    let level1 = StreamID(conId: 9, kind: .level1)
    #expect(try budget.claim([level1] + streams.prefix(2)) == [.level1, .tickByTick, .level1])
    // A line that becomes free is for the next claim: nobody asks again for what is recorded already.
    #expect(budget.release(streams[0]) == nil && budget.used == 0)
    #expect(try budget.claim([streams[2]]) == [.tickByTick])
}

@Test func refuseStartsNothing() {
    var budget = LineBudget(lines: 5, onExcess: .refuse)
    #expect(throws: LineBudget.TooManyStreams.self) { try budget.claim(streams) }
    #expect(budget.used == 0)
    #expect(throws: Never.self) { try budget.claim(Array(streams.prefix(5))) }
}

@Test func aRefusedLineWaitsUntilTheNextSession() throws {
    var budget = LineBudget(lines: 5, onExcess: .recordFirst)
    _ = try budget.claim(streams)
    budget.noteRefused(streams[4])
    #expect(budget.grant(streams[4]) == .noLine)
    #expect(budget.grant(streams[5]) == .tickByTick)
    budget.noteRefused(streams[5])
    #expect(budget.forgetRefusals() == [streams[4]])
}
