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

    init(directory: String, segmentBytes: UInt64) throws(StoreError) {
        self.directory = directory
        self.segmentBytes = segmentBytes
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

    /// Brings the ring to `wanted` files. Where the file system has less room it stays smaller, one segment short of all
    /// that would fit (others need room there too), as long as that leaves two. `next` tries again.
    mutating func resize(to wanted: Int) throws(StoreError) {
        self.wanted = wanted
        while segments.count + spares.count > wanted {
            if let spare = spares.popLast() {
                try Directory.remove(sparePath(spare))
            } else {
                try Directory.remove(JournalFiles.path(segments.removeFirst(), in: directory))
            }
        }
        while segments.count + spares.count < wanted {
            do throws(StoreError) { try addSpare() } catch {
                guard [ENOSPC, EDQUOT, EFBIG].contains(error.code) else { throw error }
                if segments.count + spares.count > 2, let last = spares.popLast() {
                    try Directory.remove(sparePath(last))
                }
                return
            }
        }
    }

    private mutating func addSpare() throws(StoreError) {
        let number = freeSpareNumber
        let path = sparePath(number)
        try Directory.make(directory)
        do throws(StoreError) {
            let file = try File(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW)
            guard try prepare(file) else { throw .system(call: "fallocate", path: path, code: ENOSPC) }
        } catch {
            try Directory.remove(path)
            throw error
        }
        spares.append(number)
    }

    /// Gives a file its size and its space. False when there is no room.
    private func prepare(_ file: File) throws(StoreError) -> Bool {
        if try file.size() != segmentBytes { try file.truncate(to: segmentBytes) }
        do throws(StoreError) {
            return try file.reserve(bytes: segmentBytes, keepSize: false)
        } catch {
            // A file system without the call keeps its promise or fails the append later; the ring works all the same.
            guard error.code == EOPNOTSUPP || error.code == ENOSYS else { throw error }
            return true
        }
    }

    /// A file for the next segment, named so, with no sound block at its beginning: a spare, or else the segment that
    /// `choose` gives up. Its number is the greatest.
    ///
    /// Files that somebody has removed are left out, and made anew one by one.
    mutating func next(choose: ([UInt64]) -> UInt64) throws(StoreError) -> File {
        while true {
            if segments.count + spares.count < wanted {
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
        if try file.size() != segmentBytes { _ = try prepare(file) }
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
