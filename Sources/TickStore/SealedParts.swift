internal import Glibc
internal import Ticks

/// Which parts of a log have gone into sealed files already, and were kept all the same (something in them can't be
/// read): they must not be sealed as a later hour, or their records would stand in two files.
public enum SealedParts {
    /// The parts with an hour before `sealedHour` whose records, as far as the part behind each tells, are all in
    /// segments. One of which nobody can tell counts as sealed: it stays.
    ///
    /// - parts: all of the log, in order.
    public static func find(
        _ parts: [PartName], before sealedHour: Int64, logDirectory: String, ticksDirectory: String
    ) throws(StoreError) -> Set<PartName> {
        let hours = SealPlan.hours(of: parts, notBefore: nil)
        let doubtful = parts.indices.dropLast().filter { hours[$0] < sealedHour }
        guard !doubtful.isEmpty else { return [] }
        let sealed = try SegmentPositions(ticksDirectory: ticksDirectory).positions
        var found: Set<PartName> = []
        for index in doubtful {
            let behind = try table(of: parts[index + 1].path(in: logDirectory))
            let isSealed = behind?.positions.allSatisfy { stream, position in
                position.key <= sealed[stream]?.key ?? .zero
            }
            if isSealed ?? true { found.insert(parts[index]) }
        }
        return found
    }

    private static func table(of path: String) throws(StoreError) -> KeyTable? {
        let file = try File(path, O_RDONLY)
        var cursor = BlockCursor()
        cursor.seek(to: 0, limit: try file.size())
        guard case .block(let header, let payload, _) = try cursor.next(in: file, partID: nil),
            header.codec == .keyTable
        else { return nil }
        return KeyTable(decoding: payload)
    }
}
