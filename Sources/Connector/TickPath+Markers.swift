internal import TWS
internal import TickStore
internal import Ticks

/// Markers in the streams' own order.
extension TickPath {
    /// Puts a marker into the stream's own order. It goes out with the next `flush`.
    @discardableResult
    mutating func mark(
        _ index: Int, _ event: MarkerEvent, code: Int32 = 0, ref: TickKey = .zero, text: String = "",
        tsEventNanos: Int64 = Tick.noEventTime
    ) -> TickKey {
        precondition(index >= 0 && index < slotCount)
        if slots[index].seq == 0 { beginNumbers(index) }
        makeRoom(index, records: 1)
        stage(
            Tick(
                marker: event, of: slots[index].stream, tsEventNanos: tsEventNanos, tsRecvNanos: 0, code: code,
                ref: ref,
                text: text), index)
        return TickKey(epoch: epoch, seq: slots[index].seq)
    }

    /// The stream's first record in this epoch names its last one before, so that nothing can vanish between the two
    /// unseen.
    mutating func beginNumbers(_ index: Int) {
        let stream = slots[index].stream
        let last = journal.lastNumbered(of: stream)
        makeRoom(index, records: 1)
        stage(
            Tick(
                marker: .epochBegun, of: stream, tsRecvNanos: 0,
                code: last?.isCertain ?? true ? 0 : MarkerBody.uncertainEnd, ref: last?.key ?? .zero,
                text: epochCause), index)
    }

    /// A message of the stream can't be decoded: it is written down as a marker. A tick that is lost so is a gap, each
    /// time: what a gateway that sends nonsense again and again may cost of the history budget is `HealPlan`'s to say.
    mutating func noteUndecodable(_ index: Int, _ message: UndecodableMessage) {
        precondition(index >= 0 && index < slotCount)
        slots[index].undecodable &+= 1
        if message.isTick { openGap(index, cause: MarkerEvent.undecodable.name.description) }
        mark(index, .undecodable, code: message.messageId, text: message.fault)
    }
}
