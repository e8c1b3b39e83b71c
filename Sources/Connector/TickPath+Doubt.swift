/// Doubts: by the gateway's words ticks of a stream may be missing, which its silences show.
extension TickPath {
    /// Ticks may be missing by the gateway's words: one that comes after too long a silence has a gap in front.
    mutating func weighDoubt(_ index: Int) {
        guard var doubt = slots[index].doubt else { return }
        let isGapOpen = slots[index].openGap != nil
        let verdict = doubt.tick(atNanos: steadyNanos, isGapOpen: isGapOpen)
        slots[index].doubt = verdict.isOver ? nil : doubt
        if verdict.isGap { openGap(index, cause: doubt.cause, code: doubt.code) }
    }

    /// Ticks of the stream may be missing from now on: its silences count, until it has gone on or is known to be back.
    ///
    /// - Parameter isCertain: the news is of every stream.
    mutating func beginDoubt(_ index: Int, cause: String, code: Int32, isCertain: Bool) {
        precondition(index >= 0 && index < slotCount)
        // What lies between the subscription's history and its first live tick is not known any more.
        slots[index].interruptions &+= 1
        let (now, rhythm) = (steadyNanos, slots[index].rhythm)
        if slots[index].doubt == nil {
            slots[index].doubt = StreamDoubt(
                cause: cause, code: code, isCertain: isCertain, rhythm: rhythm, nowNanos: now)
        } else {
            slots[index].doubt?.badNews(cause: cause, code: code, isCertain: isCertain, rhythm: rhythm, nowNanos: now)
        }
        slots[index].heedsNextTick()
    }

    /// Another stream has shown that the news is not of this one.
    mutating func endDoubt(_ index: Int) {
        precondition(index >= 0 && index < slotCount)
        slots[index].doubt = nil
        slots[index].heedsNextTick()
    }

    /// The session is over: the next one begins without news.
    mutating func endDoubts() {
        for index in 0..<slotCount { endDoubt(index) }
    }

    /// Something is back. A stream that was silent meanwhile has a gap from its last tick on.
    ///
    /// - Parameter isEnd: nothing else is down.
    mutating func noteGoodNews(_ index: Int, isEnd: Bool = true) {
        precondition(index >= 0 && index < slotCount)
        guard var doubt = slots[index].doubt else { return }
        let isGap = doubt.goodNews(atNanos: steadyNanos, isEnd: isEnd)
        slots[index].doubt = doubt
        if isGap { openGap(index, cause: doubt.cause, code: doubt.code) }
    }
}
