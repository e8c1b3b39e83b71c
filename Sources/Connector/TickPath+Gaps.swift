internal import ServiceKit
internal import Ticks

/// Gaps: from where on ticks of a stream may be missing, and the tick that ends that.
extension TickPath {
    /// From here on ticks of the stream may be missing, until the next one comes. Does nothing while a gap is open.
    mutating func openGap(_ index: Int, cause: String, code: Int32 = 0) {
        precondition(index >= 0 && index < slotCount)
        slots[index].noteBreak(nowNanos: bootNanos())
        slots[index].silentUntilNanos = nil
        guard slot(index).openGap == nil else { return }
        slots[index].openGap = mark(index, .gapOpened, code: code, text: cause)
        slots[index].needsAttention = true
    }

    /// The gateway is silent and does not answer: ticks of the stream may be missing. The gap is opened by the first
    /// tick that is later than `untilNanos` (event time), since stragglers from before the silence may still come; by
    /// what ends the session, if that comes first.
    mutating func noteSilence(_ index: Int, untilNanos: Int64) {
        precondition(index >= 0 && index < slotCount)
        slots[index].silentUntilNanos = untilNanos
        slots[index].needsAttention = true
    }

    /// Before a tick is staged: begins the stream's numbers, and closes the gap that the tick ends.
    mutating func attend(_ index: Int) {
        if slots[index].seq == 0 { beginNumbers(index) }
        if let until = slots[index].silentUntilNanos,
            scratch.tsEventNanos == Tick.noEventTime || scratch.tsEventNanos > until
        {
            openGap(index, cause: TickPath.silence)
        }
        // What is frozen is no proof, and fills no gap.
        if slots[index].commonFlags.contains(.frozen) {
            counters.frozen &+= 1
        } else {
            if slots[index].doubt != nil { weighDoubt(index) }
            if slots[index].openGap != nil { closeGap(index) }
        }
        slots[index].heedsNextTick()
    }

    /// The marker's text for a gateway that did not answer.
    static let silence = "gateway silent"

    /// The open gaps' markers are in no file that counts: `openGap` says it anew.
    mutating func forgetGaps() {
        for index in 0..<slotCount {
            slots[index].openGap = nil
            slots[index].heedsNextTick()
        }
    }

    mutating func closeGap(_ index: Int) {
        guard let gap = slots[index].openGap else { return }
        mark(index, .gapClosed, ref: gap)
        slots[index].openGap = nil
        let after = TickKey(epoch: epoch, seq: slots[index].seq + 1)
        slots[index].closedGap = (gap, after, lastReceivedNanos + 1)
        slots[index].rhythm.skip(toNanos: steadyNanos)
        closedGaps.append(index)
    }

    /// The slots whose gap was closed since the last call, each at most as often as that happened.
    mutating func takeClosedGaps() -> [Int] {
        guard !closedGaps.isEmpty else { return [] }
        defer { closedGaps.removeAll(keepingCapacity: true) }
        return closedGaps
    }

    /// The history in front of the stream's present subscription may serve to heal its gap.
    mutating func setTakesFront(_ takes: Bool, of index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].takesFront = takes
    }
}
