internal import CZMQShim
internal import Glibc

/// A socket operation that failed: which call, on what, and why.
public struct MessagingError: Error, Equatable, CustomStringConvertible {
    /// Why: a case of its own where callers act differently.
    public enum Code: Equatable, Sendable {
        /// Somebody listens at the endpoint.
        case addressInUse
        /// `Context.shutdown()` was called: the end of the thread's work, not a fault.
        case contextClosed
        /// No room to send, or no connection to send on, within the time given.
        case wouldBlock
        /// The peer that an answer is for has gone.
        case noSuchPeer
        /// The endpoint's text, directory or interface cannot be used.
        case badEndpoint
        /// No permission for the endpoint's path or port.
        case permissionDenied
        /// A frame of `have` bytes came where at most `room` are expected; it was dropped whole.
        case truncated(have: Int, room: Int)
        /// A message that the protocol does not have; it was dropped.
        case malformed(String)
        /// No answer came within the time given.
        case timedOut
        /// The peer refused: its own words.
        case refused(String)
        /// Descriptors, sockets or memory are short.
        case outOfResources
        /// Any other errno value.
        case other(Int32)
    }

    public let code: Code
    /// The call, such as `bind`.
    public let operation: String
    /// The endpoint, or the role of the socket where it has none.
    public let subject: String

    public init(_ code: Code, operation: String, subject: String) {
        self.code = code
        self.operation = operation
        self.subject = subject
    }

    /// From an errno value of the C core.
    init(errno value: Int32, operation: String, subject: String) {
        let code: Code =
            switch value {
            case EADDRINUSE: .addressInUse
            case CZS_ETERM: .contextClosed
            case EAGAIN: .wouldBlock
            case EHOSTUNREACH: .noSuchPeer
            case EACCES, EPERM: .permissionDenied
            case EINVAL, EPROTONOSUPPORT, CZS_ENOCOMPATPROTO, ENODEV, ENOENT, ENOTDIR, ENAMETOOLONG, EADDRNOTAVAIL:
                operation == "bind" || operation == "connect" ? .badEndpoint : .other(value)
            case EMFILE, ENFILE, ENOMEM: .outOfResources
            default: .other(value)
            }
        self.init(code, operation: operation, subject: subject)
    }

    public var description: String {
        let reason =
            switch code {
            case .addressInUse: "the address is in use"
            case .contextClosed: "the messaging context is closed"
            case .wouldBlock: "no room to send, or no connection"
            case .noSuchPeer: "the peer has gone"
            case .badEndpoint: "not an endpoint that can be used"
            case .permissionDenied: "permission denied"
            case .truncated(let have, let room): "a frame of \(have) bytes, at most \(room) are expected"
            case .malformed(let text): "malformed: \(text)"
            case .timedOut: "no answer in time"
            case .refused(let text): "refused: \(text)"
            case .outOfResources: "out of descriptors, sockets or memory"
            case .other(let value): String(cString: czs_error_text(value))
            }
        return "\(operation) \(subject): \(reason)"
    }
}

/// Throws unless an errno value of the C core is 0.
func check(_ value: Int32, _ operation: String, _ subject: @autoclosure () -> String) throws(MessagingError) {
    guard value == 0 else { throw MessagingError(errno: value, operation: operation, subject: subject()) }
}
