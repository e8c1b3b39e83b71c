/// Ranges of keys, both ends included, as people read them. Where nobody knows how far a run went, a range ends with
/// the greatest key that there can be: four billion keys, of which most never were.
extension TickKey {
    /// `5:6 to 5:10`, or `5:6 to the end of that run`.
    public static func rangeText(_ first: TickKey, _ last: TickKey) -> String {
        guard last.seq == .max else { return "\(first) to \(last)" }
        let text = "\(first) to the end of that run"
        return first.epoch == last.epoch ? text : text + " and of all before epoch \(UInt64(last.epoch) + 1)"
    }

    /// How many keys a range has; nil where that tells nothing: it reaches to a run's end, which is known to nobody.
    public static func count(_ first: TickKey, _ last: TickKey) -> UInt64? {
        guard first <= last, first.epoch == last.epoch, last.seq != .max else { return nil }
        return last.rawValue - first.rawValue + 1
    }
}
