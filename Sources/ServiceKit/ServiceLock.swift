internal import Glibc

/// Who holds a lock: written inside the lock file.
public struct LockHolder: Sendable, Equatable {
    public let pid: Int32
    /// When it started, in clock ticks since boot.
    public let startTicks: UInt64

    public init(pid: Int32, startTicks: UInt64) {
        self.pid = pid
        self.startTicks = startTicks
    }
}

/// flock on `<runtime>/<name>.lock` and `<state>/<name>.lock`: at most one instance of a service for one runtime directory
/// and for one recording.
///
/// The kernel drops the locks when the process ends, however it ends. The files stay; what they hold is only meaningful
/// while the lock is held.
public struct ServiceLock: ~Copyable {
    private let descriptors: [Int32]

    /// Takes both locks, before any socket is bound. Throws 78 with one line when another instance has one.
    public init(name: String, paths: Paths) throws(ProgramError) {
        var taken: [Int32] = []
        do throws(ProgramError) {
            for path in ServiceLock.files(name: name, paths: paths) { taken.append(try ServiceLock.take(path, name)) }
        } catch {
            for descriptor in taken { close(descriptor) }
            throw error
        }
        descriptors = taken
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    static func files(name: String, paths: Paths) -> [String] {
        let both = ["\(paths.runtime)/\(name).lock", "\(paths.state)/\(name).lock"]
        return both[0] == both[1] ? [both[0]] : both
    }

    private static let recordBytes = 40

    private static func take(_ path: String, _ name: String) throws(ProgramError) -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else {
            throw ProgramError(
                .ioError, "lock \(path) can't be opened: \(errorText(errno)): check the directory's owner")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            guard code == EWOULDBLOCK else {
                throw ProgramError(.ioError, "lock \(path) can't be taken: \(errorText(code))")
            }
            let who = readHolder(path).map { " (pid \($0.pid))" } ?? ""
            throw ProgramError(
                .configuration,
                "another \(name) is running\(who): it holds \(path): stop it first or choose another --root")
        }
        let own = getpid()
        // Always as long, and written over what is there: on a full disk that takes no new block.
        let text = "\(own) \(ProcessEnvironment.startTicks(pid: own) ?? 0)"
        let record = Array(
            (text + String(repeating: " ", count: max(0, recordBytes - 1 - text.utf8.count)) + "\n").utf8)
        let put = record.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        if put != record.count {
            // The lock itself holds without it; only others see less of who holds it.
            log(.warning, "holder not written into the lock", ["path": path, "error": errorText(errno)])
        }
        return descriptor
    }

    /// What the lock file says; nil when it can't be read or says nothing: the holder is unknown.
    private static func readHolder(_ path: String) -> LockHolder? {
        guard let bytes = Files.contents(path, maxBytes: 256) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let pid = Int32(words[0]), pid > 0, let start = UInt64(words[1]) else { return nil }
        return LockHolder(pid: pid, startTicks: start)
    }

    /// The live holder of a service's lock, or nil when nobody holds it.
    ///
    /// The file's word is checked against the process: a pid that was given to somebody else since is no holder.
    public static func holder(name: String, paths: Paths) -> LockHolder? {
        for path in files(name: name, paths: paths) {
            guard isHeld(path), let holder = readHolder(path),
                ProcessEnvironment.startTicks(pid: holder.pid) == holder.startTicks
            else { continue }
            return holder
        }
        return nil
    }

    /// True while some process holds the service's lock (or it can't be looked at).
    public static func isHeld(name: String, paths: Paths) -> Bool {
        files(name: name, paths: paths).contains(where: isHeld)
    }

    private static func isHeld(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        // No file: nobody ever locked. No permission: somebody else's, which counts as held.
        guard descriptor >= 0 else { return errno != ENOENT && errno != ENOTDIR }
        defer { close(descriptor) }
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else { return errno == EWOULDBLOCK }
        return false
    }
}
