internal import CZMQShim
internal import Synchronization

/// The process's messaging context: background threads of the library, and the way to end every socket call at once.
///
/// Any thread may hold and share it. A socket is made from it by the thread that will use it, and keeps it alive: the
/// context is freed (and waits for what lingers) when the last socket and the last reference are gone.
public final class Context: Sendable {
    // An opaque handle of a library that locks by itself; written once.
    nonisolated(unsafe) let handle: OpaquePointer
    private let gate = Mutex<Gate?>(nil)

    /// The access control thread's handle; freed after the shutdown that ends its thread.
    private struct Gate: @unchecked Sendable {
        let handle: OpaquePointer
    }

    /// A context with `ioThreads` background threads (one carries about a gigabyte a second).
    public init(ioThreads: Int = 1, maxSockets: Int = 256) throws(MessagingError) {
        var failure: Int32 = 0
        guard let handle = czs_context_new(Int32(ioThreads), Int32(maxSockets), &failure) else {
            throw MessagingError(errno: failure, operation: "open", subject: "messaging context")
        }
        self.handle = handle
    }

    /// Ends every call on the context's sockets, blocked ones included, with `MessagingError.Code.contextClosed`, now
    /// and later. Any thread, any number of times.
    public func shutdown() {
        // Fails only for a handle that is not a context.
        _ = czs_context_shutdown(handle)
    }

    /// Lets in, on this context's CURVE servers, only clients whose public key is in `allowed`.
    ///
    /// From then on a thread answers until `shutdown()`; a CURVE server cannot be made without it. `domain` is the name
    /// that the servers and the list share. Throws `addressInUse` when it was started before.
    public func startAccessControl(domain: String = "ib-stream", allowed: [CurveKey]) throws(MessagingError) {
        var started: OpaquePointer?
        let bytes = allowed.flatMap(\.bytes)
        try check(czs_gate_start(handle, domain, bytes, allowed.count, &started), "start", "access control")
        let gate = started.map { Gate(handle: $0) }
        self.gate.withLock { $0 = gate }
    }

    /// Replaces the list of allowed keys; connections that stand are not ended. Any thread.
    public func allow(_ keys: [CurveKey]) throws(MessagingError) {
        let bytes = keys.flatMap(\.bytes)
        let code = gate.withLock { gate in
            gate.map { czs_gate_allow($0.handle, bytes, keys.count) } ?? 0
        }
        try check(code, "replace", "list of allowed keys")
    }

    /// How many clients the access control has let in and refused so far; zeros when it was not started. Any thread.
    public var accessCounts: (admitted: UInt64, refused: UInt64) {
        gate.withLock { gate in
            var counts: (admitted: UInt64, refused: UInt64) = (0, 0)
            if let gate { czs_gate_counts(gate.handle, &counts.admitted, &counts.refused) }
            return counts
        }
    }

    /// True once `startAccessControl` succeeded.
    var hasAccessControl: Bool { gate.withLock { $0 != nil } }

    /// The library's version, such as `4.3.4`.
    public static var libraryVersion: String {
        var major: Int32 = 0
        var minor: Int32 = 0
        var patch: Int32 = 0
        czs_version(&major, &minor, &patch)
        return "\(major).\(minor).\(patch)"
    }

    deinit {
        _ = czs_context_shutdown(handle)
        if let gate = gate.withLock({ $0 }) { czs_gate_join(gate.handle) }
        _ = czs_context_destroy(handle)
    }
}
