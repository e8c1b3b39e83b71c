internal import Glibc
public import Ticks

/// The sealed files as a whole: how much there is of each hour, and the removal of hours. One thread, the sealing one;
/// its memory grows with the hours, not with the files.
public final class SegmentStock {
    private struct Key: Hashable {
        let hour: Int64
        let bufferHours: Int
    }

    private struct Amount {
        var files = 0
        var bytes: UInt64 = 0
    }

    private let stateDirectory: String
    private let directory: String
    private let observer: any SealObserver
    /// The least history of each contract, in hours.
    private let bufferHours: (ContractID) -> Int
    private var amounts: [Key: Amount] = [:]

    public init(stateDirectory: String, observer: any SealObserver, bufferHours: @escaping (ContractID) -> Int) {
        self.stateDirectory = stateDirectory
        directory = stateDirectory + "/ticks"
        self.observer = observer
        self.bufferHours = bufferHours
    }

    /// What there is, by hour.
    public var entries: [RetentionPlan.Stock] {
        amounts.map {
            RetentionPlan.Stock(
                hour: $0.key.hour, bufferHours: $0.key.bufferHours, files: $0.value.files, bytes: $0.value.bytes)
        }
    }

    public var bytes: UInt64 { amounts.values.reduce(0) { $0 &+ $1.bytes } }
    public var files: Int { amounts.values.reduce(0) { $0 + $1.files } }
    /// The newest hour that has a sealed file.
    public var newestHour: Int64? { amounts.keys.map(\.hour).max() }

    /// Walks through all files.
    public func survey() throws(SealError) {
        amounts = [:]
        try eachStream { path, contract throws(SealError) in
            let buffer = bufferHours(contract)
            for year in try names(path) {
                for month in try names("\(path)/\(year)") {
                    for day in try names("\(path)/\(year)/\(month)") {
                        try count("\(path)/\(year)/\(month)/\(day)", buffer)
                    }
                }
            }
        }
    }

    private func count(_ day: String, _ buffer: Int) throws(SealError) {
        for file in try names(day) {
            let path = "\(day)/\(file)"
            guard let name = SegmentName(path: path), let size = try size(path) else { continue }
            amounts[Key(hour: name.hour, bufferHours: buffer), default: Amount()].files += 1
            amounts[Key(hour: name.hour, bufferHours: buffer), default: Amount()].bytes += size
        }
    }

    /// The newest event time of the live ticks that are sealed; nil when none
    /// has one. Opens each stream's newest files.
    public func newestEventNanos() throws(SealError) -> Int64? {
        var newest: Int64?
        try eachStream { path, _ throws(SealError) in
            if let nanos = try newestEventNanos(ofStream: path) { newest = max(newest ?? nanos, nanos) }
        }
        return newest
    }

    private func newestEventNanos(ofStream path: String) throws(SealError) -> Int64? {
        for year in try names(path).reversed() {
            for month in try names("\(path)/\(year)").reversed() {
                for day in try names("\(path)/\(year)/\(month)").reversed() {
                    for file in try names("\(path)/\(year)/\(month)/\(day)").reversed() {
                        let file = "\(path)/\(year)/\(month)/\(day)/\(file)"
                        if SegmentName(path: file) != nil, let nanos = try lastEventNanos(file) { return nanos }
                    }
                }
            }
        }
        return nil
    }

    private func lastEventNanos(_ path: String) throws(SealError) -> Int64? {
        do throws(StoreError) {
            let nanos = try SegmentFooter(of: path).markers.lastLive?.tsEventNanos
            return nanos == Tick.noEventTime ? nil : nanos
        } catch {
            // A damaged file says nothing: an older one does.
            guard case .notASegment = error else { throw .store(error) }
            return nil
        }
    }

    /// Counts what sealing an hour has added.
    public func add(_ sealed: SealedHour) {
        for (contract, growth) in sealed.growth {
            let key = Key(hour: sealed.hour, bufferHours: bufferHours(contract))
            var amount = amounts[key] ?? Amount()
            amount.files += growth.files
            amount.bytes = UInt64(max(0, Int64(clamping: amount.bytes) + growth.bytes))
            amounts[key] = amount
        }
    }

