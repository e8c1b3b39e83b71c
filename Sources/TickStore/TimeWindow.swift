internal import Ticks

/// A time range that selects records by `Tick.timeNanos(by:)`.
struct TimeWindow: Equatable {
    /// Inclusive.
    var fromNanos = Int64.min
    /// Exclusive.
    var toNanos = Int64.max
    var basis = TimeBasis.receive

    /// How far event times may lie beyond those of a file's first and last live tick
    /// where a clock was wrong or data are delayed.
    private static let disorderNanos: Int64 = 3_600_000_000_000

    var isEverything: Bool { fromNanos == .min && toNanos == .max }

    /// True for a record of this time. The markers of a heal run go with its ticks: they too have a TWS time.
    func contains(_ tick: Tick) -> Bool { contains(tick.timeNanos(by: basis)) }

    func contains(_ nanos: Int64) -> Bool { nanos >= fromNanos && nanos < toNanos }

    /// False when no record of the segment can be of this time.
    func mayHold(_ footer: SegmentFooter) -> Bool {
        overlaps(footer.minRecvNanos, footer.maxRecvNanos)
            || overlaps(footer.minHealedEventNanos, footer.maxHealedEventNanos) || mayHoldByEvent(footer)
    }

    /// False when no live tick of the segment that counts by its event time can be of this time.
    /// A footer has these times of the first and the last live tick alone, and does not tell
    /// whether the host's clock was wrong in between.
    private func mayHoldByEvent(_ footer: SegmentFooter) -> Bool {
        guard footer.ticks > 0, !isEverything else { return false }
        // Nothing tells: each block is asked.
        guard basis == .receive else { return true }
        guard let first = footer.markers.firstLive, let last = footer.markers.lastLive else { return true }
        guard first.hasEventTime, last.hasEventTime else {
            // Kinds that have no event times at all.
            return footer.stream.kind != .level1 && footer.stream.kind != .depth
        }
        let (early, late) = (min(first.tsEventNanos, last.tsEventNanos), max(first.tsEventNanos, last.tsEventNanos))
        // Of a clock that was wrong only in between the first and the last tell enough.
        let isOrdinary =
            !first.isFarFromGateway && !last.isFarFromGateway
            && footer.markers.entries.allSatisfy { !$0.marker.flags.contains(.clockBad) }
        let least = early.subtractingReportingOverflow(isOrdinary ? 0 : TimeWindow.disorderNanos)
        let greatest = late.addingReportingOverflow(isOrdinary ? 0 : TimeWindow.disorderNanos)
        return overlaps(least.overflow ? .min : least.partialValue, greatest.overflow ? .max : greatest.partialValue)
    }

    /// False when no record of the block that counts by its receive time, or is healed, can be of this time. Of other
    /// records nothing is known here: `SegmentGlance`.
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
