internal import CLinux
internal import Synchronization

/// What a service holds for its whole life: its locks, and the directories that no cleaner may enter. A thread of its
/// own looks after them, since the disks that they are on may not answer.
final class Premises: Sendable {
    private struct State: ~Copyable {
        var directories: HeldDirectories
        let lock: ServiceLock
    }

    private let state: Mutex<State>
    private let looksAtState: Bool

    /// - looksAtState: false for a service that leaves the state directory to others.
    init(lock: consuming sending ServiceLock, directories: consuming sending HeldDirectories, looksAtState: Bool) {
        state = Mutex(State(directories: directories, lock: lock))
        self.looksAtState = looksAtState
    }

    /// Looks once a second, until the stop.
    func run(_ task: TaskContext) {
        var nextLookNanos: Int64 = 0
        repeat {
            task.progress.advance()
            let now = bootNanos()
            guard now >= nextLookNanos else { continue }
            nextLookNanos = now + 1_000_000_000
            task.progress.duringDiskCall { look() }
        } while !task.stop.wait(millis: 250)
    }

    private func look() {
        let news = state.withLock { state in
            state.directories.look()
            return state.lock.restore(state: looksAtState)
        }
        for (path, fault) in news {
            if let fault {
                log(.error, "a lock's file is gone and can't be made anew", ["lock": path, "why": fault])
            } else {
                log(.warning, "a lock's file was gone, made anew", ["lock": path])
            }
        }
        logRefusals()
    }
}

/// Says once what a file system can't do and what is done without it.
private func logRefusals() {
    var kind = clx_refusal(0)
    var code: Int32 = 0
    var path = [CChar](repeating: 0, count: 4096)
    while clx_take_refusal(&kind, &code, &path, Int32(path.count)) != 0 {
        let what =
            switch kind {
            case CLX_NO_RESERVATION: "reserves no room for files: they are filled with zeros instead"
            case CLX_NO_DIRECTORY_SYNC:
                "does not sync directories: after a power cut new files may have no name"
            case CLX_NO_LINK: "has no links: damaged files are copied aside"
            default: "does not lock directories: nothing keeps cleaners of temporary directories away"
            }
        let name = path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        log(
            .notice, "the file system \(what)",
            ["path": String(decoding: name, as: UTF8.self), "error": errorText(code)])
    }
}
