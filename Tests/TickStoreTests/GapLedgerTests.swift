import JSON
import Testing
import Ticks

@testable import TickStore

/// Seconds of `someNanos`.
private let zero = someNanos / 1_000_000_000

@Suite struct GapLedgerTests {
    @Test func aGapReachesFromTheLastTickBeforeToTheFirstBehind() {
        var script = GapScript()
        script.mark(.subscribed)
        script.live(2)
        let before = script.key
        // Silent for a minute before anybody notices.
        script.nowNanos += 60_000_000_000
        let gap = script.mark(.gapOpened, "tws 1100", code: 1100)
        script.mark(.subscribed)
        script.mark(.gapClosed, ref: gap)
        script.live(3)
        let gaps = script.ledger.gaps
        #expect(gaps.count == 1)
        #expect(gaps[0].key == gap && gaps[0].cause == "tws 1100" && gaps[0].code == 1100)
        #expect(gaps[0].before?.key == before && gaps[0].fromNanos == (zero + 2) * 1_000_000_000)
        #expect(gaps[0].after?.key.seq == 7 && gaps[0].toNanos == (zero + 66) * 1_000_000_000)
        #expect(gaps[0].openedRecvNanos == someNanos + 63_000_000_000)
        #expect(gaps[0].state == .pending && gaps[0].lostKeys == nil && gaps[0].runs.isEmpty)
    }

    @Test func aGapWithoutATickBehindItIsOpen() {
        var script = GapScript()
        script.live()
        script.mark(.gapOpened, "disconnect")
        script.mark(.subscribed)
        #expect(script.ledger.gaps.map(\.state) == [.open])
        #expect(script.ledger.gaps[0].toNanos == nil)
    }

    @Test func interruptionsWithoutATickBetweenThemAreOneGapAcrossConnectors() {
        var script = GapScript()
        script.live()
        let name = script.mark(.gapOpened, "disconnect")
        script.mark(.subscribed)
        script.newEpoch()
        script.mark(.gapOpened, "restart")
        script.newEpoch()
        let last = script.mark(.gapOpened, "restart")
        script.mark(.subscribed)
        script.mark(.gapClosed, ref: last)
        script.live()
        let gaps = script.ledger.gaps
        #expect(gaps.count == 1)
        #expect(gaps[0].key == name && gaps[0].lastMarkerKey == last && gaps[0].cause == "disconnect, restart")
        #expect(gaps[0].before?.key == TickKey(epoch: 100, seq: 1) && gaps[0].after?.key == script.key)
        // A run may refer to any of the markers.
        script.run(last, ticks: 2, from: zero, to: zero + 9, "healed")
        #expect(script.ledger.gaps[0].state == .healed && script.ledger.gaps[0].healedTicks == 2)
    }

    @Test func aSecondThatRunsLeaveOutIsNamedUntilOneFillsIt() {
        var script = GapScript()
        script.live()
        script.nowNanos += 9_000_000_000
        let gap = script.mark(.gapOpened, "disconnect")
        script.live()
        script.run(gap, ticks: 2, from: zero, to: zero + 4, "more")
        #expect(script.ledger.gaps[0].unfilled.isEmpty, "it may yet come")
        script.run(gap, ticks: 5, from: zero + 4, to: zero + 4, "more")
        script.run(gap, ticks: 1, from: zero + 5, to: zero + 9, "partly")
        let named = script.ledger.gaps[0]
        #expect(named.state == .partly && named.healedTicks == 8)
        #expect(named.unfilled == [(zero + 4)..<(zero + 5), (zero + 9)..<(zero + 12)])
        script.run(gap, ticks: 1, from: zero + 3, to: zero + 12, "healed")
        #expect(script.ledger.gaps[0].state == .healed && script.ledger.gaps[0].unfilled.isEmpty)
    }

    @Test func aTornRunIsMadeGoodByRunsThatLeaveASecondOut() {
        var script = GapScript()
        script.live()
        script.nowNanos += 9_000_000_000
        let gap = script.mark(.gapOpened, "disconnect")
        script.live()
        script.heal(gap, ticks: 3, from: zero, to: zero + 12)
        script.healed(1, second: zero)
        script.newEpoch()
        script.mark(.subscribed)
        script.run(gap, ticks: 1, from: zero, to: zero + 4, "more")
        script.run(gap, ticks: 0, from: zero + 4, to: zero + 4, "more")
        #expect(script.ledger.gaps[0].state == .pending)
        script.run(gap, ticks: 1, from: zero + 5, to: zero + 12, "partly")
        #expect(script.ledger.gaps[0].state == .partly, "not looked at again for ever")
    }

