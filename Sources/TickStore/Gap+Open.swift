/// A gap of a stream that stays silent is healed while it is open, as far as the gateway's history goes.
extension Gap {
    /// Where the runs of an open gap end: up to there nothing is missing. Unix seconds, exclusive; nil:
    /// it has no runs, or one of them is torn.
    public var healedUntilSeconds: Int64? {
        guard !isClosed, runs.allSatisfy(\.isWhole) else { return nil }
        return runs.compactMap(\.toSeconds).max()
    }
}
