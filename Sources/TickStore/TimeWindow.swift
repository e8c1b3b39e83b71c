internal import Ticks

/// A time range that selects live ticks by receive time and healed ones by TWS time.
struct TimeWindow: Equatable {
    /// Inclusive.
    var fromNanos = Int64.min
    /// Exclusive.
    var toNanos = Int64.max

    var isEverything: Bool { fromNanos == .min && toNanos == .max }

    /// True for a record of this time. The markers of a heal run go with its ticks: they too have a TWS time.
    func contains(_ tick: Tick) -> Bool {
        let time = tick.isPlacedByEvent ? tick.tsEventNanos : tick.tsRecvNanos
        return time >= fromNanos && time < toNanos
    }

    /// False when no record of the segment can be of this time.
    func mayHold(_ footer: SegmentFooter) -> Bool {
        overlaps(footer.minRecvNanos, footer.maxRecvNanos)
            || overlaps(footer.minHealedEventNanos, footer.maxHealedEventNanos)
    }

    /// False when no record of the block can be of this time; nothing is known of when its healed ticks were.
    func mayHold(_ entry: SegmentIndex.Entry, healedOverlap: Bool) -> Bool {
        overlaps(entry.minRecvNanos, entry.maxRecvNanos) || (entry.healed > 0 && healedOverlap)
    }

    func overlaps(_ least: Int64, _ greatest: Int64) -> Bool { greatest >= fromNanos && least < toNanos }
}

extension Tick {
    /// True for a tick from history and for the markers around a run of them: placed and selected by their TWS time.
    var isPlacedByEvent: Bool {
        guard tsEventNanos != Tick.noEventTime else { return false }
        if flags.contains(.healed) { return true }
        guard kindByte == TickKind.marker.rawValue, let event = marker?.event else { return false }
        return event == .heal || event == .healEnd
    }
}
