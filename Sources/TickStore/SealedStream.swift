internal import Glibc
internal import Ticks

/// One stream's sealed files beside the list: file by file, in the order of hours, so that little of them is in memory.
struct SealedStream {
    /// What is to say of an hour. What is to stand in a new list comes with an entry.
    enum Finding {
        /// There, and as long as the list says; where it was opened, it is what the list says.
        case same(SealedEntry)
        /// There, and not listed, or with other contents than the list says.
        case unlisted(SealedEntry)
        /// Has less than the list says: an older version of the file.
        case lessened(SealedEntry, path: String)
        /// What is there can't be read: why, in words.
        case unreadable(SealedEntry?, String)
        /// Listed under a name that it has no more.
        case moved(SealedEntry)
        /// Listed, and not there.
        case gone(SealedEntry)
    }

    let stream: StreamID
    let opensAll: Bool
    /// Files whose names or contents changed since then are opened; nanoseconds of the Unix epoch.
    let changedSinceNanos: Int64
    /// The last key in front of the first file that was opened.
    private(set) var inFront: TickKey?
    /// True when a file was opened that was sealed since there are lists.
    private(set) var knewAList = false

    init(_ stream: StreamID, opensAll: Bool, changedSinceNanos: Int64 = .max) {
        self.stream = stream
        self.opensAll = opensAll
        self.changedSinceNanos = changedSinceNanos
    }

    /// Gives what is found to `body`, which ends it with false.
    mutating func compare(
        with list: SealedList, in places: SegmentPlaces, _ body: (Finding) throws(StoreError) -> Bool
    ) throws(StoreError) -> Bool {
        var there: [Int64] = []
        // The beginnings of these suffice to tell files of one stream apart.
        var hashes: Set<UInt64> = []
        let files = try places.hours(of: stream)
        var index = 0
        while index < files.count {
            let hour = files[index].hour
            var findings: [Finding] = []
            while index < files.count, files[index].hour == hour {
                let name = SegmentName(stream: stream, symbol: files[index].symbol, hour: hour)
                if let finding = try look(name.path(in: places.directory), hour, list) { findings.append(finding) }
                index += 1
            }
            for case .unlisted(let entry) in findings { hashes.insert(SealedStream.beginning(of: entry)) }
            // Where an hour stands there twice, one of the two is the listed one, or the first.
            let listed = findings.first { if case .same = $0 { true } else { false } }
            guard let finding = listed ?? findings.first else { continue }
            there.append(hour)
            if try !body(finding) { return false }
        }
        var next = 0
        for hour in list.hours(of: stream) {
            while next < there.count, there[next] < hour { next += 1 }
            guard next == there.count || there[next] != hour, let entry = try list.entry(stream, hour: hour) else {
                continue
            }
            let isMoved = hashes.contains(SealedStream.beginning(of: entry))
            if try !body(isMoved ? .moved(entry) : .gone(entry)) { return false }
        }
        return true
    }

    private static func beginning(of entry: SealedEntry) -> UInt64 {
        entry.sha256.withUnsafeBytes { $0.number(0, UInt64.self) }
    }

    /// Nil when nothing is there, or what retention is about to take.
    private mutating func look(_ path: String, _ hour: Int64, _ list: SealedList) throws(StoreError) -> Finding? {
        let listed = try list.entry(stream, hour: hour)
        var status = stat()
        guard stat(path, &status) == 0 else {
            let code = errno
            // Removed meanwhile, or a link to nothing.
            if code == ENOENT || code == ENOTDIR { return nil }
            return .unreadable(listed, "\(StoreError.system(call: "stat", path: path, code: code))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return .unreadable(listed, "\(path): is no file") }
        let size = UInt64(max(0, status.st_size))
        let changed = Int64(status.st_ctim.tv_sec) * 1_000_000_000 + Int64(status.st_ctim.tv_nsec)
        if !opensAll, changed < changedSinceNanos, let listed, listed.bytes == size { return .same(listed) }
        let footer: SegmentFooter?
        do throws(StoreError) { footer = try SegmentFooter(of: try File(path, O_RDONLY), size: size) } catch {
            if error.code == ENOENT { return nil }
            return .unreadable(listed, "\(error)")
        }
        guard let footer, footer.stream == stream else {
            return .unreadable(listed, "\(path): the end of a sealed file is destroyed")
        }
        if footer.previousKey != nil { knewAList = true }
        let entry = SealedEntry(sealed: footer, hour: hour, bytes: size)
        if inFront == nil {
            // A file of version 1 does not tell: what its number counts from is gone, or never was here.
            let unknown = entry.firstKey.seq > 1 ? entry.firstKey.previous : .zero
            inFront = footer.previousKey ?? unknown
        }
        guard let listed else { return entry.lastKey <= list.removedTo[stream] ?? .zero ? nil : .unlisted(entry) }
        if listed == entry { return .same(listed) }
        let isLess = listed.lastKey > entry.lastKey || listed.firstKey < entry.firstKey
        return isLess ? .lessened(listed, path: path) : .unlisted(entry)
    }
}
