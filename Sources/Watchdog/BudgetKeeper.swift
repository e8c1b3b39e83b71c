internal import Glibc
internal import ServiceKit
internal import Synchronization

/// Writes the restart budgets into the state directory, on a thread of its own: the judge has to judge also while that
/// disk does not answer. Of each file the newest content is kept, so that this is bounded by the number of services.
final class BudgetKeeper: Sendable {
    private let waiting = Mutex<[String: [UInt8]]>([:])
    private let bell: WakeUp

    init() throws(ProgramError) { bell = try WakeUp() }

    /// Any thread.
    func keep(_ bytes: [UInt8], path: String) {
        waiting.withLock { $0[path] = bytes }
        bell.ring()
    }

    /// Own thread, until the stop; what waits then is still written.
    func run(_ task: TaskContext) {
        while true {
            let stopping = task.stop.isStopped
            task.progress.advance()
            let files = waiting.withLock { waiting in
                defer { waiting = [:] }
                return waiting
            }
            for (path, bytes) in files { task.progress.duringDiskCall { BudgetKeeper.write(bytes, path) } }
            if stopping { return }
            var pollers = [bell.descriptor, task.stop.fileDescriptor].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            _ = poll(&pollers, 2, 500)
            bell.clear()
        }
    }

    private static func write(_ bytes: [UInt8], _ path: String) {
        do throws(FileError) {
            try Files.writeAtomically(bytes, to: path, sync: false)
        } catch {
            log(.warning, "restart budget can't be written", ["error": "\(error)"])
        }
    }
}
