import Messaging
import Testing
import Ticks

@testable import Connector
@testable import TickStore

struct AbandonedStreamsTests {
    private let wanted = StreamID(conId: 1, kind: .bidAsk)
    private let left = StreamID(conId: 2, kind: .bidAsk)
    private let other = StreamID(conId: 3, kind: .last, source: 4)

    private func key(_ seq: UInt32, epoch: UInt32 = 1) -> TickKey { TickKey(epoch: epoch, seq: seq) }

    private func board(_ keys: [StreamID: TickKey]) -> DurableBoard { DurableBoard(keys) }

    private func report(_ state: GapState?, last: TickKey) -> GapReport {
        var gap = Gap(
            stream: left, key: key(5), lastMarkerKey: key(5), openedRecvNanos: 100_000_000_000, cause: "stopped",
            code: 0)
        guard let state else { return GapReport(last: last, gaps: []) }
        if state != .open { gap.endedRecvNanos = 200_000_000_000 }
        if state.isFinal {
            gap.runs = [
                HealRun(
                    first: key(7), last: key(8), ticks: 0, fromSeconds: 100, toSeconds: 200, isWhole: true,
                    outcome: state)
            ]
        }
        #expect(gap.state == state)
        return GapReport(last: last, gaps: [gap])
    }

    private var positions: HealPositions {
        var positions = HealPositions()
        positions.streams[wanted] = .init(key: key(3, epoch: 2), newestSecond: nil, ticksPerSecond: 1, isCrypto: false)
        return positions
    }

    /// Whatever their source: one may have left the configuration with its whole entry, and the journal be lost.
    @Test func onlyStreamsThatThisRunDoesNotNumberAreLookedAt() {
        let board = board([wanted: key(9), left: key(9), other: key(9)])
        var streams = AbandonedStreams(board)
        #expect(streams.next(among: positions, nowNanos: 0) == left)
        #expect(streams.next(among: positions, nowNanos: 1) == other)
        #expect(streams.next(among: positions, nowNanos: 2) == nil, "not again at once")
        #expect(streams.next(among: positions, nowNanos: AbandonedStreams.againNanos) == left, "nobody answered")
        var all = AbandonedStreams(board)
        #expect((0..<4).map { _ in all.next(among: HealPositions(), nowNanos: 0) } == [wanted, left, other, nil])
    }

    @Test func aStreamWithoutAnythingMissingIsLookedAtWhenItHasGrown() {
        let board = board([left: key(9)])
        var streams = AbandonedStreams(board)
        #expect(streams.next(among: positions, nowNanos: 0) == left)
        let isMissed = streams.isMissed(left, report(.healed, last: key(9)), isOver: true)
        #expect(!isMissed)
        #expect(streams.next(among: positions, nowNanos: 1 << 60) == nil)
        board.take(.init([.init(stream: left, key: key(10), tsEventNanos: 0, tsRecvNanos: 0)]))
        #expect(streams.next(among: positions, nowNanos: 1 << 60) == left)
    }

    @Test(arguments: [GapState.open, .pending, .partly, .healed, .subset, .edgeUnreconciled, nil])
    func whatMayStillBeHealedIsTakenOver(state: GapState?) {
        var streams = AbandonedStreams(board([left: key(9)]))
        let isUnsettled = state == .open || state == .pending || state == .partly
        let isMissed = streams.isMissed(left, report(state, last: key(9)), isOver: true)
        #expect(isMissed == isUnsettled)
        let isOpen = streams.isMissed(left, report(state, last: key(9)), isOver: false)
        #expect(isOpen, "nothing says that it ended: what came until now is missing")
        let isForgotten = streams.isMissed(left, GapReport(last: .zero, gaps: []), isOver: false)
        #expect(!isForgotten)
    }

    @Test func placesAreBounded() {
        let streams = (1...2_000).map { StreamID(conId: $0, kind: .last) }
        var abandoned = AbandonedStreams(
            board(Dictionary(uniqueKeysWithValues: streams.map { ($0, key(9)) })))
        var taken = 0
        while let stream = abandoned.next(among: HealPositions(), nowNanos: 0) {
            let isMissed = abandoned.isMissed(stream, report(.pending, last: key(9)), isOver: true)
            if isMissed { taken += 1 }
        }
        #expect(taken == AbandonedStreams.limit)
    }
}
