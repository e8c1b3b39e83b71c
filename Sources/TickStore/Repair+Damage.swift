internal import Ticks

extension Repair {
    /// Writes damaged parts of the log anew: what is sound in them, what the journal has of the keys between, and
    /// `lost` records for the rest, which the gateway's history may heal. Nobody may write to these parts; the log's
    /// other parts, and readers, are not disturbed.
    public consuming func mendParts(_ damaged: Set<PartName>) throws(StoreError) -> RepairReport {
        let there = Set(try parts())
        if !damaged.isDisjoint(with: there) { try rewriteLog(missing: [], damaged: damaged.intersection(there)) }
        return report
    }

    /// Writes one damaged segment anew, with what the log still has of it.
    public consuming func mendSegment(at path: String) throws(StoreError) -> RepairReport {
        guard let name = SegmentName(path: path) else { throw .notASegment(path: path) }
        var scan = try SegmentScan(path, workspace: workspace, hashes: false)
        while try scan.next() != nil {}
        try rewrite(name, footer: scan.storedFooter)
        return report
    }

    /// Writes sealed files that are gone anew, with what the log still has of them and `lost` for the rest.
    ///
    /// - Parameter files: as they were found; nothing was sealed or removed since.
    public consuming func mendGone(_ files: SealedFiles) throws(StoreError) -> RepairReport {
        try restoreGone(files.gone)
        return report
    }
}
