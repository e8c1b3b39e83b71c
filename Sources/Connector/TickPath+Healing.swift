internal import TWS
internal import TickStore
internal import Ticks

/// Ticks of the gateway's history.
extension TickPath {
    /// Records a run of healed ticks, contiguous in the stream's numbers: `heal`, the ticks, `heal_end`. Returns its
    /// last key. At most 8,192 ticks, well under a millisecond of work.
    mutating func record(_ run: HealedRun, of index: Int) -> TickKey {
        precondition(index >= 0 && index < slotCount)
        let second: Int64 = 1_000_000_000
        let count = Int32(clamping: run.ticks.count)
        // Records of history are not late, however late the live ones are.
        let flags = slots[index].commonFlags
        slots[index].commonFlags.subtract(.delayed)
        let end = HealRun.text(toSeconds: run.to, knowsLost: run.knowsLost)
        mark(index, .heal, code: count, ref: run.gap, text: end, tsEventNanos: run.from * second)
        for item in run.ticks {
            makeRoom(index, records: 1 + item.more.count)
            var tick = item.tick
            tick.flags.insert(.healed)
            stage(tick, index)
            for (position, body) in item.more.enumerated() {
                var more = tick
                more.kindByte = TickKind.more.rawValue
                more.flags = .healed
                if position + 1 < item.more.count { more.flags.insert(.moreFollows) }
                more.body = body
                stage(more, index)
            }
        }
        let key = mark(
            index, .healEnd, code: count, ref: run.gap, text: run.verdict?.markerText ?? "more",
            tsEventNanos: run.to * second)
        slots[index].commonFlags = flags
        counters.healed &+= UInt64(run.ticks.count)
        counters.healRuns &+= 1
        flush()
        return key
    }
}