    @Test func aTickBetweenTwoInterruptionsPartsThem() {
        var script = GapScript()
        script.live()
        let first = script.mark(.gapOpened, "tws 2103", code: 2103)
        script.live()
        let second = script.mark(.gapOpened, "disconnect")
        script.live()
        #expect(script.ledger.gaps.map(\.key) == [first, second])
        #expect(script.ledger.gaps[0].after == script.ledger.gaps[1].before)
    }

    @Test func causesAndCodesAreJoinedOnceAndWithinABound() {
        var script = GapScript()
        script.live()
        for number in 0..<40 {
            script.mark(.gapOpened, "cause \(number / 2)", code: number == 3 ? 1101 : 0)
        }
        let gap = script.ledger.gaps[0]
        #expect(gap.cause == (0..<8).map { "cause \($0)" }.joined(separator: ", "))
        #expect(gap.code == 1101)
    }

    @Test func lostKeysAreAGapOfTheirOwn() {
        var script = GapScript()
        script.live(5)
        script.lost(100)
        script.live(1)
        let gap = script.ledger.gaps[0]
        #expect(gap.key == TickKey(epoch: 100, seq: 105) && gap.cause == "lost: journal gone")
        #expect(gap.lostKeys == TickKey(epoch: 100, seq: 6)...TickKey(epoch: 100, seq: 105))
        #expect(gap.before?.key.seq == 5 && gap.after?.key.seq == 106 && gap.state == .pending)
        script.run(gap.key, ticks: 90, from: zero + 5, to: zero + 7, "partly")
        #expect(script.ledger.gaps[0].state == .partly)
    }

    @Test func lostRangesOfTwoEpochsAndARestartAreOneGap() {
        var script = GapScript()
        script.live(5)
        // The old epoch's end, as the recorder writes it.
        script.mark(.lost, "journal gone", ref: script.key.next)
        script.newEpoch()
        script.lost(3, "not in journal")
        script.mark(.gapOpened, "restart")
        script.live()
        let gaps = script.ledger.gaps
        #expect(gaps.count == 1)
        #expect(gaps[0].cause == "lost: journal gone, lost: not in journal, restart")
        #expect(gaps[0].lostKeys == TickKey(epoch: 100, seq: 6)...TickKey(epoch: 101, seq: 3))
    }

    @Test func aFirstLostRangeHasNoBeginning() {
        var script = GapScript()
        script.lost(7)
        script.live()
        #expect(script.ledger.gaps[0].before == nil && script.ledger.gaps[0].fromNanos == nil)
        #expect(script.ledger.gaps[0].state == .pending)
    }

    /// A recorder without files, and a journal that has gone round: what it writes down as lost began with the epoch, an hour
    /// before. A run over the second of its marker heals nothing.
    @Test func aLostBeginningReachesBackToTheEpochsSecond() throws {
        let begun = zero - 3600
        var script = GapScript(epoch: UInt32(begun))
        script.lost(521_315)
        let gap = script.key
        // Behind it stands what the journal had: it came a while before the recorder did.
        script.nowNanos -= 60_000_000_000
        script.live()
        #expect(script.ledger.gaps[0].fromNanos == begun * 1_000_000_000)
        #expect(script.ledger.gaps[0].state == .pending)
        script.run(gap, ticks: 0, from: zero, to: zero + 1, "healed")
        #expect(script.ledger.gaps[0].state == .pending, "an earlier version asked for nothing and called it healed")
        script.run(gap, ticks: 9, from: begun, to: begun + 1800, "more")
        #expect(script.ledger.gaps[0].state == .pending)
        script.run(gap, ticks: 9, from: begun + 1800, to: zero + 1, "healed")
        let healed = script.ledger.gaps[0]
        #expect(healed.state == .healed)
        // The connector is told so.
        var writer = JSONWriter()
        healed.write(to: &writer, withStream: false)
        #expect(Gap(try JSONValue(parsing: writer.bytes), stream: quotes) == healed)
    }

