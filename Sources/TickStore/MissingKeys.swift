internal import Ticks

/// The rule of which keys are missing between two records of a stream that follow each other in the files. Each key is
/// one record, or covered by one `lost`. Pure.
///
/// Within an epoch numbers follow each other. Where an epoch ended, the next one's first record tells: it
/// names the stream's last key before (`Tick.chain`). Without that name nothing is known to be missing
/// there, unless bytes between the two were destroyed: then everything between them counts as missing, which
/// may say too much, and never too little.
enum MissingKeys {
    /// - Parameters:
    ///   - previous: the last key that is there; above `TickKey.zero`.
    ///   - next: the record behind it.
    ///   - isDamaged: something that stood between the two was destroyed.
    /// - Returns: nil when nothing is missing.
    static func between(_ previous: TickKey, _ next: Tick, isDamaged: Bool = false) -> ClosedRange<TickKey>? {
        let first = firstKeyCovered(by: next)
        guard first > previous.next else { return nil }
        if first.epoch != previous.epoch {
            if let chain = next.chain, chain.isCertain || !isDamaged {
                return range(after: previous, upTo: chain.previous)
            }
            // The beginning of an epoch that is missing would tell how the one before ended.
            guard first.seq > 1 || isDamaged else { return nil }
        }
        return range(after: previous, upTo: first.previous)
    }

    /// All keys that records can have behind one key, up to another; nil when there is none.
    static func range(after previous: TickKey, upTo last: TickKey) -> ClosedRange<TickKey>? {
        let first = previous.following
        return first <= last ? first...last : nil
    }

    /// The first key that a record stands for: its own, or where the range of a `lost` begins.
    static func firstKeyCovered(by tick: Tick) -> TickKey {
        guard tick.kindByte == TickKind.marker.rawValue, let marker = tick.marker, marker.event == .lost,
            marker.ref <= tick.key
        else { return tick.key }
        return marker.ref
    }
}
