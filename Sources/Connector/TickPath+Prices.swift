internal import Ticks

/// What is done about prices that can hardly be true. The ticks stay what they are.
extension TickPath {
    /// The tick stays what it is; what has to be done about it is the session's.
    @inline(never) mutating func note(_ suspicion: PriceCheck.Suspicion, of key: TickKey, _ index: Int) {
        counters.suspicious &+= 1
        let alarm = slots[index].prices.note(suspicion, nowNanos: lastReceivedNanos)
        if alarm.contains(.mark) {
            let count = Int32(clamping: slots[index].prices.series)
            mark(index, .suspiciousPrice, code: count, ref: key, text: suspicion.text)
        }
        guard !alarm.subtracting(.mark).isEmpty else { return }
        slots[index].alarm.formUnion(alarm)
        slots[index].suspicion = suspicion
        hasAlarms = true
    }

    /// The alarm of a stream, which is over with that; nil when there is none.
    mutating func takeAlarm(_ index: Int) -> (PriceCheck.Alarm, PriceCheck.Suspicion)? {
        precondition(index >= 0 && index < slotCount)
        hasAlarms = false
        guard let suspicion = slots[index].suspicion else { return nil }
        defer {
            slots[index].alarm = []
            slots[index].suspicion = nil
        }
        return (slots[index].alarm, suspicion)
    }

    /// A stream is left for its suspicious prices: what comes next is of another subscription.
    mutating func beginPricesAnew(_ index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].prices.beginAnew()
    }

    /// The smallest price step of a stream's instrument, units of 1e-9; 0: not known.
    mutating func setPriceStep(_ step: Int64, of index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].prices.setStep(step)
    }
}