    /// The chain's first record is there, and the subscription is lost.
    @Test func aLostSubscriptionReachesBackToTheEpochsSecond() {
        var script = GapScript(epoch: UInt32(zero - 3600))
        script.mark(.epochBegun)
        script.lost(9)
        script.live()
        #expect(script.ledger.gaps[0].fromNanos == (zero - 3600) * 1_000_000_000)
    }

    @Test func whatIsLostBehindASubscriptionBeganWithIt() {
        var script = GapScript(epoch: UInt32(zero - 3600))
        script.mark(.epochBegun)
        script.mark(.subscribed)
        script.lost(9)
        script.live()
        #expect(script.ledger.gaps[0].fromNanos == someNanos + 1_000_000_000)
    }

    /// Somebody ended the subscription, and what is lost behind that began later.
    @Test func whatIsLostBehindTheEndOfASubscriptionBeganBehindIt() {
        var script = GapScript(epoch: UInt32(zero - 3600))
        script.mark(.subscribed)
        script.live(2)
        script.mark(.unsubscribed)
        script.lost(9)
        script.live()
        #expect(script.ledger.gaps.map(\.fromNanos) == [someNanos + 3_000_000_000])
    }

    /// A clock that was wrong: nobody knows when the lost keys were numbered.
    @Test(arguments: [100, UInt32(zero + 30), UInt32(zero + 100_000)])
    func aLostBeginningOfUnknownTimeIsNeverHealed(epoch: UInt32) {
        var script = GapScript(epoch: epoch)
        script.nowNanos += 60_000_000_000
        script.lost(7)
        let gap = script.key
        script.nowNanos -= 60_000_000_000
        script.live()
        script.run(gap, ticks: 0, from: zero, to: zero + 100, "healed")
        #expect(script.ledger.gaps[0].fromNanos == nil && script.ledger.gaps[0].state == .partly)
    }

    /// The hours before are gone: what was healed stays so.
    /// `lost` in front of a gap that had been healed, and behind one, where the ticks between them were destroyed later.
    @Test(arguments: [true, false]) func whatWasHealedBeforeItsSurroundingsWereDestroyedIsHealedAgain(isInFront: Bool)
        throws
    {
        var script = GapScript()
        script.live(2)
        if isInFront { script.lost(3, "damaged file") }
        let healed = script.mark(.gapOpened, "restart")
        if !isInFront { script.lost(3, "damaged file") }
        let newest = script.key
        let destroyed = isInFront ? TickKey(epoch: 100, seq: 5) : newest
        script.live(5)
        script.run(healed, ticks: 2, from: zero + 1, to: zero + 90, "healed")
        script.live()
        var gap = try #require(script.ledger.gaps.first)
        #expect(script.ledger.gaps.count == 1 && gap.state == .pending && gap.healingKey == destroyed)
        #expect(gap.runs.map(\.isWhole) == [false] && gap.runs[0].place == healed && gap.runs[0].fromSeconds == nil)
        var writer = JSONWriter()
        gap.write(to: &writer, withStream: false)
        #expect(Gap(try JSONValue(parsing: writer.bytes), stream: quotes)?.runs == gap.runs)
        // A run that knows of it.
        script.run(destroyed, ticks: 3, from: zero + 1, to: zero + 90, "healed", knowsLost: true)
        gap = script.ledger.gaps[0]
        #expect(gap.state == .healed && gap.healedTicks == 3 && gap.runs.map(\.place) == [healed, destroyed])
    }

    /// The gap's own marker was the last record that was destroyed: `lost` stands in its place, with its key.
    @Test func aRunThatNamesAMarkerInWhosePlaceLostStandsKnowsNothingOfIt() throws {
        var script = GapScript()
        script.live(2)
        script.lost(4, "damaged file")
        let name = script.key
        script.live(5)
        script.run(name, ticks: 2, from: zero + 1, to: zero + 90, "healed")
        script.live()
        var gap = try #require(script.ledger.gaps.first)
        #expect(gap.state == .pending && gap.healingKey == name && gap.runs.map(\.isWhole) == [false])
        #expect(gap.runs[0].place == name.next, "its ticks lie behind what was destroyed")
        script.run(name, ticks: 3, from: zero + 1, to: zero + 90, "healed", knowsLost: true)
        gap = script.ledger.gaps[0]
        #expect(gap.state == .healed && gap.healedTicks == 3 && gap.runs.map(\.place) == [name.next, name])
    }

