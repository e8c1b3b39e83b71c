internal import Ticks

/// The streams that have a place, the requests that bring their ticks, and the flags that all of their records carry.
extension TickPath {
    /// A new stream's slot, or nil when there are as many streams as there is room for. It carries the session's flags.
    mutating func addStream(_ stream: StreamID) -> Int? {
        guard slotCount < capacity else { return nil }
        (slots + slotCount).initialize(to: StreamSlot(stream))
        slots[slotCount].commonFlags = sessionFlags.union(hostFlags)
        slotCount += 1
        return slotCount - 1
    }

    /// Reads one stream's state.
    func slot(_ index: Int) -> StreamSlot {
        precondition(index >= 0 && index < slotCount)
        return slots[index]
    }

    /// A session begins: from now on every record of every stream, also of those to come, carries these flags.
    mutating func beginSession(flags: TickFlags) {
        sessionFlags = flags
        for index in 0..<slotCount { slots[index].commonFlags = flags.union(hostFlags) }
    }

    /// From now on every record of every stream says whether the host's clock is known to be wrong.
    mutating func setClockBad(_ isBad: Bool) {
        hostFlags = isBad ? .clockBad : []
        for index in 0..<slotCount {
            slots[index].commonFlags.subtract(.clockBad)
            slots[index].commonFlags.formUnion(hostFlags)
        }
    }

    /// A new epoch begins with receive times of a clock that was set back. Nothing is staged.
    mutating func resetReceiveTimes(toNanos now: Int64) {
        precondition(dirtyCount == 0)
        lastReceivedNanos = now - 1
        for index in 0..<slotCount {
            slots[index].prices.forgetTimes()
        }
    }

    /// What is learned later of the session; every record from here on carries it, also those of streams to come.
    mutating func addSessionFlags(_ flags: TickFlags) {
        sessionFlags.formUnion(flags)
        for index in 0..<slotCount { slots[index].commonFlags.formUnion(flags) }
    }

    mutating func addCommonFlags(_ flags: TickFlags, of index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].commonFlags.formUnion(flags)
    }

    mutating func removeCommonFlags(_ flags: TickFlags, of index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].commonFlags.subtract(flags)
    }

    /// From here on a stream's data are delayed, frozen, both or neither. Frozen ones fill no gap: one is open until a
    /// live tick comes. True when that is news.
    mutating func setMarketData(_ flags: TickFlags, of index: Int) -> Bool {
        precondition(index >= 0 && index < slotCount)
        let before = slots[index].commonFlags.intersection([.delayed, .frozen])
        slots[index].commonFlags.subtract([.delayed, .frozen])
        slots[index].commonFlags.formUnion(flags)
        if flags.contains(.frozen) { openGap(index, cause: MarketDataType.gapCause) }
        return before != flags
    }

    /// From now on the answers to `request` are ticks of that stream.
    mutating func bind(request: Int32, to index: Int) {
        requests.set(request, slot: Int32(index))
        slots[index].ticksWhenAsked = slots[index].ticks
        // What was said of the last request's data holds no more.
        slots[index].commonFlags.subtract([.delayed, .frozen])
    }
    mutating func unbind(request: Int32) { requests.remove(request) }
    mutating func unbindAll() { requests.removeAll() }

    /// The stream is not wanted any more: from here on nothing of it is missing.
    mutating func endStream(_ index: Int) {
        mark(index, .unsubscribed)
        slots[index].openGap = nil
        slots[index].silentUntilNanos = nil
        slots[index].doubt = nil
        slots[index].needsAttention = false
    }
}
