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

/// flock on `<runtime>/<name>.lock` and `<state>/<name>.lock`: at most one instance of a service for one
/// runtime directory and for one recording.
///
/// The kernel drops the locks when the process ends, however it ends. The files stay; what they hold is only meaningful
/// while the lock is held. A file that somebody removes is made anew by `restore`; until then who starts
/// beside finds the holder of the removed one.
public struct ServiceLock: ~Copyable {
    private let files: [LockFile]
    private let runtimeFile: String
    /// Writes the holder into the state directory's lock file, on a thread that may wait for the disk.
    public let stateNote: LockNote

    /// Takes both locks, before any socket is bound. Throws 78 with one line when another instance has one.
    ///
    /// Nothing is written to a state directory where the lock file exists already: a frozen disk would hold up
    /// the start. `stateNote` does that later.
    ///
    /// - stateIsOptional: a state directory that can't be locked (read-only, full) is reported and gone without. One
    ///   whose file system has no locks always is.
    public init(name: String, paths: Paths, stateIsOptional: Bool = false) throws(ProgramError) {
        let paths = ServiceLock.files(name: name, paths: paths)
        var taken: [LockFile] = []
        for path in paths {
            do throws(LockFile.Failure) {
                taken.append(try LockFile(path))
            } catch {
                let problem = ServiceLock.problem(error, path, name)
                guard path != paths[0], problem.status == .ioError, stateIsOptional || error.isRefusal else {
                    throw problem
                }
                log(.error, "going on without a lock in the state directory", ["why": problem.description])
            }
        }
        files = taken
        runtimeFile = paths[0]
        stateNote = LockNote(path: paths[paths.count - 1])
        LockNote(path: runtimeFile).write()
    }

    static func files(name: String, paths: Paths) -> [String] {
        let both = ["\(paths.runtime)/\(name).lock", "\(paths.state)/\(name).lock"]
        return both[0] == both[1] ? [both[0]] : both
    }

    /// Makes anew what somebody has removed or replaced. Returns what is to be said. Call it about once a second.
    ///
    /// - state: false: the state directory's disk is left alone.
    public func restore(state: Bool) -> [(path: String, fault: String?)] {
        files.filter { state || $0.path == runtimeFile }.compactMap { file in
            let news = file.restore()
            if let news, news.fault == nil { LockNote(path: file.path).write() }
            return news
        }
    }

    private static func problem(_ failure: LockFile.Failure, _ path: String, _ name: String) -> ProgramError {
        switch failure {
        case .held:
            let who = readHolder(path).map { " (pid \($0.pid))" } ?? ""
            return ProgramError(
                .configuration,
                "another \(name) is running\(who): it holds \(path): stop it first or choose another --root")
        case .removed(let pid):
            return ProgramError(
                .configuration,
                "another \(name) is running (pid \(pid)): it holds \(path), which was removed: stop it first or choose "
                    + "another --root")
        case .open(let code):
            return ProgramError(
                .ioError, "lock \(path) can't be opened: \(errorText(code)): check the directory's owner")
        case .lock(let code):
            return ProgramError(
                .ioError,
                "lock \(path) can't be taken: \(errorText(code)): choose a file system that has locks with --root")
        }
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
