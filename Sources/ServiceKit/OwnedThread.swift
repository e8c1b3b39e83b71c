internal import CLinux
internal import Glibc

/// A POSIX thread with a name, for everything that blocks. `join` waits for its end.
public final class OwnedThread: @unchecked Sendable {
    // Unchecked: `handle` is set before `init` returns and used by `join` alone, which one thread calls once.
    private let handle: pthread_t
    public let name: String

    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts the thread. `stackBytes` at least 64 KiB. Throws when the system has no thread left.
    public init(
        _ name: String, stackBytes: Int = 1 << 20, body: @escaping @Sendable () -> Void
    ) throws(ProgramError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackBytes)
        // Ownership passes to the thread, which takes it back at its start.
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                clx_set_thread_name(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        guard failure == 0 else {
            start.release()
            throw ProgramError(.ioError, "thread \(name) can't be started: \(errorText(failure))")
        }
        self.name = name
        handle = thread
    }

    /// Waits for the thread's end. Call it once, from another thread.
    public func join() { pthread_join(handle, nil) }
}
