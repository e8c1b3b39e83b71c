internal import CLinux
internal import Glibc

/// One lock file that is held. The kernel drops the lock when the process ends, however it ends. One thread at a time.
final class LockFile {
    let path: String
    private var descriptor: Int32
    /// Why it could not be taken again, as told last.
    private var fault: String?

    enum Failure: Error {
        /// Somebody has it.
        case held
        /// Somebody has it whose file was removed.
        case removed(pid: Int32)
        case open(Int32)
        case lock(Int32)

        /// The file system has no locks.
        var isRefusal: Bool {
            if case .lock(let code) = self { return clx_is_refusal(code) != 0 || code == ENOLCK || code == EBADF }
            return false
        }
    }

    init(_ path: String) throws(Failure) {
        self.path = path
        descriptor = try LockFile.take(path)
    }

    deinit { close(descriptor) }

    /// Takes the lock of the file that stands at the path now, where that is another one or none. Returns what is to be
    /// said: nothing when all is well, or when it fails as it did the last time.
    func restore() -> (path: String, fault: String?)? {
        if LockFile.isAt(path, descriptor) {
            fault = nil
            return nil
        }
        let before = fault
        do throws(Failure) {
            let taken = try LockFile.take(path, since: descriptor)
            close(descriptor)
            descriptor = taken
            fault = nil
        } catch {
            fault = LockFile.text(error)
        }
        return fault == nil || fault != before ? (path, fault) : nil
    }

    static func text(_ failure: Failure) -> String {
        switch failure {
        case .held: "another one has it"
        case .removed(let pid): "pid \(pid) has the removed one"
        case .open(let code), .lock(let code): errorText(code)
        }
    }

    private static func take(_ path: String, since own: Int32? = nil) throws(Failure) -> Int32 {
        // Whoever removed the file while we waited for it has left us one without a name.
        for _ in 0..<10 {
            // Read-only first: opening for writing waits for a frozen disk.
            var descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
            if descriptor < 0, errno == ENOENT {
                descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o640)
            }
            guard descriptor >= 0 else { throw .open(errno) }
            var code = lockErrno(descriptor)
            if code == EBADF {
                // NFS locks only what may be written.
                close(descriptor)
                descriptor = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC)
                guard descriptor >= 0 else { throw .open(errno) }
                code = lockErrno(descriptor)
            }
            if code == 0, isAt(path, descriptor) {
                guard own == nil, isEmpty(descriptor), let pid = RemovedLock.holder(of: path) else { return descriptor }
                // It takes this one soon.
                close(descriptor)
                throw .removed(pid: pid)
            }
            close(descriptor)
            guard code == 0 else { throw code == EWOULDBLOCK ? .held : .lock(code) }
        }
        throw .held
    }

    /// New, or put there by somebody else: a holder writes into it who he is.
    private static func isEmpty(_ descriptor: Int32) -> Bool {
        var info = stat()
        return fstat(descriptor, &info) == 0 && info.st_size == 0
    }

    private static func isAt(_ path: String, _ descriptor: Int32) -> Bool {
        var (own, there) = (stat(), stat())
        return fstat(descriptor, &own) == 0 && lstat(path, &there) == 0 && own.st_dev == there.st_dev
            && own.st_ino == there.st_ino
    }

    /// Takes the lock; 0 or an errno. Whoever looks whether it is held has it for a moment: that is no instance.
    private static func lockErrno(_ descriptor: Int32) -> Int32 {
        for _ in 0..<20 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return 0 }
            guard errno == EWOULDBLOCK else { return errno }
            sleepMillis(10)
        }
        return EWOULDBLOCK
    }
}
