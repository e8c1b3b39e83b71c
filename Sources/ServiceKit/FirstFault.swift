internal import Glibc
internal import Synchronization

/// The first thing that went wrong for good in a process: kept, and the process is sent SIGTERM, so that `main` shuts
/// down in order and exits with the fault's status. Any thread.
public final class FirstFault: Sendable {
    private let stored = Mutex<ProgramError?>(nil)

    public init() {}

    /// What was reported first.
    public var error: ProgramError? { stored.withLock { $0 } }

    /// Reports a fault; only the first counts.
    public func report(_ part: String, _ error: any Error) {
        let fault = error as? ProgramError ?? ProgramError(.failure, "\(part): \(error)")
        let first = stored.withLock { stored in
            guard stored == nil else { return false }
            stored = fault
            return true
        }
        if first { kill(getpid(), SIGTERM) }
    }
}
