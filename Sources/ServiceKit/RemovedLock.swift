internal import Glibc

/// A lock whose file somebody has removed: whoever holds it still has the file
/// open, and `/proc` tells under which name.
enum RemovedLock {
    private static let suffix = " (deleted)"

    /// The process that holds a lock whose file stood at `path`; nil: there is none that this user can see.
    static func holder(of path: String) -> Int32? {
        guard let name = path.split(separator: "/").last else { return nil }
        let ending = "/" + name + suffix
        for process in names("/proc") {
            guard let pid = Int32(process) else { continue }
            let folder = "/proc/\(pid)/fd"
            for descriptor in names(folder) {
                let link = folder + "/" + descriptor
                guard let target = Files.linkTarget(link), target.hasSuffix(ending),
                    isSame(String(target.dropLast(ending.utf8.count)), Files.parent(of: path)), isLocked(link)
                else { continue }
                return pid
            }
        }
        return nil
    }

    /// The removed file itself, whoever has it open.
    private static func isLocked(_ link: String) -> Bool {
        let descriptor = open(link, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    private static func isSame(_ a: String, _ b: String) -> Bool {
        var (one, other) = (stat(), stat())
        // A directory that has gone with the file has its name alone.
        guard stat(a, &one) == 0, stat(b, &other) == 0 else { return a == Files.absolute(b) }
        return one.st_dev == other.st_dev && one.st_ino == other.st_ino
    }

    /// Nothing for what has ended meanwhile, or is not this user's.
    private static func names(_ directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.first?.isNumber == true { names.append(name) }
        }
        return names
    }
}
