internal import Glibc
internal import Synchronization

/// A place in the code at which a test wants the process to die: `IB_STREAM_FAULT=NAME[:COUNT]`, such as
/// `seal.after_rename` or `seal.between_removals:2` (the second time). The process ends there with SIGKILL, as it would
/// when the machine lost its power between two system calls. Without the variable nothing happens anywhere.
public final class FaultPoint: Sendable {
    private let name: String?
    private let left: Atomic<Int>

    /// Reads the environment. Anything but a name, and a number from 1 behind a colon, is no fault point.
    public init(environment: [String: String]) {
        let parts = environment["IB_STREAM_FAULT"]?.split(separator: ":", maxSplits: 1).map(String.init) ?? []
        let count = parts.count == 2 ? Int(parts[1]) ?? 0 : 1
        name = count > 0 ? parts.first : nil
        left = Atomic(count)
    }

    /// Ends the process when this is the wanted place, for the wanted time. Any thread.
    public func reach(_ place: @autoclosure () -> String) {
        guard let name, name == place() else { return }
        if left.wrappingSubtract(1, ordering: .relaxed).newValue == 0 { kill(getpid(), SIGKILL) }
    }
}
