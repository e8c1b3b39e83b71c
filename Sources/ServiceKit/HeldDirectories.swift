internal import CLinux
internal import Glibc

/// Keeps cleaners of temporary directories out of directories: a shared flock on each for as long as a program runs.
/// systemd-tmpfiles passes over a directory that somebody has locked, with all that is beneath. One thread.
///
/// It is not asked for in vain where somebody cleans at this moment: the next `look` takes it. A file system that locks
/// no directories is noted, and nothing is held there.
public struct HeldDirectories: ~Copyable {
    private struct Held {
        let descriptor: Int32
        let id: clx_file_id
    }

    private let paths: [String]
    private var held: [String: Held] = [:]

    /// Holds nothing before the first `look`.
    public init(_ paths: [String]) { self.paths = paths }

    deinit { for directory in held.values { close(directory.descriptor) } }

    /// Takes what is there now: also a directory that came later, or in place of another one. Call it about once a
    /// second; it waits for the directories' disks.
    public mutating func look() {
        for path in paths {
            var info = stat()
            let isThere = stat(path, &info) == 0
            if let own = held[path] {
                if isThere, own.id.device == info.st_dev, own.id.inode == info.st_ino { continue }
                close(own.descriptor)
                held[path] = nil
            }
            if isThere { held[path] = HeldDirectories.take(path) }
        }
    }

    /// Which are held now.
    var holding: Set<String> { Set(held.keys) }

    private static func take(_ path: String) -> Held? {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        var info = stat()
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0, fstat(descriptor, &info) == 0 else {
            if errno != EWOULDBLOCK { clx_note_refusal(CLX_NO_LOCK, path, errno) }
            close(descriptor)
            return nil
        }
        return Held(descriptor: descriptor, id: clx_file_id(device: UInt64(info.st_dev), inode: UInt64(info.st_ino)))
    }
}
