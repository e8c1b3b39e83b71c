internal import CLinux
internal import Glibc

/// The files of a journal directory: `<n>.log` segments, oldest first, and `<n>.spare` files that hold nothing.
struct JournalFiles {
    let directory: String
    let segmentBytes: UInt64
    /// Numbers of the segments, oldest first.
    private(set) var segments: [UInt64]
    private(set) var spares: [UInt64]
    /// Files that the ring is to have.
    private var wanted = 2
    /// The greatest number that a segment ever had: a number is not used twice, also if somebody removes the files.
    private var highest: UInt64
    /// False once the file system has shown that it reserves nothing: new files are filled with zeros.
    private var canReserve: Bool
    /// Calls of `grow` that do nothing, after one that failed.
    private var rest = 0
    private static let growBytes: UInt64 = 4 << 20
    private static let restAfterFailure = 60

    private var count: Int { segments.count + spares.count }
    /// Files that are made whenever they are missing.
    private var atOnce: Int { canReserve ? wanted : min(2, wanted) }
    /// Filled with zeros bit by bit; a spare once it is whole.
    private var fillingPath: String { "\(directory)/filling" }

    init(directory: String, segmentBytes: UInt64, canReserve: Bool = true) throws(StoreError) {
        self.directory = directory
        self.segmentBytes = segmentBytes
        self.canReserve = canReserve
        let names = try Directory.names(directory)
        segments = names.compactMap { JournalFiles.number($0, ".log") }.sorted()
        spares = names.compactMap { JournalFiles.number($0, ".spare") }.sorted()
        highest = segments.last ?? 0
    }

    static func number(_ name: String, _ suffix: String) -> UInt64? {
        guard name.hasSuffix(suffix), let number = UInt64(name.dropLast(suffix.utf8.count)), number < 1 << 63 else {
            // No ring gets so far, and numbers are counted on from the greatest.
            return nil
        }
        return name == "\(number)" + suffix ? number : nil
    }

    static func path(_ number: UInt64, in directory: String) -> String { "\(directory)/\(number).log" }

    private func sparePath(_ number: UInt64) -> String { "\(directory)/\(number).spare" }

    private var freeSpareNumber: UInt64 { max(highest, spares.max() ?? 0) + 1 }

    /// A segment whose first block is not sound (a process died while it began it) holds nothing: it becomes a spare.
    mutating func setAside(_ number: UInt64) throws(StoreError) {
        let spare = freeSpareNumber
        try move(JournalFiles.path(number, in: directory), to: sparePath(spare))
        segments.removeAll { $0 == number }
        spares.append(spare)
    }

    /// Brings the ring to `wanted` files. Where the file system has less room it stays smaller, one segment short of
    /// all that would fit (others need room there too), as long as that leaves two. `next` tries again.
    ///
    /// Where files are filled with zeros it begins with two, and `grow` brings the others.
    ///
    /// - Parameter afterEach: called often where it takes long.
    mutating func resize(to wanted: Int, afterEach: () -> Void = {}) throws(StoreError) {
        self.wanted = wanted
        while count > wanted {
            if let spare = spares.popLast() {
                try Directory.remove(sparePath(spare))
            } else {
                try Directory.remove(JournalFiles.path(segments.removeFirst(), in: directory))
            }
        }
        // Of an earlier run, which was not yet done with it.
        if count >= wanted { try Directory.remove(fillingPath) }
        while count < atOnce {
            do throws(StoreError) { try addSpare(afterEach) } catch {
                guard [ENOSPC, EDQUOT, EFBIG].contains(error.code) else { throw error }
                if count > 2, let last = spares.popLast() {
                    try Directory.remove(sparePath(last))
                }
                return
            }
        }
    }

    /// Fills a part of the next file where files are filled with zeros and some are missing. Call it
    /// about once a second: so neither the start nor a tick waits for more than a little. Where that
    /// fails the ring stays as it is for a minute.
    mutating func grow() {
        guard !canReserve, count >= 2, count < wanted else { return }
        guard rest == 0 else {
            rest -= 1
            return
        }
        do throws(StoreError) { try fillOn() } catch {
            rest = JournalFiles.restAfterFailure
            // Others need the room too. If it can't be removed either, it is filled on later.
            unlink(fillingPath)
        }
    }

    private mutating func fillOn() throws(StoreError) {
        let file = try File(fillingPath, O_RDWR | O_CREAT | O_NOFOLLOW)
        if try file.size() > segmentBytes { try file.truncate(to: segmentBytes) }
        let end = min(segmentBytes, try file.size() + JournalFiles.growBytes)
        try file.fillWithZeros(to: end) {}
        guard end == segmentBytes else { return }
        let number = freeSpareNumber
        try move(fillingPath, to: sparePath(number))
        spares.append(number)
    }

    private mutating func addSpare(_ afterEach: () -> Void = {}) throws(StoreError) {
        let number = freeSpareNumber
        let path = sparePath(number)
        try Directory.make(directory)
        do throws(StoreError) {
            let file = try File(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW)
            try prepare(file, afterEach)
        } catch {
            try Directory.remove(path)
            throw error
        }
        spares.append(number)
    }

    /// Gives a file its size and its space, once: after that nothing that is written to it needs room. A file that was
    /// not finished is as long as it has been filled.
    private mutating func prepare(_ file: File, _ afterEach: () -> Void = {}) throws(StoreError) {
        if try file.size() > segmentBytes { try file.truncate(to: segmentBytes) }
        if canReserve, try file.reserve(bytes: segmentBytes) { return }
        canReserve = false
        try file.fillWithZeros(to: segmentBytes, afterEach: afterEach)
    }

    /// A file for the next segment, named so, with no sound block at its beginning: a spare, or else the segment that
    /// `choose` gives up. Its number is the greatest.
    ///
    /// Files that somebody has removed are left out, and made anew one by one.
    mutating func next(choose: ([UInt64]) -> UInt64) throws(StoreError) -> File {
        while true {
            if count < atOnce {
                do throws(StoreError) { try addSpare() } catch {
                    // The ring goes round with what it has.
                    guard !(segments.isEmpty && spares.isEmpty) else { throw error }
                }
            }
            let given = spares.isEmpty ? choose(segments) : nil
            do throws(StoreError) { return try reuse(given) } catch {
                guard error.code == ENOENT else { throw error }
                forget(given)
            }
        }
    }

    private mutating func forget(_ segment: UInt64?) {
        if let segment { segments.removeAll { $0 == segment } } else { spares.removeFirst() }
    }

    /// Makes the next segment of another one, or of the first spare.
    private mutating func reuse(_ segment: UInt64?) throws(StoreError) -> File {
        let number = highest + 1
        let old = segment.map { JournalFiles.path($0, in: directory) } ?? sparePath(spares[0])
        let file = try File(old, O_RDWR | O_NOFOLLOW)
        // The order matters to readers and to a crash: first the old content is no segment any more, then the name.
        try file.write([UInt8](repeating: 0, count: BlockHeader.size), at: 0)
        if try file.size() != segmentBytes { try prepare(file) }
        let new = JournalFiles.path(number, in: directory)
        try move(old, to: new)
        forget(segment)
        segments.append(number)
        highest = number
        return try File(new, O_RDWR | O_NOFOLLOW)
    }

    private func move(_ old: String, to new: String) throws(StoreError) {
        let code = clx_rename_exclusively(old, new)
        guard code == 0 else { throw .system(call: "rename", path: old, code: code) }
    }
}