    /// A gap lies within what was destroyed: its run stays, counts for nothing, and is known.
    @Test func aRunWhoseGapWasDestroyedBelongsToTheGapThatItsKeysBecame() throws {
        var script = GapScript()
        script.live(2)
        let name = TickKey(epoch: script.key.epoch, seq: script.key.seq + 3)
        script.lost(6, "damaged file")
        let lost = script.key
        script.live(5)
        script.run(name, ticks: 2, from: zero + 1, to: zero + 90, "healed")
        script.live()
        var gap = try #require(script.ledger.gaps.first)
        #expect(script.ledger.gaps.count == 1 && gap.state == .pending && gap.key == lost)
        #expect(gap.runs.map(\.isWhole) == [false] && gap.runs[0].place == nil && gap.runs[0].ticks == 2)
        script.run(lost, ticks: 3, from: zero + 1, to: zero + 90, "healed", knowsLost: true)
        gap = script.ledger.gaps[0]
        #expect(gap.state == .healed && gap.runs.map(\.place) == [nil, lost])
    }

    @Test func lostKeysThatNobodyDestroyedLeaveARunWhatItIs() {
        var script = GapScript()
        script.live(2)
        let gap = script.mark(.gapOpened, "stopped")
        script.lost(3)
        script.live()
        script.run(gap, ticks: 2, from: zero + 1, to: zero + 90, "healed")
        #expect(script.ledger.gaps[0].state == .healed && script.ledger.gaps[0].runs[0].place == nil)
    }

    @Test func aHealedGapWhoseFrontWasRemovedStaysHealed() {
        var script = GapScript(epoch: UInt32(zero - 3600))
        script.live(5)
        script.lost(9)
        let gap = script.key
        script.live()
        script.run(gap, ticks: 2, from: zero + 4, to: zero + 7, "healed")
        #expect(script.ledger.gaps[0].state == .healed)
        let rest = GapLedger(stream: quotes, [script.collector(script.records[5...])])
        #expect(rest.gaps[0].before == nil && rest.gaps[0].fromNanos == nil && rest.gaps[0].state == .healed)
    }

    @Test func withoutATickBeforeTheSubscriptionIsTheBeginning() {
        var script = GapScript()
        script.mark(.subscribed)
        script.nowNanos += 100_000_000_000
        script.mark(.gapOpened, "silent")
        script.mark(.subscribed)
        script.live()
        #expect(script.ledger.gaps[0].fromNanos == someNanos)
        #expect(script.ledger.gaps[0].openedRecvNanos == someNanos + 101_000_000_000)
    }

    @Test func ticksWithoutATimeOfTheGatewayCountByTheirReceipt() {
        var script = GapScript(StreamID(conId: 265_598, kind: .level1))
        script.live(1, withoutEventTime: true)
        script.mark(.gapOpened, "disconnect")
        script.live(1, withoutEventTime: true)
        let gap = script.ledger.gaps[0]
        #expect(gap.before?.tsEventNanos == Tick.noEventTime)
        #expect(gap.fromNanos == someNanos && gap.toNanos == someNanos + 2_000_000_000)
    }

    @Test(arguments: [TickKind.level1, .depth, .rtVolume]) func kindsWithoutHistorySaySo(kind: TickKind) {
        var script = GapScript(StreamID(conId: 265_598, kind: kind))
        script.live()
        script.mark(.gapOpened, "disconnect")
        #expect(script.ledger.gaps[0].state == .open)
        script.live()
        #expect(script.ledger.gaps[0].state == .noHistory)
    }

    @Test func anEndedSubscriptionEndsItsGapAndOpensNone() {
        var script = GapScript()
        script.live()
        script.mark(.gapOpened, "disconnect")
        let ended = script.nowNanos
        script.mark(.unsubscribed)
        // Subscribed again, much later: what was in between was not wanted.
        script.nowNanos += 3_600_000_000_000
        let again = script.nowNanos
        script.mark(.subscribed)
        script.live()
        #expect(script.ledger.gaps.count == 1)
        #expect(script.ledger.gaps[0].after == nil && script.ledger.gaps[0].toNanos == ended)
        #expect(script.ledger.gaps[0].state == .pending)
        // A gap before the first tick of a new subscription does not reach back into the time without one.
        script = GapScript()
        script.live()
        script.mark(.unsubscribed)
        script.nowNanos = again
        script.mark(.subscribed)
        script.mark(.gapOpened, "disconnect")
        script.live()
        #expect(script.ledger.gaps.map(\.before) == [nil])
        #expect(script.ledger.gaps[0].fromNanos == again)
    }

