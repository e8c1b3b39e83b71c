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

/// Writes into a lock file who holds it. Only the holder of the lock does that.
public struct LockNote: Sendable {
    private static let recordBytes = 40

    let path: String

    /// Writes pid and start time. May wait for the disk.
    public func write() {
        let own = getpid()
        // Always as long, and written over what is there: on a full disk that takes no new block.
        let text = "\(own) \(ProcessEnvironment.startTicks(pid: own) ?? 0)"
        let record = Array(
            (text + String(repeating: " ", count: max(0, Self.recordBytes - 1 - text.utf8.count)) + "\n").utf8)
        // The lock itself holds without it; only others see less of who holds it.
        let descriptor = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            log(.warning, "holder not written into the lock", ["path": path, "error": errorText(errno)])
            return
        }
        if record.withUnsafeBytes({ pwrite(descriptor, $0.baseAddress, $0.count, 0) }) != record.count {
            log(.warning, "holder not written into the lock", ["path": path, "error": errorText(errno)])
        }
        close(descriptor)
    }
}

/// flock on `<runtime>/<name>.lock` and `<state>/<name>.lock`: at most one instance of a service for one runtime directory
/// and for one recording.
///
/// The kernel drops the locks when the process ends, however it ends. The files stay; what they hold is only meaningful
/// while the lock is held.
public struct ServiceLock: ~Copyable {
    private let descriptors: [Int32]
    /// Writes the holder into the state directory's lock file, on a thread that may wait for the disk.
    public let stateNote: LockNote

    /// Takes both locks, before any socket is bound. Throws 78 with one line when another instance has one.
    ///
    /// Nothing is written to a state directory where the lock file exists already: a frozen disk would hold up the start.
    /// `stateNote` does that later.
    ///
    /// - stateIsOptional: a state directory that can't be locked (read-only, full) is reported and gone without.
    public init(name: String, paths: Paths, stateIsOptional: Bool = false) throws(ProgramError) {
        var taken: [Int32] = []
        let files = ServiceLock.files(name: name, paths: paths)
        do throws(ProgramError) {
            for path in files {
                do throws(ProgramError) {
                    taken.append(try ServiceLock.take(path, name))
                } catch {
                    guard stateIsOptional, path != files[0], error.status == .ioError else { throw error }
                    log(.error, "going on without a lock in the state directory", ["why": error.description])
                }
            }
        } catch {
            for descriptor in taken { close(descriptor) }
            throw error
        }
        descriptors = taken
        stateNote = LockNote(path: files[files.count - 1])
        LockNote(path: files[0]).write()
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    static func files(name: String, paths: Paths) -> [String] {
        let both = ["\(paths.runtime)/\(name).lock", "\(paths.state)/\(name).lock"]
        return both[0] == both[1] ? [both[0]] : both
    }

    private static func take(_ path: String, _ name: String) throws(ProgramError) -> Int32 {
        // Read-only first: opening for writing waits for a frozen disk.
        var descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o640) }
        guard descriptor >= 0 else {
            throw ProgramError(
                .ioError, "lock \(path) can't be opened: \(errorText(errno)): check the directory's owner")
        }
        let code = lockErrno(descriptor)
        guard code == 0 else {
            close(descriptor)
            guard code == EWOULDBLOCK else {
                throw ProgramError(.ioError, "lock \(path) can't be taken: \(errorText(code))")
            }
            let who = readHolder(path).map { " (pid \($0.pid))" } ?? ""
            throw ProgramError(
                .configuration,
                "another \(name) is running\(who): it holds \(path): stop it first or choose another --root")
        }
        return descriptor
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

    /// True when the service has run in this runtime directory and does not run now.
    public static func isLeft(name: String, paths: Paths) -> Bool {
        access("\(paths.runtime)/\(name).lock", F_OK) == 0 && !isHeld(name: name, paths: paths)
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
