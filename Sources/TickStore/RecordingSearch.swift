internal import Glibc

/// Finds all that belongs to recordings at or below a directory: nothing is to be called sound because nobody looked
/// there. Links are followed, each directory is entered once. One thread.
public struct RecordingSearch {
    /// What is read as one.
    public struct Found: Sendable {
        /// A state directory; the directory of a log or of segments that no recording is around.
        public let path: String
        /// True for a recorder's state directory: `log`, `ticks` or both beneath.
        public let isRecording: Bool
        /// Segments without a recording around them, in the order of streams and hours.
        let segments: [(path: String, name: SegmentName?)]
    }

    private struct Identity: Hashable {
        let device: UInt
        let inode: UInt
    }

    private var found: [Found] = []
    private var entered: Set<Identity> = []
    /// Segments without a recording around them, by the directory that their paths begin with.
    private var loose: [String: [(path: String, name: SegmentName?)]] = [:]

    /// What there is at or below a directory, in the order of paths. A directory that can't be read
    /// is an error: nobody knows what is in it.
    public static func find(under directory: String) throws(StoreError) -> [Found] {
        var search = RecordingSearch()
        var waiting = [directory]
        while let path = waiting.popLast() {
            do throws(StoreError) { waiting += try search.enter(path) } catch {
                // Inside, what was there a moment ago may be gone: retention, a process that ended.
                var status = stat()
                guard error.code == ENOENT, path != directory, stat(path, &status) != 0 else { throw error }
            }
        }
        let segments = search.loose.map { start, files in
            Found(
                path: search.loose.count == 1 ? directory : start, isRecording: false,
                segments: SegmentName.inOrder(files))
        }
        return (search.found + segments).sorted { $0.path < $1.path }
    }

    /// True for a recorder's state directory: parts of a log or contracts'
    /// directories are in it, each where it should be.
    ///
    /// Throws when one of the two is a link to nothing: a disk that is not there has not been read.
    public static func isRecording(_ path: String) throws(StoreError) -> Bool {
        let (log, ticks) = (path + "/log", path + "/ticks")
        var holdsAnything = false
        if try kind(log) == .directory, try !PartName.list(log).isEmpty { holdsAnything = true }
        if try kind(ticks) == .directory, try SegmentName.hasContracts(ticksDirectory: ticks) { holdsAnything = true }
        guard holdsAnything else { return false }
        for place in [log, ticks] {
            switch try kind(place) {
            case .directory, nil: continue
            case .deadLink: throw .system(call: "stat", path: place, code: ENOENT)
            case .file: throw .system(call: "opendir", path: place, code: ENOTDIR)
            }
        }
        return true
    }

    /// Takes what lies in a directory; returns those in it that are to be entered.
    private mutating func enter(_ path: String) throws(StoreError) -> [String] {
        var status = stat()
        guard stat(path, &status) == 0 else { throw .system(call: "stat", path: path, code: errno) }
        guard entered.insert(Identity(device: status.st_dev, inode: status.st_ino)).inserted else { return [] }
        var names = try Directory.names(path).sorted()
        let isRecording = try RecordingSearch.isRecording(path)
        if isRecording {
            found.append(Found(path: path, isRecording: true, segments: []))
            names.removeAll { $0 == "log" || $0 == "ticks" }
        } else if names.contains(where: { PartName(fileName: $0) != nil }) {
            found.append(Found(path: path, isRecording: false, segments: []))
        }
        var inner: [String] = []
        for name in names {
            let file = path.hasSuffix("/") ? path + name : path + "/" + name
            switch try RecordingSearch.kind(file) {
            case .directory: inner.append(file)
            case .file where name.hasSuffix(SegmentName.suffix): take(segment: file)
            case .file, .deadLink, nil: continue
            }
        }
        return inner
    }

    private mutating func take(segment path: String) {
        let name = SegmentName(path: path)
        let start = name.map { String(path.dropLast($0.description.utf8.count + 1)) } ?? ""
        loose[start, default: []].append((path, name))
    }

    private enum Kind { case directory, file, deadLink }

    /// Nil when there is nothing of that name.
    private static func kind(_ path: String) throws(StoreError) -> Kind? {
        var status = stat()
        if stat(path, &status) == 0 { return status.st_mode & S_IFMT == S_IFDIR ? .directory : .file }
        let code = errno
        guard code == ENOENT || code == ENOTDIR || code == ELOOP else {
            throw .system(call: "stat", path: path, code: code)
        }
        return lstat(path, &status) == 0 ? .deadLink : nil
    }
}