    // MARK: - Heal runs

    /// Two ticks with a gap between them: seconds 0 and 2.
    private func closedGap() -> (GapScript, TickKey) {
        var script = GapScript()
        script.live()
        let gap = script.mark(.gapOpened, "disconnect")
        script.live()
        return (script, gap)
    }

    @Test func runsFollowEachOtherUntilOneSaysWhatTheGapIs() {
        var (script, gap) = closedGap()
        script.run(gap, ticks: 3, from: zero, to: zero + 1, "more")
        #expect(script.ledger.gaps[0].state == .pending && script.ledger.gaps[0].healedTicks == 3)
        script.live(4)
        script.run(gap, ticks: 2, from: zero + 1, to: zero + 3, "healed")
        let runs = script.ledger.gaps[0].runs
        #expect(runs.count == 2 && script.ledger.gaps[0].state == .healed && script.ledger.gaps[0].healedTicks == 5)
        #expect(runs[0].first.seq == 4 && runs[0].last.seq == 8 && runs[0].outcome == nil && runs[0].isWhole)
        #expect(runs[1].fromSeconds == zero + 1 && runs[1].toSeconds == zero + 3 && runs[1].outcome == .healed)
    }

    @Test(arguments: [
        ("healed", GapState.healed), ("partly", .partly), ("subset", .subset), ("no_history", .noHistory),
        ("edge_unreconcil", .edgeUnreconciled), ("edge_unreconcile", .edgeUnreconciled), ("edge_unre", .pending),
        ("more", .pending), ("", .pending),
        ("open", .pending), ("pending", .pending),
    ])
    func aRunsEndSaysWhatTheGapIs(text: String, state: GapState) {
        var (script, gap) = closedGap()
        script.run(gap, ticks: 0, from: zero, to: zero + 3, text)
        #expect(script.ledger.gaps[0].state == state)
    }

    @Test func theMarkersSpellingOfAStateFitsAndComesBack() {
        for state in GapState.allCases where state.isFinal {
            #expect(state.markerText.utf8.count <= 16 && GapState(markerText: state.markerText) == state)
        }
    }

    @Test func aRunWithoutItsEndLeavesTheGapPending() {
        var (script, gap) = closedGap()
        script.heal(gap, ticks: 10, from: zero, to: zero + 3)
        script.healed(4, second: zero + 1)
        // The connector died here.
        let runEnd = script.key
        #expect(script.ledger.gaps[0].runs.map(\.last) == [runEnd])
        script.newEpoch()
        script.mark(.gapOpened, "restart")
        script.live()
        let torn = script.ledger.gaps[0]
        #expect(torn.state == .pending && torn.healedTicks == 0 && torn.runs.count == 1 && !torn.runs[0].isWhole)
        #expect(torn.runs[0].last >= runEnd && torn.runs[0].last.epoch == 100)
        // Later runs that do not fill its interval change nothing.
        script.run(gap, ticks: 1, from: zero + 1, to: zero + 3, "healed")
        #expect(script.ledger.gaps[0].state == .pending)
        script.run(gap, ticks: 6, from: zero, to: zero + 3, "healed")
        #expect(script.ledger.gaps[0].state == .healed && script.ledger.gaps[0].healedTicks == 7)
    }

    @Test func aRunThatALiveTickFollowsWithoutAnEndIsOver() {
        var (script, gap) = closedGap()
        script.heal(gap, ticks: 10, from: zero, to: zero + 3)
        script.healed(2, second: zero)
        let runEnd = script.key
        script.live(3)
        #expect(script.ledger.gaps[0].runs[0].last == runEnd && script.ledger.gaps[0].state == .pending)
        script.run(gap, ticks: 8, from: zero, to: zero + 3, "healed")
        #expect(script.ledger.gaps[0].state == .healed)
    }