    /// Removes the files of an hour, then the directories that became empty. Returns files and bytes removed; some may
    /// be missing when it fails half-way, which the next survey sees.
    public func remove(_ stock: RetentionPlan.Stock) throws(SealError) -> (files: Int, bytes: UInt64) {
        var removed = Amount()
        var files: [(path: String, bytes: UInt64)] = []
        var entries: [SealedEntry] = []
        try eachStream { path, contract throws(SealError) in
            guard bufferHours(contract) == stock.bufferHours,
                let file = SegmentName.file(inStream: path, hour: stock.hour), let size = try size(file),
                let name = SegmentName(path: file)
            else { return }
            files.append((file, size))
            entries.append(SealedEntry(removed: name.stream, upTo: try lastKey(file), hour: name.hour))
        }
        // Nobody is to miss them. A full disk gets room first.
        let isTold = try tell(entries)
        for (file, size) in files {
            if observer.shouldStop { throw .stopped }
            try observer.work { () throws(SealError) in
                try SealError.of { () throws(StoreError) in
                    let day = PartName.directory(of: file)
                    try Directory.remove(file)
                    // Hours go in order also after a power cut: what is left of a stream has no hole.
                    try Directory.sync(day)
                    try DurableDirectories.removeEmpty(day, below: directory)
                }
            }
            removed.files += 1
            removed.bytes += size
        }
        if !isTold, try !tell(entries) { throw .store(.system(call: "write", path: stateDirectory, code: ENOSPC)) }
        amounts[Key(hour: stock.hour, bufferHours: stock.bufferHours)] = nil
        return (removed.files, removed.bytes)
    }

    /// Puts what goes into the list of sealed files; false when the disk has no room for that.
    private func tell(_ entries: [SealedEntry]) throws(SealError) -> Bool {
        var isTold = true
        try observer.work { () throws(SealError) in
            do throws(StoreError) { try SealedList.append(entries, stateDirectory: stateDirectory) } catch {
                guard error.code == ENOSPC || error.code == EDQUOT else { throw .store(error) }
                isTold = false
            }
        }
        return isTold
    }

    /// Of a sealed file; `zero` where it is damaged.
    private func lastKey(_ path: String) throws(SealError) -> TickKey {
        do throws(StoreError) { return try SegmentFooter(of: path).lastKey } catch {
            guard case .notASegment = error else { throw .store(error) }
            return .zero
        }
    }

    /// Calls `body` with the directory of every stream.
    private func eachStream(_ body: (String, ContractID) throws(SealError) -> Void) throws(SealError) {
        for name in try names(directory) {
            guard let dash = name.firstIndex(of: "-"), let conId = Int32(name[..<dash]) else { continue }
            for kind in try names("\(directory)/\(name)") {
                if observer.shouldStop { throw .stopped }
                let source = SegmentName.kind(kind)?.source ?? 0
                try body("\(directory)/\(name)/\(kind)", ContractID(conId: conId, source: source))
            }
        }
    }

    /// The names in a directory; none when it is gone or is no directory.
    private func names(_ path: String) throws(SealError) -> [String] {
        var found: [String] = []
        try observer.work { () throws(SealError) in
            do throws(StoreError) { found = try Directory.names(path) } catch {
                guard error.code == ENOENT || error.code == ENOTDIR else { throw .store(error) }
            }
        }
        return found.sorted()
    }

    private func size(_ path: String) throws(SealError) -> UInt64? {
        var status = stat()
        if stat(path, &status) == 0 { return UInt64(max(0, status.st_size)) }
        guard errno == ENOENT || errno == ENOTDIR else {
            throw .store(.system(call: "stat", path: path, code: errno))
        }
        return nil
    }
}

extension SegmentName {
    /// The path of an hour's file in a stream's directory; nil when that is none.
    static func file(inStream path: String, hour: Int64) -> String? {
        // Only the tail of the path depends on the hour.
        let tail = SegmentName(stream: StreamID(conId: 1, kind: .last), symbol: "_", hour: hour).description
            .split(separator: "/").suffix(4).joined(separator: "/")
        let file = "\(path)/\(tail)"
        return SegmentName(path: file)?.hour == hour ? file : nil
    }
}
