internal import Ticks

extension Verify {
    /// Checks records as they come: of one stream in a segment, of many in the log.
    mutating func check(_ ticks: UnsafeBufferPointer<Tick>) {
        let runs = TickRuns(ticks: ticks)
        var start = 0
        while start < ticks.count {
            let end = runs.runEnd(from: start)
            if let segment, ticks[start].stream != segment {
                problem("\(path): record \(ticks[start].key) is none of \(segment)")
            } else if let stream = ticks[start].stream {
                check(UnsafeBufferPointer(rebasing: ticks[start..<end]), of: stream)
            } else {
                problem("\(path): record \(ticks[start].key) of contract \(ticks[start].conId) names no stream")
            }
            start = end
        }
    }

    private mutating func check(_ run: UnsafeBufferPointer<Tick>, of stream: StreamID) {
        var state = report.streams[stream] ?? VerifyReport.Stream()
        var previous = last[stream] ?? .zero
        var inPart = inThisPart[stream] ?? .zero
        var chain = false
        for tick in run {
            if tick.key <= inPart { problem("\(path): \(stream): record \(tick.key) comes after \(inPart)") }
            inPart = max(inPart, tick.key)
            // An earlier part may end with records whose fdatasync failed: they were written again. And what is sealed
            // may stand in the log for a moment longer.
            if tick.key <= previous {
                if segment == nil || isAgain { state.repeated += 1 } else { twice(tick.key, stream, &state) }
                continue
            }
            let first = MissingKeys.firstKeyCovered(by: tick)
            if let named = inFront, previous != .zero, removed.contains(stream) == false,
                let keys = MissingKeys.range(after: previous, upTo: named), named < first
            {
                state.missingRanges += 1
                list(KeyRange(stream: stream, keys), until: tick.tsRecvNanos)
                previous = named
            }
            inFront = nil
            // Retention takes a stream's oldest segments: what is left begins anywhere.
            let isBeginning = segment != nil && (previous == .zero || removed.remove(stream) != nil)
            if isBeginning { state.beginsAt = first.seq > 1 ? first : nil }
            // Of a stream that nothing was known of, its first epoch is asked for.
            let known = previous == .zero ? TickKey(epoch: tick.key.epoch, seq: 0) : previous
            if !isBeginning, let missing = MissingKeys.between(known, tick) {
                state.missingRanges += 1
                list(KeyRange(stream: stream, missing), until: tick.tsRecvNanos)
            } else if first <= previous {
                problem("\(path): \(stream): the lost range \(first) to \(tick.key) covers keys that have records")
            }
            count(tick, first, stream, &state)
            checkMore(tick, &chain, stream)
            previous = tick.key
        }
        account?.take(run, of: stream)
        if chain { problem("\(path): \(stream): record \(previous) is parted from the record that completes it") }
        last[stream] = max(previous, last[stream] ?? .zero)
        inThisPart[stream] = inPart
        report.streams[stream] = state
    }

    private mutating func count(
        _ tick: Tick, _ first: TickKey, _ stream: StreamID, _ state: inout VerifyReport.Stream
    ) {
        if state.records == 0 {
            state.firstKey = first
            state.firstRecvNanos = tick.tsRecvNanos
        }
        state.records += 1
        state.lastKey = tick.key
        state.lastRecvNanos = tick.tsRecvNanos
        if tick.kind?.isMarketData == true { state.ticks += 1 }
        guard tick.kindByte == TickKind.marker.rawValue else { return }
        state.markers += 1
        guard let marker = tick.marker, marker.event == .lost else { return }
        state.lostRanges += 1
        let range = KeyRange(stream: stream, first: first, last: tick.key)
        if report.lost.count < VerifyReport.maxListed { report.lost.append(range) }
        guard marker.text.elementsEqual(Repair.lostText.utf8) else { return }
        if report.lostToDamage.count < VerifyReport.maxListed {
            report.lostToDamage.append(range)
        } else {
            report.moreLostToDamage += 1
        }
    }

    /// A record with `moreFollows` and the `more` record behind it belong together.
    private mutating func checkMore(_ tick: Tick, _ chain: inout Bool, _ stream: StreamID) {
        let isMore = tick.kindByte == TickKind.more.rawValue
        if isMore != chain {
            problem(
                isMore
                    ? "\(path): \(stream): record \(tick.key) completes a record that is not there"
                    : "\(path): \(stream): the record before \(tick.key) is not completed")
        }
        chain = tick.flags.contains(.moreFollows)
    }
}
