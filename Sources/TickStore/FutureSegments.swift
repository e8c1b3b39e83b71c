internal import Glibc
internal import Ticks

/// Gives sealed files of hours that have not come yet the names of hours that have.
///
/// A host whose clock was far ahead for a while sealed such files, and everything sealed behind them would have to go
/// into hours as late, since a stream's files are in the order of their hours. Renaming is enough: nothing in a file
/// tells its hour. The recorder does it when it starts, before anybody reads.
public enum FutureSegments {
    /// A file's hour is a wrong one when the gateway's newest time in it is more than this earlier.
    private static let greatestHours: Int64 = 24
    private static let hourNanos: Int64 = 3_600_000_000_000

    /// Renames what has to be and can be. Returns the files renamed, and those that have to wait for a later start: so
    /// many hours have not passed yet since the last right one.
    ///
    /// - Parameter nowNanos: the host's clock, which is not believed where the files' ticks are later.
    public static func rename(
        stateDirectory: String, nowNanos: Int64
    ) throws(StoreError) -> (renamed: Int, waiting: Int) {
        let ticksDirectory = stateDirectory + "/ticks"
        let now = nowNanos.floorDivided(by: hourNanos)
        let future = try SegmentName.list(ticksDirectory: ticksDirectory, fromHour: now + 2)
        guard !future.isEmpty else { return (0, 0) }
        var newest: [Int64: Int64] = [:]
        for name in future {
            guard let nanos = try newestEvent(of: name.path(in: ticksDirectory)) else { continue }
            newest[name.hour] = max(newest[name.hour] ?? .min, nanos.floorDivided(by: hourNanos))
        }
        let all = try SegmentName.list(ticksDirectory: ticksDirectory)
        guard
            let hours = plan(
                future: newest, unknown: Set(future.map(\.hour)).subtracting(newest.keys),
                lastRight: all.map(\.hour).filter { $0 < now + 2 }.max(), now: now)
        else { return (0, future.count) }
        // The oldest first: at any moment a stream's files are in the order of their hours.
        for name in future.sorted(by: { $0.hour < $1.hour }) {
            guard let hour = hours[name.hour] else { continue }
            try move(name, to: hour, in: ticksDirectory)
        }
        try list(future, hours, stateDirectory: stateDirectory)
        return (future.count, 0)
    }

    /// Lists the files under their new names. Where the list is missing or damaged that has to be seen first: the
    /// recorder's look at all files tells of it, and makes it anew.
    private static func list(
        _ renamed: [SegmentName], _ hours: [Int64: Int64], stateDirectory: String
    ) throws(StoreError) {
        let list = try SealedList(stateDirectory: stateDirectory)
        guard !list.isMissing, list.findings.isEmpty else { return }
        var entries: [SealedEntry] = []
        for name in renamed {
            guard let hour = hours[name.hour], var entry = try list.entry(name.stream, hour: name.hour) else {
                continue
            }
            entries.append(SealedEntry(removed: name.stream, upTo: .zero, hour: name.hour))
            entry.hour = hour
            entries.append(entry)
        }
        try SealedList.append(entries, stateDirectory: stateDirectory)
    }

    /// The new hours of wrong ones; nil when it can't be done (now). Pure.
    ///
    /// - Parameters:
    ///   - future: hours that have not come, each with the hour of the gateway's newest time in its files.
    ///   - unknown: hours that have not come of whose files nothing tells when they were recorded.
    ///   - lastRight: the newest hour of the others.
    static func plan(
        future: [Int64: Int64], unknown: Set<Int64>, lastRight: Int64?, now: Int64
    ) -> [Int64: Int64]? {
        // A clock that is behind the recorded ticks is the wrong one itself.
        guard !future.isEmpty, future.allSatisfy({ $0.key > $0.value + greatestHours && $0.value <= now + 1 }) else {
            return nil
        }
        let wrong = unknown.union(future.keys).sorted()
        let first = now - Int64(wrong.count) + 1
        guard lastRight ?? .min < first else { return nil }
        return Dictionary(uniqueKeysWithValues: zip(wrong, first...now))
    }

    private static func newestEvent(of path: String) throws(StoreError) -> Int64? {
        do throws(StoreError) {
            let nanos = try SegmentFooter(of: path).markers.lastLive?.tsEventNanos
            return nanos == Tick.noEventTime ? nil : nanos
        } catch {
            guard case .notASegment = error else { throw error }
            return nil
        }
    }

    private static func move(_ name: SegmentName, to hour: Int64, in directory: String) throws(StoreError) {
        let from = name.path(in: directory)
        let target = SegmentName(stream: name.stream, symbol: name.symbol, hour: hour).path(in: directory)
        var directories = DurableDirectories()
        try directories.make(PartName.directory(of: target), below: directory)
        // Never over a file that is there; nobody else makes any meanwhile.
        guard access(target, F_OK) != 0 else { throw .system(call: "rename", path: target, code: EEXIST) }
        guard Glibc.rename(from, target) == 0 else { throw .system(call: "rename", path: target, code: errno) }
        try Directory.sync(PartName.directory(of: target))
        try Directory.sync(PartName.directory(of: from))
        try DurableDirectories.removeEmpty(PartName.directory(of: from), below: directory)
    }
}