    @Test func lostKeysInsideARunMakeItsIntervalUnhealed() {
        var (script, gap) = closedGap()
        script.heal(gap, ticks: 10, from: zero, to: zero + 3)
        script.healed(2, second: zero)
        script.lost(5)
        #expect(script.ledger.gaps.count == 2)
        script.healed(3, second: zero)
        script.healEnd(gap, ticks: 10, to: zero + 3, "healed")
        script.live()
        // All of them were of the run: no live tick is missing.
        let gaps = script.ledger.gaps
        #expect(gaps.count == 1 && gaps[0].state == .pending && gaps[0].runs.count == 1)
        #expect(gaps[0].runs[0].first.seq == 4 && gaps[0].runs[0].last.seq == 15 && !gaps[0].runs[0].isWhole)
        script.run(gap, ticks: 5, from: zero, to: zero + 3, "healed")
        #expect(script.ledger.gaps[0].state == .healed)
    }

    /// What was before such a gap is gone and nothing tells where it begins, so healing begins where it was opened: that has
    /// to be enough.
    @Test func aRunWithoutABeginningInAGapWithoutOneCanBeHealedAgain() throws {
        var script = GapScript()
        script.live()
        script.lost(5)
        script.live()
        var gap = try #require(GapLedger(stream: quotes, [script.collector(script.records[1...])]).gaps.first)
        #expect(gap.fromNanos == nil && gap.state == .pending)
        let opened = gap.openedRecvNanos / 1_000_000_000
        let end = try #require(gap.toNanos) / 1_000_000_000 + 1
        let keys = TickKey(epoch: 100, seq: 20)
        func run(_ from: Int64?, isWhole: Bool) -> HealRun {
            HealRun(
                first: keys, last: keys, ticks: 0, fromSeconds: from, toSeconds: end, isWhole: isWhole,
                outcome: isWhole ? .healed : nil)
        }
        gap.runs = [run(nil, isWhole: false)]
        #expect(gap.state == .pending)
        gap.runs.append(run(opened, isWhole: true))
        #expect(gap.state == .healed)
        // One that began before what is known of the gap now is done with by what can still be asked for.
        gap.runs = [run(opened - 9, isWhole: false), run(opened, isWhole: true)]
        #expect(gap.state == .healed)
    }

    @Test func lostKeysBetweenTheBeginningOfOneRunAndTheEndOfAnotherMayBeLiveTicks() {
        var (script, gap) = closedGap()
        script.heal(gap, ticks: 2, from: zero, to: zero + 1)
        script.healed(2, second: zero)
        // The first run's end, live ticks, the second run's beginning.
        script.lost(9)
        script.healed(1, second: zero + 1)
        script.healEnd(gap, ticks: 2, to: zero + 3, "healed")
        script.live()
        #expect(script.ledger.gaps.map(\.state) == [.pending, .pending])
        #expect(script.ledger.gaps[1].lostKeys != nil)
    }

    @Test func lostKeysThatHideARunsBeginningMakeTheGapUnhealed() {
        var (script, gap) = closedGap()
        script.run(gap, ticks: 1, from: zero, to: zero + 1, "more")
        script.lost(4)
        script.healed(3, second: zero + 1)
        script.healEnd(gap, ticks: 6, to: zero + 3, "healed")
        script.live()
        let healed = script.ledger.gaps[0]
        #expect(healed.runs.count == 2 && healed.state == .pending && healed.runs[1].fromSeconds == nil)
        #expect(healed.runs[1].first.seq == 11 && healed.runs[1].last.seq == 14)
        script.run(gap, ticks: 2, from: zero, to: zero + 3, "healed")
        #expect(script.ledger.gaps[0].state == .healed)
    }

    @Test func lostKeysThatHideAWholeRunLeaveTheGapAsItWas() {
        var (script, gap) = closedGap()
        script.run(gap, ticks: 1, from: zero, to: zero + 1, "more")
        script.lost(9)
        script.live()
        #expect(script.ledger.gaps.map(\.state) == [.pending, .pending])
        #expect(script.ledger.gaps[0].runs.count == 1)
    }

    @Test func aLaterRunChangesWhatTheGapIs() {
        var (script, gap) = closedGap()
        script.run(gap, ticks: 1, from: zero, to: zero + 3, "partly")
        script.run(gap, ticks: 1, from: zero, to: zero + 3, "healed")
        #expect(script.ledger.gaps[0].state == .healed && script.ledger.gaps[0].healedTicks == 2)
    }

