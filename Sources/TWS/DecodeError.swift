/// A body that can't be the message it says it is. It is set aside; what follows it stands in a frame of its own
/// (`DecodeFaults` says when there are too many).
///
/// Small and without text, so that the hot path throws it without allocating; the caller still has the body and keeps
/// its first bytes for the log.
public struct DecodeError: Error, Equatable, Sendable, BitwiseCopyable, CustomStringConvertible {
    /// What is wrong with the field, or with the whole body.
    public enum Reason: UInt8, Sendable, BitwiseCopyable {
        /// The body is empty or its last byte is not the NUL that ends a field.
        case unterminated
        /// The first field is not a message id.
        case badMessageId
        /// The message ends before this field.
        case missingField
        /// The field is no number, or no number that it could be.
        case badNumber
        /// The field is longer than anything the protocol puts there.
        case tooLong
        /// A word that is none of those that the field may have.
        case badWord
        /// A count that is negative or larger than the message.
        case badCount
    }

    public let reason: Reason
    /// The message id; 0 while it is unknown.
    public let message: Int32
    /// Which field, counted from 0 (the message id).
    public let field: Int32

    @inlinable public init(_ reason: Reason, message: Int32, field: Int32) {
        self.reason = reason
        self.message = message
        self.field = field
    }

    public var description: String { "message \(message), field \(field): \(reason)" }
}
