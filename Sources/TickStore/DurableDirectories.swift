internal import Glibc

/// Makes directories so that their names survive a power cut, and remembers which ones are. One thread.
struct DurableDirectories {
    /// Enough for a day's directories of 5,000 streams; beyond that it begins anew.
    private static let maxKnown = 16_384

    private var known: Set<String> = []

    /// Makes `path` and those above it, up to `root`, which is there. The entries of all of them are durable then.
    mutating func make(_ path: String, below root: String) throws(StoreError) {
        guard path != root, path.utf8.count > root.utf8.count, !known.contains(path) else { return }
        let parent = PartName.directory(of: path)
        try make(parent, below: root)
        if mkdir(path, 0o750) != 0, errno != EEXIST { throw .system(call: "mkdir", path: path, code: errno) }
        // Also for one that was there: whoever made it may have died before he synced.
        try Directory.sync(parent)
        if known.count >= DurableDirectories.maxKnown { known.removeAll() }
        known.insert(path)
    }

    /// Removes `path` and those above it, below `root`, as far as they are empty.
    static func removeEmpty(_ path: String, below root: String) throws(StoreError) {
        var path = path
        while path != root, path.utf8.count > root.utf8.count {
            if rmdir(path) != 0 {
                if errno == ENOTEMPTY || errno == EEXIST { return }
                if errno != ENOENT { throw .system(call: "rmdir", path: path, code: errno) }
            }
            path = PartName.directory(of: path)
        }
    }
}