    @Test func runsOfAnOlderGapGoToItWhileAnotherIsOpen() {
        var (script, gap) = closedGap()
        script.mark(.gapOpened, "tws 2103", code: 2103)
        script.run(gap, ticks: 1, from: zero, to: zero + 3, "healed")
        #expect(script.ledger.gaps.map(\.state) == [.healed, .open])
        script.live()
        #expect(script.ledger.gaps.map(\.state) == [.healed, .pending])
    }

    @Test func runsThatReferToNothingKnownAreNobodys() {
        var (script, gap) = closedGap()
        script.run(TickKey(epoch: 100, seq: 3), ticks: 1, from: zero, to: zero + 3, "healed")
        script.run(TickKey(epoch: 99, seq: 3), ticks: 1, from: zero, to: zero + 3, "healed")
        #expect(script.ledger.gaps.map(\.state) == [.pending] && script.ledger.gaps[0].key == gap)
    }

    @Test func aGapWhoseFirstMarkerIsGoneWithItsFileKeepsItsRuns() {
        var script = GapScript()
        script.live()
        let gap = script.mark(.gapOpened, "disconnect")
        let cut = script.records.count
        script.newEpoch()
        script.mark(.gapOpened, "restart")
        script.live()
        script.run(gap, ticks: 1, from: zero, to: zero + 3, "healed")
        let ledger = GapLedger(stream: quotes, [script.collector(script.records[cut...])])
        #expect(ledger.gaps.map(\.state) == [.healed])
    }

    // MARK: - Files

    /// A long story with everything in it.
    private func story() -> GapScript {
        var script = GapScript()
        script.mark(.subscribed)
        script.live(3)
        let first = script.mark(.gapOpened, "disconnect")
        script.mark(.gapOpened, "no session")
        script.mark(.subscribed)
        script.mark(.gapClosed, ref: first)
        script.live(2)
        script.run(first, ticks: 4, from: zero, to: zero + 2, "more")
        script.live(1)
        script.lost(20)
        script.run(first, ticks: 2, from: zero + 2, to: zero + 9, "edge_unreconcile")
        script.newEpoch()
        let second = script.mark(.gapOpened, "restart")
        script.live(2)
        script.heal(second, ticks: 4, from: zero + 3, to: zero + 40)
        script.healed(2, second: zero + 4)
        script.lost(3)
        script.healEnd(second, ticks: 4, to: zero + 40, "healed")
        script.live(1)
        script.mark(.unsubscribed)
        script.mark(.subscribed)
        script.mark(.gapOpened, "tws 1100", code: 1100)
        script.live(2)
        script.mark(.gapOpened, "stopped")
        return script
    }

    @Test func theLedgerIsTheSameWhereverTheFilesEnd() {
        let script = story()
        let whole = script.ledger
        #expect(whole.gaps.count == 5 && whole.gaps.last?.state == .open)
        for first in 0...script.records.count {
            for second in first...script.records.count {
                let parts = [
                    script.records[..<first], script.records[first..<second], script.records[second...],
                ].map(script.collector)
                #expect(GapLedger(stream: quotes, parts).gaps == whole.gaps)
            }
        }
    }

    @Test func whatOverlapsIsCountedOnce() {
        let script = story()
        let whole = script.ledger
        for cut in 0...script.records.count {
            for back in [0, 1, 5, cut] where back <= cut {
                let parts = [script.records[..<cut], script.records[(cut - back)...]].map(script.collector)
                #expect(GapLedger(stream: quotes, parts).gaps == whole.gaps)
            }
        }
    }

    @Test func aLimitForgetsFinishedGapsFirst() {
        var script = GapScript()
        script.live()
        var keys: [TickKey] = []
        for _ in 0..<6 {
            keys.append(script.mark(.gapOpened, "disconnect"))
            script.live()
        }
        script.run(keys[3], ticks: 0, from: zero, to: zero + 9, "healed")
        var ledger = GapLedger(stream: quotes, limit: 4)
        ledger.fold(script.collector(script.records[...]))
        #expect(ledger.gaps.map(\.key) == [keys[1], keys[2], keys[4], keys[5]] && ledger.forgotten == 2)
    }
}
